import { describe, expect, test } from "bun:test";
import type { Resource } from "../core/plan.ts";
import type { Kernel } from "../resources/kernel.ts";
import type { Kinds } from "./engine.ts";
import { Reconciler } from "./reconcile.ts";

/** What a kernel would have, by what is in it, and what was asked of it; what is in `failing` fails. */
function place() {
  const log: string[] = [];
  const present = new Map<string, string>();
  const failing = new Set<string>();
  const newLinks = new Set<string>();
  const act = (verb: string, resource: Resource) => {
    const name = nameOf(resource);
    log.push(`${verb} ${name}`);
    if (failing.has(name)) throw new Error(`cannot ${verb} ${name}`);
    return name;
  };
  const kind = {
    ensure(resource: Resource) {
      const name = act("make", resource);
      if (resource.kind === "link" && !present.has(name)) newLinks.add(name);
      present.set(name, "value" in resource ? resource.value : "");
    },
    verify: (resource: Resource) => (present.has(nameOf(resource)) ? [] : [`${nameOf(resource)} is gone`]),
    remove(resource: Resource) {
      present.delete(act("remove", resource));
    },
    describe: (resource: Resource) => [`make ${nameOf(resource)}`],
    describeRemoval: (resource: Resource) => [`remove ${nameOf(resource)}`],
    carrier: (resource: Resource) =>
      "link" in resource && resource.link !== undefined ? { where: resource.where, link: resource.link } : undefined,
  };
  const kinds = new Proxy({}, { get: () => kind }) as Kinds;
  const kernel = {
    flush() {},
    forgetAll: () => newLinks.clear(),
    hasMade: (_: string, name: string) => newLinks.has(name),
    listingOnce: <T>(work: () => T) => work(),
    reporting: (_: unknown, work: () => void) => work(),
  } as unknown as Kernel;
  /** What was asked since the last time. */
  const asked = () => log.splice(0);
  return { reconciler: new Reconciler({ kinds, kernel }), present, failing, asked };
}

function nameOf(resource: Resource): string {
  if (resource.kind === "route") return `${resource.destination} via ${resource.gateway}`;
  if (resource.kind === "address") return resource.address;
  return "name" in resource ? resource.name : resource.kind;
}

const sysctl = (name: string, value = "1"): Resource => ({ kind: "sysctl", where: "host", name, value });
const [a, b, c] = ["a", "b", "c"].map((name) => sysctl(name)) as [Resource, Resource, Resource];
const tunnel = (mtu = 1400): Resource => ({
  kind: "link",
  type: "ipip",
  where: "host",
  name: "t",
  mtu,
  local: "10.0.0.1",
});
const route = (gateway: string, mtu?: number): Resource => ({
  kind: "route",
  where: "host",
  link: "t",
  destination: "10.1.0.0/24",
  gateway,
  mtu,
});

describe("set", () => {
  test("makes what is new in order, leaves what is there, and removes what is stale in reverse and last", () => {
    const { reconciler, asked } = place();
    expect(reconciler.set("node", [a, b])).toEqual([]);
    expect(asked()).toEqual(["make a", "make b"]);
    expect(reconciler.set("node", [b, a])).toEqual([]);
    expect(asked()).toEqual([]);
    reconciler.set("node", [c]);
    expect(asked()).toEqual(["make c", "remove a", "remove b"]);
    reconciler.set("node", []);
    expect(asked()).toEqual(["remove c"]);
    expect([reconciler.count, reconciler.ownerCount]).toEqual([0, 0]);
  });

  test("makes a route by another gateway before the old one goes", () => {
    const { reconciler, asked } = place();
    reconciler.set("peer", [route("10.0.0.2")]);
    reconciler.set("peer", [route("10.0.0.3")]);
    expect(asked().slice(1)).toEqual(["make 10.1.0.0/24 via 10.0.0.3", "remove 10.1.0.0/24 via 10.0.0.2"]);
  });

  test("takes a changed route away first, for the kernel would have both, and changes what it overwrites", () => {
    const { reconciler, asked, present } = place();
    reconciler.set("peer", [route("10.0.0.2"), a]);
    reconciler.set("peer", [route("10.0.0.2", 1300), sysctl("a", "2")]);
    const name = "10.1.0.0/24 via 10.0.0.2";
    expect(asked().slice(2)).toEqual([`remove ${name}`, `make ${name}`, "make a"]);
    expect(present.get("a")).toBe("2");
  });

  test("keeps what two owners want until the last lets go", () => {
    const { reconciler, asked } = place();
    reconciler.set("one", [a]);
    reconciler.set("two", [{ ...a }, b]);
    expect(asked()).toEqual(["make a", "make b"]);
    reconciler.set("one", []);
    reconciler.set("two", [b]);
    expect(asked()).toEqual(["remove a"]);
  });

  test("gives what two owners want differently the value of the last, and the other's when that lets go", () => {
    const { reconciler, present, asked } = place();
    reconciler.set("one", [sysctl("a", "1")]);
    reconciler.set("two", [sysctl("a", "2")]);
    expect(present.get("a")).toBe("2");
    reconciler.set("two", []);
    expect(present.get("a")).toBe("1");
    expect(asked()).toEqual(["make a", "make a", "make a"]);
  });

  test("of several owners at once moves what one gives to another without touching it", () => {
    const { reconciler, asked } = place();
    reconciler.set("one", [a, b]);
    asked();
    reconciler.setMany([
      ["one", [b]],
      ["two", [a, c]],
    ]);
    expect(asked()).toEqual(["make c"]);
    reconciler.setMany([
      ["two", []],
      ["one", [b, sysctl("d")]],
    ]);
    expect(asked()).toEqual(["make d", "remove c", "remove a"]);
  });

  test("makes all again that is on a link which is made anew, whoever wants it", () => {
    const { reconciler, present, asked } = place();
    reconciler.set("node", [tunnel()]);
    reconciler.set("peer", [route("10.0.0.2"), a]);
    present.delete("t");
    asked();
    reconciler.set("node", [tunnel(1300)]);
    expect(asked()).toEqual(["make t", "make 10.1.0.0/24 via 10.0.0.2"]);
  });

  test("does not touch one by one what goes with its link", () => {
    const { reconciler, asked } = place();
    reconciler.set("node", [tunnel(), route("10.0.0.2")]);
    asked();
    reconciler.set("node", []);
    expect(asked()).toEqual(["remove t"]);
  });

  test("goes on after errors, returns them, and tries again what failed", () => {
    const { reconciler, failing, asked } = place();
    failing.add("a").add("b");
    expect(reconciler.set("node", [a, b, c])).toEqual([new Error("cannot make a"), new Error("cannot make b")]);
    expect(reconciler.failedCount).toBe(2);
    failing.delete("a");
    asked();
    // Who says the same again has tried again what failed.
    expect(reconciler.set("node", [a, b, c])).toEqual([new Error("cannot make b")]);
    expect(asked()).toEqual(["make a", "make b"]);
    failing.delete("b");
    expect(reconciler.ensureAll()).toEqual([]);
    expect(reconciler.failedCount).toBe(0);
  });

  test("what could not be removed is removed later, unless somebody wants it again", () => {
    const { reconciler, failing, present } = place();
    reconciler.set("node", [a, b]);
    failing.add("a").add("b");
    expect(reconciler.set("node", [])).toHaveLength(2);
    expect(reconciler.failedCount).toBe(2);
    failing.clear();
    reconciler.set("node", [b]);
    expect(reconciler.ensureAll()).toEqual([]);
    expect([...present.keys()]).toEqual(["b"]);
    expect(reconciler.failedCount).toBe(0);
  });
});

describe("ensureAll", () => {
  test("makes all again, links first, then in the owners' order, and once more what failed", () => {
    const { reconciler, present, failing, asked } = place();
    reconciler.set("peer", [route("10.0.0.2")]);
    reconciler.set("node", [a, tunnel()]);
    present.clear();
    asked();
    expect(reconciler.verify()).toHaveLength(3);
    expect(reconciler.ensureAll()).toEqual([]);
    expect(asked()).toEqual(["make t", "make 10.1.0.0/24 via 10.0.0.2", "make a"]);
    expect(reconciler.verify()).toEqual([]);
    failing.add("a");
    expect(reconciler.ensureAll()).toEqual([new Error("cannot make a")]);
    expect(asked().filter((line) => line === "make a")).toHaveLength(2);
  });
});

describe("what a former process left", () => {
  test("stays untouched when it is named as it is, and goes when nobody has named it", () => {
    const { reconciler, asked } = place();
    reconciler.adopt([a, b, tunnel(), route("10.0.0.2")]);
    expect(reconciler.set("node", [tunnel(), a])).toEqual([]);
    expect(asked()).toEqual([]);
    expect(reconciler.dropAdopted()).toEqual([]);
    expect(asked()).toEqual(["remove 10.1.0.0/24 via 10.0.0.2", "remove b"]);
    expect(reconciler.dropAdopted()).toEqual([]);
    reconciler.set("node", []);
    expect(asked()).toEqual(["remove a", "remove t"]);
  });

  test("is changed where it is named otherwise, and goes when who named it lets go", () => {
    const { reconciler, asked } = place();
    reconciler.adopt([a, b]);
    reconciler.set("node", [sysctl("a", "2"), b]);
    reconciler.set("node", [b]);
    expect(asked()).toEqual(["make a", "remove a"]);
    reconciler.dropAdopted();
    expect(asked()).toEqual([]);
  });

  test("is not taken over where somebody has named it before", () => {
    const { reconciler, asked } = place();
    reconciler.set("node", [a]);
    reconciler.adopt([a, b]);
    asked();
    reconciler.dropAdopted();
    expect(asked()).toEqual(["remove b"]);
  });
});

test("explains and removes all of it, and knows nothing then", () => {
  const { reconciler, asked } = place();
  reconciler.set("node", [a, tunnel()]);
  reconciler.set("peer", [route("10.0.0.2")]);
  reconciler.adopt([b]);
  expect(reconciler.explain({ container: "/c" })).toEqual([
    "make t",
    "make a",
    "make 10.1.0.0/24 via 10.0.0.2",
    "make b",
  ]);
  expect(reconciler.find(sysctl("a", "9"))).toEqual(a);
  const { signs } = reconciler;
  expect([signs.hasLink("t"), signs.hasDestination("10.1.0.0/24")]).toEqual([true, true]);
  asked();
  expect(reconciler.removeAll()).toEqual([]);
  expect(asked()).toEqual(["remove b", "remove a", "remove t"]);
  expect([reconciler.count, reconciler.ownerCount]).toEqual([0, 0]);
  expect(reconciler.find(a)).toBeUndefined();
  expect([signs.hasLink("t"), signs.hasDestination("10.1.0.0/24")]).toEqual([false, false]);
});
