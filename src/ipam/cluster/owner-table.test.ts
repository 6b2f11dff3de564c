import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AddressTable } from "./address-table.ts";
import { type OwnerRecord, ownerName, reservationKey } from "./owner.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-owners-"));
  path = join(folder, "addresses.sqlite");
});
afterEach(() => rmSync(folder, { recursive: true }));

function record(network: string, containerId: string, more: Partial<OwnerRecord> = {}): OwnerRecord {
  const key = { network, containerId, ifname: "eth0" };
  const unknown = { netns: null, netnsId: null, podNamespace: null, podName: null };
  return { owner: ownerName(key), ...key, ...unknown, bootId: "b", since: 12.5, ...more };
}

test("what is known of an owner outlasts the process, and the newest counts", () => {
  let table = new AddressTable(path);
  table.owners.put(record("net", "a"));
  const full = record("net", "a", { netns: "/ns/a", netnsId: "4:7", podNamespace: "default", podName: "web-0" });
  table.owners.put(full);
  table.owners.put(record("other", "b"));
  table.close();
  table = new AddressTable(path);
  expect(table.owners.get("net/a/eth0")).toEqual(full);
  expect(table.owners.list("other")).toEqual([record("other", "b")]);
  expect(table.owners.list()).toHaveLength(2);
  table.owners.remove("net/a/eth0");
  expect(table.owners.get("net/a/eth0")).toBeUndefined();
  table.close();
});

test("a database of version 1 keeps its addresses and gets the owners", () => {
  const old = new AddressTable(path);
  old.addBlock("b1", { pool: "default", family: 4 }, ["10.0.0.1"]);
  old.take({ pool: "default", family: 4 }, "net/a/eth0", 5, 5);
  old.close();
  const database = new Database(path, { strict: true });
  database.run("DROP TABLE owners");
  database.run("PRAGMA user_version = 1");
  database.close();
  const table = new AddressTable(path);
  expect(table.of("net/a/eth0").map(({ address }) => address)).toEqual(["10.0.0.1"]);
  table.owners.put(record("net", "a"));
  expect(table.owners.list()).toHaveLength(1);
  table.close();
});

test("a database of a newer version is not opened", () => {
  const database = new Database(path, { strict: true });
  database.run("PRAGMA user_version = 3");
  database.close();
  expect(() => new AddressTable(path)).toThrow("is of version 3, and this program knows 2");
});

test("a pod is told by what Kubernetes' runtimes say of it", () => {
  const args = (entries: Record<string, string>) => reservationKey(new Map(Object.entries(entries)));
  expect(args({ K8S_POD_NAMESPACE: "default", K8S_POD_NAME: "web-0" })).toBe("default/web-0");
  expect([
    args({}),
    args({ K8S_POD_NAMESPACE: "default" }),
    args({ K8S_POD_NAMESPACE: "", K8S_POD_NAME: "x" }),
  ]).toEqual([undefined, undefined, undefined]);
});
