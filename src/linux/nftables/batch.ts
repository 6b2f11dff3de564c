/**
 * Transactions: all changes of a batch are made, or none.
 *
 *     const socket = new NetlinkSocket(NETLINK_NETFILTER);
 *     commit(socket, [addTable(table), addChain(chain), ...addRule(rule), ...addElements(elements)]);
 *     socket.close();
 *
 * The kernel counts the transactions of a namespace, its generations. A batch that names the generation which its
 * writer has read fails when somebody else came in between, so {@link transactIfUnchanged} is a compare-and-swap on
 * the whole ruleset.
 * @see linux/netfilter/nfnetlink.h NFNL_MSG_BATCH_BEGIN, net/netfilter/nfnetlink.c nfnetlink_rcv_batch
 */

import { attributes, type WithUnknown } from "../netlink/attributes.ts";
import { NetlinkError } from "../netlink/error.ts";
import { type NetlinkRequest, request } from "../netlink/message.ts";
import { type NfHeader, nfMessage } from "../netlink/nfnetlink.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { be32, string, type Wire } from "../netlink/wire.ts";
import {
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_UNSPEC,
  NFT_MSG_GETGEN,
} from "./constants.ts";
import { required } from "./header.ts";

/** One message of a batch. */
export interface NftRequest extends NetlinkRequest {
  /** For a kernel that does not know the message's type: what to do when the question has an answer. */
  readonly fallback?: { readonly question: NetlinkRequest; readonly deletion: NetlinkRequest };
}

interface BatchAttributes extends WithUnknown {
  generation?: number;
}

export const batchMessage: Wire<NfHeader & BatchAttributes> = nfMessage(
  attributes<BatchAttributes>({ generation: [1, be32] }),
);

interface GenerationAttributes extends WithUnknown {
  id?: number;
  processId?: number;
  processName?: string;
}

export const generationMessage = nfMessage(
  attributes<GenerationAttributes>({ id: [1, be32], processId: [2, be32], processName: [3, string] }),
);

/** How often a transaction is tried again because others came in between; each time one of them succeeded. */
const ATTEMPTS = 1000;

/** The generation of the namespace's ruleset: it changes with each transaction. Throws NetlinkError. */
export function readGeneration(socket: NetlinkSocket): number {
  const header = { protocol: NFPROTO_UNSPEC, version: 0, resource: 0 };
  const { payload } = socket.get(request("read generation", NFT_MSG_GETGEN, 0, generationMessage, header));
  return required(generationMessage.read(payload).id, "a generation");
}

/**
 * Makes all changes or none. Throws NetlinkError for the first that the kernel refuses; `ERESTART` when a generation
 * is given and is no longer the ruleset's.
 */
export function commit(socket: NetlinkSocket, requests: readonly NftRequest[], generation?: number): void {
  if (requests.length === 0) return;
  const [error] = tryCommit(socket, requests, generation);
  if (error === undefined) return;
  // A message of a type that the kernel does not know is EINVAL, as are many other things.
  if (error.code === "EINVAL" && requests.some(({ fallback }) => fallback !== undefined)) {
    commitWithoutDestroy(socket, requests, generation);
    return;
  }
  throw error;
}

/**
 * Makes all changes or none, deleting only what is there instead of asking the kernel to destroy it, which kernels
 * before Linux 6.3 can't. What the batch itself makes does not count as there. Throws NetlinkError.
 */
export function commitWithoutDestroy(
  socket: NetlinkSocket,
  requests: readonly NftRequest[],
  generation?: number,
): void {
  const write = () =>
    requests.flatMap((one) => {
      if (one.fallback === undefined) return [one];
      return exists(socket, one.fallback.question) ? [one.fallback.deletion] : [];
    });
  if (generation === undefined) transactIfUnchanged(socket, () => undefined, write);
  else commit(socket, write(), generation);
}

function exists(socket: NetlinkSocket, question: NetlinkRequest): boolean {
  try {
    socket.get(question);
    return true;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENOENT") return false;
    throw error;
  }
}

/**
 * Reads, decides, and writes as one step: when the ruleset of the namespace changed since the read, all three are done
 * again. Returns what the last read gave. Nothing is written where `write` has no requests. Throws NetlinkError.
 */
export function transactIfUnchanged<T>(
  socket: NetlinkSocket,
  read: () => T,
  write: (state: T) => readonly NftRequest[],
): T {
  for (let attempt = 1; ; attempt++) {
    const generation = readGeneration(socket);
    const state = read();
    try {
      commit(socket, write(state), generation);
      return state;
    } catch (error) {
      if (!(error instanceof NetlinkError && error.code === "ERESTART") || attempt === ATTEMPTS) throw error;
    }
  }
}

/**
 * Reads several objects as they are at one moment: when the ruleset changed while `read` was under way, it is done
 * again. Throws NetlinkError.
 */
export function readUnchanged<T>(socket: NetlinkSocket, read: () => T): T {
  let before = readGeneration(socket);
  for (let attempt = 1; ; attempt++) {
    const state = read();
    const after = readGeneration(socket);
    if (after === before) return state;
    if (attempt === ATTEMPTS) throw new NetlinkError("read ruleset", "EINTR", { message: "it never stops changing" });
    before = after;
  }
}

/** A request that has the kernel delete what may not be there: its type, and the deletion with the question for it. */
export function withFallback(type: number, getType: number, deletion: NetlinkRequest): NftRequest {
  const operation = deletion.operation.replace(/^delete/, "destroy");
  const question: NetlinkRequest = { ...deletion, operation: `look for it to ${deletion.operation}`, type: getType };
  return { ...deletion, operation, type, fallback: { question, deletion } };
}

/**
 * Sends a batch and returns the errors of the messages that the kernel refused; it then has changed nothing. An error
 * of the first message, which frames the batch, is one of the whole.
 */
function tryCommit(
  socket: NetlinkSocket,
  requests: readonly NetlinkRequest[],
  generation: number | undefined,
): NetlinkError[] {
  const header = { protocol: NFPROTO_UNSPEC, version: 0, resource: NFNL_SUBSYS_NFTABLES };
  const begin = { ...header, ...(generation === undefined ? {} : { generation }) };
  // Only newer kernels acknowledge the end of a batch; all of them acknowledge its last change, after the commit.
  return socket.transact(
    [
      request(`commit ${summary(requests)}`, NFNL_MSG_BATCH_BEGIN, 0, batchMessage, begin),
      ...requests,
      request("end batch", NFNL_MSG_BATCH_END, 0, batchMessage, header),
    ],
    requests.length,
  );
}

function summary(requests: readonly NetlinkRequest[]): string {
  const [first, ...more] = requests;
  if (first === undefined || more.length === 0) return first?.operation ?? "nothing";
  return `${first.operation} and ${more.length} more`;
}
