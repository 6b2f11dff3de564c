/** What a real API server refuses of pools. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { poolPolicies } from "../../src/cli/manifest/pool-policies.ts";
import { customResourceDefinitions } from "../../src/store/kubernetes/crds.ts";
import { needs, program } from "../support/needs.ts";
import { type ApiServer, startApiServer } from "./apiserver.ts";
import { kubernetes } from "./built.ts";
import { until } from "./until.ts";

const NEEDS = [kubernetes, ...["etcd", "openssl"].map(program)];

function own(kind: string, name: string, spec: object): object {
  return { apiVersion: "tendril.dev/v1", kind, metadata: { name }, spec };
}

const node = {
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "node1" },
  status: {
    addresses: [
      { type: "InternalIP", address: "192.0.2.7" },
      { type: "Hostname", address: "node1" },
    ],
  },
};

describe("a pool is refused", () => {
  const test = needs(...NEEDS);
  let server: ApiServer;
  const apply = async (...items: readonly object[]) => {
    try {
      await server.kubectl(["apply", "-f", "-"], { apiVersion: "v1", kind: "List", items });
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  const remove = async (kind: string, name: string) => {
    try {
      await server.kubectl(["delete", kind, name]);
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  beforeAll(async () => {
    if (!NEEDS.every((need) => need() === undefined)) return;
    server = await startApiServer();
    await apply(...customResourceDefinitions());
    await server.kubectl(["wait", "--for=condition=Established", "crd", "--all"]);
    expect(await apply(...poolPolicies(), node)).toBe("");
    await server.kubectl([
      "patch",
      "node",
      "node1",
      "--subresource=status",
      "--patch",
      JSON.stringify({ status: node.status }),
    ]);
    expect(await apply(own("Pool", "default", { cidrs: ["10.244.0.0/16", "fd00:10:244::/56"] }))).toBe("");
    const block = { pool: "default", cidr: "10.244.7.0/26", node: "node1", epoch: 1 };
    const kept = { addresses: ["10.244.99.1"], owner: "default/web-0" };
    expect(await apply(own("Block", "10.244.7.0-26", block), own("Reservation", "default.web-0", kept))).toBe("");
    // A server learns of the kinds that policies name after a while, and lets all pass until then.
    const isRefused = async () => {
      const refusals = await Promise.all([
        apply(own("Pool", "probe1", { cidrs: ["10.244.0.0/20"] })),
        apply(own("Pool", "probe2", { cidrs: ["10.96.0.0/16"] })),
        apply(own("Pool", "probe3", { cidrs: ["192.0.2.0/24"] })),
      ]);
      for (const name of ["probe1", "probe2", "probe3"]) await remove("pool", name);
      return refusals.every((refusal) => refusal !== "");
    };
    await until("the policies are followed", isRefused, { within: 90_000, every: 1000 });
  });
  afterAll(async () => {
    await server?.dispose();
  });

  test("that has addresses of another pool", async () => {
    for (const spec of [
      { cidrs: ["10.244.0.0/16"] },
      { cidrs: ["10.244.128.0/20"] },
      // It would have Services' addresses, too, for which another policy may refuse it first.
      { cidrs: ["10.0.0.0/8"], excluded: ["10.96.0.0/12"] },
      { cidrs: ["10.9.0.0/16", "fd00:10:244:1::/64"] },
    ]) {
      expect(await apply(own("Pool", "other", spec))).toContain("of pool default");
    }
    expect(await apply(own("Pool", "other", { cidrs: ["10.245.0.0/16", "fd00:10:245::/56"] }))).toBe("");
    expect(await apply(own("Pool", "other", { cidrs: ["10.244.0.0/15"] }))).toContain("of pool default");
    expect(await remove("pool", "other")).toBe("");
  });

  test("that has Services' addresses, unless it excludes them", async () => {
    expect(await apply(own("Pool", "other", { cidrs: ["10.96.0.0/11"] }))).toContain("the addresses of Services");
    expect(await apply(own("Pool", "other", { cidrs: ["10.100.0.0/16"] }))).toContain("the addresses of Services");
    expect(await apply(own("Pool", "other", { cidrs: ["10.96.0.0/11"], excluded: ["10.96.0.0/12"] }))).toBe("");
    expect(await apply(own("Pool", "other", { cidrs: ["10.96.0.0/11"], excluded: [] }))).toContain("of Services");
    expect(await remove("pool", "other")).toBe("");
  });

  test("that has a node's address, unless it excludes that", async () => {
    expect(await apply(own("Pool", "lan", { cidrs: ["192.0.2.0/24"] }))).toContain("an address of node node1");
    expect(await apply(own("Pool", "lan", { cidrs: ["192.0.2.0/24"], excluded: ["192.0.2.0/28"] }))).toBe("");
    expect(await remove("pool", "lan")).toBe("");
  });

  test("that would leave out what is claimed or reserved, or is to go with it", async () => {
    const six = "fd00:10:244::/56";
    expect(await apply(own("Pool", "default", { cidrs: ["10.244.64.0/18", six] }))).toContain("claimed by node node1");
    expect(await apply(own("Pool", "default", { cidrs: ["10.244.0.0/18", six] }))).toContain(
      "reserved for default/web-0",
    );
    // Both are left out; which of the two policies is asked first is the API server's choice.
    expect(await apply(own("Pool", "default", { cidrs: [six] }))).toMatch(
      /claimed by node node1|reserved for default\/web-0/,
    );
    expect(await remove("pool", "default")).toContain("claimed by node node1");
    expect(await apply(own("Pool", "default", { cidrs: ["10.244.0.0/17", six] }))).toBe("");
    expect(await remove("block", "10.244.7.0-26")).toBe("");
    expect(await remove("pool", "default")).toBe("");
  });

  test("by expressions that fit the kinds that they are about", async () => {
    const { items } = JSON.parse(await server.kubectl(["get", "validatingadmissionpolicies", "-o", "json"]));
    // Of a custom resource's types a server that does not know it yet has warned of nothing.
    for (const { metadata, status } of items)
      expect({ name: metadata.name, ...status?.typeChecking }).toEqual({ name: metadata.name });
  });
});
