/** Addresses as sockets take them. @see ip(7) struct sockaddr_in, ipv6(7) struct sockaddr_in6 */

import { type Family, formatIpBytes, ipToBytes, parseIp } from "../core/ip.ts";
import { AF_INET, AF_INET6 } from "./libc.ts";

const SIZE = { 4: 16, 6: 28 } as const;
const IP_OFFSET = { 4: 4, 6: 8 } as const;
const IP_SIZE = { 4: 4, 6: 16 } as const;

export function domainOf(family: Family): number {
  return family === 4 ? AF_INET : AF_INET6;
}

/** The structure of an address and port. */
export function encodeSocketAddress(ip: string, port: number): Uint8Array {
  const parsed = parseIp(ip);
  if (parsed === undefined) throw new TypeError(`"${ip}" is not an IP address`);
  const bytes = emptySocketAddress(parsed.family);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, domainOf(parsed.family), true);
  view.setUint16(2, port);
  bytes.set(ipToBytes(parsed), IP_OFFSET[parsed.family]);
  return bytes;
}

/** Room for an address that the kernel fills in. */
export function emptySocketAddress(family: Family): Uint8Array<ArrayBuffer> {
  return new Uint8Array(SIZE[family]);
}

/** The IP address in a structure that the kernel has filled in. */
export function decodeSocketAddress(family: Family, bytes: Uint8Array): string {
  return formatIpBytes(bytes.subarray(IP_OFFSET[family], IP_OFFSET[family] + IP_SIZE[family]));
}
