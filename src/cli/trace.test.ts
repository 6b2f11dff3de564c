import { describe, expect, test } from "bun:test";
import type { AgentStatus } from "../core/agent-status.ts";
import { ConfigError } from "../core/errors.ts";
import { RUN_FOLDER_VARIABLE } from "../linux/run-folder.ts";
import { judgeLeg } from "../trace/judge.ts";
import { traceLines } from "./trace.ts";
import { type ClusterDocuments, clusterOf } from "./trace-cluster.ts";
import { findEnd, pairsOf, splitPort } from "./trace-ends.ts";
import { tracePartCommand } from "./trace-part.ts";

const pod = (name: string, containerId: string, addresses: string[]) => ({
  owner: containerId,
  network: "tendril",
  containerId,
  ifname: "eth0",
  addresses,
  netns: `/run/netns/${name}`,
  podNamespace: "default",
  podName: name,
});

const STATUS: AgentStatus = {
  ready: true,
  node: "node1",
  network: "tendril",
  mode: "vxlan",
  version: "1",
  epoch: 1,
  store: { kind: "etcd", available: true },
  problems: [],
  peers: [],
  pools: [],
  pods: [pod("web", "aaaaaaaa1", ["10.1.0.2/32", "fd00::2/128"]), pod("db", "aaaaaaaa2", ["10.1.0.3"])],
  resources: { owned: 0, reconciled: 0, failed: 0 },
};

test("a port is parted from names, paths and addresses", () => {
  expect(splitPort("default/db:5432")).toEqual({ end: "default/db", port: 5432 });
  expect(splitPort("/run/netns/x")).toEqual({ end: "/run/netns/x" });
  expect(splitPort("10.1.0.2:80")).toEqual({ end: "10.1.0.2", port: 80 });
  expect(splitPort("fd00::80")).toEqual({ end: "fd00::80" });
  expect(splitPort("[fd00::1]:80")).toEqual({ end: "fd00::1", port: 80 });
  expect(() => splitPort("x:0")).toThrow(ConfigError);
});

describe("an end is found", () => {
  test("by its name, its container's ID, or its address", () => {
    const web = { name: "default/web", addresses: ["10.1.0.2", "fd00::2"], netns: "/run/netns/web" };
    expect(findEnd("default/web", STATUS)).toEqual(web);
    expect(findEnd("aaaaaaaa1", STATUS)).toEqual(web);
    expect(findEnd("/run/netns/web", STATUS)).toEqual(web);
    expect(findEnd("10.1.0.2", STATUS)).toEqual({ ...web, addresses: ["10.1.0.2"] });
    expect(findEnd("10.9.0.2", undefined)).toEqual({ name: "10.9.0.2", addresses: ["10.9.0.2"] });
  });

  test("or it is said who is there", () => {
    const error = (text: string, status?: AgentStatus) => {
      try {
        return findEnd(text, status);
      } catch (thrown) {
        return thrown;
      }
    };
    expect(error("default/x", STATUS)).toMatchObject({ details: "Pods of this node: default/web, default/db." });
    expect(error("aaaaaaaa", STATUS)).toMatchObject({ message: 'Several pods are "aaaaaaaa"' });
    expect(error("default/x")).toMatchObject({ details: expect.stringContaining("No agent answers") });
  });

  test("with another one of the same family", () => {
    const [web, db] = [findEnd("default/web", STATUS), findEnd("default/db", STATUS)];
    expect(pairsOf(web, db).map(([from, to]) => [from.address, to.address])).toEqual([["10.1.0.2", "10.1.0.3"]]);
    expect(() => pairsOf(db, { name: "x", addresses: ["fd00::9"] })).toThrow("no addresses of the same family");
  });
});

test("steps are shown with their places, and at the end what is wrong", () => {
  const leg = judgeLeg({
    from: "default/web",
    to: "10.1.0.3",
    source: "10.1.0.2",
    destination: "10.1.0.3",
    hops: [
      { kind: "source", where: "default/web", address: "10.1.0.2", link: "eth0" },
      { kind: "link", where: "node1", name: "v", up: false, carrier: false },
    ],
  });
  const wrong = leg.hops[1];
  if (wrong === undefined) throw new Error("no hop");
  expect(traceLines({ legs: [leg], wrong }, 80)).toEqual([
    "default/web (10.1.0.2) to 10.1.0.3, TCP port 80",
    '  ✔ default/web  10.1.0.2 is on "eth0"',
    '  ✘ node1        Link "v" is down',
    'The first thing wrong, on node1: Link "v" is down',
    "  ip link set v up",
  ]);
  expect(traceLines({ legs: [{ ...leg, hops: leg.hops.slice(0, 1) }] }, undefined).at(-1)).toBe(
    "Nothing is wrong on this way.",
  );
});

test("an address is of the node that has its block, unless another one holds it", () => {
  const node = { version: 1, addresses: [], modes: [], labels: {}, epoch: 1 } as const;
  const block = { version: 1, pool: "p", cidr: "10.1.0.0/26", node: "a", epoch: 1, offered: [] } as const;
  const pool = {
    version: 1,
    blockBits: { ipv4: 26, ipv6: 122 },
    nodeSelector: {},
    excluded: [],
    masquerade: true,
  } as const;
  const documents: ClusterDocuments = {
    nodes: new Map([
      ["a", { ...node, addresses: ["192.0.2.1/24"] }],
      ["b", { ...node, gone: true }],
    ]),
    blocks: [
      {
        ...block,
        lent: { "10.1.0.9": "b", "10.1.0.7": "c" },
        reserved: { "10.1.0.7": "x.y", "10.1.0.8": "x.z" },
      },
    ],
    pools: [{ ...pool, cidrs: ["10.1.0.0/16"] }],
  };
  const cluster = clusterOf(documents, "a");
  expect(cluster.ownerOf("10.1.0.5")).toEqual({ name: "a", prefix: "10.1.0.0/26", gone: false });
  expect(cluster.ownerOf("10.1.0.9")).toEqual({ name: "b", prefix: "10.1.0.9", gone: true });
  expect(cluster.ownerOf("10.1.0.7")?.name).toBe("c");
  // Reserved, and in nobody's hands.
  expect(cluster.ownerOf("10.1.0.8")).toBeUndefined();
  expect(cluster.ownerOf("10.1.1.1")).toBeUndefined();
  expect([cluster.isOfPods("10.1.0.5"), cluster.isOfPods("192.0.2.1")]).toEqual([true, false]);
  expect(cluster.nodeAt("192.0.2.1")).toBe("a");
  expect(cluster.nodeAt("192.0.2.9")).toBeUndefined();
});

test("a node whose agent does not answer tells no part of a way: without it a pod's namespace is not known", async () => {
  const place = (address: string) => ({ name: address, address });
  const question = { node: "node1", from: place("10.1.0.2"), to: place("10.1.0.3"), isAnswer: false };
  const folder = process.env[RUN_FOLDER_VARIABLE];
  process.env[RUN_FOLDER_VARIABLE] = "/nonexistent";
  try {
    const asked = tracePartCommand().parseAsync([JSON.stringify(question)], { from: "user" });
    await expect(asked).rejects.toThrow('No agent answers at "/nonexistent/agent.sock"');
  } finally {
    if (folder === undefined) delete process.env[RUN_FOLDER_VARIABLE];
    else process.env[RUN_FOLDER_VARIABLE] = folder;
  }
});
