/** Comparisons and lookups, read back from expressions. Each function says whether it understood. */

import type {
  NftElementContent,
  NftKey,
  NftKeys,
  NftMatch,
  NftOperand,
  NftOperator,
  NftType,
  NftValue,
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
import { DATA_TYPES, decodeValue, maskBits, paddedSize } from "../datatypes.ts";
import { FIELDS } from "../keys.ts";
import { wordOfRegister } from "../registers.ts";
import {
  compared,
  dropImplied,
  fieldsOf,
  type Loaded,
  type LoadedField,
  loadedIn,
  type Named,
  type Reader,
} from "./reader.ts";

/** By number: NFT_CMP_. */
const OPERATORS: ReadonlyMap<number | undefined, NftOperator> = new Map([
  [NFT_CMP_EQ, "=="],
  [NFT_CMP_NEQ, "!="],
  [NFT_CMP_LT, "<"],
  [NFT_CMP_LTE, "<="],
  [NFT_CMP_GT, ">"],
  [NFT_CMP_GTE, ">="],
]);

export function readComparison(reader: Reader, { data }: Named<"cmp">, lower: Reader["lower"]): boolean {
  const loaded = loadedIn(reader, data.sreg);
  const operator = OPERATORS.get(data.op);
  const bytes = data.data?.value;
  const fields = loaded === undefined ? [] : fieldsOf(reader, loaded);
  const [field] = fields;
  if (loaded === undefined || operator === undefined || bytes === undefined || field === undefined) return false;
  if (operator === "<=" && lower?.loaded === loaded && bytes.length === field.size) {
    return joinRange(field.key, lower, bytes);
  }
  if (fields.length > 1) return readNeighbours(reader, fields, loaded, operator, bytes);
  const match = toMatch(field, operator, loaded, bytes);
  if (match === undefined) return false;
  const entry = compared(reader, match);
  if (operator === ">=") reader.lower = { entry, loaded };
  return true;
}

function toMatch(field: LoadedField, operator: NftOperator, loaded: Loaded, bytes: Uint8Array): NftMatch | undefined {
  const { key, size } = field;
  const { type } = FIELDS[key];
  const isPart = size < DATA_TYPES[type].size || (type === "ifname" && bytes.length < DATA_TYPES[type].size);
  if (isPart) return bytes.length > size ? undefined : partMatch(key, operator, loaded, bytes);
  if (bytes.length !== size || (loaded.mask !== undefined && loaded.mask.length !== size)) return undefined;
  return wholeMatch(key, operator, loaded, loaded.turned ? bytes.toReversed() : bytes);
}

/** nft(8) compares fields that are neighbours at once. */
function readNeighbours(
  reader: Reader,
  fields: readonly LoadedField[],
  { mask }: Loaded,
  operator: NftOperator,
  bytes: Uint8Array,
): boolean {
  if (mask !== undefined || (operator !== "==" && operator !== "!=")) return false;
  if (bytes.length !== fields.reduce((sum, { size }) => sum + size, 0)) return false;
  let at = 0;
  for (const { key, size } of fields) {
    const { type } = FIELDS[key];
    const part = bytes.subarray(at, at + size);
    const value = size === DATA_TYPES[type].size ? decodeValue(type, part) : prefixOf(type, part, 8 * size);
    compared(reader, plainMatch(key, operator, value));
    at += size;
  }
  return true;
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
  const isEquality = operator === "==" || operator === "!=";
  if (mask === undefined) {
    if (bits) return { kind: "match", key, operator, value: flagsOf(type, bytes) };
    return plainMatch(key, operator, decodeValue(type, bytes));
  }
  if (xor?.some((byte) => byte !== 0)) return undefined;
  if (bits && isEquality && bytes.every((byte) => byte === 0)) {
    return { kind: "match", key, ...(operator === "==" ? { operator: "!" } : {}), value: flagsOf(type, mask) };
  }
  const length = text === "ip" && isEquality ? maskBits(mask) : undefined;
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

/** A lower bound and an upper one on the same field are a range. */
function joinRange(key: NftKey, { entry, loaded }: NonNullable<Reader["lower"]>, bytes: Uint8Array): boolean {
  if (entry.statement.kind !== "match" || typeof entry.statement.value === "object") return false;
  const { operator: _, value: from, ...match } = entry.statement;
  const to = decodeValue(FIELDS[key].type, loaded.turned ? bytes.toReversed() : bytes);
  entry.statement = { ...match, value: { from, to } };
  return true;
}

export function readRange(reader: Reader, { data }: Named<"range">): boolean {
  const loaded = loadedIn(reader, data.sreg);
  const [field, ...more] = loaded === undefined ? [] : fieldsOf(reader, loaded);
  const [from, to] = [data.from?.value, data.to?.value];
  if (loaded === undefined || field === undefined || more.length > 0 || from === undefined || to === undefined) {
    return false;
  }
  const { type } = FIELDS[field.key];
  const { size } = DATA_TYPES[type];
  if (field.size !== size || from.length !== size || to.length !== size || loaded.mask !== undefined) return false;
  const turn = (bytes: Uint8Array) => decodeValue(type, loaded.turned ? bytes.toReversed() : bytes);
  compared(reader, plainMatch(field.key, data.op === NFT_RANGE_NEQ ? "!=" : "==", { from: turn(from), to: turn(to) }));
  return true;
}

export function readLookup(reader: Reader, { data }: Named<"lookup">): boolean {
  const { sreg, dreg, set: name, setId, flags = 0 } = data;
  const found = name === undefined ? undefined : reader.findSet(name, setId);
  const keys = sreg === undefined || found === undefined ? undefined : concatenation(reader, sreg, found.key);
  const [first, ...more] = keys ?? [];
  if (name === undefined || found === undefined || keys === undefined || first === undefined) return false;
  const key: NftKeys = more.length === 0 ? first : keys;
  const mask = maskOf(reader, sreg, key);
  if (mask === undefined) return false;
  if (dreg === undefined) {
    const value = found.anonymous === undefined ? { set: name } : { anyOf: found.anonymous.map(asOperand) };
    const operator = (flags & NFT_LOOKUP_F_INV) !== 0 ? { operator: "!=" as const } : {};
    compared(reader, { kind: "match", key, ...operator, ...mask, value });
    return true;
  }
  if (mask.mask !== undefined) return false;
  for (const one of keys) dropImplied(reader, one);
  if (dreg === NFT_REG_VERDICT) {
    reader.entries.push({ statement: { kind: "vmap", key, map: found.anonymous ?? name } });
  } else {
    reader.held.set(wordOfRegister(dreg), { map: name, key, ports: found.data?.length === 2 });
  }
  return true;
}

function asOperand({ key }: NftElementContent) {
  const [only, ...more] = key;
  return only !== undefined && more.length === 0 ? only : key;
}

/** The mask on a field; nothing without one, undefined where it does not fit. */
function maskOf(reader: Reader, register: number | undefined, key: NftKeys): { mask?: NftValue } | undefined {
  const loaded = loadedIn(reader, register);
  if (loaded?.mask === undefined) return {};
  if (typeof key !== "string" || loaded.mask.length !== DATA_TYPES[FIELDS[key].type].size) return undefined;
  return { mask: decodeValue(FIELDS[key].type, loaded.mask) };
}

/** The fields that registers hold one behind the other, where they are of the types that the set's key has. */
function concatenation(reader: Reader, sreg: number, types: readonly NftType[]): NftKey[] | undefined {
  const keys: NftKey[] = [];
  let word = wordOfRegister(sreg);
  for (const type of types) {
    const held = reader.held.get(word);
    const [field, ...more] = held !== undefined && "load" in held ? fieldsOf(reader, held) : [];
    if (field === undefined || more.length > 0 || FIELDS[field.key].type !== type) return undefined;
    if (field.size !== DATA_TYPES[type].size) return undefined;
    keys.push(field.key);
    word += paddedSize(type) / 4;
  }
  return keys;
}
