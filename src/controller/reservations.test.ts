import { expect, test } from "bun:test";
import type { Since } from "../cluster/since.ts";
import { isThere, ownerOf, planReservations } from "./reservations.ts";
import { pictureOf } from "./test-support/picture.ts";

function reservation(owner: string, fields: object = {}): object {
  return { version: 1, addresses: ["10.0.0.5"], owner, sticky: true, ...fields };
}

function looks(times: readonly number[], kindsAt: (now: number) => Parameters<typeof pictureOf>[0]): string[][] {
  let memory: Since = new Map();
  return times.map((now) => {
    const planned = planReservations(pictureOf(kindsAt(now)), memory, { now, ownerGrace: 100 });
    memory = planned.memory;
    return planned.changes.map((change) => (change.type === "end-reservation" ? change.reservation.name : change.type));
  });
}

test("an owner is a pod by its namespace and name, and all else is nobody that could be looked for", () => {
  expect(ownerOf("default/web-0")).toEqual({ namespace: "default", pod: "web-0", set: { name: "web", ordinal: 0 } });
  expect(ownerOf("kube-system/a.b-12")).toMatchObject({ set: { name: "a.b", ordinal: 12 } });
  expect(ownerOf("default/web")).toEqual({ namespace: "default", pod: "web" });
  expect(ownerOf("default/web-01")).toEqual({ namespace: "default", pod: "web-01" });
  for (const other of ["printer", "a/b/c", "/web", "default/", "Default/web", "default/web-"]) {
    expect(ownerOf(other)).toBeUndefined();
  }
});

test("a pod of a StatefulSet is there as long as the set counts so far", () => {
  const picture = pictureOf({ statefulSets: { "default/web": { first: 2, replicas: 3 } } });
  const there = [0, 1, 2, 3, 4, 5].filter((n) => isThere(picture, ownerOf(`default/web-${n}`) as never));
  expect(there).toEqual([2, 3, 4]);
  expect(isThere(picture, ownerOf("other/web-2") as never)).toBe(false);
});

test("a sticky reservation ends when its owner has been away for long enough", () => {
  const kinds = {
    reservations: { "default.web-0": reservation("default/web-0"), "default.web-1": reservation("default/web-1") },
    statefulSets: { "default/web": { first: 0, replicas: 1 } },
  };
  expect(looks([0, 99, 100], () => kinds)).toEqual([[], [], ["default.web-1"]]);
});

test("not while the pod is there, and its time begins anew when it comes back", () => {
  const reservations = { "default.bare": reservation("default/bare") };
  const pods = (now: number): Record<string, object> => (now === 50 ? { "default/bare": { addresses: [] } } : {});
  const told = looks([0, 50, 51, 149, 151], (now) => ({ reservations, pods: pods(now) }));
  expect(told).toEqual([[], [], [], [], ["default.bare"]]);
});

test("one that was made for what a pod asked for does so, too", () => {
  const reservations = { "default.fixed": reservation("default/fixed", { sticky: undefined, fixed: true }) };
  expect(looks([0, 100], () => ({ reservations }))).toEqual([[], ["default.fixed"]]);
});

test("what an operator has reserved stays", () => {
  const reservations = {
    a: reservation("default/gone", { sticky: false }),
    b: reservation("default/gone", { sticky: undefined }),
    c: reservation("printer"),
  };
  expect(looks([0, 1000], () => ({ reservations }))).toEqual([[], []]);
});
