/** What there is of a lab, and whether it is as it was made. */

import { TendrilError } from "../core/errors.ts";
import { listNamedNetns } from "../linux/netns.ts";
import { agentProcess } from "./agent-process.ts";
import { agentFindings } from "./agent-status.ts";
import { readResults } from "./attached.ts";
import { checkPod } from "./attachment.ts";
import { storeIsThere } from "./cluster-store.ts";
import { bare, type Lab, members, podPaths } from "./lab.ts";
import { verifyStage } from "./machine.ts";
import { labFolder, netnsName, OUTSIDE, ROUTER } from "./names.ts";
import { halfFinished, type LabRecord, readRecord, traces } from "./record.ts";
import { planStages } from "./stages.ts";

const NOT_CHECKED = "it was not checked, because its node's agent is paused";

export interface MemberStatus {
  /** A pod as `node/pod`, else its own name. */
  readonly name: string;
  readonly role: "subnet" | "router" | "outside" | "node" | "pod";
  readonly addresses: readonly string[];
  /** What is not as it was made, each a sentence. */
  readonly findings: readonly string[];
}

export interface LabStatus {
  readonly name: string;
  readonly state: "up" | "broken" | "half-finished";
  readonly members: readonly MemberStatus[];
}

/** The state of a lab, each member of it verified. Throws TendrilError when there is none. */
export async function labStatus(name: string): Promise<LabStatus> {
  const record = readRecord(name);
  if (record?.state === "complete") return statusOf(record);
  if (!traces(name)) throw new TendrilError(`There is no lab "${name}"`, { details: "`tendril lab up` makes one." });
  return { name, state: "half-finished", members: [] };
}

/** What to say and do about a lab that is not whole. */
export function statusAdvice({ name, state }: LabStatus): string | undefined {
  if (state !== "half-finished") return undefined;
  const { message, details } = halfFinished(name);
  return `${message}\n${details}`;
}

async function statusOf({ lab, plugins }: LabRecord): Promise<LabStatus> {
  const names = new Set(listNamedNetns());
  const findings = new Map<string, string[]>(members(lab).map((member) => [member, []]));
  const gone = (member: string) => !names.has(netnsName(lab.name, member));
  for (const member of members(lab)) if (gone(member)) findings.get(member)?.push("its network namespace is gone");
  for (const stage of planStages(lab)) {
    if (gone(stage.host) || gone(stage.container)) continue;
    findings.get(stage.container)?.push(...verifyStage(lab.name, labFolder(lab.name), stage));
  }
  for (const node of lab.nodes) {
    if (gone(node.name)) continue;
    if (lab.cluster !== undefined) findings.get(node.name)?.push(...(await agentFindings(lab.name, node.name)));
    for (const name of node.pods) {
      const path = `${node.name}/${name}`;
      if (gone(path)) continue;
      // A plugin would wait for an agent that is stopped for as long as it is.
      const isPaused = lab.cluster !== undefined && agentProcess(lab.name, node.name) === "paused";
      const problem = isPaused ? NOT_CHECKED : checkPod({ lab: lab.name, node, name }, plugins);
      if (problem !== undefined) findings.get(path)?.push(problem);
    }
  }
  if (lab.cluster !== undefined && !storeIsThere(lab)) findings.get(ROUTER)?.push("the agents' store is stopped");
  const addresses = addressesOf(lab);
  const list = members(lab).map((name): MemberStatus => {
    return { name, role: roleOf(lab, name), addresses: addresses.get(name) ?? [], findings: findings.get(name) ?? [] };
  });
  return { name: lab.name, state: list.some((member) => member.findings.length > 0) ? "broken" : "up", members: list };
}

function roleOf(lab: Lab, name: string): MemberStatus["role"] {
  if (name === ROUTER) return "router";
  if (name === OUTSIDE) return "outside";
  if (name.includes("/")) return "pod";
  return lab.subnets.some((subnet) => subnet.name === name) ? "subnet" : "node";
}

/** The addresses of each member; of a subnet its networks. */
export function addressesOf(lab: Lab): Map<string, readonly string[]> {
  const results = readResults(lab);
  return new Map<string, readonly string[]>([
    ...lab.subnets.map(({ name, prefixes }) => [name, prefixes] as const),
    [ROUTER, [...lab.subnets.flatMap(({ router }) => router), ...(lab.outside?.router ?? [])].map(bare)],
    [OUTSIDE, (lab.outside?.addresses ?? []).map(bare)],
    ...lab.nodes.map(({ name, addresses }) => [name, addresses.map(bare)] as const),
    ...podPaths(lab).map((path) => [path, (results.get(path)?.ips ?? []).map(({ address }) => bare(address))] as const),
  ]);
}
