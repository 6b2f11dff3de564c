/** `tendril trace`: the way of a packet from a pod of this node, step by step as the kernel has it. */

import { Command } from "commander";
import { agentStatusIfAny } from "../cni/agent-client.ts";
import type { AgentPod, AgentStatus } from "../core/agent-status.ts";
import { ConfigError, TendrilError } from "../core/errors.ts";
import { familyOf, formatIp, parseIp } from "../core/ip.ts";
import { StoreUnavailableError } from "../store/store.ts";
import type { JudgedHop, JudgedLeg } from "../trace/judge.ts";
import { addressesIn, type Place, type Trace, trace } from "../trace/trace.ts";
import type { Cluster } from "../trace/walk.ts";
import { namedStore, STORE_HELP, type StoreChoice, withCluster, withStoreOptions } from "./cluster-access.ts";
import { shortId } from "./get-tables.ts";
import { type Format, formatDocument, isDocument, outputOption, paint } from "./output.ts";
import { clusterOf, readDocuments } from "./trace-cluster.ts";

const HELP = `
A pod is NAMESPACE/NAME or a container's ID, as the agent of this node knows them, or the path of a network namespace.
The second one may be an address, of a pod that runs elsewhere. With a port the packet is TCP, else a ping.
${STORE_HELP}

Examples:
  tendril trace default/web default/db:5432
  tendril trace /run/netns/web 10.244.7.7`;

interface Options extends StoreChoice {
  readonly output: Format;
}

export function traceCommand(exit: (status: number) => void): Command {
  return withStoreOptions(
    new Command("trace")
      .description("follow a packet from a pod of this node, and point out the first step that is wrong")
      .argument("<from>", "a pod of this node")
      .argument("<to>", "a pod, or an address, with a port after a colon where one is meant")
      .addOption(outputOption("table", "json", "yaml")),
  )
    .addHelpText("after", HELP)
    .action(async (from: string, to: string, options: Options) => {
      const status = await agentStatusIfAny();
      const { end, port } = splitPort(to);
      const pairs = pairsOf(findEnd(from, status), findEnd(end, status));
      const cluster = await readCluster(options, status);
      const traces = pairs.map(([source, target]) => {
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

/** Parts the port from an end. Throws ConfigError. */
export function splitPort(text: string): { readonly end: string; readonly port?: number } {
  if (parseIp(text) !== undefined) return { end: text };
  const [, end = text, digits] = /^(.+):([0-9]+)$/.exec(text) ?? [];
  const bare = end.replace(/^\[(.*)\]$/, "$1");
  if (digits === undefined) return { end: bare };
  const port = Number(digits);
  if (port < 1 || port > 65535) throw new ConfigError("port", "must be from 1 to 65535", { value: port });
  return { end: bare, port };
}

/** What is known of an end: an address of each family at most. */
export interface FoundEnd {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly netns?: string;
}

/** Throws TendrilError for what is no pod here. */
export function findEnd(text: string, status: AgentStatus | undefined): FoundEnd {
  const pods = status?.pods ?? [];
  const ip = parseIp(text);
  if (ip !== undefined) {
    const address = formatIp(ip);
    const pod = pods.find(({ addresses }) => addresses.some((own) => bare(own) === address));
    return pod === undefined ? { name: address, addresses: [address] } : { ...endOf(pod), addresses: [address] };
  }
  if (text.startsWith("/")) {
    const pod = pods.find(({ netns }) => netns === text);
    return pod === undefined ? { name: lastName(text), addresses: addressesIn(text), netns: text } : endOf(pod);
  }
  const found = pods.filter(
    (pod) => podName(pod) === text || (text.length >= SHORTEST_ID && pod.containerId.startsWith(text)),
  );
  const [pod, ...others] = found;
  if (pod === undefined) {
    const names = pods.map((one) => podName(one) ?? shortId(one.containerId));
    const known = names.length === 0 ? "The agent of this node has no pod." : `Pods of this node: ${names.join(", ")}.`;
    throw new TendrilError(`There is no pod "${text}" on this node`, {
      details: status === undefined ? "No agent answers: name it by the path of its network namespace." : known,
    });
  }
  if (new Set(others.map(({ containerId }) => containerId)).difference(new Set([pod.containerId])).size > 0) {
    throw new TendrilError(`Several pods are "${text}"`, { details: "Name one by its container's whole ID." });
  }
  return endOf(pod);
}

/** By which ip-netns(8) calls a namespace. */
function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Characters of a container's ID that tell it. */
const SHORTEST_ID = 6;

function endOf(pod: AgentPod): FoundEnd {
  const name = podName(pod) ?? shortId(pod.containerId);
  return { name, addresses: pod.addresses.map(bare), ...(pod.netns !== "" && { netns: pod.netns }) };
}

function podName({ podNamespace, podName: name }: AgentPod): string | undefined {
  return name === undefined ? undefined : `${podNamespace ?? "default"}/${name}`;
}

function bare(address: string): string {
  return address.split("/")[0] ?? address;
}

/** Places of the same family. Throws TendrilError when they have none in common. */
export function pairsOf(from: FoundEnd, to: FoundEnd): (readonly [Place, Place])[] {
  const pairs = ([4, 6] as const).flatMap((family) => {
    const [source, target] = [from, to].map(({ addresses }) => addresses.find((one) => familyOf(one) === family));
    if (source === undefined || target === undefined) return [];
    return [[placeOf(from, source), placeOf(to, target)] as const];
  });
  if (pairs.length > 0) return pairs;
  const shown = [from, to].map(({ name, addresses }) => `${name} has ${addresses.join(" and ") || "none"}`);
  throw new TendrilError("The two have no addresses of the same family", { details: `${shown.join(", ")}.` });
}

function placeOf({ name, netns }: FoundEnd, address: string): Place {
  return { name, address, ...(netns !== undefined && { netns }) };
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
