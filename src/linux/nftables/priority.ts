/** Hooks and priorities of base chains: their numbers and names. @see linux/netfilter.h, linux/netfilter_ipv4.h, linux/netfilter_bridge.h, nft(8) "Standard priority names" */

import type { NftFamily, NftHook, NftPriority, NftPriorityName } from "../../core/nftables.ts";

/** Families whose packets go through the five hooks of IP. */
const IP: readonly NftHook[] = ["prerouting", "input", "forward", "output", "postrouting"];

/** The hooks of a family, in the order of their numbers. */
const HOOKS: { readonly [K in NftFamily]: readonly NftHook[] } = {
  // NF_INET_INGRESS
  inet: [...IP, "ingress"],
  ip: IP,
  ip6: IP,
  bridge: IP,
  // NF_ARP_IN, NF_ARP_OUT, NF_ARP_FORWARD
  arp: ["input", "output", "forward"],
  // NF_NETDEV_INGRESS, NF_NETDEV_EGRESS
  netdev: ["ingress", "egress"],
};

/** Throws TypeError for a hook that the family does not have. */
export function hookNumber(family: NftFamily, hook: NftHook): number {
  const number = HOOKS[family].indexOf(hook);
  if (number < 0) throw new TypeError(`Family ${family} has no hook ${hook}`);
  return number;
}

/** The hook of a number, or undefined where the family has none. */
export function hookOf(family: NftFamily, number: number): NftHook | undefined {
  return HOOKS[family][number];
}

interface Named {
  readonly name: NftPriorityName;
  readonly priority: number;
  /** The only hook that the name is for. */
  readonly hook?: NftHook;
}

/** @see linux/netfilter_ipv4.h enum nf_ip_hook_priorities */
const IP_NAMES: readonly Named[] = [
  { name: "raw", priority: -300 },
  { name: "mangle", priority: -150 },
  { name: "dstnat", priority: -100, hook: "prerouting" },
  { name: "filter", priority: 0 },
  { name: "security", priority: 50 },
  { name: "srcnat", priority: 100, hook: "postrouting" },
];

/** @see linux/netfilter_bridge.h enum nf_br_hook_priorities */
const BRIDGE_NAMES: readonly Named[] = [
  { name: "dstnat", priority: -300, hook: "prerouting" },
  { name: "filter", priority: -200 },
  { name: "out", priority: 100, hook: "output" },
  { name: "srcnat", priority: 300, hook: "postrouting" },
];

const FILTER_ONLY: readonly Named[] = [{ name: "filter", priority: 0 }];

function namesOf(family: NftFamily): readonly Named[] {
  if (family === "bridge") return BRIDGE_NAMES;
  return family === "arp" || family === "netdev" ? FILTER_ONLY : IP_NAMES;
}

/** Throws TypeError for a name that the family and hook do not have. */
export function priorityNumber(family: NftFamily, hook: NftHook, priority: NftPriority): number {
  if (typeof priority === "number") return priority;
  const [name, sign, offset] = priority.split(" ");
  const named = namesOf(family).find((one) => one.name === name && (one.hook ?? hook) === hook);
  const distance = offset === undefined ? 0 : Number(offset);
  if (named === undefined || !Number.isInteger(distance)) {
    throw new TypeError(`"${priority}" is not a priority of hook ${hook} in family ${family}`);
  }
  return named.priority + (sign === "-" ? -distance : distance);
}

/** nft(8) names a priority by a name that is no further away. */
const REACH = 10;

/** A priority as nft(8) prints it: by a name near to it, or else the number. */
export function nearestPriority(family: NftFamily, hook: NftHook, number: number): NftPriority {
  const named = namesOf(family).find((one) => Math.abs(number - one.priority) <= REACH);
  if (named === undefined || (named.hook ?? hook) !== hook) return number;
  const offset = number - named.priority;
  if (offset === 0) return named.name;
  return `${named.name} ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}`;
}
