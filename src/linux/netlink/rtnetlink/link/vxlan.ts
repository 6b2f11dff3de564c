/** The data of a VXLAN link. @see linux/if_link.h IFLA_VXLAN_UNSPEC and below, ip-link(8) "VXLAN Type Support" */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { be16, bool8, ipAddress, u8, u32 } from "../../wire.ts";

export interface VxlanData extends WithUnknown {
  /** The network's number, of 24 bits. */
  id?: number;
  /** Index of the link that it sends by; whichever the routes name when absent. */
  link?: number;
  /** The IPv4 address that it sends from. */
  local?: string;
  /** The IPv6 address that it sends from. */
  local6?: string;
  /** Of the outer packets; the host's default when 0. */
  ttl?: number;
  /** Whether frames that come in make forwarding entries. */
  learning?: boolean;
  /** UDP port of the other ends, and of this one. */
  port?: number;
  /** Whether outer packets over IPv4 have a UDP checksum. */
  udpChecksum?: boolean;
  /** Whether outer packets over IPv6 are sent without one. */
  udp6ZeroChecksumSent?: boolean;
  udp6ZeroChecksumTaken?: boolean;
}

export const vxlanData = attributes<VxlanData>({
  id: [1, u32],
  link: [3, u32],
  local: [4, ipAddress],
  ttl: [5, u8],
  learning: [7, bool8],
  port: [15, be16],
  local6: [17, ipAddress],
  udpChecksum: [18, bool8],
  udp6ZeroChecksumSent: [19, bool8],
  udp6ZeroChecksumTaken: [20, bool8],
});
