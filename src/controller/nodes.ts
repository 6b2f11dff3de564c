/** Nodes and the machines that they are: who has no agent, and who has no machine any more. */

import { lasted, type Since, stillSo } from "../cluster/since.ts";
import type { Involved } from "../store/kubernetes/events.ts";
import type { Change } from "./changes.ts";
import type { Picture } from "./picture.ts";

export interface NodeOptions {
  /** Milliseconds of a clock that nobody sets. */
  readonly now: number;
  /** Milliseconds for which a machine's object must have been away. */
  readonly nodeGrace: number;
  /** Milliseconds for which a machine may be without an agent. */
  readonly agentGrace: number;
}

export interface NodeMemory {
  /** Nodes without a machine. */
  readonly machineless: Since;
  /** Machines without an agent, and those of them that have been told of. */
  readonly agentless: Since;
  readonly told: ReadonlySet<string>;
}

export const NO_NODES: NodeMemory = { machineless: new Map(), agentless: new Map(), told: new Set() };

/** What is to be changed, and what is to be remembered for the next look. */
export function planNodes(
  picture: Pick<Picture, "nodes" | "machines" | "blocks">,
  memory: NodeMemory,
  { now, nodeGrace, agentGrace }: NodeOptions,
): { readonly changes: Change[]; readonly memory: NodeMemory } {
  const { nodes, machines } = picture;
  const holders = holdersOf(picture);
  const machineless = stillSo(
    memory.machineless,
    now,
    [...nodes.keys()].filter((name) => !machines.has(name)),
  );
  const forgotten = [...nodes.values()].filter(
    ({ name, value }) => value.gone && !holders.has(name) && lasted(machineless, name, now, nodeGrace),
  );
  const without = [...machines.values()].filter(({ name, value }) => value.os !== "windows" && !isServed(nodes, name));
  const agentless = stillSo(
    memory.agentless,
    now,
    without.map(({ name }) => name),
  );
  const late = without.filter(({ name }) => lasted(agentless, name, now, agentGrace));
  const events = late
    .filter(({ name }) => !memory.told.has(name))
    .map(({ name, value }): Change => {
      const about: Involved = { apiVersion: "v1", kind: "Node", name, uid: value.uid };
      const isKnown = nodes.has(name);
      const message = isKnown
        ? "The node's agent has been silent for too long: its addresses are freed, and no pod of it can be attached."
        : "No agent of Tendril has come up on the node: no pod of it can be attached.";
      const advice = `Look at the pod of DaemonSet tendril-agent on it, and at its log.`;
      return {
        type: "event",
        about,
        event: { type: "Warning", reason: "NoNetworkAgent", message: `${message} ${advice}` },
      };
    });
  return {
    changes: [...forgotten.map((node): Change => ({ type: "forget-node", node })), ...events],
    memory: { machineless, agentless, told: new Set(late.map(({ name }) => name)) },
  };
}

function isServed(nodes: Picture["nodes"], name: string): boolean {
  const node = nodes.get(name);
  return node !== undefined && !node.value.gone;
}

/** Who has a block, or addresses of one. */
function holdersOf({ blocks }: Pick<Picture, "blocks">): ReadonlySet<string> {
  return new Set([...blocks.values()].flatMap(({ value }) => [value.node, ...Object.values(value.lent)]));
}
