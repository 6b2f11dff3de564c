import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClusterStore, clusterStore } from "../cluster/cluster-store.ts";
import { DOCUMENT_VERSION, type PoolRecord, poolDocuments } from "../core/cluster.ts";
import type { Call } from "../core/plugin.ts";
import type { Result } from "../core/result.ts";
import { AddressTable } from "../ipam/cluster/address-table.ts";
import { makeCall, networkConfig, type TestCall } from "../ipam/test-support/call.ts";
import { DirectoryStore } from "../store/directory/directory-store.ts";
import { Addresses } from "./addresses.ts";
import { type ClusterIpam, clusterIpam, isClusterIpam } from "./ipam.ts";
import { Membership } from "./membership.ts";

let folder = "";
let store: DirectoryStore;
let cluster: ClusterStore;
let now = 0;
const tables: AddressTable[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-agent-ipam-"));
  mkdirSync(join(folder, "store"));
  store = new DirectoryStore(join(folder, "store"));
  cluster = clusterStore(store, (sentence) => {
    throw new Error(sentence);
  });
  now = 1_000_000;
});
afterEach(async () => {
  for (const table of tables.splice(0)) table.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

interface Node {
  readonly ipam: ClusterIpam;
  readonly addresses: Addresses;
  readonly membership: Membership;
  readonly table: AddressTable;
  readonly released: string[];
  readonly lost: string[];
  add(test: Omit<TestCall, "verb">): Promise<Result>;
}

/** A node of the cluster; of several one makes way for another while that waits. */
async function joined(name: string, labels: Record<string, string> = {}, others: readonly Node[] = []): Promise<Node> {
  const clock = () => now;
  const membership = new Membership(cluster, { node: name, incarnation: name, clock, grace: 1000, patience: 1000 });
  const table = new AddressTable(":memory:");
  tables.push(table);
  const [released, lost]: [string[], string[]] = [[], []];
  const addresses = new Addresses(cluster, membership, table, {
    clock,
    coolDown: 10,
    spare: 2,
    idle: 100,
    keep: 1000,
    lost: (owner) => void lost.push(owner),
  });
  await membership.join({ addresses: [], modes: [], labels });
  await addresses.tend();
  const ipam = clusterIpam({
    store: cluster,
    addresses,
    table,
    bootId: "boot",
    uptime: () => now,
    released: (list) => released.push(...list),
    pause: async () => {
      for (const other of others) await other.addresses.tend();
    },
  });
  const add = async (test: Omit<TestCall, "verb">) => {
    const call = makeCall(test);
    await ipam.prepare(call);
    return pluginOf(ipam, call).add(call);
  };
  return { ipam, addresses, membership, table, released, lost, add };
}

function pluginOf(ipam: ClusterIpam, { config }: Call) {
  return config.ipam?.type === "whereabouts" ? ipam.whereabouts : ipam.plugin;
}

async function pool(name: string, fields: Partial<PoolRecord> & Pick<PoolRecord, "cidrs">): Promise<void> {
  await cluster.pools.create(name, poolDocuments.parse({ version: DOCUMENT_VERSION, ...fields }));
}

const config = networkConfig({ type: "tendril" });
const sticky = networkConfig({ type: "tendril", sticky: true });
const web = { K8S_POD_NAMESPACE: "default", K8S_POD_NAME: "web-0" };
const ips = ({ ips }: Result) => ips?.map(({ address }) => address);

describe("tendril", () => {
  test("gives an address of each family and the default routes, the same ones again, and takes them back", async () => {
    await pool("default", { cidrs: ["10.0.0.0/16", "fd00::/64"] });
    const n1 = await joined("n1");
    const result = await n1.add({ containerId: "a", config, args: web });
    expect(result.ips).toHaveLength(2);
    expect(result.ips?.map(({ address, gateway }) => [address.split("/")[1], gateway])).toEqual([
      ["32", undefined],
      ["128", undefined],
    ]);
    expect(result.routes).toEqual([{ dst: "0.0.0.0/0" }, { dst: "::/0" }]);
    expect(await n1.add({ containerId: "a", config })).toEqual(result);
    expect(n1.table.owners.get("net/a/eth0")).toMatchObject({ bootId: "boot", containerId: "a", ifname: "eth0" });
    const call = makeCall({ containerId: "a", config: { ...config, prevResult: result } });
    n1.ipam.plugin.check(call);
    n1.ipam.plugin.del(call);
    n1.ipam.plugin.del(call);
    expect(n1.released).toEqual((ips(result) ?? []).map((address) => address.split("/")[0] ?? ""));
    expect(n1.table.owners.list()).toEqual([]);
    expect(() => n1.ipam.plugin.check(call)).toThrow("No address of the cluster is given");
  });

  test("gives the addresses that are asked for, of a block that is nobody's yet as well", async () => {
    await pool("default", { cidrs: ["10.0.0.0/16"] });
    const [n1, n2] = [await joined("n1"), await joined("n2")];
    expect(ips(await n1.add({ containerId: "a", config, args: { IP: "10.0.9.9" } }))).toEqual(["10.0.9.9/32"]);
    const asked = (address: string) => ({ ...config, args: { cni: { ips: [address] } } });
    expect(ips(await n2.add({ containerId: "b", config: asked("10.0.10.1/16") }))).toEqual(["10.0.10.1/32"]);
    const refused = async (address: string) => {
      const failure = await n2.add({ containerId: "c", config: asked(address) }).catch((error: Error) => error);
      expect(n2.table.owners.list().map(({ containerId }) => containerId)).toEqual(["b"]);
      return failure instanceof Error ? [failure.name, failure.message] : failure;
    };
    expect(await refused("10.0.9.9")).toEqual(["AddressError", expect.stringContaining("in use")]);
    expect(await refused("10.0.0.0")).toEqual(["AddressError", expect.stringContaining("none that a pod can have")]);
    expect(await refused("10.7.0.1")).toEqual(["AddressError", expect.stringContaining("not of pool")]);
  });

  test("GC releases what is not named, of this network only; a missing list releases nothing", async () => {
    await pool("default", { cidrs: ["10.0.0.0/16"] });
    const n1 = await joined("n1");
    for (const containerId of ["a", "b"]) await n1.add({ containerId, config });
    await n1.add({ containerId: "c", config: { ...config, name: "other" } });
    const gc = (validAttachments?: { containerId: string; ifname: string }[]) => {
      n1.ipam.plugin.gc(
        makeCall({ containerId: "", config: { ...config, ...(validAttachments && { validAttachments }) } }),
      );
      return n1.table.owners.list().map(({ containerId }) => containerId);
    };
    expect(gc()).toEqual(["a", "b", "c"]);
    expect(gc([{ containerId: "b", ifname: "eth0" }])).toEqual(["b", "c"]);
    expect(gc([])).toEqual(["c"]);
    expect(n1.released).toHaveLength(2);
  });

  test("a pool that is used up is said by STATUS, and ADD asks to be called again", async () => {
    await pool("default", { cidrs: ["10.0.0.0/30"], blockBits: { ipv4: 30, ipv6: 122 } });
    const n1 = await joined("n1");
    const status = () => n1.ipam.plugin.status(makeCall({ containerId: "", config }));
    await n1.add({ containerId: "a", config });
    await n1.addresses.tend();
    status();
    await n1.add({ containerId: "b", config });
    await n1.addresses.tend();
    expect(status).toThrow('Pool "default" has no free IPv4 address for node "n1", and no free block');
    await expect(n1.add({ containerId: "c", config })).rejects.toMatchObject({ name: "NoneFreeError" });
    n1.ipam.release("net/a/eth0");
    status();
    now += 5000;
    expect(status).toThrow("has not reached the store for too long");
    expect(() =>
      n1.ipam.plugin.status(makeCall({ containerId: "", config: networkConfig({ type: "tendril", pool: 7 }) })),
    ).toThrow('"ipam.pool" must be a string');
  });

  test("200 ADDs at once on three nodes all have an address, and each another one", async () => {
    await pool("default", { cidrs: ["10.0.0.0/16", "fd00::/64"] });
    const nodes = [await joined("n1"), await joined("n2"), await joined("n3")];
    const adds = Array.from({ length: 200 }, (_, i) => (nodes[i % 3] as Node).add({ containerId: `c${i}`, config }));
    const given = (await Promise.all(adds)).flatMap((result) => ips(result) ?? []);
    expect([given.length, new Set(given).size]).toEqual([400, 400]);
    // For each family and node as many blocks as its 67 pods need.
    expect((await cluster.blocks.list()).size).toBe(12);
  });

  test("works on from the blocks in hand while the store is away, and DEL too", async () => {
    await pool("default", { cidrs: ["10.0.0.0/16"] });
    const n1 = await joined("n1");
    await n1.add({ containerId: "a", config });
    await store.close();
    rmSync(join(folder, "store"), { recursive: true });
    expect(ips(await n1.add({ containerId: "b", config }))).toHaveLength(1);
    n1.ipam.plugin.del(makeCall({ containerId: "a", config }));
    expect(n1.released).toHaveLength(1);
  });

  test("where blocks are subnets of bridges, the first address is the gateway, and nobody else has it", async () => {
    await pool("default", { cidrs: ["10.0.0.0/24"], blockBits: { ipv4: 29, ipv6: 122 }, gateways: true });
    const n1 = await joined("n1");
    const results = [];
    for (let i = 0; i < 5; i++) results.push(await n1.add({ containerId: `c${i}`, config }));
    const gateways = new Set(results.map(({ ips }) => ips?.[0]?.gateway));
    expect(gateways.size).toBe(1);
    const [gateway] = gateways;
    expect(gateway).toMatch(
      /\.(1|9|17|25|33|41|49|57|65|73|81|89|97|105|113|121|129|137|145|153|161|169|177|185|193|201|209|217|225|233|241|249)$/,
    );
    for (const result of results) expect(ips(result)?.[0]).toMatch(/\/29$/);
    expect(results.flatMap((result) => ips(result) ?? [])).not.toContain(`${gateway}/29`);
  });

  test("a pool serves only the nodes that it selects, which is how a node has a range of its own", async () => {
    const own = { "kubernetes.io/hostname": "n1" };
    await pool("default", { cidrs: ["10.0.1.0/24"], blockBits: { ipv4: 24, ipv6: 122 }, nodeSelector: own });
    const [n1, n2] = [await joined("n1"), await joined("n2")];
    expect(ips(await n1.add({ containerId: "a", config }))?.[0]).toMatch(/^10\.0\.1\./);
    await expect(n2.add({ containerId: "b", config })).rejects.toMatchObject({ name: "NoneFreeError" });
    expect((await cluster.nodes.get("n2"))?.value.labels).toEqual({ "kubernetes.io/hostname": "n2" });
  });
});

describe("an address that is kept for a pod", () => {
  test("follows it to another node, and the node that has it hears of it before it is given there", async () => {
    await pool("default", { cidrs: ["10.0.0.0/16", "fd00::/64"] });
    const n1 = await joined("n1");
    const n2 = await joined("n2", {}, [n1]);
    const first = await n1.add({ containerId: "a", config: sticky, args: web });
    n1.ipam.plugin.del(makeCall({ containerId: "a", config: sticky }));
    const second = await n2.add({ containerId: "b", config: sticky, args: web });
    expect(second).toEqual(first);
    expect(n1.lost).toEqual([]);
    expect((await cluster.reservations.get("default.web-0"))?.value).toMatchObject({ node: "n2", sticky: true });
    // Back again, while the old pod has not been taken away.
    const back = await joined("n3", {}, [n2]);
    expect(await back.add({ containerId: "c", config: sticky, args: web })).toEqual(first);
    expect(n2.lost).toEqual(["net/b/eth0"]);
    expect(n2.table.of("net/b/eth0")).toEqual([]);
  });

  test("by an operator is given to that pod alone, on a node that need not have the block", async () => {
    await pool("default", { cidrs: ["10.0.0.0/28"], blockBits: { ipv4: 28, ipv6: 122 } });
    const n1 = await joined("n1");
    await n1.add({ containerId: "x", config });
    const record = { version: DOCUMENT_VERSION, addresses: ["10.0.0.9"], owner: "default/web-0" } as const;
    await cluster.reservations.create("default.web-0", record);
    const n2 = await joined("n2", {}, [n1]);
    expect(ips(await n2.add({ containerId: "a", config, args: web }))).toEqual(["10.0.0.9/32"]);
    const rest = [];
    for (let i = 0; i < 12; i++) rest.push(...(ips(await n1.add({ containerId: `c${i}`, config })) ?? []));
    expect(rest).not.toContain("10.0.0.9/32");
    await expect(n1.add({ containerId: "last", config })).rejects.toMatchObject({ name: "NoneFreeError" });
  });

  test("of which a pod has not come up again for long is kept no more", async () => {
    await pool("default", { cidrs: ["10.0.0.0/16"] });
    const n1 = await joined("n1");
    await n1.add({ containerId: "a", config: sticky, args: web });
    const isKept = async (milliseconds: number) => {
      for (let passed = 0; passed < milliseconds; passed += 100) {
        now += 100;
        await n1.membership.beat();
        await n1.addresses.tend();
      }
      return (await cluster.reservations.get("default.web-0")) !== undefined;
    };
    expect(await isKept(1500)).toBe(true);
    n1.ipam.plugin.del(makeCall({ containerId: "a", config: sticky }));
    expect([await isKept(1000), await isKept(500)]).toEqual([true, false]);
    const [block] = (await cluster.blocks.list()).values();
    expect(block?.value).toMatchObject({ lent: {}, reserved: {} });
  });

  test("goes back to its block when the reservation has ended and the pod is gone", async () => {
    await pool("default", { cidrs: ["10.0.0.0/28"], blockBits: { ipv4: 28, ipv6: 122 } });
    const n1 = await joined("n1");
    const expires = new Date(Date.now() - 1000).toISOString();
    const result = await n1.add({ containerId: "a", config: sticky, args: web });
    const made = await cluster.reservations.get("default.web-0");
    if (made === undefined) throw new Error("no reservation");
    await cluster.reservations.update(made, { ...made.value, expires });
    for (let i = 0; i < 3; i++) await n1.addresses.tend();
    expect(await cluster.reservations.get("default.web-0")).toBeUndefined();
    expect(ips(await n1.add({ containerId: "a", config }))).toEqual(ips(result) ?? []);
    n1.ipam.release("net/a/eth0");
    now += 200;
    await n1.membership.beat();
    for (let i = 0; i < 3; i++) await n1.addresses.tend();
    const [block] = (await cluster.blocks.list()).values();
    expect(block === undefined ? {} : block.value.lent).toEqual({});
    const all = [];
    for (let i = 0; i < 14; i++) all.push(...(ips(await n1.add({ containerId: `c${i}`, config })) ?? []));
    expect(new Set(all).size).toBe(14);
  });
});

describe("whereabouts", () => {
  const whereabouts = (ipam: Record<string, unknown>) => networkConfig({ type: "whereabouts", ...ipam });

  test("makes the pool of a range at its first use, and gives the range's prefix length and the gateway", async () => {
    const n1 = await joined("n1");
    const network = whereabouts({
      range: "192.168.2.0/24",
      range_start: "192.168.2.10",
      gateway: "192.168.2.1",
      ipRanges: [{ range: "fd00:2::/64" }],
      routes: [{ dst: "10.0.0.0/8" }],
    });
    n1.ipam.whereabouts.status(makeCall({ containerId: "", config: network }));
    const result = await n1.add({ containerId: "a", config: network });
    expect(result.ips?.[0]).toEqual({
      address: expect.stringMatching(/^192\.168\.2\.\d+\/24$/),
      gateway: "192.168.2.1",
    });
    expect(result.ips?.[1]).toEqual({ address: expect.stringMatching(/^fd00:2::.*\/64$/) });
    expect(result.routes).toEqual([{ dst: "10.0.0.0/8" }]);
    expect([...(await cluster.pools.list()).values()].map(({ value }) => [value.routed, value.masquerade])).toEqual([
      [false, false],
      [false, false],
    ]);
    const asked = await n1.add({ containerId: "b", config: network, args: { IP: "192.168.2.77" } });
    expect(ips(asked)?.[0]).toBe("192.168.2.77/24");
    await expect(n1.add({ containerId: "c", config: network, args: { IP: "192.168.2.9" } })).rejects.toThrow(
      "in no range",
    );
  });

  test("gives an address once in the cluster, however the ranges of several networks overlap", async () => {
    const nodes = [await joined("n1"), await joined("n2")];
    const ranges = ["10.5.0.0/26", "10.5.0.0/25", "10.5.0.10-10.5.0.50/24"];
    const given: string[] = [];
    for (let i = 0; i < 36; i++) {
      const node = nodes[i % 2] as Node;
      const result = await node.add({ containerId: `c${i}`, config: whereabouts({ range: ranges[i % 3] }) });
      given.push((ips(result)?.[0] ?? "").split("/")[0] ?? "");
    }
    expect(new Set(given).size).toBe(36);
  });

  test("refuses a range that lies in a pool whose blocks have another size", async () => {
    await pool("default", { cidrs: ["10.5.0.0/16"] });
    const n1 = await joined("n1");
    const config = whereabouts({ ipRanges: [{ range: "10.5.1.0/24" }] });
    await expect(n1.add({ containerId: "a", config })).rejects.toMatchObject({ field: "ipam.ipRanges[0].range" });
    expect([...(await cluster.pools.list()).keys()]).toEqual(["default"]);
  });
});

test("the cluster's IPAM is asked for by name, and is the default of the plugin tendril", () => {
  const { ipam: _, ...bare } = config;
  expect([config, whereaboutsLike(), { ...bare, type: "tendril" }].map(isClusterIpam)).toEqual([true, true, true]);
  expect([bare, networkConfig({ type: "host-local" })].map(isClusterIpam)).toEqual([false, false]);
});

function whereaboutsLike() {
  return networkConfig({ type: "whereabouts" });
}
