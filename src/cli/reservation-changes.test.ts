import { describe, expect, test } from "bun:test";
import { ConfigError } from "../core/errors.ts";
import { parseExpiry, reserve, unreserve } from "./reservation-changes.ts";
import { testClusters } from "./test-support/cluster.ts";

const clusters = testClusters();
const NOW = Date.parse("2030-01-01T00:00:00Z");

async function withPools() {
  const cluster = clusters.fresh();
  await cluster.addPool("default", { cidrs: ["10.244.0.0/16", "fd44::/48"], excluded: ["10.244.9.0/24"] });
  return cluster;
}

describe("a reservation", () => {
  test("is of one owner, in the place of what it had", async () => {
    const cluster = await withPools();
    await reserve(cluster, { owner: "default/web-0", addresses: ["10.244.7.7", "fd44:0:0::7"] }, NOW);
    const [first] = (await cluster.reservations.list()).values();
    expect(first?.name).toBe("default.web-0");
    expect(first?.value.addresses).toEqual(["10.244.7.7", "fd44::7"]);
    const other = { owner: "default/web-1", addresses: ["fd44::7"] };
    await expect(reserve(cluster, other, NOW)).rejects.toThrow('Address "fd44::7" is reserved for default/web-0');
    await reserve(cluster, { owner: "default/web-0", addresses: ["10.244.7.8"] }, NOW);
    await reserve(cluster, other, NOW);
    expect((await cluster.reservations.list()).size).toBe(2);
  });

  test("that is over is in nobody's way", async () => {
    const cluster = await withPools();
    const expires = "2029-12-31T23:59:59Z";
    await reserve(cluster, { owner: "default/a", addresses: ["10.244.7.7"], expires }, NOW - 2000);
    await reserve(cluster, { owner: "default/b", addresses: ["10.244.7.7"] }, NOW);
    expect((await cluster.reservations.list()).size).toBe(2);
  });

  test("keeps the node that its pod runs on", async () => {
    const cluster = await withPools();
    const before = { version: 1, owner: "a/b", addresses: ["10.244.7.7"], node: "node1" } as const;
    await cluster.reservations.create("a.b", before);
    await reserve(cluster, { owner: "a/b", addresses: ["10.244.7.8"] }, NOW);
    expect((await cluster.reservations.get("a.b"))?.value.node).toBe("node1");
  });

  test("is refused for what no pod can have", async () => {
    const cluster = await withPools();
    const field = async (owner: string, ...addresses: string[]) => {
      const error = await reserve(cluster, { owner, addresses }, NOW).catch((thrown: unknown) => thrown);
      return error instanceof ConfigError ? error.field : error;
    };
    expect(await field("web", "10.244.7.7")).toBe("owner");
    for (const address of ["x", "192.0.2.1", "10.244.9.1", "10.244.0.0", "10.244.255.255"]) {
      expect(await field("default/a", address)).toBe("addresses[0]");
    }
    expect(await field("default/a", "10.244.7.7", "10.244.7.8")).toBe("addresses[1]");
  });

  test("goes as a whole or in part", async () => {
    const cluster = await withPools();
    await reserve(cluster, { owner: "a/b", addresses: ["10.244.7.7", "fd44::7"] }, NOW);
    await expect(unreserve(cluster, "a/b", ["10.244.7.9"])).rejects.toThrow("not reserved for a/b");
    expect(await unreserve(cluster, "a/b", ["FD44::7"])).toEqual(["fd44::7"]);
    expect(await unreserve(cluster, "a/b", [])).toEqual(["10.244.7.7"]);
    await expect(unreserve(cluster, "a/b", [])).rejects.toThrow("Nothing is reserved for a/b");
  });
});

test("a time is a span or an instant to come", () => {
  expect(parseExpiry("24h", NOW)).toBe("2030-01-02T00:00:00.000Z");
  expect(parseExpiry("2w", NOW)).toBe("2030-01-15T00:00:00.000Z");
  expect(parseExpiry("2030-01-01T01:00:00+00:30", NOW)).toBe("2030-01-01T00:30:00.000Z");
  for (const wrong of ["", "24", "-1h", "2029-01-01T00:00:00Z", "2030"]) {
    expect(() => parseExpiry(wrong, NOW)).toThrow(ConfigError);
  }
});
