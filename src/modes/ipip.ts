/**
 * `ipip`: packets to other nodes' pods go in IPv4 packets, with the least that a tunnel can add.
 *
 * One device carries IPv4 (`ipip`) and two IPv6 (`sit`). They have no neighbours: a route's gateway says which node the
 * packet is for; for IPv6 that is the node's IPv4 address written `::a.b.c.d`.
 *
 * The kernel keeps with a `sit` device the route of the outer packets, and takes it for all other nodes as well (as of
 * Linux 6.12). A route by a router, and one on the link, serve all nodes beyond the one and on the other, but not both:
 * so there is a device for each.
 * @see https://www.rfc-editor.org/rfc/rfc2003, https://www.rfc-editor.org/rfc/rfc4213
 */

import type { Family } from "../core/ip.ts";
import { familyOf, formatIpBytes, parseIpBytes } from "../core/ip.ts";
import type { Resource } from "../core/plan.ts";
import {
  IPIP_LINK,
  type LocalNode,
  type Mode,
  type ModeSettings,
  type Peer,
  type PeerPlan,
  SIT_LAN_LINK,
  SIT_LINK,
} from "./mode.ts";
import { addressOf, named, sharedLink, tunnelAddress, uplinkOf } from "./reach.ts";
import { planTunnelEnd, planTunnelPeer, type TunnelWay, tunnelMtu } from "./tunnel.ts";

/** The outer header, in bytes. */
const OVERHEAD = 20;

const DEVICES = [
  { family: 4, type: "ipip", name: IPIP_LINK },
  { family: 6, type: "sit", name: SIT_LINK },
] as const;

export const ipip: Mode = {
  name: "ipip",
  overhead: () => OVERHEAD,
  planNode: (local) => [...planIpipNode(local), ...planLan(local)],
  planPeer: planIpipPeer,
};

/** A device for each family of the pods; none where the node has no IPv4 address, of which each peer tells. */
export function planIpipNode(local: LocalNode): Resource[] {
  const own = addressOf(local, 4);
  if (own === undefined) return [];
  return DEVICES.filter(({ family }) => tunnelAddress(local, family) !== undefined).flatMap(
    ({ family, type, name }): Resource[] => [
      { kind: "link", where: "host", type, name, mtu: tunnelMtu(local, 4, OVERHEAD), local: own },
      ...planTunnelEnd(name, local, [family]),
    ],
  );
}

/** The device for IPv6 to nodes of the same link. The addresses that it sends from are those of the other one. */
function planLan(local: LocalNode): Resource[] {
  const own = addressOf(local, 4);
  const uplink = uplinkOf(local, 4);
  if (own === undefined || uplink === undefined || tunnelAddress(local, 6) === undefined) return [];
  const mtu = tunnelMtu(local, 4, OVERHEAD);
  return [
    { kind: "link", where: "host", type: "sit", name: SIT_LAN_LINK, mtu, local: own, uplink: uplink.name },
    ...planTunnelEnd(SIT_LAN_LINK, { ...local, tunnelAddresses: [] }, [6]),
  ];
}

function planIpipPeer(peer: Peer, local: LocalNode, settings: ModeSettings): PeerPlan {
  return planTunnelPeer(peer, local, settings, {
    link: (family) => (family === 4 ? IPIP_LINK : sitLink(peer, local)),
    way: (family) => ipipWay(peer, local, family),
  });
}

function sitLink(peer: Peer, local: LocalNode): string {
  const uplink = uplinkOf(local, 4);
  const outer = peer.addresses.filter((address) => familyOf(address) === 4).slice(0, 1);
  const isNear = uplink !== undefined && sharedLink({ addresses: outer }, { uplinks: [uplink] }, 4) !== undefined;
  return isNear ? SIT_LAN_LINK : SIT_LINK;
}

function ipipWay(peer: Peer, local: LocalNode, family: Family): TunnelWay {
  const lacking = [local, peer].find((node) => addressOf(node, 4) === undefined);
  const destination = addressOf(peer, 4);
  if (lacking === undefined && destination !== undefined) {
    return { gateway: family === 4 ? destination : compatible(destination), before: [] };
  }
  return {
    problem:
      `Mode ipip has no way from ${named(local)} to ${named(peer)}: node "${(lacking ?? peer).name}" ` +
      "has no IPv4 address; use mode vxlan",
  };
}

/** `::a.b.c.d`, by which a `sit` device knows the IPv4 address that a packet goes to. */
function compatible(ipv4: string): string {
  const bytes = new Uint8Array(16);
  bytes.set(parseIpBytes(ipv4) ?? [], 12);
  return formatIpBytes(bytes);
}
