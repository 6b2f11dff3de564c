/**
 * What the nodes of a cluster know of each other: the documents of the store, as typed values.
 *
 * Each has a version; a field that this program does not know stays in a document that it writes again.
 */

import type { Cidr } from "./cidr.ts";
import { ConfigError } from "./errors.ts";
import type { Family } from "./ip.ts";
import { formatHash, hash64 } from "./names.ts";
import {
  boolean,
  cidr,
  cidrText,
  integer,
  ipText,
  list,
  mac,
  networkText,
  object,
  oneOf,
  optional,
  type Schema,
  text,
  withDefault,
  words,
} from "./schema.ts";

/** The node of a block that has none. */
export const NOBODY = "";

/** The version of all documents below. */
export const DOCUMENT_VERSION = 1;

/** The ways by which packets get from a pod's node to another's. */
export const MODES = ["host-gw", "vxlan", "ipip", "bgp"] as const;
export type ModeName = (typeof MODES)[number];

/** A machine of the cluster. */
export interface NodeRecord {
  readonly version: typeof DOCUMENT_VERSION;
  /** Its addresses in the fabric in CIDR notation, so that two nodes know whether they share a link. */
  readonly addresses: readonly string[];
  /** Of its end of the tunnels. */
  readonly tunnelMac?: string;
  /** Its own addresses among the pods, of its end of the tunnels, to which other nodes send probes. */
  readonly podAddresses?: readonly string[];
  /** The most bytes that a pod's packet can have on its way to another node. */
  readonly mtu?: number;
  readonly modes: readonly ModeName[];
  /** For pools that serve some nodes only. */
  readonly labels: Readonly<Record<string, string>>;
  readonly agentVersion?: string;
  /** What other nodes' BIRD has to know of its; absent in other modes. */
  readonly bgp?: { readonly as: number; readonly routeReflector: boolean };
  /**
   * Counts how often the node has been given up. Its blocks carry the epoch in which they were claimed, and those of
   * an earlier one are not its own any more.
   */
  readonly epoch: number;
  /**
   * Seconds without a sign of life after which it may be given up: by then it has stopped giving addresses. Who gives
   * it up decides for one that does not say.
   */
  readonly patience?: number;
  /** Given up: its blocks are to be freed. It comes back by claiming anew. */
  readonly gone?: boolean;
}

/** Addresses for pods. */
export interface PoolRecord {
  readonly version: typeof DOCUMENT_VERSION;
  /** One network of a family at most. */
  readonly cidrs: readonly string[];
  /** Prefix lengths of the blocks by which nodes claim them. */
  readonly blockBits: { readonly ipv4: number; readonly ipv6: number };
  /** Labels that a node must have to claim of it. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Networks and addresses in CIDR notation that are never given to a pod. */
  readonly excluded: readonly string[];
  /** Whether pods leave the cluster under their node's address. */
  readonly masquerade: boolean;
  /**
   * Whether each block is a subnet of its own with a gateway on its node, for pods on a bridge: then the block's own
   * address, the first after it, and in IPv4 the last are never given to a pod. No when absent.
   */
  readonly gateways?: boolean;
  /** Whether the nodes lead its addresses to each other; no for those of a LAN that they share. Yes when absent. */
  readonly routed?: boolean;
}

/** A part of a pool that a node gives addresses of. */
export interface BlockRecord {
  readonly version: typeof DOCUMENT_VERSION;
  readonly pool: string;
  readonly cidr: string;
  /** Whose it is; NOBODY where its node was given up while others hold addresses of it, and then any node may take it. */
  readonly node: string;
  /** The node's when it claimed the block. */
  readonly epoch: number;
  /** Addresses that its node does without, for others to borrow when no block is left. */
  readonly offered: readonly string[];
  /** Addresses that nodes hold apart from the block, borrowed or reserved: whose each of them is. */
  readonly lent: Readonly<Record<string, string>>;
  /** Addresses that nobody gives but to one owner: the names of their reservations. None when absent. */
  readonly reserved?: Readonly<Record<string, string>>;
}

/** Addresses that are kept for one owner, wherever its pod runs. */
export interface ReservationRecord {
  readonly version: typeof DOCUMENT_VERSION;
  readonly addresses: readonly string[];
  /** Such as a pod's namespace and name, `default/web-0`. */
  readonly owner: string;
  /** Where the owner runs, or is about to: who else holds the addresses hands them over. */
  readonly node?: string;
  /** Made by the owner's first ADD rather than by an operator, and so free to be of other addresses. No when absent. */
  readonly sticky?: boolean;
  /** Made for what the pod itself asks for: it ends with the pod. No when absent. */
  readonly fixed?: boolean;
  /** When it ends, in RFC 3339; it stays until it is deleted when absent. */
  readonly expires?: string;
}

/** A node's sign of life, which it alone writes; who gives the node up deletes it. */
export interface HeartbeatRecord {
  readonly version: typeof DOCUMENT_VERSION;
  /** Of the process that writes it. */
  readonly incarnation: string;
  readonly beats: number;
}

/** A kind of document: where it lies, and how raw JSON becomes it. */
export interface DocumentKind<T> {
  readonly kind: string;
  /** Throws ConfigError. */
  readonly parse: (value: unknown) => T;
}

const version: Schema<typeof DOCUMENT_VERSION> = (value, field) => {
  if (value === DOCUMENT_VERSION) return DOCUMENT_VERSION;
  throw new ConfigError(field, `must be ${DOCUMENT_VERSION}: another version of this program wrote it`, { value });
};

const count = integer(0, Number.MAX_SAFE_INTEGER);

export const nodeDocuments: DocumentKind<NodeRecord> = {
  kind: "nodes",
  parse: keepingUnknown(
    object<NodeRecord>({
      version,
      addresses: list(cidrText),
      tunnelMac: optional(mac),
      podAddresses: optional(list(ipText)),
      mtu: optional(integer(68, 65535)),
      modes: withDefault(list(oneOf(...MODES)), []),
      labels: withDefault(words, {}),
      agentVersion: optional(text),
      bgp: optional(
        object<NonNullable<NodeRecord["bgp"]>>({
          as: integer(1, 0xffffffff),
          routeReflector: withDefault(boolean, false),
        }),
      ),
      epoch: count,
      patience: optional(count),
      gone: optional(boolean),
    }),
  ),
};

export const heartbeatDocuments: DocumentKind<HeartbeatRecord> = {
  kind: "heartbeats",
  parse: keepingUnknown(object<HeartbeatRecord>({ version, incarnation: text, beats: count })),
};

/** Prefix lengths of blocks where a pool says nothing. */
export const DEFAULT_BLOCK_BITS = { ipv4: 26, ipv6: 122 };

const blockBits = object<PoolRecord["blockBits"]>({
  ipv4: withDefault(integer(8, 32), DEFAULT_BLOCK_BITS.ipv4),
  ipv6: withDefault(integer(16, 128), DEFAULT_BLOCK_BITS.ipv6),
});

const poolFields = object<PoolRecord>({
  version,
  cidrs: list(networkText),
  blockBits: withDefault(blockBits, DEFAULT_BLOCK_BITS),
  nodeSelector: withDefault(words, {}),
  excluded: withDefault(list(cidrText), []),
  masquerade: withDefault(boolean, true),
  gateways: optional(boolean),
  routed: optional(boolean),
});

export const poolDocuments: DocumentKind<PoolRecord> = {
  kind: "pools",
  parse: keepingUnknown((value, field) => {
    const pool = poolFields(value, field);
    checkNetworks(pool);
    return pool;
  }),
};

export const blockDocuments: DocumentKind<BlockRecord> = {
  kind: "blocks",
  parse: keepingUnknown(
    object<BlockRecord>({
      version,
      pool: text,
      cidr: networkText,
      node: text,
      epoch: count,
      offered: withDefault(list(ipText), []),
      lent: withDefault(words, {}),
      reserved: optional(words),
    }),
  ),
};

export const reservationDocuments: DocumentKind<ReservationRecord> = {
  kind: "reservations",
  parse: keepingUnknown(
    object<ReservationRecord>({
      version,
      addresses: list(ipText),
      owner: text,
      node: optional(text),
      sticky: optional(boolean),
      fixed: optional(boolean),
      expires: optional(instant),
    }),
  ),
};

/** Fields that the schema does not name stay beside those that it does. */
function keepingUnknown<T extends object>(schema: Schema<T>): (value: unknown) => T {
  return (value) => ({ ...(value as object), ...schema(value, "") });
}

function instant(value: unknown, field: string): string {
  const written = text(value, field);
  if (Number.isNaN(Date.parse(written))) throw new ConfigError(field, "must be a time in RFC 3339", { value });
  return written;
}

/** One network of each family at most, and not smaller than its blocks. */
function checkNetworks({ cidrs, blockBits }: PoolRecord): void {
  const seen = new Set<Family>();
  if (cidrs.length === 0) throw new ConfigError("cidrs", "must name at least one network", { value: cidrs });
  for (const [i, cidr] of cidrs.entries()) {
    const { ip, bits } = cidrOf(cidr);
    const field = `cidrs[${i}]`;
    if (seen.has(ip.family)) throw new ConfigError(field, "is the second of its family", { value: cidr });
    seen.add(ip.family);
    const most = ip.family === 4 ? blockBits.ipv4 : blockBits.ipv6;
    if (bits > most) throw new ConfigError(field, `is smaller than a block, which is a /${most}`, { value: cidr });
  }
}

/** The name of a pool. */
export const poolName: Schema<string> = (value, field) => {
  const name = text(value, field);
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)) return name;
  throw new ConfigError(field, "must be the name of a pool: lower-case letters, digits, dots and hyphens", { value });
};

/** The name of an owner's reservation: one that every store can take, and another one for every owner. */
export function reservationName(owner: string): string {
  // A namespace has no dot, so the first one parts it from the pod's name.
  if (/^[a-z0-9-]+\/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(owner) && /^[a-z0-9]/.test(owner) && owner.length <= 253) {
    return owner.replace("/", ".");
  }
  return formatHash(hash64(owner));
}

/** Whether a reservation is over at a time, in milliseconds of the epoch. */
export function isOver({ expires }: Pick<ReservationRecord, "expires">, now: number): boolean {
  return expires !== undefined && Date.parse(expires) <= now;
}

/** The label that every node has: its name. @see https://kubernetes.io/docs/reference/labels-annotations-taints/ */
export const HOSTNAME_LABEL = "kubernetes.io/hostname";

/** Whether a pool serves a node with these labels. */
export function selects({ nodeSelector }: Pick<PoolRecord, "nodeSelector">, labels: NodeRecord["labels"]): boolean {
  return Object.entries(nodeSelector).every(([key, value]) => labels[key] === value);
}

/** A network whose text a schema has checked. Throws ConfigError for another one. */
export function cidrOf(checked: string): Cidr {
  return cidr(checked, "cidr");
}
