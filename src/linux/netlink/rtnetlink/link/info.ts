/**
 * What kind of link it is, with the data of that kind, and as what kind of port it serves its master.
 *
 * The format of the data depends on the kind, so this is the one attribute that a table alone cannot say. Data of a
 * kind that is not known here stays as bytes.
 * @see linux/if_link.h IFLA_LINKINFO, IFLA_INFO_KIND and below
 */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { bytes, encode, string, type Wire, wire } from "../../wire.ts";
import { type BridgeData, bridgeData } from "./bridge.ts";
import { type BridgePortData, bridgePortData } from "./bridge-port.ts";
import { type VethData, vethData } from "./veth.ts";

export interface LinkInfo<Link> extends WithUnknown {
  /** As ip-link(8) names it: `veth`, `bridge` … */
  kind?: string;
  /** Data of a kind that has no field of its own below. */
  data?: Uint8Array;
  veth?: VethData<Link>;
  bridge?: BridgeData;
  /** The kind of the master. */
  portKind?: string;
  /** Data of a kind of port that has no field of its own below. */
  portData?: Uint8Array;
  bridgePort?: BridgePortData;
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
  const veth = vethData(link);
  return wire<LinkInfo<Link>>(
    (out, { veth: vethValue, bridge, bridgePort, ...raw }) => {
      if (vethValue !== undefined) raw.data = encode(veth, vethValue);
      if (bridge !== undefined) raw.data = encode(bridgeData, bridge);
      if (bridgePort !== undefined) raw.portData = encode(bridgePortData, bridgePort);
      rawLinkInfo.write(out, raw);
    },
    (input, at, end) => {
      const { data, portData, ...known } = rawLinkInfo.readAt(input, at, end);
      const info: LinkInfo<Link> = known;
      if (data !== undefined) {
        if (info.kind === "veth") info.veth = veth.read(data);
        else if (info.kind === "bridge") info.bridge = bridgeData.read(data);
        else info.data = data;
      }
      if (portData !== undefined) {
        if (info.portKind === "bridge") info.bridgePort = bridgePortData.read(portData);
        else info.portData = portData;
      }
      return info;
    },
  );
}
