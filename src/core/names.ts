/**
 * Names that Tendril chooses, and the rules for those that it is given.
 *
 * A chosen name is a function of the attachment, so a plan is complete before anything is touched, and DEL finds the
 * host's end of a veth pair although record, cache and namespace are gone.
 */

import { formatMac } from "./mac.ts";

/** The longest name of a network interface in bytes. @see linux/if.h IFNAMSIZ, which counts the final zero */
export const MAX_INTERFACE_NAME = 15;

/** What is wrong with the name of an interface, or undefined when the kernel will take it as it stands. @see net/core/dev.c dev_valid_name */
export function interfaceNameProblem(name: string): string | undefined {
  if (name === "") return "is empty";
  if (name === "." || name === "..") return "is . or ..";
  if (name === "all" || name === "default") return "is all or default, the names of sysctl folders";
  // Character by character, because the first regular expression costs a process more than the rest of the check.
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit > 0x7f) return problemOfBytes(new TextEncoder().encode(name));
    const problem = problemOfByte(unit);
    if (problem !== undefined) return problem;
  }
  return problemOfLength(name.length);
}

function problemOfBytes(bytes: Uint8Array): string | undefined {
  for (let i = 0; i < bytes.length; i++) {
    const problem = problemOfByte(bytes[i] as number);
    if (problem !== undefined) return problem;
  }
  return problemOfLength(bytes.length);
}

const SLASH = 0x2f;
const COLON = 0x3a;
const PERCENT = 0x25;

function problemOfByte(byte: number): string | undefined {
  if (byte === 0) return "contains a zero byte";
  if (byte === SLASH || byte === COLON || isSpace(byte)) return "contains a slash, a colon or white space";
  if (byte === PERCENT) return "contains a % sign, which the kernel replaces by a number";
  return undefined;
}

/**
 * As the kernel's isspace() has it, for whose table bytes are Latin-1: it takes the byte 0xa0 for a space also as a part
 * of a letter such as à. @see lib/ctype.c
 */
function isSpace(byte: number): boolean {
  return (byte >= 0x09 && byte <= 0x0d) || byte === 0x20 || byte === 0xa0;
}

function problemOfLength(bytes: number): string | undefined {
  return bytes > MAX_INTERFACE_NAME ? `is longer than ${MAX_INTERFACE_NAME} bytes` : undefined;
}

/** An attachment: what the CNI specification calls a unique (network, container, interface). */
export interface AttachmentKey {
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
}

/** Whose an nf_tables element is; nft(8) shows it, and removal compares it. At most 128 bytes, as nft(8) has it. */
export function ownerComment({ network, containerId, ifname }: AttachmentKey): string {
  return `${network} ${ifname} ${containerId}`.slice(0, 120);
}

/** The attachment that a comment names; the container's ID may lack its end. */
export function ownerOf(comment: string): AttachmentKey {
  const [network = "", ifname = "", ...rest] = comment.split(" ");
  return { network, ifname, containerId: rest.join(" ") };
}

/** What the names of the host's ends of our veth pairs begin with. */
export const VETH_PREFIX = "veth";

/** The name of the host's end of an attachment's veth pair: `veth` and 55 bits of the attachment's hash. */
export function hostVethName(key: AttachmentKey): string {
  return `${VETH_PREFIX}${base32(attachmentHash("veth", key)).slice(0, 11)}`;
}

/** A name for an attachment's device while it cannot have its own: `dev` and 55 bits of the attachment's hash. */
export function spareName(key: AttachmentKey): string {
  return `dev${base32(attachmentHash("device", key)).slice(0, 11)}`;
}

/** A locally administered unicast MAC address for one purpose of an attachment. */
export function attachmentMac(purpose: string, key: AttachmentKey): string {
  return macFrom(attachmentHash(purpose, key));
}

/** A locally administered unicast MAC address for an interface that a machine shares: one for each boot and name. */
export function sharedMac(bootId: string, name: string): string {
  return macFrom(hash64(`shared\0${bootId}\0${name}`));
}

function attachmentHash(purpose: string, key: AttachmentKey): Hash {
  return hash64(`${purpose}\0${key.network}\0${key.containerId}\0${key.ifname}`);
}

function macFrom([high, low]: Hash): string {
  const bytes = new Uint8Array(6);
  new DataView(bytes.buffer).setUint32(0, high);
  new DataView(bytes.buffer).setUint16(4, low >>> 16);
  // The lowest bit says group address, the next one that no manufacturer has given it.
  bytes[0] = ((bytes[0] as number) & 0xfc) | 0x02;
  return formatMac(bytes);
}

/** 64 bits in two numbers of 32. */
export type Hash = readonly [high: number, low: number];

/**
 * A hash for names, the same in every version of this program: two lanes of 32-bit FNV-1a that start differently, each
 * mixed at the end. In numbers of 32 bits, because a plugin that lives for some milliseconds runs interpreted, where
 * big integers cost a hundred times as much.
 * @see draft-eastlake-fnv; the mixer is MurmurHash3's fmix32
 */
export function hash64(text: string): Hash {
  let high = 0x811c9dc5;
  let low = 0x050c5d1f;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 0x01000193);
    low = Math.imul(low ^ (unit + 0x9e3779b9), 0x01000193);
  }
  return [mix(high ^ low), mix(low)];
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** A hash as 16 hexadecimal digits. */
export function formatHash([high, low]: Hash): string {
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

/** The first 60 bits as 12 characters of the alphabet a-z2-7. */
function base32([high, low]: Hash): string {
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  let text = "";
  for (let shift = 0; shift < 30; shift += 5) {
    text += alphabet[(high >>> shift) & 31] ?? "";
    text += alphabet[(low >>> shift) & 31] ?? "";
  }
  return text;
}
