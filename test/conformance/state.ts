/** What there is on a node, in lines that two moments can be compared by. */

import { demand } from "./requirement.ts";
import type { Attached, Container, Stage } from "./stage.ts";

/** How long the kernel may take to remove what has been deleted, and what lay in a namespace that is gone. */
const PATIENCE_MS = 3_000;

/** As few processes as there can be: it is done thousands of times. */
const LOOK = [
  "printf 'link\\nrule\\nroute show table all\\n' | ip -4 -o -batch -",
  "printf 'rule\\nroute show table all\\n' | ip -6 -o -batch -",
  "nft -s list ruleset 2>/dev/null",
  "find /run /var/lib -type f",
].join("; ");

/** Of a link its name alone. */
const LINK = /^\d+: ([^:@]+).*/;

/** Files that are the same for all attachments, or say which address comes next, and what the kernel adds by itself. */
const PASSING =
  /last_reserved_ip|[./]lock\b|\.lck$|^\/run\/netns\/|\b(linkdown|dead)\b|fe80::|ff00::|^(local|broadcast|multicast|anycast) |table local/;

/** Links, rules, routes, the ruleset of nf_tables and files of state; without what changes by itself. */
export async function stateOf({ node }: Stage): Promise<string[]> {
  const { stdout } = await node.runs(["sh", "-c", LOOK]);
  return stdout
    .split("\n")
    .map((line) => line.replace(LINK, "link $1").trim())
    .filter((line) => line !== "" && !PASSING.test(line))
    .sort();
}

/** Demands that the node comes to be as it was. */
export async function demandState(stage: Stage, before: readonly string[], after: string): Promise<void> {
  const now = await stateWhen(stage, (state) => Bun.deepEquals(state, before));
  const left = without(now, before);
  const gone = without(before, now);
  const shown = [...left.map((line) => `left: ${line}`), ...gone.map((line) => `gone: ${line}`)];
  demand(shown.length === 0, `${after} the node is not as before: ${shown.slice(0, 4).join("; ")}`);
}

/** Demands that in the end the node has nothing that it did not have. */
export async function demandNothingLeft(stage: Stage, before: readonly string[]): Promise<void> {
  const now = await stateWhen(stage, (state) => without(state, before).length === 0);
  const left = without(now, before);
  demand(left.length === 0, `left: ${left.slice(0, 4).join("; ")}`);
}

/** The state once it is as it should be, or the last one when it does not come to that. */
async function stateWhen(stage: Stage, isReached: (state: readonly string[]) => boolean): Promise<string[]> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const now = await stateOf(stage);
    if (isReached(now) || performance.now() > deadline) return now;
    await Bun.sleep(50);
  }
}

function without(lines: readonly string[], others: readonly string[]): string[] {
  const rest = [...others];
  return lines.filter((line) => {
    const i = rest.indexOf(line);
    if (i >= 0) rest.splice(i, 1);
    return i < 0;
  });
}

/**
 * The state after a container has come and gone: what a plugin makes once for all of them is there by then. Others that
 * come and go are compared with it.
 */
export async function settledState(stage: Stage): Promise<string[]> {
  await stage.detach(await stage.attach());
  return settled(stage);
}

/** The state as soon as two looks are alike. */
export async function settled(stage: Stage): Promise<string[]> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let last = await stateOf(stage); ; ) {
    await Bun.sleep(30);
    const now = await stateOf(stage);
    if (Bun.deepEquals(now, last) || performance.now() > deadline) return now;
    last = now;
  }
}

interface IpLink {
  readonly ifname: string;
  readonly address: string;
  readonly mtu: number;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

/** The container's interface with its addresses, or undefined. */
export async function interfaceOf(stage: Stage, container: Container): Promise<IpLink | undefined> {
  const links = JSON.parse((await stage.inside(container, "ip -j address")) || "[]") as IpLink[];
  return links.find(({ ifname }) => ifname === container.ifname);
}

export function addressesOf(link: IpLink | undefined): string[] {
  return (link?.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

/** Demands that an attachment is as its ADD left it, as far as the kernel and CHECK can tell. */
export async function demandWhole(stage: Stage, attached: Attached, after: string): Promise<void> {
  const { result } = attached;
  if (stage.subject.kind !== "ipam") {
    const link = await interfaceOf(stage, attached);
    demand(link !== undefined, `${after} the interface "${attached.ifname}" is gone`);
    const missing = ownAddresses(attached).filter((address) => !addressesOf(link).includes(address));
    demand(missing.length === 0, `${after} the interface has lost ${missing.join(", ")}`);
  }
  if (stage.version < "0.4.0") return;
  const outcome = await stage.call("CHECK", { container: attached, fields: { prevResult: result } });
  demand(outcome.status === 0, `${after} CHECK fails: ${outcome.stdout.replace(/\s+/g, " ").trim().slice(0, 300)}`);
}

/** The addresses that a result gives to the container's interface. */
export function ownAddresses({ result, ifname }: Attached): string[] {
  const index = result.interfaces?.findIndex(({ name, sandbox }) => name === ifname && sandbox) ?? -1;
  return (result.ips ?? []).filter((ip) => ip.interface === index && index >= 0).map(({ address }) => address);
}
