/** `tendril trace`: the way of a packet from a pod, step by step as the kernels of the nodes have it. */

import { Command } from "commander";
import { agentStatusIfAny } from "../cni/agent-client.ts";
import type { AgentStatus } from "../core/agent-status.ts";
import { TendrilError } from "../core/errors.ts";
import { StoreUnavailableError } from "../store/store.ts";
import type { JudgedHop, JudgedLeg } from "../trace/judge.ts";
import { type Trace, trace } from "../trace/trace.ts";
import type { Cluster } from "../trace/walk.ts";
import { withAgents } from "./agents.ts";
import { namedStore, STORE_HELP, type StoreChoice, withCluster, withStoreOptions } from "./cluster-access.ts";
import { type Format, formatDocument, isDocument, outputOption, paint } from "./output.ts";
import { traceByAgents } from "./trace-agents.ts";
import { clusterOf, readDocuments } from "./trace-cluster.ts";
import { type Ends, findEnd, pairsOf, splitPort } from "./trace-ends.ts";

const HELP = `
A pod is NAMESPACE/NAME or a container's ID, as the agent of this node knows them, or the path of a network namespace.
The second one may be an address, of a pod that runs elsewhere. With a port the packet is TCP, else a ping.

By a kubeconfig the agents of all nodes on the way tell their parts, from whatever machine they are asked. A pod is then
NAMESPACE/NAME, a NAME in the context's namespace, or an address. It takes the right to run commands in the agents' pods.
${STORE_HELP}

Examples:
  tendril trace default/web default/db:5432
  tendril trace /run/netns/web 10.244.7.7
  tendril trace --context prod shop/web shop/db:5432`;

interface Options extends StoreChoice {
  readonly output: Format;
}

export function traceCommand(exit: (status: number) => void): Command {
  return withStoreOptions(
    new Command("trace")
      .description("follow a packet from a pod, and point out the first step that is wrong")
      .argument("<from>", "a pod of this node, or by a kubeconfig of the cluster")
      .argument("<to>", "a pod, or an address, with a port after a colon where one is meant")
      .addOption(outputOption("table", "json", "yaml")),
  )
    .addHelpText("after", HELP)
    .action(async (from: string, to: string, options: Options) => {
      const { end, port } = splitPort(to);
      const ends = { from, to: end, ...(port !== undefined && { port }) };
      // A namespace is one of this machine, whatever cluster is meant.
      const traces = from.startsWith("/")
        ? await traceHere(ends, options)
        : await withAgents(options, (agents) =>
            agents === undefined ? traceHere(ends, options) : traceByAgents(agents, ends, options),
          );
      console.log(
        isDocument(options.output)
          ? formatDocument(traces, options.output)
          : traces
              .flatMap((one) => [...traceLines(one, port), ""])
              .slice(0, -1)
              .join("\n"),
      );
      exit(traces.some(({ wrong }) => wrong !== undefined) ? 1 : 0);
    });
}

/** By what the kernel of this node has. */
async function traceHere({ from, to, port }: Ends, options: StoreChoice): Promise<Trace[]> {
  const status = await agentStatusIfAny();
  const pairs = pairsOf(findEnd(from, status), findEnd(to, status));
  const cluster = await readCluster(options, status);
  return pairs.map(([source, target]) => {
    if (source.netns === undefined) {
      throw new TendrilError(`"${from}" is no pod of this node`, {
        details: "Its network namespace would be needed.",
      });
    }
    return trace({
      from: { ...source, netns: source.netns },
      to: target,
      ...(port !== undefined && { port }),
      ...(cluster !== undefined && { cluster }),
    });
  });
}

/** Without a store the way is followed all the same. */
async function readCluster(options: StoreChoice, status: AgentStatus | undefined): Promise<Cluster | undefined> {
  if (namedStore(options, process.env) === undefined) return undefined;
  try {
    return await withCluster(options, async (cluster) =>
      clusterOf(await readDocuments(cluster), status?.node || undefined),
    );
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    console.error(`tendril: ${error.message}; the way is followed without it`);
    return undefined;
  }
}

const SIGNS = { ok: "✔", wrong: "✘", unknown: "?" } as const;
const MARKS = { ok: "good", wrong: "bad", unknown: "warning" } as const;

/** Each step on a line, and at the end what is wrong first. */
export function traceLines({ legs, wrong }: Trace, port: number | undefined): string[] {
  const lines = legs.flatMap((leg, i) => [
    i === 0 ? `${titleOf(leg)}${port === undefined ? "" : `, TCP port ${port}`}` : "and back",
    ...hopLines(leg.hops),
  ]);
  return [...lines, ...(wrong === undefined ? [endLine(legs)] : wrongLines(wrong))];
}

function titleOf({ from, to, source, destination }: JudgedLeg): string {
  const end = (name: string, address: string) => (name === address ? name : `${name} (${address})`);
  return `${end(from, source)} to ${end(to, destination)}`;
}

function hopLines(hops: readonly JudgedHop[]): string[] {
  const width = Math.max(...hops.map(({ where }) => where.length));
  return hops.map(
    ({ where, judgement: { state, text } }) => `  ${paint(MARKS[state], SIGNS[state])} ${where.padEnd(width)}  ${text}`,
  );
}

function endLine(legs: readonly JudgedLeg[]): string {
  const unknowns = legs.flatMap(({ hops }) => hops).filter(({ judgement }) => judgement.state === "unknown").length;
  if (unknowns === 0) return paint("good", "Nothing is wrong on this way.");
  return paint(
    "warning",
    `Nothing is wrong as far as it can be told; ${unknowns} ${unknowns === 1 ? "step" : "steps"} cannot.`,
  );
}

function wrongLines({ where, judgement: { text, remedy } }: JudgedHop): string[] {
  return [
    paint("bad", `The first thing wrong, on ${where}: ${text}`),
    ...(remedy === undefined ? [] : [`  ${remedy}`]),
  ];
}
