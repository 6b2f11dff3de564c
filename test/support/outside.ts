/** Somebody outside of a test host, at the other end of the host's uplink. */

import type { TestNetns } from "./namespaces.ts";
import type { Host, Hosts } from "./plugin-calls.ts";

export interface Wire {
  /** Addresses with prefix length of the host's end, `up0`. */
  readonly host?: readonly string[];
  /** Addresses with prefix length of the other end, `up1`. */
  readonly outside?: readonly string[];
}

/**
 * Links a host to somebody outside; no address of either is tested for duplicates.
 *
 * Not the link-local ones either: a host asks for the MAC of whom it forwards a packet to from its link-local address,
 * and gives the packet up where it has none for three seconds, which is as long as such a test may take.
 */
export function linkOutside(hosts: Hosts, host: Host, wire: Wire): TestNetns {
  const outside = hosts.container("outside").namespace;
  host.netns.sh(`ip link add up0 type veth peer name up1 netns ${outside.name}`);
  host.netns.sh(up("up0", wire.host));
  outside.sh(up("up1", wire.outside));
  return outside;
}

function up(link: string, addresses: readonly string[] = []): string {
  return [
    `sysctl -qw net.ipv6.conf.${link}.accept_dad=0`,
    `ip link set ${link} up`,
    ...addresses.map((address) => `ip address add ${address} dev ${link} ${address.includes(":") ? "nodad" : ""}`),
  ].join(" && ");
}
