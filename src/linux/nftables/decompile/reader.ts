/** A rule while it is read back: what registers hold, what is known of the packet, and the statements so far. */

import type {
  NftElementContent,
  NftKey,
  NftKeys,
  NftMatch,
  NftStatement,
  NftType,
  NftValue,
} from "../../../core/nftables.ts";
import {
  NFT_FIB_RESULT_ADDRTYPE,
  NFT_PAYLOAD_LL_HEADER,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_PAYLOAD_TRANSPORT_HEADER,
} from "../constants.ts";
import { type Context, learn } from "../context.ts";
import { DATA_TYPES } from "../datatypes.ts";
import type { Expression } from "../expression.ts";
import { FIELDS, findKey } from "../keys.ts";
import { wordOfRegister } from "../registers.ts";

/** An expression for which there is no statement here. */
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

export type Named<K extends Expression["name"]> = Expression & { readonly name: K };

/** A field, or a part of one, in a register, and what was computed on it. */
export interface Loaded {
  readonly load: Named<"payload"> | Named<"meta"> | Named<"ct"> | Named<"fib">;
  readonly mask?: Uint8Array;
  readonly xor?: Uint8Array;
  /** Its bytes were turned to network order. */
  readonly turned?: true;
}

/** What a register holds. */
export type Held =
  | { readonly bytes: Uint8Array }
  | { readonly map: string; readonly key: NftKeys; readonly ports: boolean }
  | Loaded;

/** A statement in the making; tests that turn out to be implied are dropped. */
export interface Entry {
  statement: ReadStatement;
  dropped?: true;
}

export type Layer = "link" | "network" | "transport";

export interface Reader {
  readonly context: Context;
  readonly findSet: FindSet;
  /** By the word that the register starts at. */
  readonly held: Map<number, Held>;
  readonly entries: Entry[];
  /** For each layer the test that told its protocol, while it may be dropped. */
  readonly tests: Map<Layer, Entry>;
  /** A lower bound, which may become a range with the expression after it. */
  lower?: { readonly entry: Entry; readonly loaded: Loaded } | undefined;
}

/** Adds a statement that is not a comparison: what stands before it must not be dropped for what comes after. */
export function act(reader: Reader, statement: ReadStatement): void {
  reader.entries.push({ statement });
  reader.tests.clear();
}

export function heldIn(reader: Reader, register: number | undefined): Held | undefined {
  return register === undefined ? undefined : reader.held.get(wordOfRegister(register));
}

export function loadedIn(reader: Reader, register: number | undefined): Loaded | undefined {
  const held = heldIn(reader, register);
  return held !== undefined && "load" in held ? held : undefined;
}

/** A field with the number of its bytes that were loaded. */
export interface LoadedField {
  readonly key: NftKey;
  readonly size: number;
}

/** The fields that a load reads; several where it spans neighbours, none where they are not known. */
export function fieldsOf(reader: Reader, { load }: Loaded): LoadedField[] {
  if (load.name === "payload") return payloadFields(reader, load);
  const key = findKey((source) => {
    if (load.name === "meta") return "meta" in source && source.meta === load.data.key;
    if (load.name === "ct") return "ct" in source && source.ct === load.data.key && load.data.direction === undefined;
    return "fib" in source && source.fib === load.data.flags && load.data.result === NFT_FIB_RESULT_ADDRTYPE;
  });
  return key === undefined ? [] : [{ key, size: DATA_TYPES[FIELDS[key].type].size }];
}

function payloadFields({ context }: Reader, { data }: Named<"payload">): LoadedField[] {
  const { base, offset = 0, length = 0 } = data;
  const { network, transport } = context;
  const word = typeof transport === "string" ? transport : undefined;
  const fields: LoadedField[] = [];
  for (let at = offset; at < offset + length; ) {
    const matches = (source: (typeof FIELDS)[NftKey]["source"]) =>
      "payload" in source && source.payload === base && source.offset === at;
    const key = findKey(matches, network, word);
    if (key === undefined) return [];
    const size = Math.min(DATA_TYPES[FIELDS[key].type].size, offset + length - at);
    fields.push({ key, size });
    at += size;
  }
  return fields;
}

/** Adds a comparison: drops the tests that it implies, and takes note of what it tells. */
export function compared(reader: Reader, match: NftMatch): Entry {
  const { key, operator, mask, value } = match;
  const entry: Entry = { statement: match };
  const isTest = typeof key === "string" && operator === undefined && mask === undefined && typeof value !== "object";
  for (const one of typeof key === "string" ? [key] : key) dropImplied(reader, one, isTest ? value : undefined);
  reader.entries.push(entry);
  const tells = isTest ? FIELDS[key].tells : undefined;
  if (!isTest || tells === undefined) return entry;
  learn(reader.context, key, value);
  reader.tests.set(tells, entry);
  return entry;
}

/** Drops the test that a field of a header, or a protocol that has one home only, makes needless. */
export function dropImplied(reader: Reader, key: NftKey, value?: NftValue): void {
  const layer = layerOf(key);
  if (layer !== undefined) {
    const test = reader.tests.get(layer);
    if (test !== undefined && !isNetworkField(reader, test)) drop(reader, layer);
  } else if (key === "meta l4proto" && value !== undefined) {
    // Which ICMP it is says which network protocol, too.
    const { network, family } = reader.context;
    const icmp = network === "ip" ? "icmp" : "ipv6-icmp";
    if (family === network || (network !== undefined && value === icmp)) drop(reader, "network");
  }
}

/** Drops the test that told the protocol of a layer. */
export function drop(reader: Reader, layer: Layer): void {
  const test = reader.tests.get(layer);
  if (test !== undefined) test.dropped = true;
  reader.tests.delete(layer);
}

/** The layer of the header that a field is in. */
function layerOf(key: NftKey): Layer | undefined {
  const { source } = FIELDS[key];
  if (!("payload" in source)) return undefined;
  switch (source.payload) {
    case NFT_PAYLOAD_LL_HEADER:
      return "link";
    case NFT_PAYLOAD_NETWORK_HEADER:
      return "network";
    case NFT_PAYLOAD_TRANSPORT_HEADER:
      return "transport";
    default:
      return undefined;
  }
}

/** `ip protocol` in a table for several network protocols says more than the transport protocol does. */
function isNetworkField({ context }: Reader, { statement }: Entry): boolean {
  const several = context.family === "inet" || context.family === "bridge" || context.family === "netdev";
  return several && statement.kind === "match" && (statement.key === "ip protocol" || statement.key === "ip6 nexthdr");
}
