/** `tendril status`: how this node is, as its agent sees it, or all nodes of a Kubernetes cluster; or with a network whether its plugins could serve ADD. */

import { Command } from "commander";
import { agentStatus, NoAgentError } from "../cni/agent-client.ts";
import type { AgentPeer, AgentProbe, AgentStatus } from "../core/agent-status.ts";
import { TendrilError } from "../core/errors.ts";
import { withAgents } from "./agents.ts";
import { type KubeconfigChoice, withKubeconfigOptions } from "./cluster-access.ts";
import { networkStatus, VARIABLES } from "./network.ts";
import { type Format, formatDocument, formatTable, isDocument, listCell, outputOption, paint } from "./output.ts";

interface Options extends KubeconfigChoice {
  readonly output: Format;
  readonly node?: string;
}

export function statusCommand(exit: (status: number) => void): Command {
  return withKubeconfigOptions(
    new Command("status")
      .description(
        "say how this node is, or all of a Kubernetes cluster, or whether a network's plugins could serve add now",
      )
      .argument("[network]", "name of a network, as NETCONFPATH has it; its plugins are asked instead of the agent")
      .addOption(outputOption("table", "json", "yaml"))
      .option("--node <name>", "that node of a Kubernetes cluster, by its API server"),
  )
    .addHelpText(
      "after",
      `${VARIABLES}\n\nExamples:\n  tendril status -o json\n  tendril status mynet\n  tendril status --context prod --node node7`,
    )
    .action(async (network: string | undefined, options: Options) => {
      if (network === undefined) exit(await printStatus(options));
      else if (options.kubeconfig || options.context || options.node) {
        throw new TendrilError(
          "A network's plugins are those of this machine: a network and a cluster are not asked in one",
        );
      } else await networkStatus(network);
    });
}

/** Returns the status to exit with: 0 for nodes that are ready. */
function printStatus(options: Options): Promise<number> {
  const { node, output } = options;
  const choice = node === undefined ? options : { ...options, kubectl: true };
  return withAgents(choice, async (agents) => {
    if (agents === undefined) return await printOwnStatus(output);
    const ask = (name: string) => agents.status(name);
    const answers = node === undefined ? await agents.each(ask) : [{ node, value: await ask(node) }];
    const shown = answers.map(({ node: name, value, error }) =>
      value === undefined ? { node: name, ready: false, problems: problemsOf(error) } : value,
    );
    const lines = answers.map(({ node: name, value, error }) =>
      value === undefined ? [paint("bad", `Node ${name} does not tell: ${error.message}`)] : statusLines(value),
    );
    const text = lines.map((one) => one.join("\n")).join("\n\n");
    console.log(isDocument(output) ? formatDocument(node === undefined ? shown : shown[0], output) : text);
    return shown.every(({ ready }) => ready) ? 0 : 1;
  });
}

function problemsOf({ message, details }: TendrilError): string[] {
  return [message, ...(details === undefined ? [] : [details])];
}

/** The same, of this node's agent. */
async function printOwnStatus(output: Format): Promise<number> {
  try {
    const status = await agentStatus();
    console.log(isDocument(output) ? formatDocument(status, output) : statusLines(status).join("\n"));
    return status.ready ? 0 : 1;
  } catch (error) {
    if (!(error instanceof NoAgentError) || !isDocument(output)) throw error;
    console.log(formatDocument({ ready: false, problems: problemsOf(error) }, output));
    return 1;
  }
}

/** The state of a node for people. */
export function statusLines(status: AgentStatus): string[] {
  const { node, ready, network, mode, version, epoch, mtu, store, problems, peers, pools, pods, resources } = status;
  if (store === undefined) {
    return [paint("good", `The agent serves the plugins of this machine, which is in no cluster (version ${version})`)];
  }
  const facts = [
    ["network", network],
    ["mode", mode],
    ["MTU", mtu === undefined ? "not known yet" : String(mtu)],
    ["agent", `version ${version}, epoch ${epoch}`],
    ["store", `${store.kind} ${store.available ? "answers" : `has not answered${sinceWords(store.since)}`}`],
    ...pools.map(({ name, family, blocks, free, used }) => [
      "pool",
      `${name} IPv${family}: ${used} in use, ${free} free in ${blocks} ${blocks === 1 ? "block" : "blocks"}`,
    ]),
    ["pods", String(pods.length)],
    ["resources", `${resources.owned} kept, ${resources.failed} failed`],
  ];
  const troubles = [
    ...new Set([...problems, ...peers.flatMap(peerTroubles)]),
    ...(store.available
      ? []
      : ["The store is away: running pods go on, new ones get addresses of the blocks in hand."]),
  ];
  return [
    ready ? paint("good", `Node ${node} is ready`) : paint("bad", `Node ${node} is not ready`),
    ...formatTable(facts[0] ?? [], facts.slice(1)).map((line) => `  ${line}`),
    ...peerLines(peers),
    ...(troubles.length === 0 ? [] : ["Problems:", ...troubles.map((line) => paint("bad", `  ${line}`))]),
  ];
}

function sinceWords(since: string | undefined): string {
  return since === undefined ? "" : ` since ${since}`;
}

function peerLines(peers: readonly AgentPeer[]): string[] {
  if (peers.length === 0) return ["No other node is known."];
  const rows = peers.map(({ name, addresses, prefixes, direct, mtu, problem, probe }) => [
    name,
    listCell(addresses),
    direct ? "direct" : "tunnel",
    mtu === undefined ? "-" : String(mtu),
    listCell(prefixes),
    problem === undefined && probe?.problem === undefined ? "ok" : "problem",
    probeCell(probe),
  ]);
  return formatTable(["PEER", "ADDRESSES", "WAY", "MTU", "PODS", "STATE", "PROBES"], rows);
}

/** What has come through of each family: small packets, full-size ones, TCP. */
function probeCell(probe: AgentProbe | undefined): string {
  const families = [
    ["IPv4", probe?.ipv4],
    ["IPv6", probe?.ipv6],
  ] as const;
  const cells = families.flatMap(([family, result]) => {
    if (result === undefined) return [];
    const { small, full, tcp } = result;
    const lost = [...(small ? [] : ["small"]), ...(full ? [] : ["full"]), ...(tcp ? [] : ["TCP"])];
    return [`${family} ${lost.length === 0 ? "ok" : `lost ${lost.join("+")}`}`];
  });
  return cells.length === 0 ? "-" : cells.join(", ");
}

/** Which peer, which packets, and what to look at. */
function peerTroubles({ name, problem, probe }: AgentPeer): string[] {
  return [
    ...(problem === undefined ? [] : [`Node "${name}": ${problem}`]),
    ...(probe?.problem === undefined ? [] : [probe.problem]),
  ];
}
