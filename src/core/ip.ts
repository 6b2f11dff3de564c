/**
 * IP addresses and their text.
 *
 * Everywhere outside of arithmetic an address is its text, because plans, records and results are JSON; an {@link Ip}
 * is what one parses it into to count, compare or encode.
 */

export type Family = 4 | 6;

/** An address as a number: 32 bits for family 4, 128 for family 6. */
export interface Ip {
  readonly family: Family;
  readonly value: bigint;
}

/** The number of bits of an address of this family. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/**
 * Parses dotted IPv4 or colon-hexadecimal IPv6 text; an IPv4-mapped IPv6 address becomes the IPv4 address that it
 * stands for, as Go's net.IP does. Returns undefined for anything else, zones and leading zeros included.
 * @see https://www.rfc-editor.org/rfc/rfc4291#section-2.2
 */
export function parseIp(text: string): Ip | undefined {
  const bytes = parseIpBytes(text);
  return bytes === undefined ? undefined : ipFromBytes(bytes);
}

/** The 4 or 16 bytes of the text of an address, in network order; colons make 16, even of an IPv4-mapped address. */
export function parseIpBytes(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4);
  let index = 0;
  let octet = -1;
  for (let i = 0; i <= text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit >= 0 && digit <= 9) {
      // No leading zeros: some read them as octal.
      if (octet === 0) return undefined;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return undefined;
    } else {
      if (octet < 0 || index > 3 || (i < text.length && text[i] !== ".")) return undefined;
      bytes[index++] = octet;
      octet = -1;
    }
  }
  return index === 4 ? bytes : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  // Dotted IPv4 may only end the whole address, so not what stands before "::".
  const head = parseGroups(halves[0] as string, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] as string, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  // "::" stands for at least one group of zeros.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const bytes = new Uint8Array(16);
  for (const [i, group] of groups.entries()) {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  }
  return bytes;
}

/** The 16-bit groups of one side of "::"; the last may be dotted IPv4 where the address ends with it. */
function parseGroups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (endsAddress && i === parts.length - 1 && part.includes(".")) {
      const v4 = parseIpv4(part);
      if (v4 === undefined) return undefined;
      const [a, b, c, d] = v4 as unknown as [number, number, number, number];
      groups.push((a << 8) | b, (c << 8) | d);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

/** The shortest text of an address. @see https://www.rfc-editor.org/rfc/rfc5952#section-4 */
export function formatIp(ip: Ip): string {
  return formatIpBytes(ipToBytes(ip));
}

/**
 * The text of 4 or 16 bytes in network order; 16 bytes stay IPv6 even where they are IPv4-mapped, which is then written
 * `::ffff:192.0.2.1`, as the C library and ip(8) do.
 * @see https://www.rfc-editor.org/rfc/rfc5952#section-5
 */
export function formatIpBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) throw new RangeError(`An IP address has 4 or 16 bytes, not ${bytes.length}`);
  if (isIpv4Mapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] as number) << 8) | (bytes[i + 1] as number));
  const zeros = longestZeroRun(groups);
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  if (zeros.length < 2) return hex(groups);
  return `${hex(groups.slice(0, zeros.start))}::${hex(groups.slice(zeros.start + zeros.length))}`;
}

/** An address, with a prefix length or without, in the text that the kernel tells it in; what is none stays as it is. */
export function canonicalAddress(text: string): string {
  const [address = "", length] = text.split("/");
  const bytes = parseIpBytes(address);
  if (bytes === undefined) return text;
  return length === undefined ? formatIpBytes(bytes) : `${formatIpBytes(bytes)}/${length}`;
}

function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    start = Math.max(start, end);
  }
  return best;
}

/** The 4 or 16 bytes of an address in network order. */
export function ipToBytes(ip: Ip): Uint8Array {
  const bytes = new Uint8Array(ip.family === 4 ? 4 : 16);
  let rest = ip.value;
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** The address of 4 or 16 bytes in network order; IPv4-mapped IPv6 becomes IPv4. */
export function ipFromBytes(bytes: Uint8Array): Ip {
  const used = isIpv4Mapped(bytes) ? bytes.subarray(12) : bytes;
  let value = 0n;
  // By index: the first "for of" over a typed array costs a process 0.13 ms.
  for (let i = 0; i < used.length; i++) value = (value << 8n) | BigInt(used[i] as number);
  return { family: used.length === 4 ? 4 : 6, value };
}

function isIpv4Mapped(bytes: Uint8Array): boolean {
  if (bytes.length !== 16 || bytes[10] !== 0xff || bytes[11] !== 0xff) return false;
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Below zero, zero or above it as `a` comes before, equals or comes after `b`; IPv4 comes before IPv6. */
export function compareIp(a: Ip, b: Ip): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/** The family of an address or prefix in text, told by its colons alone: for text that has been checked before. */
export function familyOf(text: string): Family {
  return text.includes(":") ? 6 : 4;
}

/** The address of an address with a prefix length, which may be missing. */
export function withoutLength(address: string): string {
  const slash = address.indexOf("/");
  return slash < 0 ? address : address.slice(0, slash);
}

/** The network of one address alone, whatever prefix length it comes with. */
export function alone(address: string): string {
  const ip = withoutLength(address);
  return `${ip}/${addressBits(familyOf(ip))}`;
}
