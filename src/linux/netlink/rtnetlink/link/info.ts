/**
 * What kind of link it is, with the data of that kind, and as what kind of port it serves its master.
 *
 * The format of the data depends on the kind, so this is the one attribute that a table alone cannot say. Data of a
 * kind that is not known here stays as bytes; `dummy` and `ifb` have none.
 * @see linux/if_link.h IFLA_LINKINFO, IFLA_INFO_KIND and below
 */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { bytes, encode, string, type Wire, wire } from "../../wire.ts";
import { type BridgeData, bridgeData } from "./bridge.ts";
import { type BridgePortData, bridgePortData } from "./bridge-port.ts";
import { type IpTunnelData, ipTunnelData } from "./ip-tunnel.ts";
import { type IpvlanData, ipvlanData } from "./ipvlan.ts";
import { type MacvlanData, macvlanData } from "./macvlan.ts";
import { type TunData, tunData } from "./tun.ts";
import { type VethData, vethData } from "./veth.ts";
import { type VlanData, vlanData } from "./vlan.ts";
import { type VrfData, type VrfPortData, vrfData, vrfPortData } from "./vrf.ts";
import { type VxlanData, vxlanData } from "./vxlan.ts";

/** The data of each kind that is known here, under the name of the kind. */
interface KindData<Link> {
  veth?: VethData<Link>;
  bridge?: BridgeData;
  macvlan?: MacvlanData;
  ipvlan?: IpvlanData;
  vlan?: VlanData;
  vrf?: VrfData;
  tun?: TunData;
  vxlan?: VxlanData;
  ipip?: IpTunnelData;
  sit?: IpTunnelData;
}

export interface LinkInfo<Link> extends KindData<Link>, WithUnknown {
  /** As ip-link(8) names it: `veth`, `bridge` … */
  kind?: string;
  /** Data of a kind that has no field of its own. */
  data?: Uint8Array;
  /** The kind of the master. */
  portKind?: string;
  /** Data of a kind of port that has no field of its own. */
  portData?: Uint8Array;
  bridgePort?: BridgePortData;
  vrfPort?: VrfPortData;
}

interface RawLinkInfo extends WithUnknown {
  kind?: string;
  data?: Uint8Array;
  portKind?: string;
  portData?: Uint8Array;
}

const rawLinkInfo = attributes<RawLinkInfo>({
  kind: [1, string],
  data: [2, bytes],
  portKind: [4, string],
  portData: [5, bytes],
});

/** The format of link information whose veth peers have this link format. */
export function linkInfo<Link>(link: Wire<Link>): Wire<LinkInfo<Link>> {
  const formats: { readonly [K in keyof KindData<Link>]-?: Wire<NonNullable<KindData<Link>[K]>> } = {
    veth: vethData(link),
    bridge: bridgeData,
    macvlan: macvlanData,
    ipvlan: ipvlanData,
    vlan: vlanData,
    vrf: vrfData,
    tun: tunData,
    vxlan: vxlanData,
    ipip: ipTunnelData,
    sit: ipTunnelData,
  };
  const kinds = Object.keys(formats) as (keyof typeof formats)[];
  return wire<LinkInfo<Link>>(
    (out, { bridgePort, vrfPort, ...info }) => {
      const raw: RawLinkInfo = { ...info };
      for (const kind of kinds) {
        const data = info[kind];
        if (data !== undefined) raw.data = encode(formats[kind] as Wire<unknown>, data);
      }
      if (bridgePort !== undefined) raw.portData = encode(bridgePortData, bridgePort);
      if (vrfPort !== undefined) raw.portData = encode(vrfPortData, vrfPort);
      rawLinkInfo.write(out, raw);
    },
    (input, at, end) => {
      const { data, portData, ...known } = rawLinkInfo.readAt(input, at, end);
      const info: LinkInfo<Link> & Record<string, unknown> = known;
      if (data !== undefined) {
        const kind = info.kind as keyof typeof formats;
        if (kinds.includes(kind)) info[kind] = formats[kind].read(data) as never;
        else info.data = data;
      }
      if (portData !== undefined) {
        if (info.portKind === "bridge") info.bridgePort = bridgePortData.read(portData);
        else if (info.portKind === "vrf") info.vrfPort = vrfPortData.read(portData);
        else info.portData = portData;
      }
      return info;
    },
  );
}
