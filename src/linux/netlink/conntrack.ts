/**
 * Connection tracking: the flows that the kernel knows, each with the packets that it expects in both directions. What
 * is done to a flow's first packet, such as address translation, stays with its entry and is done to all that follow.
 * @see linux/netfilter/nfnetlink_conntrack.h, conntrack(8)
 */

import type { Family } from "../../core/ip.ts";
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
