/** VLANs of a bridge's ports. @see linux/if_bridge.h struct bridge_vlan_info, bridge(8) "bridge vlan" */

import { AF_BRIDGE } from "../../libc.ts";
import { attributes, listOf, message, nested, type WithUnknown } from "../attributes.ts";
import { type NetlinkRequest, request } from "../message.ts";
import type { NetlinkSocket } from "../socket.ts";
import { i32, struct, u8, u16, u32 } from "../wire.ts";

const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;

/** @see linux/if_bridge.h */
const BRIDGE_VLAN_INFO_PVID = 2;
const BRIDGE_VLAN_INFO_UNTAGGED = 4;
const BRIDGE_VLAN_INFO_RANGE_BEGIN = 8;
const BRIDGE_VLAN_INFO_RANGE_END = 16;
const IFLA_BRIDGE_VLAN_INFO = 2;
/** Neighbouring VLANs as one range: else a port with all has more to tell than a datagram holds. @see linux/rtnetlink.h */
const RTEXT_FILTER_BRVLAN_COMPRESSED = 4;

interface BridgeVlanHeader {
  family: number;
  index: number;
}

interface BridgeVlanInfo {
  flags: number;
  vlan: number;
}

interface BridgeVlanAttributes extends WithUnknown {
  vlans?: readonly BridgeVlanInfo[];
  extendedMask?: number;
}

const header = struct<BridgeVlanHeader>(16, { family: [0, u8], index: [4, i32] });
const vlanInfo = struct<BridgeVlanInfo>(4, { flags: [0, u16], vlan: [2, u16] });

export const bridgeVlanMessage = message(
  header,
  attributes<BridgeVlanAttributes>({
    vlans: [26, nested(listOf(IFLA_BRIDGE_VLAN_INFO, vlanInfo))],
    extendedMask: [29, u32],
  }),
);

/** A VLAN of a port. */
export interface PortVlan {
  readonly vlan: number;
  /** Frames without a tag that come in belong to it. */
  readonly pvid: boolean;
  /** Frames of it go out without a tag. */
  readonly untagged: boolean;
}

/** Lets a VLAN through a port. The kernel answers EOPNOTSUPP without VLAN filtering. */
export function addPortVlan(index: number, port: string, { vlan, pvid, untagged }: PortVlan): NetlinkRequest {
  const flags = (pvid ? BRIDGE_VLAN_INFO_PVID : 0) | (untagged ? BRIDGE_VLAN_INFO_UNTAGGED : 0);
  const value = { family: AF_BRIDGE, index, vlans: [{ flags, vlan }] };
  return request(`add VLAN ${vlan} to port "${port}"`, RTM_SETLINK, 0, bridgeVlanMessage, value);
}

/** Keeps a VLAN from a port. */
export function deletePortVlan(index: number, port: string, vlan: number): NetlinkRequest {
  const value = { family: AF_BRIDGE, index, vlans: [{ flags: 0, vlan }] };
  return request(`delete VLAN ${vlan} from port "${port}"`, RTM_DELLINK, 0, bridgeVlanMessage, value);
}

/** The VLANs of a port. Throws NetlinkError. */
export function listPortVlans(socket: NetlinkSocket, index: number): PortVlan[] {
  const which = { family: AF_BRIDGE, index: 0, extendedMask: RTEXT_FILTER_BRVLAN_COMPRESSED };
  const entries = socket
    .dump(request("list VLANs of bridge ports", RTM_GETLINK, 0, bridgeVlanMessage, which))
    .map(({ payload }) => bridgeVlanMessage.read(payload))
    .filter((port) => port.index === index)
    .flatMap((port) => port.vlans ?? []);
  return portVlansOf(entries);
}

/** The VLANs of entries, of which two stand for all from the one's to the other's. */
export function portVlansOf(entries: readonly BridgeVlanInfo[]): PortVlan[] {
  const vlans: PortVlan[] = [];
  let first: number | undefined;
  for (const { flags, vlan } of entries) {
    if ((flags & BRIDGE_VLAN_INFO_RANGE_BEGIN) !== 0) {
      first = vlan;
      continue;
    }
    const from = (flags & BRIDGE_VLAN_INFO_RANGE_END) === 0 ? vlan : (first ?? vlan);
    first = undefined;
    const pvid = (flags & BRIDGE_VLAN_INFO_PVID) !== 0;
    const untagged = (flags & BRIDGE_VLAN_INFO_UNTAGGED) !== 0;
    for (let id = from; id <= vlan; id++) vlans.push({ vlan: id, pvid, untagged });
  }
  return vlans;
}
