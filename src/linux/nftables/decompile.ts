/**
 * From the kernel's expressions back to statements, ours and nft(8)'s own.
 *
 * Tests that a later field implies are left out again, by nft's rules: a test of the protocol goes when a field of
 * that protocol's header follows and nothing but comparisons stand between. What has no statement here stays as
 * {@link UnknownStatement}.
 */

import type {
  NftElementContent,
  NftFamily,
  NftKey,
  NftKeys,
  NftLimit,
  NftMatch,
  NftNat,
  NftNatFlag,
  NftOperand,
  NftOperator,
  NftRange,
  NftSetMark,
  NftStatement,
  NftType,
  NftValue,
} from "../../core/nftables.ts";
import {
  NFPROTO_IPV6,
  NFT_BYTEORDER_HTON,
  NFT_CMP_EQ,
  NFT_CMP_GT,
  NFT_CMP_GTE,
  NFT_CMP_LT,
  NFT_CMP_LTE,
  NFT_CMP_NEQ,
  NFT_CT_MARK,
  NFT_FIB_RESULT_ADDRTYPE,
  NFT_LIMIT_F_INV,
  NFT_LIMIT_PKT_BYTES,
  NFT_LOGLEVEL_WARNING,
  NFT_LOOKUP_F_INV,
  NFT_META_MARK,
  NFT_NAT_DNAT,
  NFT_PAYLOAD_LL_HEADER,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_PAYLOAD_TRANSPORT_HEADER,
  NFT_RANGE_NEQ,
  NFT_REG_VERDICT,
} from "./constants.ts";
import { type Context, learn, startContext } from "./context.ts";
import { DATA_TYPES, decodeEnds, decodeNumber, decodeValue, maskBits, paddedSize, tupleSize } from "./datatypes.ts";
import type { Expression } from "./expression.ts";
import { FIELDS, findKey, keyTypes } from "./keys.ts";
import { wordOfRegister } from "./registers.ts";
import { decodeVerdict } from "./verdict.ts";
import { LIMIT_UNITS, LOG_LEVELS, NAT_FLAGS, rejectAnswer } from "./words.ts";

/** An expression, or some that belong together, for which there is no statement here. */
export interface UnknownStatement {
  readonly kind: "unknown";
  /** The kernel's name of the expression. */
  readonly expression: string;
}

export type ReadStatement = NftStatement | UnknownStatement;

/** What a lookup finds under the name of a set. */
export interface SetContent {
  readonly key: readonly NftType[];
  readonly data?: readonly NftType[] | "verdict";
  /** Its elements, where it belongs to the rule. */
  readonly anonymous?: readonly NftElementContent[];
}

/** Finds a set of the rule's table by its name, or by its number where it comes with the rule. */
export type FindSet = (name: string, id: number | undefined) => SetContent | undefined;

/** What a register holds. */
type Held =
  | { readonly bytes: Uint8Array }
  | { readonly map: string; readonly key: NftKeys; readonly ports: boolean }
  | Loaded;

interface Loaded {
  readonly load: Expression & { name: "payload" | "meta" | "ct" | "fib" };
  readonly mask?: Uint8Array;
  readonly xor?: Uint8Array;
  /** Its bytes were turned to network order. */
  readonly turned?: true;
}

/** A statement in the making; tests that turn out to be implied are dropped. */
interface Entry {
  readonly statement: ReadStatement;
  dropped?: true;
}

type Layer = "link" | "network" | "transport";

interface Reader {
  readonly context: Context;
  readonly findSet: FindSet;
  readonly held: Map<number, Held>;
  readonly entries: Entry[];
  /** For each layer the test that told its protocol, while it may be dropped. */
  readonly tests: Map<Layer, Entry>;
  /** The lower bound before it may become a range. */
  lower?: { readonly entry: Entry; readonly loaded: Loaded } | undefined;
}

/** Reads the expressions of a rule. Throws DecodeError for a verdict that is not known. */
export function decompileRule(
  family: NftFamily,
  expressions: readonly Expression[],
  findSet: FindSet,
): ReadStatement[] {
  const reader: Reader = { context: startContext(family), findSet, held: new Map(), entries: [], tests: new Map() };
  for (const expression of expressions) readExpression(reader, expression);
  return reader.entries.filter(({ dropped }) => !dropped).map(({ statement }) => statement);
}

function readExpression(reader: Reader, expression: Expression): void {
  const lower = reader.lower;
  reader.lower = undefined;
  switch (expression.name) {
    case "payload":
    case "fib":
      return hold(reader, expression);
    case "meta":
    case "ct":
      return expression.data.sreg === undefined ? hold(reader, expression) : readSetMark(reader, expression);
    case "bitwise":
      return readBitwise(reader, expression);
    case "byteorder":
      return readByteorder(reader, expression);
    case "immediate":
      return readImmediate(reader, expression);
    case "cmp":
      return readComparison(reader, expression, lower);
    case "range":
      return readRange(reader, expression);
    case "lookup":
      return readLookup(reader, expression);
    case "masq":
    case "redir": {
      const { portMin, portMax, flags } = expression.data;
      const ports = readPorts(reader, portMin, portMax);
      const kind = expression.name === "masq" ? "masquerade" : "redirect";
      return act(reader, { kind, ...(ports === undefined ? {} : { ports }), ...natFlags(flags) });
    }
    case "nat":
      return readNat(reader, expression);
    case "counter": {
      const { packets = 0n, bytes = 0n } = expression.data;
      return act(reader, { kind: "counter", packets: Number(packets), bytes: Number(bytes) });
    }
    case "log":
      return readLog(reader, expression);
    case "limit":
      return readLimit(reader, expression);
    case "reject":
      return readReject(reader, expression);
    case "notrack":
      return act(reader, { kind: "notrack" });
    case "other":
      return unknown(reader, expression.kernelName);
  }
}

/** Adds a statement that is not a comparison: what stands before it must not be dropped for what comes after. */
function act(reader: Reader, statement: ReadStatement): void {
  reader.entries.push({ statement });
  reader.tests.clear();
}

function unknown(reader: Reader, expression: string): void {
  act(reader, { kind: "unknown", expression });
}

type Named<K extends Expression["name"]> = Expression & { name: K };

function hold(reader: Reader, load: Loaded["load"]): void {
  const { dreg } = load.data;
  if (dreg === undefined) unknown(reader, load.name);
  else reader.held.set(wordOfRegister(dreg), { load });
}

function loadedIn(reader: Reader, register: number | undefined): Loaded | undefined {
  const held = heldIn(reader, register);
  return held !== undefined && "load" in held ? held : undefined;
}

function heldIn(reader: Reader, register: number | undefined): Held | undefined {
  return register === undefined ? undefined : reader.held.get(wordOfRegister(register));
}

function readBitwise(reader: Reader, { data }: Named<"bitwise">): void {
  const { sreg, dreg, mask, xor, op = 0 } = data;
  const loaded = loadedIn(reader, sreg);
  if (loaded === undefined || loaded.mask !== undefined || dreg === undefined || op !== 0) return unknown(reader, "bitwise");
  if (mask?.value === undefined || xor?.value === undefined) return unknown(reader, "bitwise");
  reader.held.set(wordOfRegister(dreg), { ...loaded, mask: mask.value, xor: xor.value });
}

function readByteorder(reader: Reader, { data }: Named<"byteorder">): void {
  const { sreg, dreg, op } = data;
  const loaded = loadedIn(reader, sreg);
  if (loaded === undefined || dreg === undefined || op !== NFT_BYTEORDER_HTON) return unknown(reader, "byteorder");
  reader.held.set(wordOfRegister(dreg), { ...loaded, turned: true });
}

function readImmediate(reader: Reader, { data }: Named<"immediate">): void {
  if (data.dreg === NFT_REG_VERDICT && data.data?.verdict !== undefined) {
    return act(reader, { kind: "verdict", verdict: decodeVerdict(data.data.verdict) });
  }
  const bytes = data.data?.value;
  if (data.dreg === undefined || bytes === undefined) return unknown(reader, "immediate");
  reader.held.set(wordOfRegister(data.dreg), { bytes });
}

/** The field that a load reads, with how many of its bytes; several where a load spans neighbours. */
function fieldsOf(reader: Reader, { load }: Loaded): { key: NftKey; size: number }[] | undefined {
  if (load.name === "payload") return payloadFields(reader, load);
  const key = findKey((source) => {
    if (load.name === "meta") return "meta" in source && source.meta === load.data.key;
    if (load.name === "ct") return "ct" in source && source.ct === load.data.key && load.data.direction === undefined;
    return "fib" in source && source.fib === load.data.flags && load.data.result === NFT_FIB_RESULT_ADDRTYPE;
  });
  return key === undefined ? undefined : [{ key, size: DATA_TYPES[FIELDS[key].type].size }];
}

function payloadFields({ context }: Reader, { data }: Named<"payload">): { key: NftKey; size: number }[] | undefined {
  const { base, offset = 0, length = 0 } = data;
  const { network, transport } = context;
  const word = typeof transport === "string" ? transport : undefined;
  const fields: { key: NftKey; size: number }[] = [];
  for (let at = offset; at < offset + length; ) {
    const key = findKey(
      (source) => "payload" in source && source.payload === base && source.offset === at,
      network,
      word,
    );
    if (key === undefined) return undefined;
    const size = Math.min(DATA_TYPES[FIELDS[key].type].size, offset + length - at);
    fields.push({ key, size });
    at += size;
  }
  return fields;
}

const OPERATORS: ReadonlyMap<number | undefined, NftOperator> = new Map([
  [NFT_CMP_EQ, "=="],
  [NFT_CMP_NEQ, "!="],
  [NFT_CMP_LT, "<"],
  [NFT_CMP_LTE, "<="],
  [NFT_CMP_GT, ">"],
  [NFT_CMP_GTE, ">="],
]);

function readComparison(reader: Reader, { data }: Named<"cmp">, lower: Reader["lower"]): void {
  const loaded = loadedIn(reader, data.sreg);
  const operator = OPERATORS.get(data.op);
  const bytes = data.data?.value;
  const fields = loaded && fieldsOf(reader, loaded);
  if (loaded === undefined || operator === undefined || bytes === undefined || !fields?.length) return unknown(reader, "cmp");
  const [{ key, size }] = fields as [{ key: NftKey; size: number }];
  if (operator === "<=" && lower?.loaded === loaded) return joinRange(reader, key, loaded, lower.entry, bytes);
  if (fields.length > 1) return readJoined(reader, fields, loaded, operator, bytes);
  const isPart = size < DATA_TYPES[FIELDS[key].type].size || (FIELDS[key].type === "ifname" && bytes.length < 16);
  const match = isPart
    ? partMatch(key, operator, loaded, bytes)
    : wholeMatch(key, operator, loaded, loaded.turned ? bytes.toReversed() : bytes);
  if (match === undefined) return unknown(reader, "cmp");
  const entry = compared(reader, match);
  if (operator === ">=") reader.lower = { entry, loaded };
}

/** nft(8) compares neighbouring fields at once. */
function readJoined(
  reader: Reader,
  fields: readonly { key: NftKey; size: number }[],
  { mask }: Loaded,
  operator: NftOperator,
  bytes: Uint8Array,
): void {
  if (mask !== undefined || (operator !== "==" && operator !== "!=")) return unknown(reader, "cmp");
  let at = 0;
  for (const { key, size } of fields) {
    const part = bytes.subarray(at, at + size);
    const { type } = FIELDS[key];
    const whole = size === DATA_TYPES[type].size;
    const value = whole ? decodeValue(type, part) : prefixOf(type, part, 8 * size);
    compared(reader, plainMatch(key, operator, value));
    at += size;
  }
}

/** The first bytes of a field: of an address a prefix, of a name the start. */
function partMatch(key: NftKey, operator: NftOperator, { mask }: Loaded, bytes: Uint8Array): NftMatch | undefined {
  const { type } = FIELDS[key];
  if (mask !== undefined || (operator !== "==" && operator !== "!=")) return undefined;
  if (DATA_TYPES[type].text === "ip") return plainMatch(key, operator, prefixOf(type, bytes, 8 * bytes.length));
  return type === "ifname" ? plainMatch(key, operator, `${new TextDecoder().decode(bytes)}*`) : undefined;
}

function prefixOf(type: NftType, bytes: Uint8Array, bits: number): string {
  const address = new Uint8Array(DATA_TYPES[type].size);
  address.set(bytes.subarray(0, address.length));
  return `${decodeValue(type, address)}/${bits}`;
}

function wholeMatch(key: NftKey, operator: NftOperator, loaded: Loaded, bytes: Uint8Array): NftMatch | undefined {
  const { type } = FIELDS[key];
  const { mask, xor } = loaded;
  const { bits, text } = DATA_TYPES[type];
  const isZero = bytes.every((byte) => byte === 0);
  if (mask === undefined) {
    const exact = bits && operator === "==" ? { operator } : operator === "==" ? {} : { operator };
    return { kind: "match", key, ...exact, value: bits ? flagsOf(type, bytes) : decodeValue(type, bytes) };
  }
  if (xor?.some((byte) => byte !== 0)) return undefined;
  if (bits && isZero && (operator === "==" || operator === "!=")) {
    return { kind: "match", key, ...(operator === "==" ? { operator: "!" } : {}), value: flagsOf(type, mask) };
  }
  const length = text === "ip" && (operator === "==" || operator === "!=") ? maskBits(mask) : undefined;
  if (length !== undefined) return plainMatch(key, operator, prefixOf(type, bytes, length));
  return { ...plainMatch(key, operator, decodeValue(type, bytes)), mask: decodeValue(type, mask) };
}

function plainMatch(key: NftKey, operator: NftOperator, value: NftOperand): NftMatch {
  return { kind: "match", key, ...(operator === "==" ? {} : { operator }), value };
}

function flagsOf(type: NftType, bytes: Uint8Array): NftOperand {
  const value = decodeValue(type, bytes);
  return typeof value === "string" && value.includes(",") ? value.split(",") : value;
}

function joinRange(reader: Reader, key: NftKey, loaded: Loaded, lower: Entry, bytes: Uint8Array): void {
  const { type } = FIELDS[key];
  const from = (lower.statement as NftMatch).value as NftValue;
  const to = decodeValue(type, loaded.turned ? bytes.toReversed() : bytes);
  reader.entries.pop();
  reader.entries.push({ statement: { ...(lower.statement as NftMatch), operator: "==", value: { from, to } } });
  const last = reader.entries.at(-1) as Entry;
  const { operator: _, ...match } = last.statement as NftMatch;
  reader.entries[reader.entries.length - 1] = { statement: match };
}

function readRange(reader: Reader, { data }: Named<"range">): void {
  const loaded = loadedIn(reader, data.sreg);
  const [field, ...more] = (loaded && fieldsOf(reader, loaded)) ?? [];
  const [from, to] = [data.from?.value, data.to?.value];
  if (loaded === undefined || field === undefined || more.length > 0 || loaded.mask || !from || !to) {
    return unknown(reader, "range");
  }
  const { type } = FIELDS[field.key];
  const turn = (bytes: Uint8Array) => decodeValue(type, loaded.turned ? bytes.toReversed() : bytes);
  const value: NftRange = { from: turn(from), to: turn(to) };
  compared(reader, plainMatch(field.key, data.op === NFT_RANGE_NEQ ? "!=" : "==", value));
}

/** Adds a comparison: drops the tests that it implies, and takes note of what it tells. */
function compared(reader: Reader, match: NftMatch): Entry {
  const { key, operator, mask, value } = match;
  const entry: Entry = { statement: match };
  const isTest = typeof key === "string" && operator === undefined && mask === undefined && typeof value !== "object";
  for (const one of typeof key === "string" ? [key] : key) dropImplied(reader, one, isTest ? value : undefined);
  reader.entries.push(entry);
  if (!isTest) return entry;
  const { tells } = FIELDS[key];
  if (!(typeof value === "string" && value.includes("/"))) learn(reader.context, key, value);
  if (tells !== undefined) reader.tests.set(tells, entry);
  return entry;
}

function dropImplied(reader: Reader, key: NftKey, value: NftValue | undefined): void {
  const layer = layerOf(key);
  if (layer !== undefined) {
    const test = reader.tests.get(layer);
    if (test !== undefined && !isNetworkField(reader, test, layer)) drop(reader, layer);
  } else if (key === "meta l4proto" && value !== undefined) {
    // Which ICMP it is says which network protocol, too.
    const { network, family } = reader.context;
    const icmp = network === "ip" ? "icmp" : "ipv6-icmp";
    if (family === network || value === icmp) drop(reader, "network");
  }
}

/** The layer of the header that a field is in. */
function layerOf(key: NftKey): Layer | undefined {
  const { source } = FIELDS[key];
  if (!("payload" in source)) return undefined;
  const layers = new Map<number, Layer>([
    [NFT_PAYLOAD_LL_HEADER, "link"],
    [NFT_PAYLOAD_NETWORK_HEADER, "network"],
    [NFT_PAYLOAD_TRANSPORT_HEADER, "transport"],
  ]);
  return layers.get(source.payload);
}

/** `ip protocol` in a table for several network protocols says more than the transport protocol does. */
function isNetworkField({ context }: Reader, { statement }: Entry, layer: Layer): boolean {
  if (layer !== "transport" || statement.kind !== "match") return false;
  const several = context.family === "inet" || context.family === "bridge" || context.family === "netdev";
  return several && (statement.key === "ip protocol" || statement.key === "ip6 nexthdr");
}

function drop(reader: Reader, layer: Layer): void {
  const test = reader.tests.get(layer);
  if (test !== undefined) test.dropped = true;
  reader.tests.delete(layer);
}

function readLookup(reader: Reader, { data }: Named<"lookup">): void {
  const { sreg, dreg, set: name, setId, flags = 0 } = data;
  const found = name === undefined ? undefined : reader.findSet(name, setId);
  const keys = sreg === undefined || found === undefined ? undefined : concatenation(reader, sreg, found.key);
  if (name === undefined || found === undefined || keys === undefined) return unknown(reader, "lookup");
  const key = keys.length === 1 ? (keys[0] as NftKey) : keys;
  const mask = maskOf(reader, sreg, key);
  if (dreg === undefined) {
    const value = found.anonymous === undefined ? { set: name } : { anyOf: found.anonymous.map(asOperand) };
    const operator = (flags & NFT_LOOKUP_F_INV) !== 0 ? { operator: "!=" as const } : {};
    compared(reader, { kind: "match", key, ...operator, ...mask, value });
    return;
  }
  for (const one of keys) dropImplied(reader, one, undefined);
  if (dreg === NFT_REG_VERDICT && Object.keys(mask).length === 0) {
    reader.entries.push({ statement: { kind: "vmap", key, map: found.anonymous ?? name } });
    return;
  }
  reader.held.set(wordOfRegister(dreg), { map: name, key, ports: found.data?.length === 2 });
}

function asOperand({ key }: NftElementContent) {
  const [only, ...more] = key;
  return only !== undefined && more.length === 0 ? only : key;
}

function maskOf(reader: Reader, register: number | undefined, key: NftKeys): { mask?: NftValue } {
  const loaded = loadedIn(reader, register);
  if (loaded?.mask === undefined || typeof key !== "string") return {};
  return { mask: decodeValue(FIELDS[key].type, loaded.mask) };
}

/** The fields that registers hold one behind the other, as many as the set's key has. */
function concatenation(reader: Reader, sreg: number, types: readonly NftType[]): NftKey[] | undefined {
  const keys: NftKey[] = [];
  let word = wordOfRegister(sreg);
  for (const _ of types) {
    const held = reader.held.get(word);
    const [field, ...more] = (held !== undefined && "load" in held && fieldsOf(reader, held)) || [];
    if (field === undefined || more.length > 0) return undefined;
    keys.push(field.key);
    word += paddedSize(FIELDS[field.key].type) / 4;
  }
  return tupleSize(keyTypes(keys)) === tupleSize(types) ? keys : undefined;
}

function readSetMark(reader: Reader, expression: Named<"meta" | "ct">): void {
  const isMark = expression.name === "meta" ? NFT_META_MARK : NFT_CT_MARK;
  const held = heldIn(reader, expression.data.sreg);
  const value = held === undefined ? undefined : markValue(reader, held);
  if (expression.data.key !== isMark || value === undefined) return unknown(reader, expression.name);
  act(reader, { kind: "set", key: expression.name === "meta" ? "meta mark" : "ct mark", value });
}

function markValue(reader: Reader, held: Held): NftSetMark["value"] | undefined {
  if ("bytes" in held) return decodeNumber("mark", held.bytes);
  if ("map" in held) return undefined;
  const key = fieldsOf(reader, held)?.[0]?.key;
  if (key !== "meta mark" && key !== "ct mark") return undefined;
  if (held.mask === undefined || held.xor === undefined) return { key };
  const mask = decodeNumber("mark", held.mask);
  const flip = decodeNumber("mark", held.xor);
  // Bits that are cleared and then flipped are set.
  const or = (~mask & flip) >>> 0;
  const xor = (mask & flip) >>> 0;
  const and = (mask | or) >>> 0;
  return {
    key,
    ...(and === 0xffffffff ? {} : { and }),
    ...(xor === 0 ? {} : { xor }),
    ...(or === 0 ? {} : { or }),
  };
}

function readNat(reader: Reader, { data }: Named<"nat">): void {
  const { type, family: protocol, addressMin, addressMax, portMin, portMax, flags } = data;
  const family = protocol === NFPROTO_IPV6 ? "ip6" : "ip";
  const kind = type === NFT_NAT_DNAT ? "dnat" : "snat";
  const held = heldIn(reader, addressMin);
  if (held !== undefined && "map" in held) {
    const map: NonNullable<NftNat["map"]> = { key: held.key, name: held.map, ports: portMin !== undefined };
    return act(reader, { kind, family, map, ...natFlags(flags) });
  }
  const address = readEnds(reader, family === "ip" ? "ipv4_addr" : "ipv6_addr", addressMin, addressMax);
  const ports = readPorts(reader, portMin, portMax);
  if (addressMin !== undefined && address === undefined) return unknown(reader, "nat");
  act(reader, {
    kind,
    family,
    ...(address === undefined ? {} : { address: typeof address === "object" ? address : String(address) }),
    ...(ports === undefined ? {} : { ports }),
    ...natFlags(flags),
  });
}

function readPorts(reader: Reader, min?: number, max?: number): number | NftRange | undefined {
  const ports = readEnds(reader, "inet_service", min, max);
  return typeof ports === "string" ? undefined : ports;
}

function readEnds(reader: Reader, type: NftType, min?: number, max?: number): NftValue | NftRange | undefined {
  const [from, to] = [heldIn(reader, min), heldIn(reader, max ?? min)];
  if (from === undefined || to === undefined || !("bytes" in from) || !("bytes" in to)) return undefined;
  const ends = decodeEnds(type, from.bytes, to.bytes);
  if (typeof ends === "object" || !String(ends).includes("/")) return ends;
  return { from: decodeValue(type, from.bytes), to: decodeValue(type, to.bytes) };
}

function natFlags(bits = 0): { flags?: NftNatFlag[] } {
  const flags = (Object.keys(NAT_FLAGS) as NftNatFlag[]).filter((flag) => (bits & NAT_FLAGS[flag]) !== 0);
  return flags.length === 0 ? {} : { flags };
}

function readLog(reader: Reader, { data }: Named<"log">): void {
  const { prefix, group, snaplen, queueThreshold, level, flags } = data;
  if (flags) return unknown(reader, "log");
  const word = level === undefined || level === NFT_LOGLEVEL_WARNING ? undefined : LOG_LEVELS[level];
  act(reader, {
    kind: "log",
    ...(prefix ? { prefix } : {}),
    ...(group === undefined ? {} : { group }),
    ...(snaplen ? { snaplen } : {}),
    ...(queueThreshold ? { queueThreshold } : {}),
    ...(word === undefined ? {} : { level: word }),
  });
}

function readLimit(reader: Reader, { data }: Named<"limit">): void {
  const { rate = 0n, unit, burst = 0, type, flags = 0 } = data;
  const per = (Object.keys(LIMIT_UNITS) as NftLimit["per"][]).find((word) => BigInt(LIMIT_UNITS[word]) === unit);
  if (per === undefined) return unknown(reader, "limit");
  const bytes = type === NFT_LIMIT_PKT_BYTES;
  act(reader, {
    kind: "limit",
    rate: Number(rate),
    per,
    unit: bytes ? "bytes" : "packets",
    ...(burst === (bytes ? 0 : 5) ? {} : { burst }),
    ...((flags & NFT_LIMIT_F_INV) !== 0 ? { over: true } : {}),
  });
}

function readReject(reader: Reader, { data }: Named<"reject">): void {
  const { network, family } = reader.context;
  const answer = rejectAnswer(data.type ?? 0, data.code ?? 0, network === "ip6");
  if (answer === undefined) return unknown(reader, "reject");
  const single = family === "ip" || family === "ip6";
  if (single && answer === "tcp reset") drop(reader, "transport");
  if (!single && !answer.startsWith("icmpx ")) drop(reader, "network");
  const usual = single ? (family === "ip" ? "icmp port-unreachable" : "icmpv6 port-unreachable") : "icmpx port-unreachable";
  act(reader, { kind: "reject", ...(answer === usual ? {} : { with: answer }) });
}

