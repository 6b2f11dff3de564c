/** Echo messages of ICMP and ICMPv6. @see RFC 792, RFC 4443 section 4.1, raw(7) */

import type { Family } from "../../core/ip.ts";

export const IPPROTO_ICMP = 1;
export const IPPROTO_ICMPV6 = 58;

const TYPES = {
  4: { request: 8, reply: 0, timeExceeded: 11, unreachable: 3 },
  6: { request: 128, reply: 129, timeExceeded: 3, unreachable: 1 },
} as const;

const HEADER = 8;
const IPV6_HEADER = 40;

export type EchoKind = keyof (typeof TYPES)[4];

/** A message as a raw socket receives it. `payload` is what was echoed, or the message that an error is about. */
export interface IcmpMessage {
  readonly kind: EchoKind;
  readonly payload: Uint8Array;
}

/** An echo request with the payload. The kernel fills in the checksum of ICMPv6, but not that of ICMP. */
export function encodeEchoRequest(family: Family, id: number, payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(HEADER + payload.length);
  const view = new DataView(message.buffer);
  message[0] = TYPES[family].request;
  view.setUint16(4, id);
  view.setUint16(6, 1);
  message.set(payload, HEADER);
  if (family === 4) view.setUint16(2, checksum(message));
  return message;
}

/** Decodes what a raw socket has received, or undefined for other kinds of messages and truncated ones. */
export function decodeIcmp(family: Family, datagram: Uint8Array): IcmpMessage | undefined {
  const message = family === 4 ? datagram.subarray(ipv4HeaderLength(datagram)) : datagram;
  if (message.length < HEADER) return undefined;
  const types = TYPES[family];
  const kind = (Object.keys(types) as EchoKind[]).find((name) => types[name] === message[0]);
  if (kind === undefined) return undefined;
  const rest = message.subarray(HEADER);
  if (kind === "request" || kind === "reply") return { kind, payload: rest };
  // An error carries the packet that it is about, from its IP header on.
  const inner = rest.subarray(family === 4 ? ipv4HeaderLength(rest) : IPV6_HEADER);
  return { kind, payload: inner.subarray(HEADER) };
}

/** A raw IPv4 socket receives the IP header too. */
function ipv4HeaderLength(packet: Uint8Array): number {
  return ((packet[0] ?? 0) & 0x0f) * 4;
}

/** The Internet checksum. @see RFC 1071 */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
