import { describe, expect, test } from "bun:test";
import { clusterMtu, mtuProblem, nodeMtu } from "./mtu.ts";

const node = {
  addresses: ["172.20.1.11/24"],
  uplinks: [
    { name: "eth1", mtu: 576, addresses: ["10.0.0.1/8"] },
    { name: "eth0", mtu: 9000, addresses: ["172.20.1.11/24"] },
  ],
};

describe("a node publishes", () => {
  test("what its own link takes, less what the mode adds", () => expect(nodeMtu(node, 50)).toBe(8950));
  test("what the narrowest way to a peer takes", () => expect(nodeMtu(node, 50, [9000, 1500, 4000])).toBe(1450));
  test("not more than its own link takes", () => expect(nodeMtu(node, 0, [65535])).toBe(9000));
  test("what the ways take where its link is not known", () =>
    expect(nodeMtu({ ...node, uplinks: [] }, 20, [1500])).toBe(1480));
  test("nothing while nothing is known", () => expect(nodeMtu({ ...node, uplinks: [] }, 20)).toBeUndefined());
});

test("the cluster takes what all of its nodes take, but for those that are gone", () => {
  expect(clusterMtu([{ mtu: 8950 }, { mtu: 1450 }, {}, { mtu: 1000, gone: true }])).toBe(1450);
  expect(clusterMtu([{}])).toBeUndefined();
});

test("what is too short for a family is told", () => {
  expect(mtuProblem(1280, [4, 6])).toBeUndefined();
  expect(mtuProblem(1279, [4])).toBeUndefined();
  expect(mtuProblem(1279, [4, 6])).toContain("IPv6 needs 1280");
  expect(mtuProblem(67, [4, 6])).toContain("IPv4 needs 68");
});
