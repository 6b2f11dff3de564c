import { beforeEach, expect, test } from "bun:test";
import type { OwnerRecord } from "../ipam/cluster/owner.ts";
import { Garbage } from "./garbage.ts";

const owners = new Map<string, OwnerRecord>();
const namespaces = new Map<string, string>();
const released: string[] = [];
let now = 0;
let garbage: Garbage;

function attach(owner: string, more: Partial<OwnerRecord> = {}): void {
  const key = { network: "net", containerId: owner, ifname: "eth0" };
  const pod = { podNamespace: null, podName: null };
  owners.set(owner, {
    owner,
    ...key,
    ...pod,
    netns: `/ns/${owner}`,
    netnsId: "4:1",
    bootId: "this",
    since: now,
    ...more,
  });
  namespaces.set(`/ns/${owner}`, "4:1");
}

beforeEach(() => {
  owners.clear();
  namespaces.clear();
  released.length = 0;
  now = 0;
  garbage = new Garbage({
    owners: () => [...owners.values()],
    netnsId: (path) => namespaces.get(path),
    bootId: "this",
    clock: () => now,
    patience: 60,
    release(owner) {
      owners.delete(owner);
      released.push(owner);
    },
  });
});

/** Looks at a time. */
function look(at: number): string[] {
  now = at;
  return garbage.look();
}

test("an owner whose namespace is gone, or is another one, is released by the second look, when that is late enough", () => {
  for (const owner of ["alive", "gone", "other"]) attach(owner);
  namespaces.delete("/ns/gone");
  namespaces.set("/ns/other", "4:2");
  expect(look(10)).toEqual([]);
  expect(garbage.suspected()).toEqual(["gone", "other"]);
  expect(look(69)).toEqual([]);
  expect(look(70)).toEqual(["gone", "other"]);
  expect(garbage.suspected()).toEqual([]);
  expect(look(1000)).toEqual([]);
});

test("one whose namespace is there again in between is no longer suspected", () => {
  attach("a");
  namespaces.delete("/ns/a");
  look(0);
  namespaces.set("/ns/a", "4:1");
  look(50);
  namespaces.delete("/ns/a");
  expect(look(100)).toEqual([]);
  expect(look(160)).toEqual(["a"]);
});

test("one that has been attached anew is another one", () => {
  attach("a");
  namespaces.delete("/ns/a");
  look(0);
  now = 30;
  attach("a");
  namespaces.delete("/ns/a");
  expect(look(70)).toEqual([]);
  expect(look(130)).toEqual(["a"]);
});

test("owners of another boot are released at once, and those whose namespace is not known by no look", () => {
  attach("old", { bootId: "before" });
  attach("unknown", { netnsId: null });
  attach("new");
  namespaces.clear();
  expect(garbage.releaseFormerBoots()).toEqual(["old"]);
  look(0);
  expect(look(100)).toEqual(["new"]);
});
