/** The data of a tunnel in IPv4 packets, `ipip` or `sit`. @see linux/if_tunnel.h IFLA_IPTUN_UNSPEC and below, ip-link(8) "IPIP, SIT Type Support" */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { bool8, ipAddress, u8, u32 } from "../../wire.ts";

export interface IpTunnelData extends WithUnknown {
  /** Index of the link that it sends by; 0 or absent for whichever the routes name. */
  link?: number;
  local?: string;
  /** The other end; 0.0.0.0 or absent where the route of each packet says it. */
  remote?: string;
  /** Of the outer packets; the inner packet's when 0. */
  ttl?: number;
  tos?: number;
  /** IPPROTO_ of what it carries; the only one that its kind is named after when absent. */
  protocol?: number;
  /** Outer packets may not be fragmented. To be told with a `ttl`. */
  pmtuDiscovery?: boolean;
}

export const ipTunnelData = attributes<IpTunnelData>({
  link: [1, u32],
  local: [2, ipAddress],
  remote: [3, ipAddress],
  ttl: [4, u8],
  tos: [5, u8],
  protocol: [9, u8],
  pmtuDiscovery: [10, bool8],
});
