/** A packet as far as it is known before it is sent, and whether a field of it is what a rule asks for. */

import { cidrContains, parseCidr } from "../core/cidr.ts";
import { compareIp, type Family, parseIp } from "../core/ip.ts";
import type { NftKey, NftMatch, NftRange, NftTuple, NftValue } from "../core/nftables.ts";

export interface Packet {
  readonly family: Family;
  readonly source: string;
  readonly destination: string;
  readonly protocol: "tcp" | "udp" | "icmp";
  /** Of TCP and UDP; the other port is any. */
  readonly destinationPort?: number;
  readonly sourcePort?: number;
  /** Names of links; absent at hooks that do not know them. */
  readonly input?: string;
  readonly output?: string;
  /** Whether it is for the host itself. */
  readonly isForHost?: boolean;
  /** Whether it opens a connection, or belongs to one. */
  readonly state: "new" | "established";
  /** Undefined when a rule that cannot be decided on may have changed it. */
  readonly mark: number | undefined;
}

/** True, false, or undefined for what cannot be told. */
export type Maybe = boolean | undefined;

/** A field's value; "absent" for one that the packet does not have, which no rule matches. */
type Value = NftValue | readonly string[] | undefined;
const ABSENT = Symbol("absent");

function fieldOf(key: NftKey, packet: Packet): Value | typeof ABSENT {
  const { family, protocol } = packet;
  const icmp = family === 4 ? "icmp" : "ipv6-icmp";
  const inFamily = (wanted: Family, value: Value) => (family === wanted ? value : ABSENT);
  const inProtocol = (wanted: string, value: Value) => (protocol === wanted ? value : ABSENT);
  switch (key) {
    case "ip saddr":
      return inFamily(4, packet.source);
    case "ip daddr":
      return inFamily(4, packet.destination);
    case "ip6 saddr":
      return inFamily(6, packet.source);
    case "ip6 daddr":
      return inFamily(6, packet.destination);
    case "ip protocol":
      return inFamily(4, protocol);
    case "ip6 nexthdr":
      return inFamily(6, protocol === "icmp" ? icmp : protocol);
    case "meta l4proto":
      return protocol === "icmp" ? icmp : protocol;
    case "meta nfproto":
      return family === 4 ? "ipv4" : "ipv6";
    case "meta protocol":
    case "ether type":
      return family === 4 ? "ip" : "ip6";
    case "iifname":
      return packet.input ?? ABSENT;
    case "oifname":
      return packet.output ?? ABSENT;
    case "meta mark":
      return packet.mark;
    case "ct state":
      return [packet.state];
    case "ct status":
      return packet.state === "new" ? [] : undefined;
    case "ct direction":
      return packet.state === "new" ? "original" : "reply";
    case "tcp dport":
    case "udp dport":
    case "sctp dport":
      return inProtocol(key.split(" ")[0] ?? "", packet.destinationPort);
    case "tcp sport":
    case "udp sport":
    case "sctp sport":
      return inProtocol(key.split(" ")[0] ?? "", packet.sourcePort);
    case "th dport":
      return protocol === "icmp" ? ABSENT : packet.destinationPort;
    case "th sport":
      return protocol === "icmp" ? ABSENT : packet.sourcePort;
    case "icmp type":
      return inFamily(4, protocol === "icmp" ? (packet.state === "new" ? "echo-request" : "echo-reply") : undefined);
    case "fib daddr type":
      return packet.isForHost ? "local" : "unicast";
    // The host's own packets are not looked at.
    case "fib saddr type":
      return "unicast";
    default:
      return undefined;
  }
}

/** The keys of elements of a set or map, by its name; undefined where it is not known. */
export type FindElements = (set: string) => readonly { readonly key: NftTuple }[] | undefined;

/** Whether a packet is what a match asks for. */
export function matches({ key, operator, mask, value }: NftMatch, packet: Packet, elements: FindElements): Maybe {
  const keys = typeof key === "string" ? [key] : key;
  const fields = keys.map((one) => fieldOf(one, packet));
  if (fields.includes(ABSENT)) return false;
  const known = fields as readonly Value[];
  const isNegated = operator === "!=" || operator === "!";
  const found = compare(known, operator, mask, value, elements);
  return found === undefined ? undefined : found !== isNegated;
}

/** Before the sense of "!=" and "!" is applied. */
function compare(
  fields: readonly Value[],
  operator: NftMatch["operator"],
  mask: NftMatch["mask"],
  value: NftMatch["value"],
  elements: FindElements,
): Maybe {
  const [field] = fields;
  if (typeof value === "object" && "set" in value) return anyOf(elements(value.set), fields);
  if (typeof value === "object" && "anyOf" in value) {
    return anyOf(
      value.anyOf.map((one) => ({ key: isTuple(one) ? one : [one] })),
      fields,
    );
  }
  if (isWords(value)) return compareFlags(field, value, operator);
  if (mask !== undefined) return compareMasked(field, mask, value);
  if (isOrder(operator)) return compareOrder(field, operator, value);
  return isOne(field, value);
}

function isTuple(one: NftValue | NftRange | NftTuple): one is NftTuple {
  return Array.isArray(one);
}

function isWords(value: NftMatch["value"]): value is readonly string[] {
  return Array.isArray(value);
}

type Order = "<" | "<=" | ">" | ">=";

function isOrder(operator: NftMatch["operator"]): operator is Order {
  return operator === "<" || operator === "<=" || operator === ">" || operator === ">=";
}

/** Whether one of the keys is what the fields are. */
function anyOf(elements: readonly { readonly key: NftTuple }[] | undefined, fields: readonly Value[]): Maybe {
  if (elements === undefined) return undefined;
  const each = elements.map(({ key }) => elementIs(key, fields));
  return each.includes(true) ? true : each.includes(undefined) ? undefined : false;
}

/** Whether an element's key is what the fields are. */
export function elementIs(key: NftTuple, fields: readonly Value[]): Maybe {
  const parts = key.map((part, i) => isOne(fields[i], part));
  return parts.includes(false) ? false : parts.includes(undefined) ? undefined : true;
}

/** The fields of a key, as a map is asked for them; undefined when one is not there at all. */
export function fieldsOf(keys: NftMatch["key"], packet: Packet): readonly Value[] | undefined {
  const fields = (typeof keys === "string" ? [keys] : keys).map((key) => fieldOf(key, packet));
  return fields.includes(ABSENT) ? undefined : (fields as readonly Value[]);
}

function compareFlags(field: Value, wanted: readonly string[], operator: NftMatch["operator"]): Maybe {
  if (typeof field !== "object") return undefined;
  if (operator === "==" || operator === "!=") {
    return field.length === wanted.length && field.every((flag) => wanted.includes(flag));
  }
  return field.some((flag) => wanted.includes(flag));
}

function compareMasked(field: Value, mask: NftValue, value: NftMatch["value"]): Maybe {
  if (field === undefined) return undefined;
  if (typeof field === "number" && typeof mask === "number" && typeof value === "number") {
    return (field & mask) >>> 0 === value >>> 0;
  }
  const [ip, bits, wanted] = [field, mask, value].map((one) => (typeof one === "string" ? parseIp(one) : undefined));
  if (ip === undefined || bits === undefined || wanted === undefined) return undefined;
  return (ip.value & bits.value) === wanted.value;
}

function compareOrder(field: Value, operator: Order, value: NftMatch["value"]): Maybe {
  if (typeof field !== "number" || typeof value !== "number") return undefined;
  switch (operator) {
    case "<":
      return field < value;
    case "<=":
      return field <= value;
    case ">":
      return field > value;
    case ">=":
      return field >= value;
  }
}

/** Whether a field is a value, or in a range or prefix. */
function isOne(field: Value, wanted: NftValue | NftRange): Maybe {
  if (field === undefined) return undefined;
  if (typeof field === "object") return field.includes(String(wanted));
  if (typeof wanted === "object") return isWithin(field, wanted);
  if (typeof field === "number" || typeof wanted === "number") return Number(field) === Number(wanted);
  const ip = parseIp(field);
  if (ip !== undefined) {
    const network = parseCidr(wanted);
    if (network !== undefined) return cidrContains(network, ip);
    const other = parseIp(wanted);
    return other !== undefined && compareIp(ip, other) === 0;
  }
  // The name of a link: an asterisk at its end stands for any rest.
  return /[^\\]\*$|^\*$/.test(wanted) ? field.startsWith(wanted.slice(0, -1)) : field === wanted;
}

function isWithin(field: NftValue, { from, to }: NftRange): Maybe {
  if (typeof field === "number") return field >= Number(from) && field <= Number(to);
  const [ip, first, last] = [field, String(from), String(to)].map(parseIp);
  if (ip === undefined || first === undefined || last === undefined) return undefined;
  return compareIp(first, ip) <= 0 && compareIp(ip, last) <= 0;
}
