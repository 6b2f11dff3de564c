/** Questions about networks and addresses as texts, which the documents have been checked to hold. */

import { cidrContains } from "./cidr.ts";
import { cidrOf } from "./cluster.ts";
import { parseIp } from "./ip.ts";

/** Whether an address lies in one of several networks. */
export function hasAddress(networks: readonly string[], address: string): boolean {
  const ip = parseIp(address);
  return ip !== undefined && networks.some((network) => cidrContains(cidrOf(network), ip));
}

/** Whether all of the inner network lies in the outer one. */
export function holds(outer: string, inner: string): boolean {
  const [large, small] = [cidrOf(outer), cidrOf(inner)];
  return small.bits >= large.bits && cidrContains(large, small.ip);
}

export function overlap(a: string, b: string): boolean {
  return holds(a, b) || holds(b, a);
}
