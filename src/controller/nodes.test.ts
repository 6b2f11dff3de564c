import { expect, test } from "bun:test";
import { NO_NODES, type NodeMemory, planNodes } from "./nodes.ts";
import { block, machine, node, pictureOf } from "./test-support/picture.ts";

const GRACE = { nodeGrace: 300, agentGrace: 100 };

/** Looks at the same cluster at several times, and says what was to be done at each. */
function looks(times: readonly number[], kindsAt: (now: number) => Parameters<typeof pictureOf>[0]): string[][] {
  let memory: NodeMemory = NO_NODES;
  return times.map((now) => {
    const planned = planNodes(pictureOf(kindsAt(now)), memory, { now, ...GRACE });
    memory = planned.memory;
    return planned.changes.map((change) => {
      if (change.type === "forget-node") return `forget ${change.node.name}`;
      return change.type === "event" ? `${change.event.reason} ${change.about.name}` : change.type;
    });
  });
}

test("a node that is given up is forgotten when its machine has been away for long enough", () => {
  const nodes = { n1: node({ gone: true }), n2: node() };
  expect(looks([0, 299, 300], () => ({ nodes, machines: { n2: machine() } }))).toEqual([[], [], ["forget n1"]]);
});

test("a machine that comes back has its time anew", () => {
  const nodes = { n1: node({ gone: true }) };
  const machines = (now: number): Record<string, object> => (now === 200 ? { n1: machine() } : {});
  const told = looks([0, 200, 201, 499, 501], (now) => ({ nodes, machines: machines(now) }));
  expect(told).toEqual([[], [], [], [], ["forget n1"]]);
});

test("a node that is not given up, or still holds something, stays", () => {
  expect(looks([0, 1000], () => ({ nodes: { n1: node() } }))).toEqual([[], []]);
  const held = [
    block({ cidr: "10.0.0.0/26", node: "n1" }),
    block({ cidr: "10.0.0.0/26", node: "n2", lent: { "10.0.0.5": "n1" } }),
  ];
  for (const one of held) {
    expect(looks([0, 1000], () => ({ nodes: { n1: node({ gone: true }) }, blocks: { b: one } }))).toEqual([[], []]);
  }
});

test("a machine without an agent is told of after a while, once", () => {
  const machines = { n1: machine(), n2: machine(), w: machine({ os: "windows" }) };
  const nodes = (now: number): Record<string, object> => (now === 150 ? { n1: node(), n2: node() } : { n2: node() });
  const told = looks([0, 99, 100, 101, 150, 151, 250, 251], (now) => ({ machines, nodes: nodes(now) }));
  expect(told).toEqual([[], [], ["NoNetworkAgent n1"], [], [], [], [], ["NoNetworkAgent n1"]]);
});

test("so is one whose agent has been given up", () => {
  const kinds = { machines: { n1: machine() }, nodes: { n1: node({ gone: true }) } };
  expect(looks([0, 100], () => kinds)).toEqual([[], ["NoNetworkAgent n1"]]);
});
