/** Comparisons and lookups as expressions. */

import type {
  NftKey,
  NftMatch,
  NftOperand,
  NftOperator,
  NftRange,
  NftTuple,
  NftType,
  NftValue,
  NftVerdictMap,
} from "../../../core/nftables.ts";
import {
  NFT_CMP_EQ,
  NFT_CMP_GT,
  NFT_CMP_GTE,
  NFT_CMP_LT,
  NFT_CMP_LTE,
  NFT_CMP_NEQ,
  NFT_LOOKUP_F_INV,
  NFT_RANGE_NEQ,
  NFT_REG_VERDICT,
} from "../constants.ts";
import { learn } from "../context.ts";
import { DATA_TYPES, encodeEnds, encodeValue, parsePrefix, prefixMask } from "../datatypes.ts";
import { FIELDS, keyList } from "../keys.ts";
import { addAnonymous, compare, type Job, loadKeys, masked, toNetworkOrder } from "./job.ts";

export function compileMatch(job: Job, match: NftMatch): void {
  const { mask, value } = match;
  const keys = keyList(match.key);
  const [key] = keys;
  if (key === undefined) throw new TypeError("A match without a field");
  if (typeof value === "object" && ("set" in value || "anyOf" in value)) {
    compileMembership(job, match, keys, value);
  } else if (keys.length > 1) {
    throw new TypeError(`Only sets have values for a concatenation such as ${keys.join(" . ")}`);
  } else if (DATA_TYPES[FIELDS[key].type].bits && mask === undefined) {
    compileFlags(job, key, match);
  } else if (typeof value === "object" && "from" in value) {
    compileRange(job, key, match, value);
  } else if (typeof value === "object") {
    throw new TypeError(`"${key}" has no flags`);
  } else {
    compileComparison(job, key, match, value);
  }
}

function requireOperator({ operator, key }: NftMatch, ...allowed: (NftOperator | undefined)[]): void {
  if (!allowed.includes(operator))
    throw new TypeError(`"${keyList(key).join(" . ")}" cannot be tested by "${operator}"`);
}

type Membership = Extract<NftOperand, { readonly set: string } | { readonly anyOf: readonly unknown[] }>;

function compileMembership(job: Job, match: NftMatch, keys: readonly NftKey[], value: Membership): void {
  requireOperator(match, undefined, "==", "!=");
  const inverted = match.operator === "!=" ? { flags: NFT_LOOKUP_F_INV } : {};
  if ("set" in value) {
    const sreg = loadKeys(job, keys, match.mask);
    job.out.push({ name: "lookup", data: { sreg, set: value.set, ...inverted } });
    return;
  }
  const elements = value.anyOf.map((one) => ({ key: isTuple(one) ? one : [one] }));
  const { name, flags } = addAnonymous(job, keys, elements);
  const setId = job.sets.length;
  const sreg = loadKeys(job, keys, match.mask);
  if (flags?.includes("interval")) turnSingle(job, sreg, keys);
  job.out.push({ name: "lookup", data: { sreg, set: name, setId, ...inverted } });
}

function isTuple(one: NftValue | NftRange | NftTuple): one is NftTuple {
  return Array.isArray(one);
}

/** The kernel orders ranges as numbers in network order. */
function turnSingle(job: Job, register: number, [key, ...more]: readonly NftKey[]): void {
  if (key !== undefined && more.length === 0) toNetworkOrder(job, register, key);
}

export function compileVerdictMap(job: Job, { key, map }: NftVerdictMap): void {
  const keys = keyList(key);
  if (typeof map === "string") {
    const sreg = loadKeys(job, keys);
    job.out.push({ name: "lookup", data: { sreg, dreg: NFT_REG_VERDICT, set: map } });
    return;
  }
  const { name, flags } = addAnonymous(job, keys, map);
  const setId = job.sets.length;
  const sreg = loadKeys(job, keys);
  if (flags?.includes("interval")) turnSingle(job, sreg, keys);
  job.out.push({ name: "lookup", data: { sreg, dreg: NFT_REG_VERDICT, set: name, setId } });
}

/** `ct state established,related` and the like: without an operator at least one of the flags is there. */
function compileFlags(job: Job, key: NftKey, match: NftMatch): void {
  requireOperator(match, undefined, "!", "==", "!=");
  const { operator, value } = match;
  const flags = encodeValue(FIELDS[key].type, isFlagList(value) ? value.join(",") : (value as NftValue));
  const register = loadKeys(job, [key]);
  if (operator === "==" || operator === "!=") {
    job.out.push(compare(register, CMP[operator], flags));
  } else {
    const zero = new Uint8Array(flags.length);
    job.out.push(masked(register, flags), compare(register, operator === "!" ? NFT_CMP_EQ : NFT_CMP_NEQ, zero));
  }
}

function isFlagList(value: NftOperand): value is readonly string[] {
  return Array.isArray(value);
}

function compileRange(job: Job, key: NftKey, match: NftMatch, range: NftRange): void {
  requireOperator(match, undefined, "==", "!=");
  const { from, to } = encodeEnds(FIELDS[key].type, range);
  const register = loadKeys(job, [key], match.mask);
  const turned = toNetworkOrder(job, register, key);
  const [low, high] = turned ? [from.toReversed(), to.toReversed()] : [from, to];
  if (match.operator === "!=") {
    const data = { sreg: register, op: NFT_RANGE_NEQ, from: { value: low }, to: { value: high } };
    job.out.push({ name: "range", data });
  } else {
    job.out.push(compare(register, NFT_CMP_GTE, low), compare(register, NFT_CMP_LTE, high));
  }
}

const CMP: { readonly [K in Exclude<NftOperator, "!">]: number } = {
  "==": NFT_CMP_EQ,
  "!=": NFT_CMP_NEQ,
  "<": NFT_CMP_LT,
  "<=": NFT_CMP_LTE,
  ">": NFT_CMP_GT,
  ">=": NFT_CMP_GTE,
};

function compileComparison(job: Job, key: NftKey, match: NftMatch, value: NftValue): void {
  const { operator = "==", mask } = match;
  const { type } = FIELDS[key];
  if (operator === "!") throw new TypeError(`"${key}" has no flags`);
  const part = mask === undefined ? leadingPart(type, value) : undefined;
  if (part !== undefined) {
    requireOperator(match, undefined, "==", "!=");
    comparePart(job, key, CMP[operator], part);
    return;
  }
  const bytes = encodeWhole(type, value);
  const register = loadKeys(job, [key], mask);
  const isOrder = operator !== "==" && operator !== "!=";
  const turned = isOrder && toNetworkOrder(job, register, key);
  job.out.push(compare(register, CMP[operator], turned ? bytes.toReversed() : bytes));
  if (operator === "==" && mask === undefined) learn(job.context, key, value);
}

/** One value; a prefix as long as the address is one too. */
function encodeWhole(type: NftType, value: NftValue): Uint8Array {
  return parsePrefix(type, value)?.address ?? encodeValue(type, value);
}

/** A value of which only leading bits count: a prefix, or the start of a name. */
interface LeadingPart {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

function leadingPart(type: NftType, value: NftValue): LeadingPart | undefined {
  if (type === "ifname" && typeof value === "string" && /[^\\]\*$/.test(value)) {
    const bytes = encodeValue(type, value.slice(0, -1)).subarray(0, new TextEncoder().encode(value).length - 1);
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
