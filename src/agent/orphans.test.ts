import { beforeEach, expect, test } from "bun:test";
import type { OwnerRecord } from "../ipam/cluster/owner.ts";
import { Orphans } from "./orphans.ts";

const owners = new Map<string, OwnerRecord>();
/** What the node's list has, and what the API server has in truth. */
const listed = new Set<string>();
const there = new Set<string>();
let detached: string[] = [];
let asked: string[] = [];
let now = 0;
let orphans: Orphans;

function attach(owner: string, pod: string | null = owner): void {
  const key = { network: "net", containerId: owner, ifname: "eth0" };
  const [podNamespace, podName] = pod === null ? [null, null] : ["default", pod];
  owners.set(owner, {
    owner,
    ...key,
    netns: `/ns/${owner}`,
    netnsId: "4:1",
    bootId: "b",
    podNamespace,
    podName,
    since: now,
  });
}

async function looks(...times: readonly number[]): Promise<string[][]> {
  const result: string[][] = [];
  for (const time of times) {
    now = time;
    result.push(await orphans.look());
  }
  return result;
}

beforeEach(() => {
  for (const each of [owners, listed, there]) each.clear();
  [detached, asked, now] = [[], [], 0];
  orphans = new Orphans({
    owners: () => [...owners.values()],
    isKnown: (pod) => listed.has(pod),
    isGone: async (pod) => {
      asked.push(pod);
      return !there.has(pod);
    },
    clock: () => now,
    patience: 60,
    detach(owner) {
      owners.delete(owner);
      detached.push(owner);
    },
  });
});

test("whose pod is missing for long enough, and unknown to the API server, is taken off the network", async () => {
  attach("a");
  attach("b");
  listed.add("default/b");
  expect(await looks(0, 30, 59, 60, 90)).toEqual([[], [], [], ["a"], []]);
  expect(detached).toEqual(["a"]);
  expect(asked).toEqual(["default/a"]);
});

test("nobody goes on the strength of a list: the API server has the last word, once in a while", async () => {
  attach("a");
  there.add("default/a");
  expect(await looks(0, 60, 61, 90, 119, 121)).toEqual([[], [], [], [], [], []]);
  expect(asked).toEqual(["default/a", "default/a"]);
});

test("one that is listed in between, or attached anew, has its time anew", async () => {
  attach("a");
  await looks(0, 50);
  listed.add("default/a");
  await looks(55);
  listed.clear();
  expect(await looks(60, 110)).toEqual([[], []]);
  now = 115;
  attach("a");
  expect(await looks(120, 170, 180)).toEqual([[], [], ["a"]]);
});

test("what is no pod of Kubernetes is left alone", async () => {
  attach("container", null);
  expect(await looks(0, 60, 1000)).toEqual([[], [], []]);
  expect(asked).toEqual([]);
});

test("a failing removal is told, and tried again", async () => {
  attach("a");
  let failures = 1;
  const failing = new Orphans({
    owners: () => [...owners.values()],
    isKnown: () => false,
    isGone: async () => true,
    clock: () => now,
    patience: 60,
    detach(owner) {
      if (failures-- > 0) throw new Error("busy");
      detached.push(owner);
    },
  });
  await failing.look();
  now = 60;
  await expect(failing.look()).rejects.toThrow("busy");
  now = 61;
  await failing.look();
  now = 121;
  expect(await failing.look()).toEqual(["a"]);
});
