import { describe, expect, test } from "bun:test";
import { ConfigError, ConflictError } from "../core/errors.ts";
import { createPool, deletePool, type PoolRequest, resizePool } from "./pool-changes.ts";
import { testClusters } from "./test-support/cluster.ts";

const clusters = testClusters();

const request = (cidrs: readonly string[], more: Partial<PoolRequest> = {}): PoolRequest => ({
  cidrs,
  blockBits: {},
  excluded: [],
  nodeSelector: {},
  masquerade: true,
  gateways: false,
  ...more,
});

describe("a pool that is made", () => {
  test("has what was asked for, and the defaults", async () => {
    const cluster = clusters.fresh();
    const asked = request(["10.244.0.0/16", "fd44::/48"], {
      excluded: ["10.244.1.0/24"],
      nodeSelector: { zone: "a" },
      gateways: true,
    });
    await createPool(cluster, "default", asked);
    const made: unknown = (await cluster.pools.get("default"))?.value;
    expect(made).toEqual({
      version: 1,
      cidrs: ["10.244.0.0/16", "fd44::/48"],
      blockBits: { ipv4: 26, ipv6: 122 },
      nodeSelector: { zone: "a" },
      excluded: ["10.244.1.0/24"],
      masquerade: true,
      gateways: true,
    });
  });

  test("overlaps no other, and is the only one of its name", async () => {
    const cluster = clusters.fresh();
    await createPool(cluster, "a", request(["10.1.0.0/16"]));
    for (const cidr of ["10.1.2.0/24", "10.0.0.0/8", "10.1.0.0/16"]) {
      await expect(createPool(cluster, "b", request([cidr]))).rejects.toThrow(/overlaps 10.1.0.0\/16 of pool "a"/);
    }
    await expect(createPool(cluster, "a", request(["10.2.0.0/16"]))).rejects.toThrow(ConflictError);
    expect([...(await cluster.pools.list()).keys()]).toEqual(["a"]);
  });

  test("is refused with the field that is wrong", async () => {
    const cluster = clusters.fresh();
    const field = async (asked: PoolRequest) => {
      const error = await createPool(cluster, "a", asked).catch((thrown: unknown) => thrown);
      return error instanceof ConfigError ? error.field : error;
    };
    expect(await field(request([]))).toBe("cidrs");
    expect(await field(request(["10.1.0.0/28"]))).toBe("cidrs[0]");
    expect(await field(request(["10.1.0.0/16", "10.2.0.0/16"]))).toBe("cidrs[1]");
    expect(await field(request(["10.1.0.0/16"], { blockBits: { ipv4: 40 } }))).toBe("blockBits.ipv4");
    expect(await field(request(["10.1.0.0/16"], { excluded: ["10.2.0.0/24"] }))).toBe("excluded[0]");
  });
});

describe("a pool that is deleted", () => {
  test("has no block that a node holds", async () => {
    const cluster = clusters.fresh();
    await cluster.addPool("default");
    await cluster.addBlock("10.244.0.64/26", "node1");
    await expect(deletePool(cluster, "default")).rejects.toThrow('claimed of it is 10.244.0.64/26 by node "node1"');
    for (const block of (await cluster.blocks.list()).values()) await cluster.blocks.delete(block);
    await deletePool(cluster, "default");
    expect((await cluster.pools.list()).size).toBe(0);
    await expect(deletePool(cluster, "default")).rejects.toThrow('There is no pool "default"');
  });
});

describe("a pool that is resized", () => {
  test("grows, and keeps the family that is not named", async () => {
    const cluster = clusters.fresh();
    await cluster.addPool("default", { cidrs: ["10.244.0.0/16", "fd44::/48"] });
    await cluster.addBlock("10.244.0.64/26", "node1");
    expect((await resizePool(cluster, "default", ["10.244.0.0/15"])).cidrs).toEqual(["10.244.0.0/15", "fd44::/48"]);
  });

  test("cuts off no claimed block, no reserved address, and takes nothing of another pool", async () => {
    const cluster = clusters.fresh();
    await cluster.addPool("default");
    await cluster.addPool("other", { cidrs: ["10.245.0.0/16"] });
    await cluster.addBlock("10.244.200.0/26", "node2");
    await cluster.reservations.create("a.b", { version: 1, owner: "a/b", addresses: ["10.244.100.1"] });
    await expect(resizePool(cluster, "default", ["10.244.0.0/17"])).rejects.toThrow('10.244.200.0/26 by node "node2"');
    await expect(resizePool(cluster, "default", ["10.244.128.0/17"])).rejects.toThrow(
      "10.244.100.1, outside of it then",
    );
    await expect(resizePool(cluster, "default", ["10.244.0.0/15"])).rejects.toThrow(
      'overlaps 10.245.0.0/16 of pool "other"',
    );
    expect((await cluster.pools.get("default"))?.value.cidrs).toEqual(["10.244.0.0/16"]);
  });

  test("is taken back when a node claims a block meanwhile that it cuts off", async () => {
    const cluster = clusters.fresh();
    await cluster.addPool("default");
    const update = cluster.pools.update.bind(cluster.pools);
    cluster.pools.update = async (document, value) => {
      cluster.pools.update = update;
      await cluster.addBlock("10.244.200.0/26", "node2");
      return update(document, value);
    };
    await expect(resizePool(cluster, "default", ["10.244.0.0/17"])).rejects.toThrow("10.244.200.0/26");
    expect((await cluster.pools.get("default"))?.value.cidrs).toEqual(["10.244.0.0/16"]);
  });
});
