import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agentStatus, NoAgentError } from "../cni/agent-client.ts";
import { DecodeError } from "../core/errors.ts";
import { podTable } from "./get-tables.ts";
import { statusLines } from "./status.ts";

let folder = "";
let served: unknown;
let server: ReturnType<typeof Bun.serve> | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-status-"));
  server = Bun.serve({ unix: join(folder, "agent.sock"), fetch: () => Response.json(served) });
});
afterAll(async () => {
  await server?.stop(true);
  rmSync(folder, { recursive: true });
});

const ask = () => agentStatus(join(folder, "agent.sock"));

const READY = {
  ready: true,
  node: "node1",
  network: "tendril",
  mode: "vxlan",
  version: "0.1.0",
  epoch: 2,
  mtu: 1450,
  store: { kind: "etcd", available: true },
  peers: [{ name: "node2", addresses: ["192.0.2.2/24"], prefixes: ["10.244.1.0/26"], direct: false, mtu: 1450 }],
  pools: [{ name: "default", family: 4, blocks: 1, free: 60, used: 2 }],
  resources: { owned: 9, failed: 0 },
};

test("a node that is ready says what it has", async () => {
  served = READY;
  expect(statusLines(await ask())).toEqual([
    "Node node1 is ready",
    "  network    tendril",
    "  mode       vxlan",
    "  MTU        1450",
    "  agent      version 0.1.0, epoch 2",
    "  store      etcd answers",
    "  pool       default IPv4: 2 in use, 60 free in 1 block",
    "  pods       0",
    "  resources  9 kept, 0 failed",
    "PEER   ADDRESSES     WAY     MTU   PODS           STATE  PROBES",
    "node2  192.0.2.2/24  tunnel  1450  10.244.1.0/26  ok     -",
  ]);
});

test("one that is not says which peer, which size, and what to check", async () => {
  const [peer] = READY.peers;
  const sentence = 'Node "node2": IPv4 packets of 1450 bytes by UDP do not come through; look at the MTU';
  const through = { small: true, full: true, tcp: true };
  const probe = { ipv4: { ...through, full: false }, ipv6: through, problem: sentence };
  const store = { kind: "etcd", available: false, since: 0 };
  served = { ...READY, ready: false, problems: ["No block is left.", sentence], peers: [{ ...peer, probe }], store };
  const lines = statusLines(await ask());
  expect(lines[0]).toBe("Node node1 is not ready");
  expect(lines.slice(lines.indexOf("Problems:") + 1)).toEqual([
    "  No block is left.",
    `  ${sentence}`,
    "  The store is away: running pods go on, new ones get addresses of the blocks in hand.",
  ]);
  expect(lines.some((line) => line.endsWith("problem  IPv4 lost full, IPv6 ok"))).toBe(true);
  expect(lines.some((line) => line.endsWith("since 1970-01-01T00:00:00.000Z"))).toBe(true);
});

test("pods are told by their names, else by their containers", async () => {
  const pod = {
    owner: "o",
    network: "n",
    containerId: "0123456789abcdef".repeat(4),
    ifname: "eth0",
    addresses: ["10.1.0.2"],
  };
  served = { ...READY, pods: [{ ...pod, podNamespace: "default", podName: "web" }, pod] };
  const rows = (await ask()).pods.map((one) => podTable(false).cells("", one));
  expect(rows).toEqual([
    ["default/web", "10.1.0.2", "eth0", "n", "0123456789abc"],
    ["-", "10.1.0.2", "eth0", "n", "0123456789abc"],
  ]);
  expect(podTable(false).cells("", { ...pod, containerId: "a-name-of-somebody", netns: "" })).toContain(
    "a-name-of-somebody",
  );
});

test("an agent of a single machine says so", async () => {
  served = { ready: true, version: "0.1.0" };
  expect(statusLines(await ask())).toEqual([
    "The agent serves the plugins of this machine, which is in no cluster (version 0.1.0)",
  ]);
});

test("an agent that is not there, or makes no sense, is told apart", async () => {
  await expect(agentStatus(join(folder, "none.sock"))).rejects.toThrow(NoAgentError);
  served = { ready: "yes" };
  await expect(ask()).rejects.toThrow(DecodeError);
});
