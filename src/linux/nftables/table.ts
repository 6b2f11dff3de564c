/** Tables. @see linux/netfilter/nf_tables.h enum nft_table_attributes, nft(8) TABLES */

import type { NftFamily, NftTable } from "../../core/nftables.ts";
import { attributes, type WithUnknown } from "../netlink/attributes.ts";
import { NLM_F_EXCL, request } from "../netlink/message.ts";
import { type NfHeader, nfMessage } from "../netlink/nfnetlink.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { be32, be64, bytes, string } from "../netlink/wire.ts";
import { type NftRequest, withFallback } from "./batch.ts";
import {
  NFPROTO_UNSPEC,
  NFT_MSG_DELTABLE,
  NFT_MSG_DESTROYTABLE,
  NFT_MSG_GETTABLE,
  NFT_MSG_NEWTABLE,
} from "./constants.ts";
import { familyOfHeader, headerFor, required } from "./header.ts";
import { getIfExists } from "./query.ts";
import { commentData, commentOf } from "./userdata.ts";

interface TableAttributes extends WithUnknown {
  name?: string;
  /** NFT_TABLE_F_ */
  flags?: number;
  /** How many chains it has. */
  use?: number;
  handle?: bigint;
  userdata?: Uint8Array;
  /** The socket that owns it. */
  owner?: number;
}

type TableMessage = NfHeader & TableAttributes;

export const tableMessage = nfMessage(
  attributes<TableAttributes>({
    name: [1, string],
    flags: [2, be32],
    use: [3, be32],
    handle: [4, be64],
    userdata: [6, bytes],
    owner: [7, be32],
  }),
);

/** A table as the kernel has it. */
export interface KernelTable extends NftTable {
  readonly handle: bigint;
  readonly flags: number;
}

/** Which table. */
export type TableName = Pick<NftTable, "family" | "name">;

/** Makes a table; nothing happens when there is one of this name. */
export function addTable(table: NftTable): NftRequest {
  return newTable("add", 0, table);
}

/** Makes a table. The kernel answers EEXIST when there is one of this name. */
export function createTable(table: NftTable): NftRequest {
  return newTable("create", NLM_F_EXCL, table);
}

function newTable(verb: string, flags: number, { family, name, comment }: NftTable): NftRequest {
  const value: TableMessage = { ...headerFor(family), name, flags: 0, ...commentData(comment) };
  return request(`${verb} table ${family} "${name}"`, NFT_MSG_NEWTABLE, flags, tableMessage, value);
}

/** Deletes a table with all that is in it. The kernel answers ENOENT when there is none. */
export function deleteTable({ family, name }: TableName): NftRequest {
  return request(`delete table ${family} "${name}"`, NFT_MSG_DELTABLE, 0, tableMessage, { ...headerFor(family), name });
}

/** Deletes a table with all that is in it; nothing happens when there is none. */
export function destroyTable(table: TableName): NftRequest {
  return withFallback(NFT_MSG_DESTROYTABLE, NFT_MSG_GETTABLE, deleteTable(table));
}

/** The table of a name, or undefined. Throws NetlinkError. */
export function findTable(socket: NetlinkSocket, { family, name }: TableName): KernelTable | undefined {
  const operation = `look up table ${family} "${name}"`;
  const payload = getIfExists(socket, operation, NFT_MSG_GETTABLE, tableMessage, { ...headerFor(family), name });
  return payload === undefined ? undefined : decodeTable(payload);
}

/** The tables of one family, or of all. Throws NetlinkError. */
export function listTables(socket: NetlinkSocket, family?: NftFamily): KernelTable[] {
  const header = family === undefined ? { protocol: NFPROTO_UNSPEC, version: 0, resource: 0 } : headerFor(family);
  return socket
    .dump(request("list tables", NFT_MSG_GETTABLE, 0, tableMessage, header))
    .map(({ payload }) => decodeTable(payload));
}

/** The table in the payload of an NFT_MSG_NEWTABLE message. Throws DecodeError. */
export function decodeTable(payload: Uint8Array): KernelTable {
  const value = tableMessage.read(payload);
  return {
    family: familyOfHeader(value),
    name: required(value.name, "a table's name"),
    handle: value.handle ?? 0n,
    flags: value.flags ?? 0,
    ...commentOf(value.userdata),
  };
}
