/**
 * What Kubernetes is told of the node's network: its condition NetworkUnavailable, and the end of the taint with which
 * nodes may be started so that no pod comes before its network does.
 *
 * The kubelet leaves this condition to networks, and its own changes leave ours. While it is True the node's lifecycle
 * controller keeps new pods away; so it becomes True only when the node has been unable to serve for a while, such as
 * longer than an agent's restart, and it stays as it is when the agent ends, for pods go on.
 * @see https://kubernetes.io/docs/reference/node/node-status/#condition
 */

import type { Log } from "../cluster/log.ts";
import { type ApiClient, ApiError, JSON_PATCH, STRATEGIC_MERGE_PATCH } from "../store/kubernetes/client.ts";
import { secondsTime } from "../store/kubernetes/resources.ts";
import { sleep } from "../store/sleep.ts";
import { StoreUnavailableError } from "../store/store.ts";

/** On a node until its agent is ready, where the node is registered with it. */
export const STARTUP_TAINT = "tendril.dev/agent-not-ready";

export interface ReadinessOptions {
  readonly client: ApiClient;
  /** The node's name. */
  readonly node: string;
  readonly isReady: () => boolean;
  /** Why it is not, each a sentence. */
  readonly obstacles: () => readonly string[];
  /** Why pods come to another network although it is, each a sentence. */
  readonly inTheWay: () => readonly string[];
  /** Milliseconds of a clock that nobody sets. */
  readonly clock: () => number;
  readonly log: Log;
}

export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason?: string;
  readonly message?: string;
}

/** What counts of a Node. */
export interface NodeObject {
  readonly spec?: { readonly taints?: readonly { readonly key: string; readonly effect: string }[] };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** How the node's network is. */
export interface NetworkState {
  readonly isReady: boolean;
  /** Milliseconds for which it has not been ready. */
  readonly unreadyFor: number;
  readonly obstacles: readonly string[];
  readonly inTheWay: readonly string[];
}

/** A change of a Node: of itself, or of its status. */
export interface NodeChange {
  readonly part: "" | "/status";
  readonly contentType: string;
  readonly body: object;
}

/** Milliseconds for which a node must have been unable to serve before that is told. */
const PATIENCE = 30_000;

/** Milliseconds between two looks at our own state, and at what the API server has. */
const LOOK = 1000;
const READ = 60_000;

const TYPE = "NetworkUnavailable";

/**
 * What is to be told by now; undefined to leave it as it is. A node whose pods come to another network has one, so it is
 * not True, and what is said beside it is that.
 */
export function conditionOf({ isReady, unreadyFor, obstacles, inTheWay }: NetworkState): Condition | undefined {
  if (isReady && inTheWay.length > 0) {
    return { type: TYPE, status: "False", reason: "AnotherNetworkIsFirst", message: inTheWay.join(" ") };
  }
  if (isReady) {
    return { type: TYPE, status: "False", reason: "TendrilIsUp", message: "Tendril's agent connects the node's pods" };
  }
  if (unreadyFor < PATIENCE) return undefined;
  const message = obstacles.length === 0 ? "Tendril's agent is not ready yet" : obstacles.join(" ");
  return { type: TYPE, status: "True", reason: "TendrilIsNotReady", message };
}

/** What of a Node is to be changed so that it says how the network is. `now` is a time in RFC 3339. */
export function planReadiness(node: NodeObject, state: NetworkState, now: string): NodeChange[] {
  const changes: NodeChange[] = [];
  const wanted = conditionOf(state);
  const before = node.status?.conditions?.find(({ type }) => type === TYPE);
  const { status, reason, message } = wanted ?? {};
  if (
    wanted !== undefined &&
    !(before?.status === status && before?.reason === reason && before?.message === message)
  ) {
    const times = { lastHeartbeatTime: now, ...(before?.status !== status && { lastTransitionTime: now }) };
    const body = { status: { conditions: [{ ...wanted, ...times }] } };
    changes.push({ part: "/status", contentType: STRATEGIC_MERGE_PATCH, body });
  }
  const taints = node.spec?.taints ?? [];
  const ours = taints.flatMap(({ key }, i) => (key === STARTUP_TAINT ? [i] : []));
  // Nor while pods would come to another network: it is there so that they do not.
  if (state.isReady && state.inTheWay.length === 0 && ours.length > 0) {
    // From the last one, so that the others stay where they are; each is looked at before it goes.
    const body = ours.reverse().flatMap((i) => [
      { op: "test", path: `/spec/taints/${i}/key`, value: STARTUP_TAINT },
      { op: "remove", path: `/spec/taints/${i}` },
    ]);
    changes.push({ part: "", contentType: JSON_PATCH, body });
  }
  return changes;
}

/** Tells it until the signal comes. What goes wrong is told to the log, and tried again. */
export async function tellReadiness(options: ReadinessOptions, signal: AbortSignal): Promise<void> {
  const { client, node, clock, isReady, obstacles, inTheWay, log } = options;
  let readySince = clock();
  let told = "";
  let readAt = Number.NEGATIVE_INFINITY;
  let problem = "";
  while (!signal.aborted) {
    const ready = isReady();
    if (ready) readySince = clock();
    const state = {
      isReady: ready,
      unreadyFor: clock() - readySince,
      obstacles: obstacles(),
      inTheWay: inTheWay(),
    };
    const wanted = JSON.stringify(conditionOf(state) ?? told);
    if (wanted !== told || clock() - readAt >= READ) {
      try {
        await tell(client, node, state, log);
        told = wanted;
        readAt = clock();
        problem = "";
      } catch (error) {
        if (!(error instanceof ApiError) && !(error instanceof StoreUnavailableError)) throw error;
        if (!signal.aborted && error.message !== problem) {
          log.warn("the node's condition could not be told", { error: error.message });
        }
        problem = error.message;
      }
    }
    await sleep(LOOK, signal);
  }
}

async function tell(client: ApiClient, name: string, state: NetworkState, log: Log): Promise<void> {
  const path = `/api/v1/nodes/${name}`;
  const node = await client.call<NodeObject>({ path });
  const now = secondsTime();
  for (const { part, contentType, body } of planReadiness(node, state, now)) {
    await client.call({ method: "PATCH", path: `${path}${part}`, contentType, body });
    if (part === "") log.info("the startup taint is taken away", { taint: STARTUP_TAINT });
    else log.info("the node's condition is told", { condition: TYPE, ...conditionOf(state) });
  }
}
