/** A rule while it is compiled, and the pieces that statements are made of. */

import type { NftElementContent, NftKey, NftRule, NftSet, NftType, NftValue } from "../../../core/nftables.ts";
import { NFT_BYTEORDER_HTON, NFT_CMP_EQ, NFT_FIB_RESULT_ADDRTYPE, NFT_REG_1 } from "../constants.ts";
import { type Context, type Dependency, dependencies, learn } from "../context.ts";
import type { Data } from "../data.ts";
import { DATA_TYPES, encodeEnds, encodeValue, equalBytes, paddedSize } from "../datatypes.ts";
import type { Expression } from "../expression.ts";
import { FIELDS, keyTypes } from "../keys.ts";
import { registerAt } from "../registers.ts";

/** A set that is part of a rule, and its elements. */
export interface AnonymousSet {
  readonly set: NftSet;
  readonly elements: readonly NftElementContent[];
}

export interface Job {
  readonly rule: Pick<NftRule, "family" | "table">;
  readonly context: Context;
  readonly out: Expression[];
  readonly sets: AnonymousSet[];
}

/** Loads fields into registers, one behind the other, and returns the number of the first. */
export function loadKeys(job: Job, keys: readonly NftKey[], mask?: NftValue, size?: number): number {
  for (const key of keys) compileTests(job, dependencies(job.context, key));
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

/** Tests that what follows depends on. */
export function compileTests(job: Job, tests: readonly Dependency[]): void {
  for (const { key, value } of tests) {
    const register = loadKeys(job, [key]);
    job.out.push(compare(register, NFT_CMP_EQ, encodeValue(FIELDS[key].type, value)));
    learn(job.context, key, value);
  }
}

function load(key: NftKey, dreg: number, size?: number): Expression {
  const { source, type } = FIELDS[key];
  if ("meta" in source) return { name: "meta", data: { key: source.meta, dreg } };
  if ("ct" in source) return { name: "ct", data: { key: source.ct, dreg } };
  if ("fib" in source) return { name: "fib", data: { flags: source.fib, result: NFT_FIB_RESULT_ADDRTYPE, dreg } };
  const length = size ?? DATA_TYPES[type].size;
  return { name: "payload", data: { dreg, base: source.payload, offset: source.offset, length } };
}

/** Numbers of the host's order compare as bytes only once they are turned around. Says whether they were. */
export function toNetworkOrder(job: Job, register: number, key: NftKey): boolean {
  const { size, host, text } = DATA_TYPES[FIELDS[key].type];
  if (!host || size === 1 || text !== undefined) return false;
  const data = { sreg: register, dreg: register, op: NFT_BYTEORDER_HTON, length: size, size };
  job.out.push({ name: "byteorder", data });
  return true;
}

export function compare(sreg: number, op: number, value: Uint8Array): Expression {
  return { name: "cmp", data: { sreg, op, data: { value } } };
}

/** `register = (register & mask) ^ xor` */
export function masked(register: number, mask: Uint8Array, xor: Uint8Array = new Uint8Array(mask.length)): Expression {
  const data = { sreg: register, dreg: register, length: mask.length, mask: { value: mask }, xor: { value: xor } };
  return { name: "bitwise", data };
}

export function immediate(dreg: number, data: Data): Expression {
  return { name: "immediate", data: { dreg, data } };
}

/** Adds a set of these elements to the rule; its number is that of the rule's sets so far. */
export function addAnonymous(job: Job, keys: readonly NftKey[], elements: readonly NftElementContent[]): NftSet {
  const { family, table } = job.rule;
  const key = keyTypes(keys);
  const isMap = elements.some(({ verdict }) => verdict !== undefined);
  const set: NftSet = {
    family,
    table,
    name: isMap ? "__map%d" : "__set%d",
    key,
    ...(isMap ? { data: "verdict" as const } : {}),
    flags: hasRanges(key, elements) ? ["constant", "interval"] : ["constant"],
  };
  job.sets.push({ set, elements });
  return set;
}

/** Whether an element is more than one value. */
export function hasRanges(types: readonly NftType[], elements: readonly NftElementContent[]): boolean {
  return elements.some(({ key }) =>
    key.some((part, i) => {
      const type = types[i];
      if (type === undefined) throw new TypeError(`${JSON.stringify(key)} has more parts than its field`);
      const { from, to } = encodeEnds(type, part);
      return !equalBytes(from, to);
    }),
  );
}
