/** Prefixes: an address with the number of its leading bits that name the network. */

import { addressBits, type Family, formatIp, type Ip, parseIp } from "./ip.ts";

export interface Cidr {
  readonly ip: Ip;
  /** Prefix length in bits. */
  readonly bits: number;
}

/**
 * Parses `address/length`; host bits may be set. A prefix of IPv4-mapped addresses becomes the IPv4 prefix that it stands
 * for, as the address does. Returns undefined for anything else.
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const ip = parseIp(text.slice(0, slash));
  const length = text.slice(slash + 1);
  const given = Number(length);
  // The number's own text is compared too, for Number() takes "", "1e1" and " 8" as well.
  if (ip === undefined || !Number.isInteger(given) || String(given) !== length) return undefined;
  // An IPv4-mapped address has 96 bits before those of the IPv4 address.
  const bits = given - (ip.family === 4 && text.includes(":") ? 96 : 0);
  return bits < 0 || bits > addressBits(ip.family) ? undefined : { ip, bits };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr.ip)}/${cidr.bits}`;
}

/** The network's own address: all host bits zero. */
export function networkAddress(cidr: Cidr): Ip {
  return { family: cidr.ip.family, value: cidr.ip.value & ~hostMask(cidr.ip.family, cidr.bits) };
}

/** The highest address of the network: all host bits one (for IPv4 the broadcast address). */
export function lastAddress(cidr: Cidr): Ip {
  return { family: cidr.ip.family, value: cidr.ip.value | hostMask(cidr.ip.family, cidr.bits) };
}

/** The prefix with all host bits zero. */
export function networkOf(cidr: Cidr): Cidr {
  return { ip: networkAddress(cidr), bits: cidr.bits };
}

/** Whether an address lies within a prefix. */
export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  if (cidr.ip.family !== ip.family) return false;
  return (cidr.ip.value ^ ip.value) >> BigInt(addressBits(ip.family) - cidr.bits) === 0n;
}

function hostMask(family: Family, bits: number): bigint {
  return (1n << BigInt(addressBits(family) - bits)) - 1n;
}
