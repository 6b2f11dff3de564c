import { expect, test } from "bun:test";
import { TendrilError } from "../core/errors.ts";
import { type AcrossQuestion, traceAcross } from "./across.ts";
import type { Hop, NodeHop } from "./hop.ts";
import type { PartQuestion } from "./trace.ts";

const NODES: Readonly<Record<string, string>> = { node1: "192.0.2.1", node2: "192.0.2.2" };
const tunnel = { name: "tendril.vxlan", type: "vxlan" };

/** The cluster of two nodes, with what each says of its part; and what they were asked. */
function stage(answers: Readonly<Record<string, (question: PartQuestion) => readonly Hop[]>>) {
  const asked: PartQuestion[] = [];
  const question: AcrossQuestion = {
    from: { name: "default/a", address: "10.1.0.2", node: "node1" },
    to: { name: "10.2.0.2", address: "10.2.0.2" },
    port: 80,
    cluster: (self) => ({
      self,
      ownerOf: (address) => {
        const name = address.startsWith("10.1.") ? "node1" : "node2";
        return { name, prefix: `${address.slice(0, 5)}0.0/26`, gone: false };
      },
      nodeAt: (address) => Object.entries(NODES).find(([, own]) => own === address)?.[0],
      isOfPods: () => true,
    }),
    addressOf: (node, family) => (family === 4 ? NODES[node] : undefined),
    ask: async (part) => {
      asked.push(part);
      const answer = answers[part.node];
      if (answer === undefined) throw new TendrilError(`Node "${part.node}" has no agent`);
      return answer(part);
    },
  };
  return { question, asked };
}

/** Sends what begins here to the other node, and takes in what comes from there. */
function answering(node: string, other: string, by: Partial<NodeHop> = { remote: NODES[other] ?? "", tunnel }) {
  return ({ from, to, arrival, port, isAnswer }: PartQuestion): readonly Hop[] =>
    arrival === undefined
      ? [
          { kind: "source", where: from.name, address: from.address, link: "eth0" },
          {
            ...({ kind: "node", where: node, destination: to.address, known: false, outside: false } as const),
            ...by,
          },
        ]
      : [
          { kind: "link", where: node, name: tunnel.name, type: tunnel.type, up: true, carrier: true },
          {
            ...({ kind: "destination", where: to.name, address: to.address, link: "eth0", arrivesBy: "eth0" } as const),
            ...(port !== undefined && !isAnswer && { port, listening: true }),
          },
        ];
}

test("each node is asked for its part, there and back, and what they say is one way", async () => {
  const { question, asked } = stage({ node1: answering("node1", "node2"), node2: answering("node2", "node1") });
  const { legs, wrong } = await traceAcross(question);
  expect(wrong).toBeUndefined();
  expect(legs.map(({ hops }) => hops.map(({ where, kind }) => `${where} ${kind}`))).toEqual([
    ["default/a source", "node1 node", "node2 link", "10.2.0.2 destination"],
    ["10.2.0.2 source", "node2 node", "node1 link", "default/a destination"],
  ]);
  expect(legs[0]?.hops[1]?.judgement.text).toBe('10.2.0.0/26 is of node "node2", and it is sent there, to 192.0.2.2');
  expect(asked.map(({ node, isAnswer, arrival }) => [node, isAnswer, arrival])).toEqual([
    ["node1", false, undefined],
    ["node2", false, { sender: "192.0.2.1", receiver: "192.0.2.2", tunnel }],
    ["node2", true, undefined],
    ["node1", true, { sender: "192.0.2.2", receiver: "192.0.2.1", tunnel }],
  ]);
});

test("a packet that goes by a router which BGP has told of comes to the node whose it is", async () => {
  const by = { remote: "192.0.2.254", byBgp: true } as const;
  const { question, asked } = stage({
    node1: answering("node1", "node2", by),
    node2: answering("node2", "node1", { remote: "192.0.2.254" }),
  });
  const { legs, wrong } = await traceAcross(question);
  expect(legs[0]?.hops.map(({ judgement }) => judgement.state)).toEqual(["ok", "ok", "ok", "ok"]);
  expect(asked[1]?.arrival).toEqual({ sender: "192.0.2.1", receiver: "192.0.2.2" });
  // The way back is by a router, too, but nobody has told of it.
  expect(wrong?.judgement.text).toContain("It is sent to 192.0.2.254, which is no node of the cluster");
  expect(asked).toHaveLength(3);
});

test("a packet that goes to a wrong node is followed no further", async () => {
  const { question, asked } = stage({ node1: answering("node1", "node1") });
  const { wrong } = await traceAcross(question);
  expect(wrong?.judgement.text).toBe('It is sent to 192.0.2.1, node "node1", but 10.2.0.0/26 is of node "node2"');
  expect(asked).toHaveLength(1);
});

test("what one node cannot tell does not hide what others have told", async () => {
  const { question } = stage({ node1: answering("node1", "node2") });
  const { legs, wrong } = await traceAcross(question);
  expect(wrong).toBeUndefined();
  expect(legs).toHaveLength(1);
  expect(legs[0]?.hops.at(-1)).toMatchObject({
    where: "node2",
    judgement: {
      state: "unknown",
      text: 'It goes on here, but what is here cannot be read: Node "node2" has no agent',
    },
  });
  await expect(traceAcross(stage({}).question)).rejects.toThrow('Node "node1" has no agent');
});

test("a packet that two nodes send to each other is followed once around", async () => {
  const sends = (node: string, other: string) => (question: PartQuestion) =>
    answering(node, other)({ ...question, arrival: undefined } as unknown as PartQuestion);
  const { question, asked } = stage({ node1: sends("node1", "node2"), node2: sends("node2", "node1") });
  const { wrong } = await traceAcross(question);
  expect(asked.map(({ node }) => node)).toEqual(["node1", "node2"]);
  expect(wrong).toMatchObject({ where: "node2", kind: "node" });
});
