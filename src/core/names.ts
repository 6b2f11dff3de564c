/**
 * Names that Tendril chooses, and the rules for those that it is given.
 *
 * A chosen name is a function of the attachment, so a plan is complete before anything is touched, and DEL finds the
 * host's end of a veth pair although record, cache and namespace are gone.
 */

import { formatMac } from "./mac.ts";

/** The longest name of a network interface in bytes. @see linux/if.h IFNAMSIZ, which counts the final zero */
export const MAX_INTERFACE_NAME = 15;

/** What is wrong with the name of an interface, or undefined when the kernel will take it. @see net/core/dev.c dev_valid_name */
export function interfaceNameProblem(name: string): string | undefined {
  if (name === "") return "is empty";
  if (new TextEncoder().encode(name).length > MAX_INTERFACE_NAME) return `is longer than ${MAX_INTERFACE_NAME} bytes`;
  if (name === "." || name === "..") return "is . or ..";
  if (/[/:\s]/.test(name)) return "contains a slash, a colon or white space";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a zero byte would end the name early in the kernel
  if (/\u0000/.test(name)) return "contains a zero byte";
  return undefined;
}

/** An attachment: what the CNI specification calls a unique (network, container, interface). */
export interface AttachmentKey {
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
}

/** The name of the host's end of an attachment's veth pair: `veth` and 55 bits of the attachment's hash. */
export function hostVethName(key: AttachmentKey): string {
  return `veth${base32(attachmentHash("veth", key)).slice(0, 11)}`;
}

/** A locally administered unicast MAC address for one purpose of an attachment. */
export function attachmentMac(purpose: string, key: AttachmentKey): string {
  return macFrom(attachmentHash(purpose, key));
}

/** A locally administered unicast MAC address for an interface that a machine shares: one for each boot and name. */
export function sharedMac(bootId: string, name: string): string {
  return macFrom(fnv1a64(`shared\0${bootId}\0${name}`));
}

function attachmentHash(purpose: string, key: AttachmentKey): bigint {
  return fnv1a64(`${purpose}\0${key.network}\0${key.containerId}\0${key.ifname}`);
}

function macFrom(hash: bigint): string {
  const bytes = new Uint8Array(6);
  for (let i = 0; i < 6; i++) bytes[i] = Number((hash >> BigInt(8 * i)) & 0xffn);
  bytes[0] = ((bytes[0] as number) & 0xfc) | 0x02;
  return formatMac(bytes);
}

/** 64-bit FNV-1a, then mixed, so that the high bits depend on the last bytes too. @see draft-eastlake-fnv; the mixer is MurmurHash3's fmix64 */
export function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  hash = BigInt.asUintN(64, (hash ^ (hash >> 33n)) * 0xff51afd7ed558ccdn);
  hash = BigInt.asUintN(64, (hash ^ (hash >> 33n)) * 0xc4ceb9fe1a85ec53n);
  return hash ^ (hash >> 33n);
}

/** 64 bits as 13 characters of the alphabet a-z2-7. */
function base32(value: bigint): string {
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  let text = "";
  for (let rest = value, i = 0; i < 13; i++, rest >>= 5n) text += alphabet[Number(rest & 31n)];
  return text;
}
