/** One configuration run by the Go plugins and by ours, each on a machine of its own, and what the two came to. */

import { inNetns } from "../../src/linux/netns.ts";
import type { TestNetns } from "../support/namespaces.ts";
import { linkOutside } from "../support/outside.ts";
import {
  type Config,
  type Container,
  call,
  type Host,
  type Hosts,
  type Outcome,
  PLUGINS,
} from "../support/plugin-calls.ts";
import { type DifferentialCase, OUTSIDE_V4, OUTSIDE_V6, type PluginCases } from "./cases/case.ts";
import { type Dump, dump, type Facts, factsOf, flatten, isSettled } from "./state.ts";

/** Where the Go plugins are. */
export const PEERS = process.env.TENDRIL_PEER_PLUGINS ?? "";

export interface Machine {
  readonly host: Host;
  readonly container: Container & { readonly namespace: TestNetns };
  /** The plugins of its chain. */
  readonly chain: readonly Config[];
  readonly path: readonly string[];
}

const UPLINK = ["192.0.2.1/24", "2001:db8::1/64"];

/** Two machines that are alike, the first for the Go plugins. */
export function makePair(hosts: Hosts, { base }: PluginCases, each: DifferentialCase): readonly [Machine, Machine] {
  const make = (path: string): Machine => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    if (each.given !== undefined) host.netns.sh(each.given);
    if (each.givenInside !== undefined) container.namespace.sh(each.givenInside);
    if ([...(each.reaches ?? []), ...(each.reachesNot ?? [])].includes(OUTSIDE_V4)) {
      linkOutside(hosts, host, { host: UPLINK, outside: [`${OUTSIDE_V4}/24`, `${OUTSIDE_V6}/64`] });
    }
    const config = { cniVersion: "1.1.0", name: "net", ...base, ...each.config(host) };
    return { host, container, chain: [config, ...(each.chained?.(host) ?? [])], path: [path] };
  };
  return [make(PEERS), make(PLUGINS)];
}

/** The outcome of the last plugin of the chain, or of the first that fails. */
export async function request(
  machine: Machine,
  verb: "ADD" | "CHECK" | "DEL",
  args: string | undefined,
  result?: unknown,
): Promise<Outcome> {
  const { host, container, path, chain } = machine;
  let last: Outcome | undefined;
  let given = result;
  for (const each of verb === "DEL" ? chain.toReversed() : chain) {
    const config = given === undefined ? each : { ...each, prevResult: given };
    last = await call(host, { verb, container, path, config, ...(args === undefined ? {} : { args }) });
    if (last.status !== 0) break;
    if (verb === "ADD") given = last.answer;
  }
  if (last === undefined) throw new Error("The chain has no plugin");
  return last;
}

const PATIENCE_MS = 15_000;

/** Both namespaces of a machine. */
export interface Sight {
  readonly onHost: Dump;
  readonly inContainer: Dump;
}

/** What there is once the kernel has come to rest: the first look after one that found it so. */
export async function look({ host, container }: Machine): Promise<Sight> {
  const deadline = performance.now() + PATIENCE_MS;
  let settled = false;
  // A look costs many processes, which is much where the processor is emulated.
  let pause = 50;
  for (;;) {
    const [onHost, inContainer] = await Promise.all([dump(host.netns.netns), dump(container.namespace.netns)]);
    const isSo = isSettled(onHost) && isSettled(inContainer);
    // What is told is at rest itself, too: a link that had no carrier may have got one since the look before.
    if ((isSo && settled) || performance.now() > deadline) return { onHost, inContainer };
    settled = isSo;
    pause *= 2;
    if (!settled) await Bun.sleep(pause);
  }
}

/** Puts names in the place of what each plugin chooses for itself: the host's end of the pair, MACs, link-local addresses. */
export function renaming(machine: Machine, { onHost, inContainer }: Sight, askedMac = ""): (text: string) => string {
  const names = new Map<string, string>([[machine.container.netns, "NETNS"]]);
  for (const { ifname, address, link } of onHost.links) {
    // As both name the ends that they choose names for. Where the other end is in the host too it tells which pair it is.
    if (/^veth[0-9a-z]{8,}$/.test(ifname)) {
      const name = typeof link === "string" ? `VETH of ${link}` : "VETH";
      names.set(ifname, name).set(address, `MAC of ${name}`);
    }
    // A bridge without a MAC of its own has the one of its port.
    else if (ifname !== "lo" && !names.has(address)) names.set(address, `MAC of ${ifname}`);
  }
  for (const { ifname, address } of inContainer.links) if (ifname !== "lo") names.set(address, `MAC of ${ifname}`);
  names.delete(askedMac);
  return (text) => {
    let renamed = text.replace(/\bfe80::[0-9a-f]+:[0-9a-f:]+/g, "LINK-LOCAL");
    for (const [from, to] of names) renamed = renamed.replaceAll(from, to);
    return renamed;
  };
}

export function factsOfSight({ onHost, inContainer }: Sight, rename: (text: string) => string): Facts {
  const prefixed = (where: string, facts: Facts) =>
    [...facts].map(([key, value]) => [`${where} ${key}`, value] as const);
  return new Map([
    ...prefixed("host", factsOf(onHost, rename)),
    ...prefixed("container", factsOf(inContainer, rename)),
  ]);
}

export function resultFacts(result: unknown, rename: (text: string) => string): Facts {
  return new Map([...flatten(result)].map(([path, value]) => [`result ${path}`, rename(String(value))]));
}

/** A fact that the two plugins differ in; a value that is not there is undefined. */
export interface Difference {
  readonly where: string;
  readonly theirs: string | undefined;
  readonly ours: string | undefined;
}

export function differences(theirs: Facts, ours: Facts): Difference[] {
  return [...new Set([...theirs.keys(), ...ours.keys()])]
    .map((where) => ({ where, theirs: theirs.get(where), ours: ours.get(where) }))
    .filter((each) => each.theirs !== each.ours);
}

/** Whether the container gets an answer from an address. */
export async function reaches({ container }: Machine, address: string): Promise<boolean> {
  const command = ["ping", "-c", "1", "-W", "1", address];
  const child = inNetns(container.namespace.netns, () => Bun.spawn(command, { stdout: "ignore", stderr: "ignore" }));
  return (await child.exited) === 0;
}
