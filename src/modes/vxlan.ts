/**
 * `vxlan`: packets to other nodes' pods go in UDP, by one device of the kernel.
 *
 * Nobody learns and nobody asks. For each peer there is one forwarding entry, which says at which address the MAC of its
 * end is; for each family of its pods one neighbour, which says that its gateway has that MAC; and one route for each
 * network of its pods. So no frame is flooded, and a peer costs the same in a cluster of any size.
 *
 * A gateway is only a name for a MAC. For IPv6 it is the link-local address that the peer's MAC makes. For IPv4 it is the
 * peer's own address in the fabric; where it has none, because its fabric has IPv6 only, the first address of its pods'
 * networks, which no other node can have. (One from 169.254.0.0/16 would have to be made of a hash, and of a thousand
 * nodes two share one of its addresses nearly for certain.)
 * @see https://www.rfc-editor.org/rfc/rfc7348
 */

import { networkAddress, parseCidr } from "../core/cidr.ts";
import { compareIp, type Family, formatIp, formatIpBytes, type Ip } from "../core/ip.ts";
import { parseMac } from "../core/mac.ts";
import type { ForwardingResource, NeighbourResource, Resource } from "../core/plan.ts";
import { type LocalNode, type Mode, type ModeSettings, type Peer, type PeerPlan, VXLAN_LINK } from "./mode.ts";
import { addressOf, named, prefixesOf, tunnelAddress, underlayFamily } from "./reach.ts";
import { planTunnelEnd, planTunnelPeer, type TunnelWay, tunnelMtu } from "./tunnel.ts";

/** In bytes: the outer IP header, that of UDP (8), of VXLAN (8), and the inner one of Ethernet (14). */
const OVERHEAD: Readonly<Record<Family, number>> = { 4: 50, 6: 70 };

export const vxlan: Mode = {
  name: "vxlan",
  overhead: (underlay) => OVERHEAD[underlay],
  planNode: planVxlanNode,
  planPeer: planVxlanPeer,
};

function planVxlanNode(local: LocalNode, settings: ModeSettings): Resource[] {
  const underlay = underlayFamily(local);
  const own = addressOf(local, underlay);
  if (own === undefined) return [];
  const families = ([4, 6] as const).filter((family) => tunnelAddress(local, family) !== undefined);
  return [
    {
      kind: "link",
      where: "host",
      type: "vxlan",
      name: VXLAN_LINK,
      mac: local.tunnelMac,
      mtu: tunnelMtu(local, underlay, OVERHEAD[underlay]),
      vni: settings.vxlan.vni,
      port: settings.vxlan.port,
      local: own,
    },
    ...planTunnelEnd(VXLAN_LINK, local, families),
  ];
}

function planVxlanPeer(peer: Peer, local: LocalNode, settings: ModeSettings): PeerPlan {
  const destination = addressOf(peer, underlayFamily(local));
  const mac = peer.tunnelMac;
  const forwarding: ForwardingResource[] =
    destination === undefined || mac === undefined
      ? []
      : [{ kind: "forwarding", where: "host", link: VXLAN_LINK, mac, destination }];
  return planTunnelPeer(peer, local, settings, {
    once: forwarding,
    link: () => VXLAN_LINK,
    way: (family) => vxlanWay(peer, local, family),
  });
}

function vxlanWay(peer: Peer, local: LocalNode, family: Family): TunnelWay {
  const underlay = underlayFamily(local);
  const mac = peer.tunnelMac;
  if (addressOf(peer, underlay) === undefined) {
    return {
      problem: `Mode vxlan has no way from ${named(local)} to ${named(peer)}: it has no IPv${underlay} address`,
    };
  }
  if (mac === undefined) {
    return {
      problem: `Mode vxlan has no way to ${named(peer)}: its agent has not told the MAC of its tunnel's end yet`,
    };
  }
  const gateway = family === 6 ? linkLocal(mac) : (addressOf(peer, 4) ?? firstAddress(prefixesOf(peer, 4)));
  if (gateway === undefined) return { problem: `Node "${peer.name}" has no valid MAC for its tunnel's end: "${mac}"` };
  const neighbour: NeighbourResource = { kind: "neighbour", where: "host", link: VXLAN_LINK, ip: gateway, mac };
  return { gateway, before: [neighbour] };
}

/** The link-local address of a MAC. @see https://www.rfc-editor.org/rfc/rfc4291#appendix-A */
function linkLocal(mac: string): string | undefined {
  const bytes = parseMac(mac);
  if (bytes === undefined) return undefined;
  const ip = new Uint8Array(16);
  ip.set([0xfe, 0x80]);
  ip.set(bytes.subarray(0, 3), 8);
  ip.set([0xff, 0xfe], 11);
  ip.set(bytes.subarray(3), 13);
  ip[8] = (ip[8] as number) ^ 0x02;
  return formatIpBytes(ip);
}

function firstAddress(prefixes: readonly string[]): string | undefined {
  const networks = prefixes.map(parseCidr).flatMap((cidr): Ip[] => (cidr === undefined ? [] : [networkAddress(cidr)]));
  const [first] = networks.sort(compareIp);
  return first === undefined ? undefined : formatIp(first);
}
