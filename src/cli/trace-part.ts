/**
 * `tendril trace-part`, which no person calls: what a node tells of its part of a packet's way to a trace that is put
 * together elsewhere, as JSON.
 */

import { Command } from "commander";
import { agentStatus } from "../cni/agent-client.ts";
import {
  anyObject,
  boolean,
  integer,
  ipText,
  list,
  object,
  oneOf,
  optional,
  type Schema,
  text,
} from "../core/schema.ts";
import type { Hop } from "../trace/hop.ts";
import { type PartQuestion, type Place, tracePart } from "../trace/trace.ts";
import type { Arrival } from "../trace/walk.ts";
import type { Agents } from "./agents.ts";
import { podAt } from "./trace-ends.ts";

const COMMAND = "trace-part";

const place = object<Pick<Place, "name" | "address">>({ name: text, address: ipText });
const tunnel = object<NonNullable<Arrival["tunnel"]>>({ name: text, type: text });
const arrival = object<Arrival>({ sender: ipText, receiver: ipText, tunnel: optional(tunnel) });
const question = object<PartQuestion>({
  node: text,
  from: place,
  to: place,
  port: optional(integer(1, 65535)),
  isAnswer: boolean,
  arrival: optional(arrival),
});

/** All kinds of steps, so that one of a newer agent is not passed over. */
const KINDS = [
  "source",
  "route",
  "link",
  "neighbour",
  "forwarding",
  "switch",
  "forward",
  "filter",
  "node",
  "unread",
  "beyond",
  "destination",
] as const satisfies readonly Hop["kind"][];

const known = object({ kind: oneOf(...KINDS), where: text });
const hop: Schema<Hop> = (value, field) => {
  known(value, field);
  return anyObject(value, field) as unknown as Hop;
};

export function tracePartCommand(): Command {
  return new Command(COMMAND)
    .description("tell this node's part of a packet's way, for a trace that is put together elsewhere")
    .argument("<question>", "in JSON")
    .action(async (given: string) => {
      const asked = question(JSON.parse(given), "");
      const { pods } = await agentStatus();
      const here = ({ name, address }: Place): Place => {
        const netns = podAt(pods, address)?.netns;
        return { name, address, ...(netns && { netns }) };
      };
      console.log(JSON.stringify(tracePart({ ...asked, from: here(asked.from), to: here(asked.to) })));
    });
}

/** Asks a node for its part, by its agent's pod. Throws TendrilError when it cannot tell. */
export function askPart(agents: Agents, asked: PartQuestion): Promise<readonly Hop[]> {
  return agents.ask(asked.node, [COMMAND, JSON.stringify(asked)], list(hop));
}
