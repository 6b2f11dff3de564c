/**
 * `conditionsV4` and `conditionsV6` of `portmap`: what a connection has to be like to be sent to the container, in the
 * words of iptables(8) (`["!", "-s", "10.1.0.0/16"]`) or of nft(8) (`["ip saddr != 10.1.0.0/16"]`).
 *
 * The reference plugin hands them to the one or the other program. Here they are read: matches by address and its type,
 * interface, protocol, source port and mark, each with its negation.
 * @see iptables(8), iptables-extensions(8), nft(8)
 */

import { formatCidr, networkOf, parseCidr } from "../../core/cidr.ts";
import { ConfigError } from "../../core/errors.ts";
import { type Family, formatIp, parseIp } from "../../core/ip.ts";
import { interfaceNameProblem } from "../../core/names.ts";
import type { NftKey, NftMatch, NftRange, NftValue } from "../../core/nftables.ts";

export type ConditionLanguage = "iptables" | "nftables";

/** A word of the configuration, and the field that it comes from. */
interface Word {
  readonly text: string;
  readonly field: string;
}

/** The words that are left. */
interface Reader {
  readonly family: Family;
  readonly words: Word[];
  /** The field that the words come from. */
  readonly field: string;
}

/** The language of conditions; undefined where there are none. No condition of nft(8) begins with either sign. */
export function languageOf(conditions: readonly string[]): ConditionLanguage | undefined {
  const [first] = conditions.map((text) => text.trim()).filter((text) => text !== "");
  if (first === undefined) return undefined;
  return first.startsWith("-") || first.startsWith("!") ? "iptables" : "nftables";
}

/** Throws ConfigError for a word that is not understood. */
export function parseConditions(field: string, conditions: readonly string[], family: Family): NftMatch[] {
  const language = languageOf(conditions);
  const separators = language === "nftables" ? /([{},])|\s+/ : /\s+/;
  const words = conditions.flatMap((text, i) =>
    text
      .split(separators)
      .filter((part) => part !== undefined && part !== "")
      .map((part) => ({ text: part, field: `${field}[${i}]` })),
  );
  const reader: Reader = { family, words, field };
  const matches: NftMatch[] = [];
  while (reader.words.length > 0) {
    matches.push(...(language === "iptables" ? readOption(reader) : readExpression(reader)));
  }
  return matches;
}

function next({ words, field }: Reader, after: string): Word {
  const word = words.shift();
  if (word === undefined) throw new ConfigError(field, `ends after "${after}", where a value should follow`);
  return word;
}

function refuse({ text, field }: Word, problem: string): never {
  throw new ConfigError(field, `${problem}: only some conditions of iptables and nftables are understood`, {
    value: text,
    details: "docs/plugins/portmap.md lists them.",
  });
}

/** What is compared, and how one value of it is read. */
interface Subject {
  readonly key: NftKey;
  readonly read: (word: Word) => NftValue | NftRange;
}

/** The long names of options. @see iptables(8) */
const ALIASES: Readonly<Record<string, string>> = {
  "--source": "-s",
  "--src": "-s",
  "--destination": "-d",
  "--dst": "-d",
  "--in-interface": "-i",
  "--protocol": "-p",
  "--proto": "-p",
  "--match": "-m",
  "--source-port": "--sport",
};

/** Extensions whose options are read here. */
const EXTENSIONS: ReadonlySet<string> = new Set(["tcp", "udp", "sctp", "addrtype", "iprange", "mark", "comment"]);

/** One option of iptables(8) with what belongs to it. */
function readOption(reader: Reader): NftMatch[] {
  let word = next(reader, "");
  const inverted = word.text === "!";
  if (inverted) word = next(reader, "!");
  const option = ALIASES[word.text] ?? word.text;
  if (option === "-m") {
    const extension = next(reader, word.text);
    return EXTENSIONS.has(extension.text) ? [] : refuse(extension, "names an extension that is not read here");
  }
  if (option === "--comment") {
    next(reader, word.text);
    return [];
  }
  if (option === "--mark") return [readMark(next(reader, word.text), inverted)];
  const subject = subjectOfOption(option, reader.family) ?? refuse(word, "is an option that is not read here");
  const { text, field } = next(reader, word.text);
  const values = text.split(",").map((part) => subject.read({ text: part, field }));
  return compare(subject.key, values, inverted, { text, field });
}

function subjectOfOption(option: string, family: Family): Subject | undefined {
  const { source, destination } = ADDRESS_KEYS[family];
  switch (option) {
    case "-s":
    case "--src-range":
      return { key: source, read: addressOf(family) };
    case "-d":
    case "--dst-range":
      return { key: destination, read: addressOf(family) };
    case "-i":
      return { key: "iifname", read: (word) => interfaceOf({ ...word, text: word.text.replace(/\+$/, "*") }) };
    case "-p":
      return { key: "meta l4proto", read: protocolOf };
    case "--sport":
      return { key: "th sport", read: (word) => portOf({ ...word, text: word.text.replace(":", "-") }) };
    case "--src-type":
      return { key: "fib saddr type", read: addressTypeOf };
    case "--dst-type":
      return { key: "fib daddr type", read: addressTypeOf };
    default:
      return undefined;
  }
}

const ADDRESS_KEYS = {
  4: { source: "ip saddr", destination: "ip daddr" },
  6: { source: "ip6 saddr", destination: "ip6 daddr" },
} as const;

/** One comparison as nft(8) writes it. */
function readExpression(reader: Reader): NftMatch[] {
  const [first, second, third] = reader.words as [Word, Word?, Word?];
  const long = [first, second, third].map((word) => word?.text).join(" ");
  for (const [name, subject] of subjectsOfFamily(reader.family)) {
    if (long !== name && !long.startsWith(`${name} `)) continue;
    reader.words.splice(0, name.split(" ").length);
    return readComparison(reader, name, subject);
  }
  return refuse(first, "begins an expression that is not read here");
}

/** What an expression may begin with; the longer of two that begin alike comes first. */
function subjectsOfFamily(family: Family): (readonly [string, Subject])[] {
  const { source, destination } = ADDRESS_KEYS[family];
  const mark: Subject = { key: "meta mark", read: markOf };
  const link: Subject = { key: "iifname", read: interfaceOf };
  const transport: Subject = { key: "meta l4proto", read: protocolOf };
  return [
    [source, { key: source, read: addressOf(family) }],
    [destination, { key: destination, read: addressOf(family) }],
    ["fib saddr type", { key: "fib saddr type", read: addressTypeOf }],
    ["fib daddr type", { key: "fib daddr type", read: addressTypeOf }],
    ["meta iifname", link],
    ["iifname", link],
    ["iif", link],
    ["meta mark", mark],
    ["mark", mark],
    ["meta l4proto", transport],
    ["ip protocol", transport],
    ["ip6 nexthdr", transport],
    ["th sport", { key: "th sport", read: portOf }],
    ["tcp sport", { key: "th sport", read: portOf }],
    ["udp sport", { key: "th sport", read: portOf }],
    ["sctp sport", { key: "th sport", read: portOf }],
  ];
}

function readComparison(reader: Reader, name: string, { key, read }: Subject): NftMatch[] {
  let word = next(reader, name);
  const inverted = word.text === "!=";
  if (inverted || word.text === "==") word = next(reader, word.text);
  const values = word.text === "{" ? readSet(reader, read) : [read(unquoted(word))];
  // A port is one of its protocol.
  const protocol = /^(tcp|udp|sctp) /.exec(name)?.[1];
  const own: NftMatch[] = protocol === undefined ? [] : [{ kind: "match", key: "meta l4proto", value: protocol }];
  return [...own, ...compare(key, values, inverted, word)];
}

function readSet(reader: Reader, read: Subject["read"]): (NftValue | NftRange)[] {
  const values: (NftValue | NftRange)[] = [];
  for (;;) {
    values.push(read(unquoted(next(reader, "{"))));
    const { text, field } = next(reader, "{");
    if (text === "}") return values;
    if (text !== ",") refuse({ text, field }, "stands where a comma or a brace should");
  }
}

function unquoted(word: Word): Word {
  return { ...word, text: word.text.replace(/^"(.*)"$/, "$1") };
}

/** A prefix of no bits is any address. */
function compare(key: NftKey, values: (NftValue | NftRange)[], inverted: boolean, word: Word): NftMatch[] {
  if (values.some((value) => typeof value === "string" && value.endsWith("/0"))) {
    return inverted ? refuse(word, "leaves no connection that meets it") : [];
  }
  const [only, ...more] = values as [NftValue | NftRange, ...(NftValue | NftRange)[]];
  const value = more.length === 0 ? only : { anyOf: values };
  return [{ kind: "match", key, ...(inverted ? { operator: "!=" as const } : {}), value }];
}

/** `value` or `value/mask`. */
function readMark({ text, field }: Word, inverted: boolean): NftMatch {
  const [value, mask, ...more] = text.split("/").map((part) => markOf({ text: part, field }));
  if (value === undefined || more.length > 0) return refuse({ text, field }, "is not a mark");
  const operator = inverted ? { operator: "!=" as const } : {};
  return { kind: "match", key: "meta mark", ...operator, ...(mask === undefined ? {} : { mask }), value };
}

function markOf(word: Word): number {
  const value = /^(0x[0-9a-f]{1,8}|[0-9]{1,10})$/i.test(word.text) ? Number(word.text) : Number.NaN;
  return value <= 0xffffffff ? value : refuse(word, "is not a mark");
}

/** An address, a prefix, or a range of addresses. */
function addressOf(family: Family): Subject["read"] {
  return (word) => {
    const { text } = word;
    const [from, to, ...more] = text.split("-").map(parseIp);
    if (from?.family === family && to === undefined && !text.includes("-")) return formatIp(from);
    if (from?.family === family && to?.family === family && more.length === 0 && from.value <= to.value) {
      return { from: formatIp(from), to: formatIp(to) };
    }
    const prefix = parseCidr(text);
    if (prefix?.ip.family === family) return formatCidr(networkOf(prefix));
    return refuse(word, `is not an address, prefix or range of IPv${family}`);
  };
}

/** An asterisk at the end stands for any rest. */
function interfaceOf(word: Word): string {
  const problem = interfaceNameProblem(word.text.replace(/(.)\*$/, "$1"));
  return problem === undefined ? word.text : refuse(word, "is not the name of an interface");
}

/** @see linux/in.h */
const PROTOCOL_NUMBERS: Readonly<Record<string, string>> = { "6": "tcp", "17": "udp", "132": "sctp" };

function protocolOf(word: Word): string {
  const name = PROTOCOL_NUMBERS[word.text] ?? word.text.toLowerCase();
  return Object.values(PROTOCOL_NUMBERS).includes(name) ? name : refuse(word, "is not a protocol that has ports here");
}

function portOf(word: Word): NftValue | NftRange {
  const parts = word.text.split("-");
  const [from, to = from] = parts.map((part) => (/^[0-9]{1,5}$/.test(part) ? Number(part) : Number.NaN));
  if (parts.length > 2 || from === undefined || to === undefined || !(from <= to && to <= 0xffff)) {
    return refuse(word, "is not a port or a range of ports");
  }
  return from === to ? from : { from, to };
}

const ADDRESS_TYPES: readonly string[] = ["unicast", "local", "broadcast", "anycast", "multicast"];

function addressTypeOf(word: Word): string {
  const type = word.text.toLowerCase();
  return ADDRESS_TYPES.includes(type) ? type : refuse(word, "is not a type of addresses that is read here");
}
