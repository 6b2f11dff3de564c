/** Sets and maps. @see linux/netfilter/nf_tables.h enum nft_set_attributes, nft(8) SETS and MAPS */

import type { NftSet, NftSetFlag, NftType } from "../../core/nftables.ts";
import { attributes, listOf, nested, type WithUnknown } from "../netlink/attributes.ts";
import { NLM_F_CREATE, NLM_F_EXCL, request } from "../netlink/message.ts";
import { type NfHeader, nfMessage } from "../netlink/nfnetlink.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { be32, be64, bytes, string } from "../netlink/wire.ts";
import { type NftRequest, withFallback } from "./batch.ts";
import {
  NFT_DATA_VERDICT,
  NFT_MSG_DELSET,
  NFT_MSG_DESTROYSET,
  NFT_MSG_GETSET,
  NFT_MSG_NEWSET,
  NFT_SET_ANONYMOUS,
  NFT_SET_CONCAT,
  NFT_SET_CONSTANT,
  NFT_SET_EVAL,
  NFT_SET_INTERVAL,
  NFT_SET_MAP,
  NFT_SET_TIMEOUT,
} from "./constants.ts";
import { DATA_TYPES, tupleSize, typeNumber, typesOf } from "./datatypes.ts";
import { familyOfHeader, headerFor, required } from "./header.ts";
import { getIfExists } from "./query.ts";
import type { TableName } from "./table.ts";
import {
  decodeUserdata,
  encodeUserdata,
  findNumber,
  findText,
  numberItem,
  textItem,
  UDATA_SET_COMMENT,
  UDATA_SET_DATA_INTERVAL,
  UDATA_SET_DATABYTEORDER,
  UDATA_SET_KEYBYTEORDER,
  UDATA_SET_MERGE_ELEMENTS,
} from "./userdata.ts";

/** @see enum nft_set_desc_attributes */
interface SetDescription extends WithUnknown {
  /** The most elements; of a constant set their number. */
  size?: number;
  /** The sizes of a concatenation's parts, for ranges in each. */
  fields?: readonly SetField[];
}

/** @see enum nft_set_field_attributes */
interface SetField extends WithUnknown {
  /** In bytes. */
  length?: number;
}

interface SetAttributes extends WithUnknown {
  table?: string;
  name?: string;
  /** NFT_SET_ */
  flags?: number;
  /** For nft(8) only. */
  keyType?: number;
  keyLength?: number;
  dataType?: number;
  dataLength?: number;
  /** NFT_SET_POL_ */
  policy?: number;
  description?: SetDescription;
  /** The number by which rules of the same transaction name it. */
  id?: number;
  /** Milliseconds, as is `gcInterval`. */
  timeout?: bigint;
  gcInterval?: number;
  userdata?: Uint8Array;
  objectType?: number;
  handle?: bigint;
}

type SetMessage = NfHeader & SetAttributes;

export const setMessage = nfMessage(
  attributes<SetAttributes>({
    table: [1, string],
    name: [2, string],
    handle: [16, be64],
    flags: [3, be32],
    keyType: [4, be32],
    keyLength: [5, be32],
    dataType: [6, be32],
    dataLength: [7, be32],
    objectType: [15, be32],
    id: [10, be32],
    policy: [8, be32],
    description: [
      9,
      nested(
        attributes<SetDescription>({
          size: [1, be32],
          fields: [2, nested(listOf(1, nested(attributes<SetField>({ length: [1, be32] }))))],
        }),
      ),
    ],
    timeout: [11, be64],
    gcInterval: [12, be32],
    userdata: [13, bytes],
  }),
);

/** A set as the kernel has it. */
export interface KernelSet extends NftSet {
  readonly handle: bigint;
  /** It belongs to one rule and goes with it. */
  readonly anonymous: boolean;
  /** nft(8) joins overlapping elements when it adds some. */
  readonly autoMerge: boolean;
  /** The number of a type that is not known here; `key`, or `data`, is then empty. */
  readonly unknownType?: number;
}

/** Which set. */
export type SetName = Pick<NftSet, "family" | "table" | "name">;

/** Makes a set or map; nothing happens when there is one of this name and format. */
export function addSet(set: NftSet): NftRequest {
  return newSet("add", 0, set);
}

/** Makes a set or map. The kernel answers EEXIST when there is one of this name. */
export function createSet(set: NftSet): NftRequest {
  return newSet("create", NLM_F_EXCL, set);
}

function newSet(verb: string, flags: number, set: NftSet): NftRequest {
  const description = set.size === undefined ? {} : { size: set.size };
  // The kernel insists on a number; rules find a named set by its name, so all may have the same, no anonymous one's.
  const value: SetMessage = { ...naming(set), ...setData(set, flagBits(set), description), id: 0 };
  return request(`${verb} ${describe(set)}`, NFT_MSG_NEWSET, NLM_F_CREATE | flags, setMessage, value);
}

/** Makes a set for `size` elements that only the rule after it in the same batch refers to, by `id`. */
export function addAnonymousSet(set: NftSet, id: number, size: number): NftRequest {
  const flags = flagBits(set) | NFT_SET_ANONYMOUS | NFT_SET_CONSTANT;
  const value: SetMessage = { ...naming(set), ...setData(set, flags, { size }), id };
  return request(`add anonymous ${describe(set)}`, NFT_MSG_NEWSET, NLM_F_CREATE, setMessage, value);
}

function setData(set: NftSet, flags: number, description: SetDescription): SetAttributes {
  const { key, data, policy, timeout, gcInterval, comment } = set;
  const fields =
    (flags & NFT_SET_CONCAT) === 0 ? {} : { fields: key.map((type) => ({ length: DATA_TYPES[type].size })) };
  const whole = { ...description, ...fields };
  return {
    flags,
    keyType: typeNumber(key),
    keyLength: tupleSize(key),
    ...(data === undefined ? {} : dataFormat(data)),
    ...(policy === "memory" ? { policy: 1 } : {}),
    ...(Object.keys(whole).length === 0 ? {} : { description: whole }),
    ...(timeout === undefined ? {} : { timeout: BigInt(timeout) }),
    ...(gcInterval === undefined ? {} : { gcInterval }),
    userdata: encodeUserdata([
      numberItem(UDATA_SET_KEYBYTEORDER, byteOrder(key)),
      ...(data === undefined ? [] : [numberItem(UDATA_SET_DATABYTEORDER, data === "verdict" ? 0 : byteOrder(data))]),
      ...(data === undefined ? [] : [numberItem(UDATA_SET_DATA_INTERVAL, 0)]),
      ...(comment === undefined ? [] : [textItem(UDATA_SET_COMMENT, comment)]),
    ]),
  };
}

function dataFormat(data: readonly NftType[] | "verdict"): SetAttributes {
  if (data === "verdict") return { dataType: NFT_DATA_VERDICT, dataLength: 0 };
  return { dataType: typeNumber(data), dataLength: tupleSize(data) };
}

/** How nft(8) reads keys: 0 by the parts of a concatenation, 1 as in the host, 2 as on the network. */
function byteOrder(types: readonly NftType[]): number {
  const [only, ...more] = types;
  if (only === undefined || more.length > 0) return 0;
  return DATA_TYPES[only].host ? 1 : 2;
}

const FLAG_BITS: { readonly [K in NftSetFlag]: number } = {
  constant: NFT_SET_CONSTANT,
  dynamic: NFT_SET_EVAL,
  interval: NFT_SET_INTERVAL,
  timeout: NFT_SET_TIMEOUT,
};

function flagBits({ key, data, flags = [], timeout }: NftSet): number {
  let bits = data === undefined ? 0 : NFT_SET_MAP;
  for (const flag of flags) bits |= FLAG_BITS[flag];
  if (timeout !== undefined) bits |= NFT_SET_TIMEOUT;
  if (key.length > 1 && (bits & NFT_SET_INTERVAL) !== 0) bits |= NFT_SET_CONCAT;
  return bits;
}

/** Deletes a set with its elements. The kernel answers ENOENT when there is none, EBUSY while a rule refers to it. */
export function deleteSet(set: SetName): NftRequest {
  return request(`delete ${describe(set)}`, NFT_MSG_DELSET, 0, setMessage, naming(set));
}

/** Deletes a set with its elements; nothing happens when there is none. The kernel answers EBUSY while a rule refers to it. */
export function destroySet(set: SetName): NftRequest {
  return withFallback(NFT_MSG_DESTROYSET, NFT_MSG_GETSET, deleteSet(set));
}

function naming({ family, table, name }: SetName): SetMessage {
  return { ...headerFor(family), table, name };
}

function describe({ family, table, name }: SetName): string {
  return `set ${family} "${table}" "${name}"`;
}

/** The set or map of a name, or undefined. Throws NetlinkError. */
export function findSet(socket: NetlinkSocket, set: SetName): KernelSet | undefined {
  const operation = `look up ${describe(set)}`;
  const payload = getIfExists(socket, operation, NFT_MSG_GETSET, setMessage, naming(set));
  return payload === undefined ? undefined : decodeSet(payload);
}

/** The sets and maps of a table, anonymous ones included, in the order in which they were made. Throws NetlinkError. */
export function listSets(socket: NetlinkSocket, { family, name }: TableName): KernelSet[] {
  const which: SetMessage = { ...headerFor(family), table: name };
  return socket
    .dump(request(`list sets of "${name}"`, NFT_MSG_GETSET, 0, setMessage, which))
    .map(({ payload }) => decodeSet(payload));
}

/** The set in the payload of an NFT_MSG_NEWSET message. Throws DecodeError. */
export function decodeSet(payload: Uint8Array): KernelSet {
  const value = setMessage.read(payload);
  const bits = value.flags ?? 0;
  const items = decodeUserdata(value.userdata);
  const comment = findText(items, UDATA_SET_COMMENT);
  const key = typesOf(value.keyType ?? 0);
  const isVerdict = value.dataType === NFT_DATA_VERDICT;
  const data = (bits & NFT_SET_MAP) === 0 ? undefined : isVerdict ? "verdict" : (typesOf(value.dataType ?? 0) ?? []);
  const unknownType = key === undefined ? value.keyType : data?.length === 0 ? value.dataType : undefined;
  const flags = (Object.keys(FLAG_BITS) as NftSetFlag[]).filter((flag) => (bits & FLAG_BITS[flag]) !== 0);
  return {
    family: familyOfHeader(value),
    table: required(value.table, "a set's table"),
    name: required(value.name, "a set's name"),
    handle: value.handle ?? 0n,
    key: key ?? [],
    ...(data === undefined ? {} : { data }),
    ...(flags.length === 0 ? {} : { flags }),
    ...(value.timeout ? { timeout: Number(value.timeout) } : {}),
    ...(value.gcInterval ? { gcInterval: value.gcInterval } : {}),
    ...(value.description?.size ? { size: value.description.size } : {}),
    ...(value.policy === 1 ? { policy: "memory" as const } : {}),
    ...(comment === undefined ? {} : { comment }),
    anonymous: (bits & NFT_SET_ANONYMOUS) !== 0,
    autoMerge: (findNumber(items, UDATA_SET_MERGE_ELEMENTS) ?? 0) !== 0,
    ...(unknownType === undefined ? {} : { unknownType }),
  };
}
