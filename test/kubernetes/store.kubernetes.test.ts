/** The store on a real API server. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeDocuments } from "../../src/core/cluster.ts";
import { Collection } from "../../src/store/collection.ts";
import { podAccess } from "../../src/store/kubernetes/access.ts";
import { ApiError } from "../../src/store/kubernetes/client.ts";
import { customResourceDefinitions } from "../../src/store/kubernetes/crds.ts";
import { kubeconfigAccess } from "../../src/store/kubernetes/kubeconfig.ts";
import { KubernetesStore } from "../../src/store/kubernetes/kubernetes-store.ts";
import { customResource } from "../../src/store/kubernetes/resources.ts";
import { StoreUnavailableError } from "../../src/store/store.ts";
import { needs, program } from "../support/needs.ts";
import { storeConformance } from "../support/store-conformance.ts";
import { type ApiServer, anyResource, startApiServer } from "./apiserver.ts";
import { kubernetes } from "./built.ts";
import { until } from "./until.ts";

/** Those of the conformance suite's documents. */
const KINDS = [
  ...["made", "none", "cas", "listed", "listedtoo", "named", "counter", "raced", "seen", "seenlater", "resumed"],
  ...["compacted", "owned", "mortal", "away", "closed"],
];
const TEST_GROUP = "test.tendril.dev";
const NAMESPACE = { apiVersion: "v1", kind: "Namespace", metadata: { name: "tendril-system" } };
const NEEDS = [kubernetes, ...["etcd", "openssl"].map(program)];

storeConformance(
  "kubernetes",
  async () => {
    const server = await startApiServer();
    await install(
      server,
      KINDS.map((kind) => anyResource(TEST_GROUP, kind, `Test${kind}`)),
    );
    const resources = Object.fromEntries(KINDS.map((kind) => [kind, customResource(kind, `Test${kind}`, TEST_GROUP)]));
    const source = kubeconfigAccess([server.kubeconfig]);
    return {
      client: () => new KubernetesStore({ source, resources, timeout: 5000 }),
      stop: server.stop,
      start: server.start,
      // What a server has in its memory of changes it has from its own time.
      async compact() {
        await server.stop();
        await server.start();
      },
      dispose: server.dispose,
    };
  },
  ...NEEDS,
);

async function install(server: ApiServer, definitions: readonly object[]): Promise<void> {
  const items = [NAMESPACE, ...definitions];
  await server.kubectl(["apply", "-f", "-"], { apiVersion: "v1", kind: "List", items });
  await server.kubectl(["wait", "--for=condition=Established", "crd", "--all"]);
}

const pool = { version: 1, cidrs: ["10.244.0.0/16"] };
const node = { version: 1, addresses: ["172.20.1.11/24"], epoch: 0 };
const block = { version: 1, pool: "default", cidr: "10.244.0.0/26", node: "", epoch: 0, offered: [], lent: {} };
const reservation = { version: 1, addresses: ["10.244.0.9"], owner: "default/web-0" };

describe("the cluster's documents in Kubernetes", () => {
  const test = needs(...NEEDS);
  const isMet = NEEDS.every((need) => need() === undefined);
  let server: ApiServer;
  const stores: KubernetesStore[] = [];
  const open = (options: Partial<ConstructorParameters<typeof KubernetesStore>[0]> = {}) => {
    const store = new KubernetesStore({ source: kubeconfigAccess([server.kubeconfig]), ...options });
    stores.push(store);
    return store;
  };
  beforeAll(async () => {
    if (isMet) server = await startApiServer();
  });
  afterAll(async () => {
    for (const store of stores) await store.close();
    if (isMet) await server.dispose();
  });
  const json = async (...args: readonly string[]) => JSON.parse(await server.kubectl([...args, "-o", "json"]));

  test("are not to be had before their resources are installed, and then are", async () => {
    const store = open();
    await expect(store.list("pools")).rejects.toBeInstanceOf(StoreUnavailableError);
    await expect(store.get("pools", "a")).rejects.toBeInstanceOf(StoreUnavailableError);
    await expect(store.create("pools", "a", pool)).rejects.toBeInstanceOf(StoreUnavailableError);
    await install(server, customResourceDefinitions());
    expect((await store.list("pools")).entries).toEqual([]);
  });

  test("are filled in and given back", async () => {
    const store = open();
    await store.create("pools", "default", pool);
    expect((await store.get("pools", "default"))?.value).toEqual({
      ...pool,
      blockBits: { ipv4: 26, ipv6: 122 },
      ...{ nodeSelector: {}, excluded: [], masquerade: true },
    });
    for (const [kind, value] of Object.entries({ nodes: node, blocks: block, reservations: reservation })) {
      const revision = await store.create(kind, "a", value);
      expect(await store.get(kind, "a")).toEqual({ kind, name: "a", value, revision });
    }
    expect(await server.kubectl(["get", "tpool"])).toMatch(/default +\["10.244.0.0\/16"\]/);
    expect(await server.kubectl(["explain", "pool.spec.excluded"])).toContain("never given to a pod");
  });

  test("keep what others have written beside them", async () => {
    const store = open();
    await server.kubectl(["label", "pool", "default", "team=red"]);
    const status = { ipv4: { capacity: "65536", used: 5 } };
    const patch = ["--subresource=status", "--type=merge", "--patch", JSON.stringify({ status })];
    await server.kubectl(["patch", "pool", "default", ...patch]);
    const now = await store.get("pools", "default");
    await store.update("pools", "default", { ...pool, masquerade: false }, now?.revision ?? "");
    const object = await json("get", "pool", "default");
    expect(object).toMatchObject({ metadata: { labels: { team: "red" } }, spec: { masquerade: false }, status });
  });

  const wrong: readonly (readonly [kind: string, value: object, message: string])[] = [
    ["pools", { ...pool, cidrs: [] }, "at least 1"],
    ["pools", { ...pool, cidrs: ["10.244.0.1/16"] }, "must be a network in CIDR notation"],
    ["pools", { ...pool, cidrs: ["nonsense"] }, "must be a network in CIDR notation"],
    ["pools", { ...pool, cidrs: ["10.0.0.0/16", "10.1.0.0/16"] }, "of different families"],
    ["pools", { ...pool, cidrs: ["10.0.0.0/27"] }, "smaller than a block"],
    ["pools", { ...pool, cidrs: ["fd00::/123"] }, "smaller than a block"],
    ["pools", { ...pool, blockBits: { ipv4: 33 } }, "spec.blockBits.ipv4"],
    ["pools", { ...pool, excluded: ["10.1.0.0/24"] }, "lies in no network"],
    ["pools", { ...pool, masquerade: "yes" }, "spec.masquerade"],
    ["pools", { ...pool, version: 2 }, "spec.version"],
    ["nodes", { ...node, addresses: ["172.20.1.11"] }, "in CIDR notation"],
    ["nodes", { ...node, mtu: 10 }, "spec.mtu"],
    ["nodes", { ...node, modes: ["magic"] }, "spec.modes"],
    ["nodes", { ...node, tunnelMac: "x" }, "spec.tunnelMac"],
    ["blocks", { ...block, cidr: "10.244.0.1/26" }, "must be a network"],
    ["blocks", { ...block, epoch: -1 }, "spec.epoch"],
    ["reservations", { ...reservation, addresses: ["10.244.0"] }, "must be an IP address"],
    ["reservations", { ...reservation, owner: "" }, "spec.owner"],
    ["reservations", { ...reservation, expires: "tomorrow" }, "spec.expires"],
  ];
  test("are refused when they are wrong, in words that name the field", async () => {
    const store = open();
    for (const [kind, value, message] of wrong) {
      const error = await store.create(kind, "wrong", value).catch((thrown: unknown) => thrown);
      expect([value, error]).toEqual([value, expect.any(ApiError)]);
      expect(String(error)).toContain(message);
    }
  });

  test("are refused a change of what must stay", async () => {
    const store = open();
    const changes = [
      ["pools", "default", { ...pool, blockBits: { ipv4: 24, ipv6: 122 } }, "Make another pool"],
      ["blocks", "a", { ...block, cidr: "10.244.1.0/26" }, "must keep"],
      ["reservations", "a", { ...reservation, owner: "x" }, "must keep"],
    ] as const;
    for (const [kind, name, value, message] of changes) {
      const now = await store.get(kind, name);
      await expect(store.update(kind, name, value, now?.revision ?? "")).rejects.toThrow(message);
    }
  });

  test("of heartbeats are Leases, and others in their namespace are none", async () => {
    const store = open();
    const other = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "tendril-controller" } };
    await server.kubectl(["create", "--namespace", "tendril-system", "-f", "-"], other);
    const first = await store.create("heartbeats", "node1", { version: 1, incarnation: "i", beats: 1, more: true });
    await store.update("heartbeats", "node1", { version: 1, incarnation: "j", beats: 2, more: true }, first);
    const { entries } = await store.list("heartbeats");
    expect(entries.map(({ name, value }) => [name, value])).toEqual([
      ["node1", { version: 1, incarnation: "j", beats: 2, more: true }],
    ]);
    expect(await store.get("heartbeats", "tendril-controller")).toBeUndefined();
    const lease = await json("get", "lease", "node1", "--namespace", "tendril-system");
    expect(lease.spec.holderIdentity).toBe("j");
  });

  test("are listed in pages", async () => {
    const store = open();
    const names = Array.from({ length: 1100 }, (_, i) => `n${String(i).padStart(4, "0")}`);
    for (let i = 0; i < names.length; i += 50) {
      await Promise.all(names.slice(i, i + 50).map((name) => store.create("nodes", name, node)));
    }
    expect((await store.list("nodes")).entries.map(({ name }) => name)).toEqual(["a", ...names]);
  });

  test("are there for a token that is renewed in its file, and not for a stranger", async () => {
    const folder = join(server.folder, "account");
    const token = join(folder, "token");
    await Bun.write(token, server.token);
    await Bun.write(join(folder, "ca.crt"), Bun.file(server.authority.ca));
    const env = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(server.port) };
    const store = open({ source: podAccess(env, undefined, folder) });
    expect(await store.get("pools", "default")).toBeDefined();
    // As it is read again only when a server does not take it, or after a minute, one that begins with a stale one shows it.
    writeFileSync(token, "stale");
    const stale = open({ source: podAccess(env, undefined, folder) });
    await expect(stale.list("pools")).rejects.toMatchObject({ status: 401 });
    writeFileSync(token, server.token);
    expect(await stale.get("pools", "default")).toBeDefined();
    rmSync(join(folder, "ca.crt"));
    const unsure = open({ source: podAccess(env, undefined, folder), timeout: 2000 });
    await expect(unsure.list("pools")).rejects.toBeInstanceOf(StoreUnavailableError);
  });

  test("are forbidden to whom they are not for", async () => {
    const { cert, key } = await server.authority.issue("nobody", { user: "nobody" });
    const text = (path: string) => Bun.file(path).text();
    const tls = { ca: await text(server.authority.ca), cert: await text(cert), key: await text(key) };
    const store = open({ source: () => ({ servers: [server.url], tls }) });
    await expect(store.list("pools")).rejects.toMatchObject({ status: 403, reason: "Forbidden" });
  });

  test("are followed across a restart of the server, deletions meanwhile included", async () => {
    const store = open();
    const collection = new Collection(store, nodeDocuments, console.error);
    const abort = new AbortController();
    const names = new Set<string>();
    const follow = async () => {
      for await (const { documents, changed } of collection.follow(abort.signal)) {
        for (const name of changed) documents.has(name) ? names.add(name) : names.delete(name);
      }
    };
    const following = follow();
    await until("all are known", () => names.size === 1101);
    const changer = open();
    const [gone, changed] = [await changer.get("nodes", "n0001"), await changer.get("nodes", "n0002")];
    await server.stop();
    await server.start();
    await changer.delete("nodes", "n0001", gone?.revision ?? "");
    await changer.delete("nodes", "n0002", changed?.revision ?? "");
    await changer.create("nodes", "n0002", node);
    await changer.create("nodes", "fresh", node);
    await until("what came after is known", () => names.has("fresh") && names.has("n0002") && !names.has("n0001"));
    abort.abort();
    await following;
  });
});
