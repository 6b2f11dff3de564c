/**
 * Connection tracking: the flows that the kernel knows, each with the packets that it expects in both directions. What
 * is done to a flow's first packet, such as address translation, stays with its entry and is done to all that follow.
 * @see linux/netfilter/nfnetlink_conntrack.h, conntrack(8)
 */

import { type Family, familyOf } from "../../core/ip.ts";
import { AF_INET, AF_INET6 } from "../libc.ts";
import { attributes, nested, type WithUnknown } from "./attributes.ts";
import { NetlinkError } from "./error.ts";
import { type NetlinkRequest, request } from "./message.ts";
import { type NfHeader, nfMessage } from "./nfnetlink.ts";
import type { NetlinkSocket } from "./socket.ts";
import { be16, be32, ipAddress, u8, u32 } from "./wire.ts";

const NFNL_SUBSYS_CTNETLINK = 1;
/** Types of messages, with the subsystem's number in the high byte. */
const IPCTNL_MSG_CT_GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1;
const IPCTNL_MSG_CT_DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2;
const IPCTNL_MSG_CT_GET_STATS = (NFNL_SUBSYS_CTNETLINK << 8) | 5;

/** @see linux/in.h */
export const IPPROTO_UDP = 17;

/** @see enum ctattr_ip */
interface TupleAddresses extends WithUnknown {
  source4?: string;
  destination4?: string;
  source6?: string;
  destination6?: string;
}

/** @see enum ctattr_l4proto */
interface TupleProtocol extends WithUnknown {
  /** IPPROTO_ */
  number?: number;
  sourcePort?: number;
  destinationPort?: number;
}

/** The packets of one direction. @see enum ctattr_tuple */
export interface Tuple extends WithUnknown {
  addresses?: TupleAddresses;
  protocol?: TupleProtocol;
  zone?: number;
}

/** Which parts of the tuples count. @see enum ctattr_filter; kernels before Linux 5.8 do not know it and give all. */
interface TupleFilter extends WithUnknown {
  original?: number;
  reply?: number;
}

interface FlowAttributes extends WithUnknown {
  original?: Tuple;
  reply?: Tuple;
  /** IPS_ */
  status?: number;
  /** Seconds until it is forgotten. */
  timeout?: number;
  mark?: number;
  use?: number;
  id?: number;
  zone?: number;
  filter?: TupleFilter;
}

export type Flow = NfHeader & FlowAttributes;

/** @see net/netfilter/nf_internals.h CTA_FILTER_F_ */
const IP_SRC = 1 << 0;
const IP_DST = 1 << 1;
const PROTO_NUM = 1 << 3;
const PROTO_DST_PORT = 1 << 5;

export const tupleAddresses = attributes<TupleAddresses>({
  source4: [1, ipAddress],
  destination4: [2, ipAddress],
  source6: [3, ipAddress],
  destination6: [4, ipAddress],
});

export const tupleProtocol = attributes<TupleProtocol>({
  number: [1, u8],
  sourcePort: [2, be16],
  destinationPort: [3, be16],
});

export const tuple = attributes<Tuple>({
  addresses: [1, nested(tupleAddresses)],
  protocol: [2, nested(tupleProtocol)],
  zone: [3, be16],
});

/** @see enum ctattr_type */
export const flowMessage = nfMessage(
  attributes<FlowAttributes>({
    original: [1, nested(tuple)],
    reply: [2, nested(tuple)],
    status: [3, be32],
    timeout: [7, be32],
    mark: [8, be32],
    use: [11, be32],
    id: [12, be32],
    zone: [18, be16],
    filter: [25, nested(attributes<TupleFilter>({ original: [1, u32], reply: [2, u32] }))],
  }),
);

/** Which flows: by where the first packet went, and by who answers. */
export interface FlowPattern {
  readonly family: Family;
  /** IPPROTO_ */
  readonly protocol: number;
  readonly destination?: string | undefined;
  readonly destinationPort: number;
  /** The address that the answers come from, which is another one than the destination when that was translated. */
  readonly answeredBy?: string | undefined;
}

/** The flows that a pattern describes. Throws NetlinkError, `EINVAL` from a kernel without CONFIG_NF_CT_NETLINK. */
export function listFlows(socket: NetlinkSocket, pattern: FlowPattern): Flow[] {
  if (countFlows(socket) === 0) return [];
  return socket
    .dump(request("list tracked connections", IPCTNL_MSG_CT_GET, 0, flowMessage, question(pattern)))
    .map(({ payload }) => flowMessage.read(payload))
    .filter((flow) => matches(flow, pattern));
}

/** The kernel looks at all flows itself, of which there may be hundreds of thousands, and gives only what matches. */
function question({ family, protocol, destination, destinationPort, answeredBy }: FlowPattern): Flow {
  // By IPv6 addresses kernels filter the wrong way round: they give the flows that do not match.
  const byAddress = family === 4;
  const to = byAddress && destination !== undefined ? { addresses: { destination4: destination } } : undefined;
  const from = byAddress && answeredBy !== undefined ? { addresses: { source4: answeredBy } } : undefined;
  return {
    protocol: family === 4 ? AF_INET : AF_INET6,
    version: 0,
    resource: 0,
    original: { ...to, protocol: { number: protocol, destinationPort } },
    reply: from,
    filter: {
      original: PROTO_NUM | PROTO_DST_PORT | (to === undefined ? 0 : IP_DST),
      reply: from === undefined ? undefined : IP_SRC,
    },
  };
}

function matches({ original, reply }: Flow, pattern: FlowPattern): boolean {
  const { destination = destinationOf(original), answeredBy = sourceOf(reply) } = pattern;
  return (
    original?.protocol?.number === pattern.protocol &&
    original.protocol.destinationPort === pattern.destinationPort &&
    destinationOf(original) === destination &&
    sourceOf(reply) === answeredBy
  );
}

/** @see enum ctattr_stats_global */
const statsMessage = nfMessage(attributes<{ entries?: number } & WithUnknown>({ entries: [1, be32] }));

/** How many flows are tracked in the socket's namespace. Throws NetlinkError as others do. */
export function countFlows(socket: NetlinkSocket): number {
  const question = header(AF_INET);
  const reply = socket.get(request("count tracked connections", IPCTNL_MSG_CT_GET_STATS, 0, statsMessage, question));
  return statsMessage.read(reply.payload).entries ?? 0;
}

/**
 * How many flows are read here in the time that the kernel needs to go through its table once. That has a place for each
 * of hundreds of thousands of flows, whatever is in it.
 */
const FLOWS_OF_A_WALK = 600;

/**
 * The flows of any protocol that one of some addresses has a part in: as their origin, as their destination, or as who
 * answers in its place. The kernel picks them, or gives all when that is less work. Throws NetlinkError, `EINVAL` from a
 * kernel without CONFIG_NF_CT_NETLINK.
 */
export function listFlowsOf(
  socket: NetlinkSocket,
  addresses: readonly string[],
  flowsOfAWalk = FLOWS_OF_A_WALK,
): Flow[] {
  const count = countFlows(socket);
  if (count === 0) return [];
  const picked = questionsOf(addresses);
  const questions = count <= flowsOfAWalk * picked.length ? questionsForAll(addresses) : picked;
  const wanted = new Set(addresses);
  const found = new Map<string, Flow>();
  for (const question of questions) {
    const operation = request("list tracked connections", IPCTNL_MSG_CT_GET, 0, flowMessage, question);
    for (const { payload } of socket.dump(operation)) {
      const flow = flowMessage.read(payload);
      const { original, reply } = flow;
      const parts = [sourceOf(original), destinationOf(original), sourceOf(reply)];
      if (parts.some((part) => part !== undefined && wanted.has(part))) found.set(JSON.stringify(original), flow);
    }
  }
  return [...found.values()];
}

/** For IPv4 the kernel looks at the flows; by IPv6 addresses it filters the wrong way round, so it gives all. */
function questionsOf(addresses: readonly string[]): Flow[] {
  const questions: Flow[] = [];
  for (const address of addresses) {
    if (familyOf(address) !== 4) continue;
    const [from, to] = [{ addresses: { source4: address } }, { addresses: { destination4: address } }];
    questions.push(
      { ...header(AF_INET), original: from, filter: { original: IP_SRC } },
      { ...header(AF_INET), original: to, filter: { original: IP_DST } },
      { ...header(AF_INET), reply: from, filter: { reply: IP_SRC } },
    );
  }
  return addresses.some((address) => familyOf(address) === 6) ? [...questions, header(AF_INET6)] : questions;
}

/** For all flows of the addresses' families. */
function questionsForAll(addresses: readonly string[]): Flow[] {
  const families = new Set(addresses.map(familyOf));
  return [...families].map((family) => header(family === 4 ? AF_INET : AF_INET6));
}

function header(protocol: number): NfHeader {
  return { protocol, version: 0, resource: 0 };
}

/** Where the packets of a direction go. */
export function destinationOf(tuple: Tuple | undefined): string | undefined {
  return tuple?.addresses?.destination4 ?? tuple?.addresses?.destination6;
}

/** Where the packets of a direction come from. */
export function sourceOf(tuple: Tuple | undefined): string | undefined {
  return tuple?.addresses?.source4 ?? tuple?.addresses?.source6;
}

/**
 * Deletes a flow as it was listed: its next packet is a first one again. The kernel answers ENOENT when it is gone, and
 * by its id when another one has come in its place.
 */
export function deleteFlow({ protocol, version, original, id, zone }: Flow): NetlinkRequest {
  const header = { protocol, version, resource: 0 };
  const operation = `delete tracked connection to ${destinationOf(original)} port ${original?.protocol?.destinationPort}`;
  return request(operation, IPCTNL_MSG_CT_DELETE, 0, flowMessage, { ...header, original, id, zone });
}

/** Deletes the flows that are still there. Throws NetlinkError. */
export function deleteFlows(socket: NetlinkSocket, flows: readonly Flow[]): void {
  for (const flow of flows) {
    socket.post(deleteFlow(flow), (error) => {
      if (error instanceof NetlinkError && error.code !== "ENOENT") throw error;
    });
  }
  socket.flush();
}
