import { describe, expect, test } from "bun:test";
import type { Resource } from "../core/plan.ts";
import type { Kernel } from "../resources/kernel.ts";
import {
  apply,
  explain,
  explainRemoval,
  type Kinds,
  type Machine,
  remove,
  rollBack,
  type UndoStack,
  verify,
} from "./engine.ts";

/** Kinds that write down what is asked of them, and fail for the resources named. */
function machine(failing: readonly string[] = []) {
  const log: string[] = [];
  const name = (resource: Resource) => ("name" in resource ? resource.name : resource.kind);
  const act = (verb: string, resource: Resource) => {
    if (failing.includes(`${verb} ${name(resource)}`)) throw new Error(`${verb} ${name(resource)}`);
    log.push(`${verb} ${name(resource)}`);
  };
  const kind = {
    ensure(resource: Resource, _: Kernel, undo: (step: () => void) => void) {
      act("make", resource);
      undo(() => act("undo", resource));
    },
    verify: (resource: Resource) => (failing.includes(`verify ${name(resource)}`) ? [`${name(resource)} is gone`] : []),
    remove: (resource: Resource) => act("remove", resource),
    describe: (resource: Resource) => [`make ${name(resource)}`],
    describeRemoval: (resource: Resource) => [`remove ${name(resource)}`],
    carrier: (resource: Resource) =>
      resource.kind === "address" ? { where: resource.where, link: resource.link } : undefined,
  };
  const kinds = new Proxy({}, { get: () => kind }) as Kinds;
  const kernel = { flush() {} } as unknown as Kernel;
  const made: Machine = { kinds, kernel };
  return { log, made, kinds };
}

const sysctl = (name: string, shared?: true): Resource => ({ kind: "sysctl", where: "host", name, value: "1", shared });
const a = sysctl("a");
const b = sysctl("b");
const c = sysctl("c");
const stack = (): UndoStack => ({ own: [], shared: [] });

describe("apply", () => {
  test("makes in order, and rolling back undoes in reverse", () => {
    const { log, made } = machine();
    const undo = stack();
    apply([a, b, c], made, undo);
    expect(rollBack(undo.own)).toEqual([]);
    expect(log).toEqual(["make a", "make b", "make c", "undo c", "undo b", "undo a"]);
  });

  test("stops at the first error and leaves the undo steps of what was made", () => {
    const { log, made } = machine(["make b"]);
    const undo = stack();
    expect(() => apply([a, b, c], made, undo)).toThrow("make b");
    rollBack(undo.own);
    expect(log).toEqual(["make a", "undo a"]);
  });

  test("keeps the undo steps of shared resources apart, each with its resource", () => {
    const { made } = machine();
    const undo = stack();
    const shared = sysctl("s", true);
    apply([shared, a], made, undo);
    expect(undo.own).toHaveLength(1);
    expect(undo.shared.map(({ resource }) => resource)).toEqual([shared]);
  });

  test("tells each step once it is complete", () => {
    const { log, made } = machine();
    apply([a, b], { ...made, step: () => log.push("step") }, stack());
    expect(log).toEqual(["make a", "step", "make b", "step"]);
  });
});

test("rolling back goes on after an error and returns it", () => {
  const { log, made } = machine(["undo b"]);
  const undo = stack();
  apply([a, b, c], made, undo);
  expect(rollBack(undo.own)).toEqual([new Error("undo b")]);
  expect(log.slice(3)).toEqual(["undo c", "undo a"]);
});

describe("remove", () => {
  test("goes in reverse and on after an error, which it returns", () => {
    const { log, made } = machine(["remove b"]);
    expect(remove([a, b, c], made)).toEqual([new Error("remove b")]);
    expect(log).toEqual(["remove c", "remove a"]);
  });

  test("takes together those side by side that their kind does so, once", () => {
    const { log, made } = machine();
    const kind = made.kinds.sysctl as { removeTogether?: (some: readonly Resource[]) => void };
    kind.removeTogether = (some) => {
      log.push(`remove ${some.map((one) => ("name" in one ? one.name : "")).join(" and ")}`);
    };
    const steps: number[] = [];
    const between: Resource = { kind: "address", where: "host", link: "br0", address: "10.0.0.1/24" };
    expect(remove([a, b, between, c], { ...made, step: () => steps.push(log.length) })).toEqual([]);
    expect(log).toEqual(["remove c", "remove address", "remove b and a"]);
    expect(steps).toEqual([1, 2, 3]);
  });

  test("leaves out what goes with a link that is removed", () => {
    const { log, made } = machine();
    const veth: Resource = {
      kind: "link",
      type: "veth",
      where: "host",
      name: "veth0",
      mac: "02:00:00:00:00:01",
      peer: { name: "eth0", mac: "02:00:00:00:00:02" },
    };
    const inside: Resource = { kind: "address", where: "container", link: "eth0", address: "10.0.0.5/24" };
    const elsewhere: Resource = { kind: "address", where: "host", link: "br0", address: "10.0.0.1/24" };
    expect(remove([veth, inside, elsewhere], made)).toEqual([]);
    expect(log).toEqual(["remove address", "remove veth0"]);
  });
});

test("verify gathers the findings of all", () => {
  const { made } = machine(["verify a", "verify c"]);
  expect(verify([a, b, c], made)).toEqual(["a is gone", "c is gone"]);
});

test("explaining says the commands in the order in which they would run", () => {
  const { kinds } = machine();
  expect(explain([a, b], kinds, { container: "/n" })).toEqual(["make a", "make b"]);
  expect(explainRemoval([a, b], kinds, { container: "/n" })).toEqual(["remove b", "remove a"]);
});
