/**
 * User data: what nft(8) keeps with an object and the kernel stores unread. Ours is in nft's own format, so that nft
 * shows our comments, and we show nft's.
 *
 * Each item is a byte for its type, a byte for its length, and the value.
 * @see libnftnl include/libnftnl/udata.h
 */

import { string, u32 } from "../netlink/wire.ts";

/** The kernel takes no more than this. @see linux/netfilter/nf_tables.h NFT_USERDATA_MAXLEN */
const MAX_USERDATA = 256;

/** @see libnftnl enum nftnl_udata_table_types, nftnl_udata_chain_types, nftnl_udata_rule_types, nftnl_udata_set_elem_types */
export const UDATA_COMMENT = 0;
/** @see libnftnl enum nftnl_udata_set_elem_types, and in its value nft's SET_ELEM_F_INTERVAL_OPEN */
export const UDATA_SET_ELEM_FLAGS = 1;
export const SET_ELEM_F_INTERVAL_OPEN = 1;
/** @see libnftnl enum nftnl_udata_set_types */
export const UDATA_SET_KEYBYTEORDER = 0;
export const UDATA_SET_DATABYTEORDER = 1;
export const UDATA_SET_MERGE_ELEMENTS = 2;
export const UDATA_SET_DATA_INTERVAL = 6;
export const UDATA_SET_COMMENT = 7;

export interface UserdataItem {
  readonly type: number;
  readonly value: Uint8Array;
}

export function textItem(type: number, value: string): UserdataItem {
  return { type, value: new TextEncoder().encode(`${value}\0`) };
}

export function numberItem(type: number, value: number): UserdataItem {
  return { type, value: Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24) };
}

/** The bytes of items. Throws TypeError when they are more than the kernel takes. */
export function encodeUserdata(items: readonly UserdataItem[]): Uint8Array {
  let length = 0;
  let longest = 0;
  for (const { value } of items) {
    length += 2 + value.length;
    longest = Math.max(longest, value.length);
  }
  if (length > MAX_USERDATA || longest > 255) {
    throw new TypeError(`A comment is longer than the kernel keeps: ${MAX_USERDATA} bytes with all else`);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const { type, value } of items) {
    bytes[at] = type;
    bytes[at + 1] = value.length;
    bytes.set(value, at + 2);
    at += 2 + value.length;
  }
  return bytes;
}

/** The items in user data; what does not parse is not nft's, and is passed over. */
export function decodeUserdata(bytes: Uint8Array | undefined): UserdataItem[] {
  const items: UserdataItem[] = [];
  if (bytes === undefined) return items;
  for (let at = 0; at + 2 <= bytes.length; ) {
    const end = at + 2 + (bytes[at + 1] as number);
    if (end > bytes.length) break;
    items.push({ type: bytes[at] as number, value: bytes.subarray(at + 2, end) });
    at = end;
  }
  return items;
}

/** The text of an item, or undefined where there is none of this type. */
export function findText(items: readonly UserdataItem[], type: number): string | undefined {
  const item = items.find((one) => one.type === type);
  return item === undefined ? undefined : string.read(item.value);
}

/** The number of an item, or undefined where there is none of this type. */
export function findNumber(items: readonly UserdataItem[], type: number): number | undefined {
  const item = items.find((one) => one.type === type);
  return item === undefined || item.value.length < 4 ? undefined : u32.read(item.value);
}

/** The user data of a comment, to be spread into a message; nothing without one. */
export function commentData(comment: string | undefined): { userdata?: Uint8Array } {
  return comment === undefined ? {} : { userdata: encodeUserdata([textItem(UDATA_COMMENT, comment)]) };
}

/** The comment in user data, to be spread into a model; nothing without one. */
export function commentOf(userdata: Uint8Array | undefined): { comment?: string } {
  const comment = findText(decodeUserdata(userdata), UDATA_COMMENT);
  return comment === undefined ? {} : { comment };
}
