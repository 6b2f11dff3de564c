/** What several scenarios do. */

import { TendrilError } from "../../core/errors.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../../linux/netns.ts";
import { agentStatus, waitUntil } from "../agent-status.ts";
import { nodeEnvironment, podAddresses } from "../attachment.ts";
import { addPod, type PodOptions, podResult } from "../change.ts";
import { testConnectivity } from "../connectivity.ts";
import { type Lab, type LabNode, podPaths } from "../lab.ts";
import { netnsName } from "../names.ts";
import { type Flow, type FlowFigure, startFlow } from "../probe/flow.ts";
import type { LabRecord } from "../record.ts";
import { formatProblems } from "../report.ts";
import type { Play } from "../scenario.ts";

/** How long the cluster may take to do what it does by itself, in milliseconds. */
export const SETTLING_MS = 20_000;

/** Sends everything to everybody, and checks it. `where` completes the sentence. */
export function checkReachability({ record, check }: Play, where = ""): void {
  const { lab } = record();
  const report = testConnectivity(lab);
  const { findings } = report;
  const plain = findings.filter(({ expected }) => expected.size === undefined);
  const full = findings.filter(({ expected }) => expected.size !== undefined);
  const tell = (what: string, list: typeof findings) => {
    if (list.length === 0) return;
    const good = list.filter(({ problem }) => problem === undefined).length;
    const problems =
      good === list.length
        ? ""
        : `; ${formatProblems({ ...report, findings: list })
            .slice(0, 5)
            .join("; ")}`;
    check(`${what}${where}`, `${good} of ${list.length} as expected${problems}`, good === list.length);
  };
  tell("everybody reaches whom they should, by ICMP, TCP and UDP, seen under the right address", plain);
  tell("packets that fill the MTU arrive uncut, and larger ones are refused where they are sent", full);
}

/** A flow between two pods, in the first family of the lab. */
export function startPodFlow({ lab, program }: LabRecord, from: string, to: string): Promise<Flow> {
  const [address = ""] = podAddresses(podResult(lab, to) ?? {});
  const ends = { from: netnsName(lab.name, from), to: netnsName(lab.name, to), address };
  return startFlow(ends, [...program, "lab", "stream"]);
}

/** Checks that a flow has lost nothing. */
export function checkFlow({ check }: Play, between: string, { requests, stream, milliseconds }: FlowFigure): void {
  const lost = requests.sent - requests.answered;
  const when =
    requests.lostAt.length === 0
      ? ""
      : `, sent after ${requests.lostAt.map((at) => `${Math.round(at)} ms`).join(", ")}`;
  const broken = stream.error === undefined ? "" : `, the connection ended with ${stream.error}`;
  check(
    `the flow from ${between} loses nothing`,
    `${lost} of ${requests.sent} requests lost in ${(milliseconds / 1000).toFixed(1)} s${when}; ${stream.echoed} of ${stream.sent} messages echoed by TCP, the longest wait ${Math.round(stream.longestWait)} ms${broken}`,
    lost === 0 && stream.error === undefined && stream.echoed === stream.sent,
  );
}

/** Two pods on different nodes, as far apart as there are. Throws TendrilError when all pods are on one. */
export function distantPods({ nodes }: Lab): { from: string; to: string; fromNode: LabNode; toNode: LabNode } {
  const [fromNode, ...others] = nodes.filter(({ pods }) => pods.length > 0);
  const toNode = others.find(({ subnet }) => subnet !== fromNode?.subnet) ?? others.at(-1);
  if (fromNode === undefined || toNode === undefined) throw new TendrilError("The scenario needs pods on two nodes");
  return { from: `${fromNode.name}/${fromNode.pods[0]}`, to: `${toNode.name}/${toNode.pods[0]}`, fromNode, toNode };
}

/** Two pods on different nodes, neither of them the one named. */
export function podsBeside({ nodes }: Lab, name: string): { from: string; to: string } | undefined {
  const [one, two] = nodes.filter((node) => node.name !== name && node.pods.length > 0);
  return one === undefined || two === undefined
    ? undefined
    : { from: `${one.name}/${one.pods[0]}`, to: `${two.name}/${two.pods[0]}` };
}

/** Why a lab is too small for scenarios in which one node is away and the others go on. */
export function needsThreeNodes({ nodes }: Lab): string | undefined {
  return nodes.filter(({ pods }) => pods.length > 0).length >= 3 ? undefined : "it needs pods on three nodes";
}

/**
 * Attaches a pod, trying again for some milliseconds as a runtime does when ADD fails. Returns the last refusal when it
 * was in vain.
 */
export async function addPatiently(
  lab: string,
  path: string,
  within: number,
  options: PodOptions = {},
): Promise<string | undefined> {
  const deadline = performance.now() + within;
  for (;;) {
    try {
      addPod(lab, path, options);
      return undefined;
    } catch (error) {
      if (!(error instanceof TendrilError)) throw error;
      if (performance.now() > deadline) return sentenceOf(error);
      await Bun.sleep(200);
    }
  }
}

/** What an error says, with what to do about it. */
export function sentenceOf({ message, details }: TendrilError): string {
  return details === undefined ? message : `${message} (${details})`;
}

/** Runs a command of this program on a node. Throws TendrilError with what it wrote when it fails. */
export function runOnNode({ lab, plugins, program }: LabRecord, node: string, words: readonly string[]): string {
  const netns = openNetns(namedNetnsPath(netnsName(lab.name, node)));
  try {
    const { exitCode, stdout, stderr } = inNetns(netns, () =>
      Bun.spawnSync([...program, ...words], {
        env: { ...process.env, ...nodeEnvironment(lab.name, node, plugins) },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      }),
    );
    if (exitCode === 0) return stdout.toString();
    throw new TendrilError(`"tendril ${words.join(" ")}" failed on ${node}`, { details: stderr.toString().trim() });
  } finally {
    closeNetns(netns);
  }
}

/** Waits until the agents of all other nodes have given a node up: they know no way to its pods. */
export async function waitUntilGivenUp({ record }: Play, name: string): Promise<void> {
  const { lab } = record();
  await waitUntil(
    `the other nodes have given up ${name}`,
    async () => {
      for (const node of lab.nodes) {
        if (node.name === name) continue;
        const status = await agentStatus(lab.name, node.name);
        if (status === undefined) return `the agent of ${node.name} does not answer`;
        const peer = status.peers.find((each) => each.name === name);
        if (peer !== undefined && peer.prefixes.length > 0) return `${node.name} still has routes to it`;
      }
      return undefined;
    },
    { within: SETTLING_MS },
  );
}

/** Checks that no two pods of the lab have one address, and that no agent says so either. */
export async function checkNoAddressTwice({ record, check }: Play): Promise<void> {
  const { lab } = record();
  const owners = new Map<string, string[]>();
  const note = (address: string, owner: string) => {
    const known = owners.get(address) ?? [];
    if (!known.includes(owner)) owners.set(address, [...known, owner]);
  };
  for (const path of podPaths(lab)) {
    for (const address of podAddresses(podResult(lab, path) ?? {})) note(address, netnsName(lab.name, path));
  }
  for (const { name } of lab.nodes) {
    const status = await agentStatus(lab.name, name);
    for (const { containerId, addresses } of status?.pods ?? []) {
      for (const address of addresses) note(address.split("/")[0] ?? address, containerId);
    }
  }
  const twice = [...owners]
    .filter(([, list]) => list.length > 1)
    .map(([address, list]) => `${address}: ${list.join(", ")}`);
  const seen = twice.length === 0 ? `${owners.size} addresses, each of one pod` : twice.join("; ");
  check("no address is held twice", seen, twice.length === 0);
}
