import { describe, expect, test } from "bun:test";
import { ConflictError } from "../../core/errors.ts";
import type { Facts, LinkRoute, RoutingFact } from "../../core/planner.ts";
import type { Result } from "../../core/result.ts";
import { configError, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { vrf } from "./vrf.ts";

const KERNEL = 2;
const BOOT = 3;
const MAIN = 254;

const prevResult: Result = {
  interfaces: [{ name: "eth0", sandbox: NETNS }],
  ips: [{ address: "10.1.0.5/16", interface: 0 }],
};
const byDefault: LinkRoute = {
  destination: "0.0.0.0/0",
  gateway: "10.1.0.1",
  priority: 7,
  mtu: 1300,
  table: MAIN,
  scope: 0,
  protocol: BOOT,
};
const ofKernel: LinkRoute = { destination: "10.1.0.0/16", table: MAIN, scope: 253, protocol: KERNEL };
const routing = (more: Partial<RoutingFact> = {}): RoutingFact => ({
  routes: [byDefault, ofKernel, { ...byDefault, table: 1000 }],
  rules: [],
  tables: [1000, 253, 254, 255],
  vrfs: new Map(),
  ...more,
});

const plan = (fields: Record<string, unknown> = {}, facts: Partial<Facts> = {}) =>
  planWith(vrf, { vrfname: "red", ...fields }, { prevResult, routing: routing(), ...facts });
const tableOf = (made: ReturnType<typeof plan>) =>
  ofKind(made, "link").map((link) => link.type === "vrf" && link.table)[0];

test("the interface is in the VRF, which is up, and its routes are in the VRF's table", () => {
  const made = plan();
  const place = { where: "container" } as const;
  const { table: _, ...route } = byDefault;
  expect(made.resources).toEqual([
    { ...place, kind: "link", type: "vrf", name: "red", table: 1 },
    { ...place, kind: "link-settings", link: "red", set: { up: true } },
    { ...place, kind: "absent-route", link: "eth0", ...route },
    { ...place, kind: "vrf-port", link: "eth0", vrf: "red" },
    { ...place, kind: "route", link: "eth0", ...route, table: 1 },
  ]);
  expect(made.result).toBe(prevResult);
  expect(JSON.parse(JSON.stringify(made.resources))).toEqual(made.resources);
});

describe("the table", () => {
  test("is the one that is configured, that the VRF has, or the first that nobody names", () => {
    const vrfs = new Map([["red", 500]]);
    expect(tableOf(plan({ table: 7 }))).toBe(7);
    expect(tableOf(plan({ table: 7 }, { routing: routing({ vrfs }) }))).toBe(7);
    expect(tableOf(plan({}, { routing: routing({ vrfs }) }))).toBe(500);
    expect(tableOf(plan({ table: null }, { routing: routing({ tables: [1, 2, 4, 254] }) }))).toBe(3);
  });
});

test("an interface that is a port already is refused", () => {
  for (const master of ["br0", "red"]) {
    expect(() => plan({}, { routing: routing({ master }) })).toThrow(ConflictError);
    expect(() => plan({}, { routing: routing({ master }) })).toThrow(`it is a port of "${master}"`);
  }
});

describe("without a record", () => {
  test("the routes are those of the VRF's table, which go back to the main one", () => {
    const inVrf = { ...byDefault, table: 500 };
    const found = routing({
      routes: [inVrf, { ...ofKernel, table: 500 }],
      vrfs: new Map([["red", 500]]),
      master: "red",
    });
    for (const facts of [{ adopted: prevResult }, { recovering: true }]) {
      const made = plan({}, { routing: found, ...facts });
      expect(tableOf(made)).toBe(500);
      expect(ofKind(made, "route")).toMatchObject([{ destination: "0.0.0.0/0", table: 500 }]);
      expect(ofKind(made, "absent-route")).toMatchObject([{ destination: "0.0.0.0/0" }]);
      expect(ofKind(made, "absent-route")[0]).not.toHaveProperty("table");
    }
  });

  test("nor a namespace there is the VRF and its port to look for, and no route", () => {
    const { resources } = plan({}, { routing: undefined, recovering: true });
    expect(resources.map(({ kind }) => kind)).toEqual(["link", "link-settings", "vrf-port"]);
  });
});

test("the plan depends on how the container routes", () => {
  const about = { containerId: "c1", ifname: "eth0", prevResult };
  const config = parseWith(vrf, { vrfname: "red" });
  expect(vrf.routing?.(config, about)).toEqual({ where: "container", name: "eth0" });
  expect(vrf.links(config, about)).toEqual([]);
  expect(vrf.obstacles(config, new Map())).toEqual([]);
});

describe("a wrong field is named with its value", () => {
  const wrong: [fields: Record<string, unknown>, field: string, value: string][] = [
    [{}, "vrfname", "is missing"],
    [{ vrfname: null }, "vrfname", "is missing"],
    [{ vrfname: "" }, "vrfname", '""'],
    [{ vrfname: 7 }, "vrfname", "7"],
    [{ vrfname: "a/b" }, "vrfname", '"a/b"'],
    [{ vrfname: "a name that is too long" }, "vrfname", '"a name that is too long"'],
    [{ vrfname: "red", table: "7" }, "table", '"7"'],
    [{ vrfname: "red", table: -1 }, "table", "-1"],
    [{ vrfname: "red", table: 4294967296 }, "table", "4294967296"],
    [{ vrfname: "red", table: 1.5 }, "table", "1.5"],
  ];
  for (const [fields, field, value] of wrong) {
    test(JSON.stringify(fields), () => {
      const error = configError(() => parseWith(vrf, fields));
      expect(error.field).toBe(field);
      expect(error.message).toContain(value);
    });
  }
});
