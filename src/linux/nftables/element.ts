/** Elements of sets and maps. @see linux/netfilter/nf_tables.h enum nft_set_elem_attributes, nft(8) ELEMENTS */

import type { NftElement, NftElementContent, NftSet, NftType } from "../../core/nftables.ts";
import { attributes, listOf, nested, type WithUnknown } from "../netlink/attributes.ts";
import { NetlinkError } from "../netlink/error.ts";
import { NLM_F_CREATE, NLM_F_EXCL, request } from "../netlink/message.ts";
import { nfMessage } from "../netlink/nfnetlink.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { be32, be64, bytes, string } from "../netlink/wire.ts";
import { type NftRequest, transactIfUnchanged, withFallback } from "./batch.ts";
import {
  NFT_MSG_DELSETELEM,
  NFT_MSG_DESTROYSETELEM,
  NFT_MSG_GETSETELEM,
  NFT_MSG_NEWSETELEM,
  NFT_SET_ELEM_CATCHALL,
  NFT_SET_ELEM_INTERVAL_END,
} from "./constants.ts";
import { type Data, data } from "./data.ts";
import { DATA_TYPES, decodeTuple, encodeTuple, equalBytes } from "./datatypes.ts";
import { type Expression, expression, expressions } from "./expression.ts";
import { headerFor } from "./header.ts";
import { after, joinIntervals } from "./interval.ts";
import { getIfAnswered, getIfExists } from "./query.ts";
import {
  commentOf,
  encodeUserdata,
  numberItem,
  SET_ELEM_F_INTERVAL_OPEN,
  textItem,
  UDATA_COMMENT,
  UDATA_SET_ELEM_FLAGS,
} from "./userdata.ts";
import { decodeVerdict, encodeVerdict, formatVerdict } from "./verdict.ts";

interface ElementAttributes extends WithUnknown {
  key?: Data;
  data?: Data;
  /** NFT_SET_ELEM_ */
  flags?: number;
  /** Milliseconds, as is `expiration`. */
  timeout?: bigint;
  /** What is left of the timeout. */
  expiration?: bigint;
  userdata?: Uint8Array;
  expression?: Expression;
  objectName?: string;
  keyEnd?: Data;
  expressions?: readonly Expression[];
}

interface ElementListAttributes extends WithUnknown {
  table?: string;
  set?: string;
  elements?: readonly ElementAttributes[];
  /** Of a set that is made in the same transaction. */
  setId?: number;
}

export const elementListMessage = nfMessage(
  attributes<ElementListAttributes>({
    table: [1, string],
    set: [2, string],
    setId: [4, be32],
    elements: [
      3,
      nested(
        listOf(
          1,
          nested(
            attributes<ElementAttributes>({
              flags: [3, be32],
              timeout: [4, be64],
              expiration: [5, be64],
              key: [1, data],
              keyEnd: [10, data],
              data: [2, data],
              userdata: [6, bytes],
              objectName: [9, string],
              expression: [7, expression],
              expressions: [11, expressions],
            }),
          ),
        ),
      ),
    ],
  }),
);

/** An element as the kernel has it. */
export interface KernelElement extends NftElement {
  /** Milliseconds until it goes. */
  readonly expires?: number;
  /** It stands for all keys that no other element has; `key` is empty. */
  readonly catchall?: true;
}

/** A list of elements is one attribute, which holds no more than 64 KiB; so many fit, be they as long as can be. */
const ELEMENTS_PER_MESSAGE = 64;

/**
 * Adds elements; nothing happens for those that are there with the same value, whose comment stays. The kernel answers
 * EEXIST or EBUSY for one that is there with another value.
 */
export function addElements(elements: readonly NftElement[]): NftRequest[] {
  for (const element of elements) rejectHostOrder(element);
  return elementRequests("add", NFT_MSG_NEWSETELEM, NLM_F_CREATE, elements);
}

/** Adds elements. The kernel answers EEXIST for one that is there. */
export function createElements(elements: readonly NftElement[]): NftRequest[] {
  for (const element of elements) rejectHostOrder(element);
  return elementRequests("create", NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, elements);
}

/** Deletes elements by their keys. The kernel answers ENOENT for one that is not there. */
export function deleteElements(elements: readonly NftElement[]): NftRequest[] {
  return elementRequests("delete", NFT_MSG_DELSETELEM, 0, elements.map(keyOnly));
}

/** Deletes elements by their keys; nothing happens for those that are not there. */
export function destroyElements(elements: readonly NftElement[]): NftRequest[] {
  return elements.flatMap((element) =>
    deleteElements([element]).map((one) => withFallback(NFT_MSG_DESTROYSETELEM, NFT_MSG_GETSETELEM, one)),
  );
}

/** Adds the elements of a set that is made in the same batch by this number. */
export function addAnonymousElements(set: NftSet, id: number, contents: readonly NftElementContent[]): NftRequest[] {
  const elements = contents.map((content) => ({ ...content, set }));
  return elementRequests("add", NFT_MSG_NEWSETELEM, NLM_F_CREATE, elements, { setId: id });
}

/** How many elements the kernel has for these: two for each range of a single field. */
export function countAnonymousElements(set: NftSet, contents: readonly NftElementContent[]): number {
  return contents.reduce((count, content) => count + encodeElement({ ...content, set }).length, 0);
}

function elementRequests(
  verb: string,
  type: number,
  flags: number,
  elements: readonly NftElement[],
  extra: ElementListAttributes = {},
): NftRequest[] {
  return groupBySet(elements).map((group) => {
    const [first] = group as [NftElement];
    const { family, table, name } = first.set;
    const more = group.length === 1 ? "" : ` and ${group.length - 1} more`;
    const operation = `${verb} element ${describe(first)}${more} of set ${family} "${table}" "${name}"`;
    const encoded: ElementAttributes[] = [];
    // Loops here and below, because the first use of flatMap, every, some or at costs a process 12 to 60 µs.
    for (const element of group) encoded.push(...encodeElement(element));
    const value = { ...headerFor(family), table, set: name, ...extra, elements: encoded };
    return request(operation, type, flags, elementListMessage, value);
  });
}

/** Runs of elements of one set, none longer than a message can hold. */
function groupBySet(elements: readonly NftElement[]): NftElement[][] {
  const groups: NftElement[][] = [];
  for (const element of elements) {
    const group = groups[groups.length - 1];
    if (group !== undefined && group.length < ELEMENTS_PER_MESSAGE && isSameSet(group[0]?.set, element.set)) {
      group.push(element);
    } else {
      groups.push([element]);
    }
  }
  return groups;
}

function isSameSet(a: NftSet | undefined, b: NftSet): boolean {
  return a === b || (a?.name === b.name && a.table === b.table && a.family === b.family);
}

function keyOnly({ set, key }: NftElement): NftElement {
  return { set, key };
}

function describe({ key, verdict }: NftElement): string {
  const parts = key.map((part) => (typeof part === "object" ? `${part.from}-${part.to}` : String(part)));
  return `{ ${parts.join(" . ")}${verdict === undefined ? "" : ` : ${formatVerdict(verdict)}`} }`;
}

function encodeElement(element: NftElement): ElementAttributes[] {
  const { set, key } = element;
  const { from, to } = encodeTuple(set.key, key);
  if (!hasRanges(set)) {
    if (!equalBytes(from, to))
      throw new TypeError(`${describe(element)} is a range, which set "${set.name}" cannot have`);
    return [{ key: { value: from }, ...content(element) }];
  }
  if (set.key.length > 1) return [{ key: { value: from }, keyEnd: { value: to }, ...content(element) }];
  const start = inNetworkOrder(set, from);
  const end = after(inNetworkOrder(set, to));
  const open = end === undefined && !equalBytes(from, to);
  return [
    { key: { value: start }, ...content(element, open) },
    ...(end === undefined ? [] : [{ flags: NFT_SET_ELEM_INTERVAL_END, key: { value: end } }]),
  ];
}

function hasRanges({ flags }: NftSet): boolean {
  return flags?.includes("interval") ?? false;
}

/** The kernel orders ranges as numbers in network order, so keys of the host's order are turned around for it. */
function inNetworkOrder({ key: [type] }: NftSet, bytes: Uint8Array): Uint8Array {
  return isHostNumber(type) ? bytes.toReversed() : bytes;
}

function isHostNumber(type: NftType | undefined): boolean {
  return type !== undefined && DATA_TYPES[type].host === true && DATA_TYPES[type].text === undefined;
}

/** A rule that looks into a named set of ranges does not know that it would have to turn the bytes around. */
function rejectHostOrder({ set, key }: NftElement): void {
  const { key: types, name } = set;
  for (const [i, type] of types.entries()) {
    if (hasRanges(set) && isHostNumber(type) && (types.length === 1 || typeof key[i] === "object")) {
      throw new TypeError(`Set "${name}" cannot have ranges of type ${type}`);
    }
  }
}

function content({ set, data, verdict, comment, timeout }: NftElement, open = false): ElementAttributes {
  const items = [
    ...(comment === undefined ? [] : [textItem(UDATA_COMMENT, comment)]),
    ...(open ? [numberItem(UDATA_SET_ELEM_FLAGS, SET_ELEM_F_INTERVAL_OPEN)] : []),
  ];
  const value = data === undefined || !Array.isArray(set.data) ? undefined : encodeTuple(set.data, data).from;
  return {
    ...(timeout === undefined ? {} : { timeout: BigInt(timeout) }),
    ...(value === undefined ? {} : { data: { value } }),
    ...(verdict === undefined ? {} : { data: { verdict: encodeVerdict(verdict) } }),
    ...(items.length === 0 ? {} : { userdata: encodeUserdata(items) }),
  };
}

/** The element of a key, or undefined; a range is found by both its ends. Throws NetlinkError. */
export function findElement(socket: NetlinkSocket, wanted: NftElement): KernelElement | undefined {
  const { set } = wanted;
  if (!hasRanges(set) || set.key.length > 1) return askForElement(socket, wanted);
  // Of ranges that lie side by side the kernel does not always tell the end of one from the beginning of the next.
  return askForElement(socket, wanted) ?? elementsIfAny(socket, set).find((one) => isSameRange(one, wanted));
}

/** None where there is no such set. */
function elementsIfAny(socket: NetlinkSocket, set: NftSet): KernelElement[] {
  try {
    return listElements(socket, set);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENOENT") return [];
    throw error;
  }
}

function isSameRange(one: NftElement, other: NftElement): boolean {
  const [a, b] = [one, other].map((each) => encodeElement(keyOnly(each)));
  return a?.length === b?.length && (a ?? []).every(({ key }, i) => isSameKey(key, b?.[i]?.key));
}

function askForElement(socket: NetlinkSocket, wanted: NftElement): KernelElement | undefined {
  const [start, end] = encodeElement(keyOnly(wanted)) as [ElementAttributes, ElementAttributes?];
  const found = getElement(socket, wanted, start);
  // Asked for one value, the kernel answers with the range around it.
  if (found === undefined || !isSameKey(start.key, found.key) || !isSameKey(start.keyEnd, found.keyEnd))
    return undefined;
  const { set, key } = wanted;
  if (!hasRanges(set) || set.key.length > 1) return decodeElement(set, found, found.keyEnd?.value);
  const last = inNetworkOrder(set, encodeTuple(set.key, key).to);
  const value: Data = { value: last };
  if (!isSameKey(start.key, value) && !isSameKey(start.key, getElement(socket, wanted, { key: value })?.key)) {
    return undefined;
  }
  if (end === undefined) return decodeElement(set, found, last);
  // Its last value is in it, so what is right behind ends it: its end, or as Linux 6.12 answers, the next one's start.
  return isSameKey(end.key, getElement(socket, wanted, end)?.key) ? decodeElement(set, found, last) : undefined;
}

function isSameKey(a: Data | undefined, b: Data | undefined): boolean {
  if (a?.value === undefined || b?.value === undefined) return a?.value === b?.value;
  return equalBytes(a.value, b.value);
}

function getElement(
  socket: NetlinkSocket,
  element: NftElement,
  bound: ElementAttributes,
): ElementAttributes | undefined {
  const { family, table, name } = element.set;
  const operation = `look up element ${describe(element)} of set ${family} "${table}" "${name}"`;
  const which = { ...headerFor(family), table, set: name, elements: [bound] };
  const ask = bound.flags === undefined ? getIfExists : getIfAnswered;
  const payload = ask(socket, operation, NFT_MSG_GETSETELEM, elementListMessage, which);
  return payload === undefined ? undefined : elementListMessage.read(payload).elements?.[0];
}

/** The elements of a set: ranges in ascending order, others as the kernel has them. Throws NetlinkError. */
export function listElements(socket: NetlinkSocket, set: NftSet): KernelElement[] {
  const { family, table, name } = set;
  const which = { ...headerFor(family), table, set: name };
  const replies = socket.dump(
    request(`list elements of set ${family} "${table}" "${name}"`, NFT_MSG_GETSETELEM, 0, elementListMessage, which),
  );
  return decodeElements(
    set,
    replies.flatMap(({ payload }) => elementListMessage.read(payload).elements ?? []),
  );
}

/** The elements of one set in the payload of an NFT_MSG_NEWSETELEM message. Throws DecodeError. */
export function decodeElementList(set: NftSet, payload: Uint8Array): KernelElement[] {
  return decodeElements(set, elementListMessage.read(payload).elements ?? []);
}

function decodeElements(set: NftSet, elements: readonly ElementAttributes[]): KernelElement[] {
  const isRanges = set.key.length === 1 && hasRanges(set);
  const placed = isRanges
    ? joinIntervals(elements).map(({ element, last }) => decodeElement(set, element, last))
    : elements.filter(({ key }) => key?.value !== undefined).map((one) => decodeElement(set, one, one.keyEnd?.value));
  const others = elements.filter(({ flags = 0 }) => (flags & NFT_SET_ELEM_CATCHALL) !== 0);
  return [...placed, ...others.map((one) => ({ ...decodeElement(set, one), catchall: true as const }))];
}

function decodeElement(set: NftSet, element: ElementAttributes, last?: Uint8Array): KernelElement {
  const { key, data: found, timeout, expiration, userdata } = element;
  const turned = set.key.length === 1 && hasRanges(set);
  const asTyped = (bytes: Uint8Array) => (turned ? inNetworkOrder(set, bytes) : bytes);
  return {
    set,
    key: key?.value === undefined ? [] : decodeTuple(set.key, asTyped(key.value), last && asTyped(last)),
    ...(found?.value === undefined || !Array.isArray(set.data) ? {} : { data: decodeTuple(set.data, found.value) }),
    ...(found?.verdict === undefined ? {} : { verdict: decodeVerdict(found.verdict) }),
    ...(timeout ? { timeout: Number(timeout) } : {}),
    ...(expiration ? { expires: Number(expiration) } : {}),
    ...commentOf(userdata),
  };
}

/**
 * Deletes those of the elements that are there and have the same comment, which names their owner, as one step with
 * looking at them. Returns how many it deleted. Throws NetlinkError.
 */
export function removeOwnElements(socket: NetlinkSocket, elements: readonly NftElement[]): number {
  const own = transactIfUnchanged(
    socket,
    () =>
      elements.filter((element) => {
        const found = findElement(socket, element);
        return found !== undefined && found.comment === element.comment;
      }),
    (mine) => deleteElements(mine),
  );
  return own.length;
}
