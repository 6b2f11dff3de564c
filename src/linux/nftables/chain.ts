/** Chains. @see linux/netfilter/nf_tables.h enum nft_chain_attributes, nft(8) CHAINS */

import type { NftBaseChain, NftChain, NftFamily } from "../../core/nftables.ts";
import { attributes, listOf, nested, type WithUnknown } from "../netlink/attributes.ts";
import { NLM_F_CREATE, NLM_F_EXCL, request } from "../netlink/message.ts";
import { type NfHeader, nfMessage } from "../netlink/nfnetlink.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { be32, be64, bytes, string } from "../netlink/wire.ts";
import { type NftRequest, withFallback } from "./batch.ts";
import {
  NF_ACCEPT,
  NF_DROP,
  NFT_MSG_DELCHAIN,
  NFT_MSG_DESTROYCHAIN,
  NFT_MSG_GETCHAIN,
  NFT_MSG_NEWCHAIN,
} from "./constants.ts";
import { beI32 } from "./data.ts";
import { familyOfHeader, headerFor, required } from "./header.ts";
import { hookNumber, hookOf, nearestPriority, priorityNumber } from "./priority.ts";
import { getIfExists } from "./query.ts";
import type { TableName } from "./table.ts";
import { commentData, commentOf } from "./userdata.ts";

/** @see enum nft_hook_attributes */
interface HookAttributes extends WithUnknown {
  number?: number;
  priority?: number;
  /** The only link, where there is one only. */
  device?: string;
  devices?: readonly string[];
}

interface ChainAttributes extends WithUnknown {
  table?: string;
  handle?: bigint;
  name?: string;
  hook?: HookAttributes;
  /** NF_ACCEPT or NF_DROP */
  policy?: number;
  /** How many rules and references it has. */
  use?: number;
  type?: string;
  flags?: number;
  id?: number;
  userdata?: Uint8Array;
}

type ChainMessage = NfHeader & ChainAttributes;

export const chainMessage = nfMessage(
  attributes<ChainAttributes>({
    table: [1, string],
    name: [3, string],
    type: [7, string],
    policy: [5, be32],
    hook: [
      4,
      nested(
        attributes<HookAttributes>({
          number: [1, be32],
          priority: [2, beI32],
          device: [3, string],
          devices: [4, nested(listOf(1, string))],
        }),
      ),
    ],
    handle: [2, be64],
    use: [6, be32],
    flags: [10, be32],
    id: [11, be32],
    userdata: [12, bytes],
  }),
);

/** A chain as the kernel has it. */
export interface KernelChain extends NftChain {
  readonly handle: bigint;
  /** How many rules and references it has; the kernel refuses to delete a chain that is referred to. */
  readonly use: number;
}

/** Which chain. */
export type ChainName = Pick<NftChain, "family" | "table" | "name">;

/** Makes a chain; nothing happens when there is one of this name, though a base chain gets the policy. */
export function addChain(chain: NftChain): NftRequest {
  return newChain("add", 0, chain);
}

/** Makes a chain. The kernel answers EEXIST when there is one of this name. */
export function createChain(chain: NftChain): NftRequest {
  return newChain("create", NLM_F_EXCL, chain);
}

function newChain(verb: string, flags: number, chain: NftChain): NftRequest {
  const value: ChainMessage = { ...naming(chain), ...baseData(chain), ...commentData(chain.comment) };
  return request(`${verb} ${describe(chain)}`, NFT_MSG_NEWCHAIN, NLM_F_CREATE | flags, chainMessage, value);
}

function baseData({ family, base }: NftChain): ChainAttributes {
  if (base === undefined) return {};
  const { type, hook, priority, policy, devices = [] } = base;
  const [device, ...more] = devices;
  return {
    type,
    ...(policy === undefined ? {} : { policy: policy === "drop" ? NF_DROP : NF_ACCEPT }),
    hook: {
      number: hookNumber(family, hook),
      priority: priorityNumber(family, hook, priority),
      ...(device === undefined ? {} : more.length === 0 ? { device } : { devices }),
    },
  };
}

/** Deletes a chain with its rules. The kernel answers ENOENT when there is none, EBUSY while anything leads to it. */
export function deleteChain(chain: ChainName): NftRequest {
  return request(`delete ${describe(chain)}`, NFT_MSG_DELCHAIN, 0, chainMessage, naming(chain));
}

/** Deletes a chain with its rules; nothing happens when there is none. The kernel answers EBUSY while anything leads to it. */
export function destroyChain(chain: ChainName): NftRequest {
  return withFallback(NFT_MSG_DESTROYCHAIN, NFT_MSG_GETCHAIN, deleteChain(chain));
}

function naming({ family, table, name }: ChainName): ChainMessage {
  return { ...headerFor(family), table, name };
}

function describe({ family, table, name }: ChainName): string {
  return `chain ${family} "${table}" "${name}"`;
}

/** The chain of a name, or undefined. Throws NetlinkError. */
export function findChain(socket: NetlinkSocket, chain: ChainName): KernelChain | undefined {
  const payload = askChain(socket, chain);
  return payload === undefined ? undefined : decodeChain(payload);
}

/** Whether there is a chain of a name, whatever else it is. Throws NetlinkError. */
export function hasChain(socket: NetlinkSocket, chain: ChainName): boolean {
  return askChain(socket, chain) !== undefined;
}

function askChain(socket: NetlinkSocket, chain: ChainName): Uint8Array | undefined {
  return getIfExists(socket, `look up ${describe(chain)}`, NFT_MSG_GETCHAIN, chainMessage, naming(chain));
}

/** The chains of a table, in the order in which they were made. Throws NetlinkError. */
export function listChains(socket: NetlinkSocket, table: TableName): KernelChain[] {
  // The kernel has no filter by table for chains.
  return socket
    .dump(request(`list chains of "${table.name}"`, NFT_MSG_GETCHAIN, 0, chainMessage, headerFor(table.family)))
    .map(({ payload }) => decodeChain(payload))
    .filter((chain) => chain.table === table.name);
}

/** The chain in the payload of an NFT_MSG_NEWCHAIN message. Throws DecodeError. */
export function decodeChain(payload: Uint8Array): KernelChain {
  const value = chainMessage.read(payload);
  const family = familyOfHeader(value);
  const base = decodeBase(family, value);
  return {
    family,
    table: required(value.table, "a chain's table"),
    name: required(value.name, "a chain's name"),
    handle: value.handle ?? 0n,
    use: value.use ?? 0,
    ...(base === undefined ? {} : { base }),
    ...commentOf(value.userdata),
  };
}

function decodeBase(family: NftFamily, { type, hook, policy }: ChainAttributes): NftBaseChain | undefined {
  if (hook === undefined) return undefined;
  const name = required(hookOf(family, hook.number ?? -1), "a known hook");
  const devices = hook.devices ?? (hook.device === undefined ? undefined : [hook.device]);
  return {
    type: type === "nat" || type === "route" ? type : "filter",
    hook: name,
    priority: nearestPriority(family, name, hook.priority ?? 0),
    policy: policy === NF_DROP ? "drop" : "accept",
    ...(devices === undefined ? {} : { devices }),
  };
}
