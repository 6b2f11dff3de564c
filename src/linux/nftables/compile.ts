/**
 * From statements to the kernel's expressions.
 *
 * The expressions are those that nft(8) would send, but for one optimisation: nft reads neighbouring fields of a
 * header by one load where both are compared for equality.
 */

import type {
  NftElementContent,
  NftKey,
  NftMatch,
  NftNat,
  NftNatFlag,
  NftOperand,
  NftOperator,
  NftRange,
  NftReject,
  NftRule,
  NftSet,
  NftSetMark,
  NftStatement,
  NftTuple,
  NftType,
  NftValue,
  NftVerdictMap,
} from "../../core/nftables.ts";
import {
  NF_NAT_RANGE_PROTO_SPECIFIED,
  NFPROTO_IPV4,
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
  NFT_LIMIT_PKTS,
  NFT_LOOKUP_F_INV,
  NFT_META_MARK,
  NFT_NAT_DNAT,
  NFT_NAT_SNAT,
  NFT_RANGE_NEQ,
  NFT_REG_1,
  NFT_REG_VERDICT,
} from "./constants.ts";
import { type Context, dependencies, learn, startContext } from "./context.ts";
import { DATA_TYPES, encodeEnds, encodeValue, equalBytes, paddedSize, parsePrefix, prefixMask } from "./datatypes.ts";
import type { Expression } from "./expression.ts";
import { FIELDS, keyList, keyTypes } from "./keys.ts";
import { registerAt } from "./registers.ts";
import { encodeVerdict } from "./verdict.ts";
import { LIMIT_UNITS, LOG_LEVELS, NAT_FLAGS, REJECT_ANSWERS } from "./words.ts";

/** A set that is part of a rule, and its elements. */
export interface AnonymousSet {
  readonly set: NftSet;
  readonly elements: readonly NftElementContent[];
}

export interface CompiledRule {
  readonly expressions: readonly Expression[];
  /** In the order of their `id`s in lookups, which start at 1. */
  readonly sets: readonly AnonymousSet[];
}

/** A rule on its way. */
interface Job {
  readonly rule: Pick<NftRule, "family" | "table">;
  readonly context: Context;
  readonly out: Expression[];
  readonly sets: AnonymousSet[];
}

/** Compiles the statements of a rule. Throws TypeError for a value that its field cannot have, or a field that the family cannot have. */
export function compileRule(rule: Pick<NftRule, "family" | "table" | "statements">): CompiledRule {
  const job: Job = { rule, context: startContext(rule.family), out: [], sets: [] };
  for (const statement of rule.statements) compileStatement(job, statement);
  return { expressions: job.out, sets: job.sets };
}

function compileStatement(job: Job, statement: NftStatement): void {
  const { out } = job;
  switch (statement.kind) {
    case "match":
      return compileMatch(job, statement);
    case "vmap":
      return compileVerdictMap(job, statement);
    case "verdict":
      out.push(immediate(NFT_REG_VERDICT, { verdict: encodeVerdict(statement.verdict) }));
      return;
    case "masquerade":
    case "redirect": {
      const ports = loadPorts(job, statement.ports, 0);
      const flags = natFlags(statement.flags, statement.ports !== undefined);
      if (statement.kind === "masquerade") out.push({ name: "masq", data: { ...flags, ...ports } });
      else out.push({ name: "redir", data: { ...flags, ...ports } });
      return;
    }
    case "snat":
    case "dnat":
      return compileNat(job, statement);
    case "counter": {
      const { packets, bytes } = statement;
      const counts = packets === undefined && bytes === undefined ? {} : { bytes: BigInt(bytes ?? 0), packets: BigInt(packets ?? 0) };
      out.push({ name: "counter", data: counts });
      return;
    }
    case "log": {
      const { kind: _, level, ...data } = statement;
      out.push({ name: "log", data: { ...data, ...(level === undefined ? {} : { level: LOG_LEVELS.indexOf(level) }) } });
      return;
    }
    case "limit": {
      const { rate, per, unit, burst = unit === "packets" ? 5 : 0, over } = statement;
      out.push({
        name: "limit",
        data: {
          rate: BigInt(rate),
          unit: BigInt(LIMIT_UNITS[per]),
          burst,
          type: unit === "packets" ? NFT_LIMIT_PKTS : NFT_LIMIT_PKT_BYTES,
          flags: over ? NFT_LIMIT_F_INV : 0,
        },
      });
      return;
    }
    case "reject":
      return compileReject(job, statement);
    case "notrack":
      out.push({ name: "notrack", data: {} });
      return;
    case "set":
      return compileSetMark(job, statement);
  }
}

function compileMatch(job: Job, match: NftMatch): void {
  const keys = keyList(match.key);
  const [key] = keys;
  if (key === undefined) throw new TypeError("A match without a field");
  const { operator, mask, value } = match;
  const inverted = operator === "!=";
  if (typeof value === "object" && "set" in value) {
    requireOperator(match, undefined, "==", "!=");
    lookUp(job, loadKeys(job, keys, mask), { set: value.set }, inverted);
  } else if (typeof value === "object" && "anyOf" in value) {
    requireOperator(match, undefined, "==", "!=");
    const set = anonymousSet(job, keys, value.anyOf.map((one) => ({ key: asTuple(one) })));
    const register = loadKeys(job, keys, mask);
    if (set.flags?.includes("interval") && keys.length === 1) toNetworkOrder(job, register, key);
    lookUp(job, register, { set: "__set%d", setId: job.sets.length }, inverted);
  } else if (keys.length > 1) {
    throw new TypeError(`Only sets have values for a concatenation such as ${keys.join(" . ")}`);
  } else if (DATA_TYPES[FIELDS[key].type].bits && mask === undefined) {
    compileFlags(job, key, operator, value);
  } else {
    compileComparison(job, key, match, value);
  }
}

function requireOperator({ operator, key }: NftMatch, ...allowed: (NftOperator | undefined)[]): void {
  if (!allowed.includes(operator)) throw new TypeError(`${keyList(key).join(" . ")} ${operator} cannot be tested so`);
}

function asTuple(one: NftValue | NftRange | NftTuple): NftTuple {
  return isTuple(one) ? one : [one];
}

function isTuple(one: NftValue | NftRange | NftTuple): one is NftTuple {
  return Array.isArray(one);
}

/** `ct state established,related` and the like: without an operator at least one of the flags is there. */
function compileFlags(job: Job, key: NftKey, operator: NftOperator | undefined, value: NftOperand): void {
  const { type } = FIELDS[key];
  const flags = encodeValue(type, isFlagList(value) ? value.join(",") : (value as NftValue));
  const register = loadKeys(job, [key]);
  const zero = new Uint8Array(flags.length);
  if (operator === undefined || operator === "!") {
    job.out.push(masked(register, flags));
    job.out.push(compare(register, operator === "!" ? NFT_CMP_EQ : NFT_CMP_NEQ, zero));
  } else {
    job.out.push(compare(register, operator === "!=" ? NFT_CMP_NEQ : NFT_CMP_EQ, flags));
  }
}

function isFlagList(value: NftOperand): value is readonly string[] {
  return Array.isArray(value);
}

const CMP: { readonly [K in Exclude<NftOperator, "!">]: number } = {
  "==": NFT_CMP_EQ,
  "!=": NFT_CMP_NEQ,
  "<": NFT_CMP_LT,
  "<=": NFT_CMP_LTE,
  ">": NFT_CMP_GT,
  ">=": NFT_CMP_GTE,
};

function compileComparison(job: Job, key: NftKey, match: NftMatch, value: NftOperand): void {
  const { operator = "==", mask } = match;
  const { type } = FIELDS[key];
  requireOperator(match, undefined, "==", "!=", "<", "<=", ">", ">=");
  if (operator === "!" || isFlagList(value)) throw new TypeError(`"${key}" has no flags`);
  if (isRange(value)) {
    requireOperator(match, undefined, "==", "!=");
    const { from, to } = encodeEnds(type, value);
    const register = loadKeys(job, [key], mask);
    const swapped = toNetworkOrder(job, register, key);
    const [low, high] = swapped ? [from.toReversed(), to.toReversed()] : [from, to];
    if (operator === "!=") {
      job.out.push({
        name: "range",
        data: { sreg: register, op: NFT_RANGE_NEQ, from: { value: low }, to: { value: high } },
      });
    } else {
      job.out.push(compare(register, NFT_CMP_GTE, low), compare(register, NFT_CMP_LTE, high));
    }
    return;
  }
  const plain = value as NftValue;
  const part = mask === undefined ? leadingPart(type, plain) : undefined;
  if (part !== undefined) {
    requireOperator(match, undefined, "==", "!=");
    comparePart(job, key, CMP[operator], part);
    return;
  }
  const bytes = encodeValue(type, plain);
  const register = loadKeys(job, [key], mask);
  const isOrder = operator !== "==" && operator !== "!=";
  const swapped = isOrder && toNetworkOrder(job, register, key);
  job.out.push(compare(register, CMP[operator], swapped ? bytes.toReversed() : bytes));
  if (operator === "==" && mask === undefined) learn(job.context, key, plain);
}

function isRange(value: NftOperand): value is NftRange {
  return typeof value === "object" && "from" in value;
}

/** A value of which only leading bits count: a prefix, or the start of a name. */
interface LeadingPart {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

function leadingPart(type: NftType, value: NftValue): LeadingPart | undefined {
  if (type === "ifname" && typeof value === "string" && value.length > 1 && /[^\\]\*$/.test(value)) {
    const bytes = new TextEncoder().encode(value.slice(0, -1));
    return { bytes, bits: 8 * bytes.length };
  }
  const prefix = parsePrefix(type, value);
  if (prefix === undefined || prefix.bits === 8 * prefix.address.length) return undefined;
  return { bytes: encodeEnds(type, value).from, bits: prefix.bits };
}

/** Compares whole bytes alone where the part ends with one, else all bits under a mask. */
function comparePart(job: Job, key: NftKey, op: number, { bytes, bits }: LeadingPart): void {
  const size = bits / 8;
  if (Number.isInteger(size) && size > 0) {
    const register = loadKeys(job, [key], undefined, size);
    job.out.push(compare(register, op, bytes.subarray(0, size)));
  } else {
    const register = loadKeys(job, [key]);
    job.out.push(masked(register, prefixMask(bytes.length, bits)), compare(register, op, bytes));
  }
}

/** Loads fields into registers, one behind the other, and returns the number of the first. */
function loadKeys(job: Job, keys: readonly NftKey[], mask?: NftValue, size?: number): number {
  for (const key of keys) {
    for (const test of dependencies(job.context, key)) {
      compileMatch(job, { kind: "match", key: test.key, operator: "==", value: test.value });
    }
  }
  let word = 0;
  for (const key of keys) {
    job.out.push(load(key, registerAt(word), size));
    word += paddedSize(FIELDS[key].type) / 4;
  }
  const [key] = keys;
  if (mask !== undefined && key !== undefined) {
    if (keys.length > 1) throw new TypeError("A mask on a concatenation");
    job.out.push(masked(NFT_REG_1, encodeValue(FIELDS[key].type, mask)));
  }
  return NFT_REG_1;
}

function load(key: NftKey, dreg: number, size?: number): Expression {
  const { source, type } = FIELDS[key];
  if ("meta" in source) return { name: "meta", data: { key: source.meta, dreg } };
  if ("ct" in source) return { name: "ct", data: { key: source.ct, dreg } };
  if ("fib" in source) {
    return { name: "fib", data: { flags: source.fib, result: NFT_FIB_RESULT_ADDRTYPE, dreg } };
  }
  const length = size ?? DATA_TYPES[type].size;
  return { name: "payload", data: { dreg, base: source.payload, offset: source.offset, length } };
}

/** Numbers of the host's order compare as bytes only once they are turned around. Whether they were. */
function toNetworkOrder(job: Job, register: number, key: NftKey): boolean {
  const { size, host, text } = DATA_TYPES[FIELDS[key].type];
  if (!host || size === 1 || text !== undefined) return false;
  job.out.push({
    name: "byteorder",
    data: { sreg: register, dreg: register, op: NFT_BYTEORDER_HTON, length: size, size },
  });
  return true;
}

function compare(sreg: number, op: number, value: Uint8Array): Expression {
  return { name: "cmp", data: { sreg, op, data: { value } } };
}

function masked(register: number, mask: Uint8Array, xor: Uint8Array = new Uint8Array(mask.length)): Expression {
  return {
    name: "bitwise",
    data: { sreg: register, dreg: register, length: mask.length, mask: { value: mask }, xor: { value: xor } },
  };
}

function immediate(dreg: number, data: (Expression & { name: "immediate" })["data"]["data"]): Expression {
  return { name: "immediate", data: { dreg, ...(data === undefined ? {} : { data }) } };
}

function lookUp(job: Job, sreg: number, set: { set: string; setId?: number }, inverted: boolean): void {
  job.out.push({ name: "lookup", data: { sreg, ...set, ...(inverted ? { flags: NFT_LOOKUP_F_INV } : {}) } });
}

/** Adds a set of these elements to the rule. */
function anonymousSet(job: Job, keys: readonly NftKey[], elements: readonly NftElementContent[]): NftSet {
  const { family, table } = job.rule;
  const types = keyTypes(keys);
  const isMap = elements.some(({ verdict }) => verdict !== undefined);
  const hasRanges = elements.some(({ key }) =>
    key.some((part, i) => {
      const ends = encodeEnds(types[i] as NftType, part);
      return !equalBytes(ends.from, ends.to);
    }),
  );
  const set: NftSet = {
    family,
    table,
    name: isMap ? "__map%d" : "__set%d",
    key: types,
    ...(isMap ? { data: "verdict" as const } : {}),
    flags: hasRanges ? ["constant", "interval"] : ["constant"],
  };
  job.sets.push({ set, elements });
  return set;
}

function compileVerdictMap(job: Job, { key, map }: NftVerdictMap): void {
  const keys = keyList(key);
  if (typeof map === "string") {
    const sreg = loadKeys(job, keys);
    job.out.push({ name: "lookup", data: { sreg, dreg: NFT_REG_VERDICT, set: map } });
    return;
  }
  const set = anonymousSet(job, keys, map);
  const setId = job.sets.length;
  const sreg = loadKeys(job, keys);
  const [first] = keys;
  if (first !== undefined && keys.length === 1 && set.flags?.includes("interval")) toNetworkOrder(job, sreg, first);
  job.out.push({ name: "lookup", data: { sreg, dreg: NFT_REG_VERDICT, set: set.name, setId } });
}

function compileNat(job: Job, { kind, family, address, ports, map, flags }: NftNat): void {
  const type = kind === "snat" ? NFT_NAT_SNAT : NFT_NAT_DNAT;
  const protocol = family === "ip" ? NFPROTO_IPV4 : NFPROTO_IPV6;
  const addressType = family === "ip" ? "ipv4_addr" : "ipv6_addr";
  if (map !== undefined) {
    const sreg = loadKeys(job, keyList(map.key));
    const portMin = registerAt(paddedSize(addressType) / 4);
    job.out.push(
      { name: "lookup", data: { sreg, dreg: NFT_REG_1, set: map.name } },
      {
        name: "nat",
        data: {
          type,
          family: protocol,
          addressMin: NFT_REG_1,
          ...(map.ports ? { portMin } : {}),
          ...natFlags(flags, false),
        },
      },
    );
    return;
  }
  const ends = address === undefined ? [] : loadEnds(job, addressType, address, 0);
  const [addressMin, addressMax] = ends;
  job.out.push({
    name: "nat",
    data: {
      type,
      family: protocol,
      ...(addressMin === undefined ? {} : { addressMin }),
      ...(addressMax === undefined ? {} : { addressMax }),
      ...loadPorts(job, ports, ends.length),
      ...natFlags(flags, ports !== undefined),
    },
  });
}

/** Loads the ends of a range, or one value, into registers after the first `used`; returns their numbers. */
function loadEnds(job: Job, type: NftType, value: NftValue | NftRange, used: number): number[] {
  const { from, to } = encodeEnds(type, value);
  const ends = equalBytes(from, to) ? [from] : [from, to];
  return ends.map((bytes, i) => {
    const register = NFT_REG_1 + used + i;
    job.out.push(immediate(register, { value: bytes }));
    return register;
  });
}

function loadPorts(job: Job, ports: number | NftRange | undefined, used: number): { portMin?: number; portMax?: number } {
  if (ports === undefined) return {};
  const [portMin, portMax] = loadEnds(job, "inet_service", ports, used);
  return {
    ...(portMin === undefined ? {} : { portMin }),
    ...(portMax === undefined ? {} : { portMax }),
  };
}

function natFlags(flags: readonly NftNatFlag[] | undefined, hasPorts: boolean): { flags?: number } {
  let bits = hasPorts ? NF_NAT_RANGE_PROTO_SPECIFIED : 0;
  for (const flag of flags ?? []) bits |= NAT_FLAGS[flag];
  return bits === 0 ? {} : { flags: bits };
}

function compileReject(job: Job, statement: NftReject): void {
  const answer = statement.with ?? defaultAnswer(job.context);
  const needed = answer.startsWith("icmp ") ? "ip saddr" : answer.startsWith("icmpv6 ") ? "ip6 saddr" : undefined;
  const tests = answer === "tcp reset" ? dependencies(job.context, "tcp sport") : needed === undefined ? [] : dependencies(job.context, needed);
  for (const { key, value } of tests) compileMatch(job, { kind: "match", key, operator: "==", value });
  job.out.push({ name: "reject", data: { ...REJECT_ANSWERS[answer] } });
}

function defaultAnswer({ network }: Context) {
  if (network === "ip") return "icmp port-unreachable";
  return network === "ip6" ? "icmpv6 port-unreachable" : "icmpx port-unreachable";
}

function compileSetMark(job: Job, { key, value }: NftSetMark): void {
  const word = (number: number) => encodeValue("mark", number >>> 0);
  if (typeof value === "number") {
    job.out.push(immediate(NFT_REG_1, { value: word(value) }));
  } else {
    loadKeys(job, [value.key]);
    const { and = 0xffffffff, xor = 0, or = 0 } = value;
    const mask = (and & ~or) >>> 0;
    const flip = ((xor & ~or) | or) >>> 0;
    if (mask !== 0xffffffff || flip !== 0) job.out.push(masked(NFT_REG_1, word(mask), word(flip)));
  }
  if (key === "meta mark") job.out.push({ name: "meta", data: { key: NFT_META_MARK, sreg: NFT_REG_1 } });
  else job.out.push({ name: "ct", data: { key: NFT_CT_MARK, sreg: NFT_REG_1 } });
}

