import { describe, expect, test } from "bun:test";
import type { Facts, LinkRoute, RoutingFact } from "../../core/planner.ts";
import type { Result } from "../../core/result.ts";
import { configError, linkFact, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { sbr } from "./sbr.ts";

const KERNEL = 2;
const BOOT = 3;
const MAIN = 254;
const LINK = 253;

const on = (destination: string, preferredSource?: string): LinkRoute => ({
  destination,
  preferredSource,
  table: MAIN,
  scope: destination.includes(":") ? 0 : LINK,
  protocol: KERNEL,
  priority: destination.includes(":") ? 256 : undefined,
});
const via = (destination: string, gateway: string, more: Partial<LinkRoute> = {}): LinkRoute => ({
  destination,
  gateway,
  table: MAIN,
  scope: 0,
  protocol: BOOT,
  priority: destination.includes(":") ? 1024 : undefined,
  ...more,
});

const rules: RoutingFact["rules"] = [
  { family: 4, priority: 0, table: 255, from: undefined },
  { family: 4, priority: 32766, table: 254, from: undefined },
  { family: 4, priority: 32767, table: 253, from: undefined },
  { family: 6, priority: 0, table: 255, from: undefined },
  { family: 6, priority: 32766, table: 254, from: undefined },
];
const routing = (routes: readonly LinkRoute[], more: Partial<RoutingFact> = {}): RoutingFact => ({
  routes,
  rules,
  tables: [253, 254, 255],
  vrfs: new Map(),
  ...more,
});

const resultOf = (...ips: { address: string; gateway?: string }[]): Result => ({
  interfaces: [{ name: "veth0" }, { name: "eth0", sandbox: NETNS }],
  ips: ips.map((ip) => ({ ...ip, interface: 1 })),
});
const one = resultOf({ address: "10.1.0.5/16", gateway: "10.1.0.1" });
const oneRoutes = [via("0.0.0.0/0", "10.1.0.1"), on("10.1.0.0/16", "10.1.0.5")];

const links = new Map([["container/eth0", linkFact()]]);

const plan = (fields: Record<string, unknown>, prevResult: Result, facts: Partial<Facts> = {}) =>
  planWith(sbr, fields, { prevResult, routing: routing(oneRoutes), links, ...facts });

/** Routes as `destination via gateway table`. */
const words = (routes: readonly { destination: string; gateway?: string; table?: number; priority?: number }[]) =>
  routes.map(({ destination, gateway, table }) => `${destination} ${gateway ?? "-"} ${table ?? "main"}`);

describe("one address", () => {
  test("has its routes in a table of its own, a rule, and none in the main table", () => {
    const made = plan({}, one);
    expect(words(ofKind(made, "route"))).toEqual(["10.1.0.0/16 - 100", "0.0.0.0/0 10.1.0.1 100"]);
    expect(ofKind(made, "rule")).toEqual([
      { kind: "rule", where: "container", family: 4, priority: 32765, table: 100, from: "10.1.0.5/32" },
    ]);
    expect(words(ofKind(made, "absent-route"))).toEqual(["0.0.0.0/0 10.1.0.1 main", "10.1.0.0/16 - main"]);
    expect(made.result).toBe(one);
    expect(made.resources.map(({ kind }) => kind)).toEqual(["route", "route", "rule", "absent-route", "absent-route"]);
    expect(JSON.parse(JSON.stringify(made.resources))).toEqual(made.resources);
  });

  test("keeps what else its routes are", () => {
    const [route] = ofKind(
      plan({}, one, {
        routing: routing([
          via("10.9.0.0/16", "10.1.0.7", { priority: 7, mtu: 1300, advmss: 1200, preferredSource: "10.1.0.5" }),
        ]),
      }),
      "route",
    ).filter(({ destination }) => destination === "10.9.0.0/16");
    expect(route).toMatchObject({
      gateway: "10.1.0.7",
      priority: 7,
      mtu: 1300,
      advmss: 1200,
      table: 100,
      protocol: BOOT,
    });
  });

  test("without a gateway has no default route but those that there are", () => {
    const none = resultOf({ address: "10.1.0.5/16" });
    expect(words(ofKind(plan({}, none, { routing: routing([on("10.1.0.0/16", "10.1.0.5")]) }), "route"))).toEqual([
      "10.1.0.0/16 - 100",
    ]);
    expect(words(ofKind(plan({}, none), "route"))).toContain("0.0.0.0/0 10.1.0.1 100");
  });

  test("that is not said to be another interface's is taken", () => {
    expect(ofKind(plan({}, { ips: [{ address: "10.1.0.5/16" }] }), "rule")).toHaveLength(1);
    expect(ofKind(plan({}, { ips: [{ address: "10.1.0.5/16", interface: 9 }] }), "rule")).toHaveLength(1);
  });
});

describe("several addresses", () => {
  const ips = resultOf(
    { address: "10.1.0.5/16", gateway: "10.1.0.1" },
    { address: "10.2.0.5/16", gateway: "10.2.0.1" },
    { address: "fd00::5/64", gateway: "fd00::1" },
  );
  const routes = [
    via("0.0.0.0/0", "10.1.0.1"),
    via("10.9.0.0/16", "10.2.0.7"),
    on("10.1.0.0/16", "10.1.0.5"),
    on("10.2.0.0/16", "10.2.0.5"),
    on("10.8.0.0/16"),
    on("fd00::/64"),
    via("::/0", "fd00::1"),
  ];

  test("have a table each, with those of the routes that can be of use to them", () => {
    const made = plan({}, ips, { routing: routing(routes) });
    const inTable = (table: number) => words(ofKind(made, "route").filter((route) => route.table === table)).sort();
    expect(inTable(100)).toEqual(["0.0.0.0/0 10.1.0.1 100", "10.1.0.0/16 - 100", "10.8.0.0/16 - 100"]);
    expect(inTable(101)).toEqual([
      "0.0.0.0/0 10.2.0.1 101",
      "10.2.0.0/16 - 101",
      "10.8.0.0/16 - 101",
      "10.9.0.0/16 10.2.0.7 101",
    ]);
    expect(inTable(102)).toEqual(["::/0 fd00::1 102", "fd00::/64 - 102"]);
    expect(ofKind(made, "rule").map(({ from, priority, table }) => [from, priority, table])).toEqual([
      ["10.1.0.5/32", 32765, 100],
      ["10.2.0.5/32", 32764, 101],
      ["fd00::5/128", 32765, 102],
    ]);
    expect(ofKind(made, "absent-route")).toHaveLength(routes.length);
  });

  test("leave routes of a family that has none", () => {
    const made = plan({}, one, { routing: routing(routes) });
    expect(words(ofKind(made, "absent-route")).filter((route) => route.includes(":"))).toEqual([]);
    expect(words(ofKind(made, "route")).filter((route) => route.includes(":"))).toEqual([]);
  });
});

describe("tables", () => {
  test("are the first from 100 that nobody names", () => {
    const ips = resultOf({ address: "10.1.0.5/16" }, { address: "10.1.0.6/16" }, { address: "10.1.0.7/16" });
    const tables = [100, 102, 253, 254, 255];
    expect(ofKind(plan({}, ips, { routing: routing([], { tables }) }), "rule").map(({ table }) => table)).toEqual([
      101, 103, 104,
    ]);
  });

  test("one that is configured has rules only", () => {
    const { resources } = plan({ table: 5001 }, one);
    expect(resources).toEqual([
      { kind: "rule", where: "container", family: 4, priority: 32765, table: 5001, from: "10.1.0.5/32" },
    ]);
  });

  test("come before what other rules have been put before the main one", () => {
    const more = [...rules.slice(0, 1), { family: 4, priority: 1000, table: 7, from: "10.9.9.9/32" } as const];
    expect(ofKind(plan({}, one, { routing: routing([], { rules: more }) }), "rule")[0]?.priority).toBe(999);
    expect(ofKind(plan({}, one, { routing: routing([], { rules: [] }) }), "rule")[0]?.priority).toBe(0);
  });
});

describe("gateways that are configured", () => {
  test("go before those of the result and of the routes, each in its family", () => {
    const made = plan({ gateways: ["fd00::9", "10.1.0.9"] }, resultOf({ address: "10.1.0.5/16", gateway: "10.1.0.1" }));
    expect(words(ofKind(made, "route"))).toEqual(["10.1.0.0/16 - 100", "0.0.0.0/0 10.1.0.9 100"]);
    expect(words(ofKind(plan({ gateways: ["fd00::9"] }, one), "route"))).toContain("0.0.0.0/0 10.1.0.1 100");
  });

  test("leave a default route of another priority", () => {
    const routes = [via("0.0.0.0/0", "10.1.0.1", { priority: 50 })];
    expect(words(ofKind(plan({ gateways: ["10.1.0.9"] }, one, { routing: routing(routes) }), "route"))).toEqual([
      "0.0.0.0/0 10.1.0.1 100",
      "0.0.0.0/0 10.1.0.9 100",
    ]);
  });
});

describe("source hints", () => {
  const hints = { addSourceHints: true };

  test("keep the way to the address's own network where it is from the address already", () => {
    const made = plan(hints, one);
    expect(words(ofKind(made, "absent-route"))).toEqual(["0.0.0.0/0 10.1.0.1 main"]);
    expect(words(ofKind(made, "route"))).toEqual(["10.1.0.0/16 - 100", "0.0.0.0/0 10.1.0.1 100"]);
  });

  test("take the place of one that is not, and of the kernel's IPv6 route", () => {
    const ips = resultOf({ address: "10.1.0.5/16" }, { address: "fd00::5/64" });
    const routes = [on("10.1.0.0/16", "10.1.0.4"), on("10.8.0.0/16"), on("fd00::/64")];
    const made = plan(hints, ips, { routing: routing(routes) });
    const inMain = ofKind(made, "route").filter(({ table }) => table === undefined);
    expect(inMain.map(({ destination, preferredSource }) => [destination, preferredSource])).toEqual([
      ["10.1.0.0/16", "10.1.0.5"],
      ["fd00::/64", "fd00::5"],
    ]);
    expect(words(ofKind(made, "absent-route"))).toEqual(["10.1.0.0/16 - main", "fd00::/64 - main"]);
  });
});

describe("without a record", () => {
  const found = routing([...oneRoutes.map((route) => ({ ...route, table: 100 }))], {
    rules: [...rules.slice(0, 1), { family: 4, priority: 32765, table: 100, from: "10.1.0.5/32" }, ...rules.slice(1)],
  });
  const present = new Map([["container/eth0", linkFact({ addresses: ["10.1.0.5/16", "fe80::1/64"] })]]);

  test("the rules of the interface's addresses are those, and the tables that they name", () => {
    for (const facts of [
      { adopted: one, prevResult: one },
      { recovering: true, prevResult: undefined },
    ]) {
      const { resources } = planWith(sbr, {}, { routing: found, links: present, ...facts });
      expect(resources).toMatchObject([
        { kind: "route", destination: "0.0.0.0/0", table: 100 },
        { kind: "route", destination: "10.1.0.0/16", table: 100 },
        { kind: "rule", priority: 32765, table: 100, from: "10.1.0.5/32" },
      ]);
    }
  });

  test("a rule that is not there is one that CHECK misses", () => {
    const { resources } = planWith(sbr, {}, { routing: routing([]), links: present, adopted: one, prevResult: one });
    expect(resources).toMatchObject([{ kind: "rule", from: "10.1.0.5/32", table: 100 }]);
    expect(planWith(sbr, {}, { routing: routing([]), links: present, recovering: true }).resources).toEqual([]);
  });

  test("a table that is configured keeps its routes", () => {
    const { resources } = planWith(sbr, { table: 100 }, { routing: found, links: present, recovering: true });
    expect(resources.map(({ kind }) => kind)).toEqual(["rule"]);
  });

  test("nor a namespace there is nothing", () => {
    expect(planWith(sbr, {}, { recovering: true, routing: undefined }).resources).toEqual([]);
  });
});

test("before the interface is there its routes are those of the result and of its addresses", () => {
  const prevResult: Result = {
    ...resultOf({ address: "10.1.0.5/16", gateway: "10.1.0.1" }, { address: "fd00::5/64" }, { address: "10.3.0.5/32" }),
    routes: [{ dst: "0.0.0.0/0" }, { dst: "10.9.0.0/16", gw: "10.1.0.7" }, { dst: "fd09::/64" }],
  };
  const made = planWith(sbr, {}, { prevResult, routing: routing([]) });
  expect(words(ofKind(made, "absent-route")).sort()).toEqual([
    "0.0.0.0/0 10.1.0.1 main",
    "10.1.0.0/16 - main",
    "10.9.0.0/16 10.1.0.7 main",
    "fd00::/64 - main",
    "fd09::/64 - main",
  ]);
});

describe("what the plan depends on", () => {
  test("is the interface, and how its namespace routes", () => {
    const about = { containerId: "c1", ifname: "eth0", prevResult: one };
    expect(sbr.links(parseWith(sbr, {}), about)).toEqual([{ where: "container", name: "eth0", addresses: true }]);
    expect(sbr.routing?.(parseWith(sbr, {}), about)).toEqual({ where: "container", name: "eth0" });
    expect(sbr.links(parseWith(sbr, {}), { ...about, ifname: undefined })).toEqual([]);
    expect(sbr.obstacles(parseWith(sbr, {}), new Map())).toEqual([]);
  });
});

describe("a wrong field is named with its value", () => {
  const wrong: [fields: Record<string, unknown>, field: string, value: string][] = [
    [{ table: "100" }, "table", '"100"'],
    [{ table: 0 }, "table", "0"],
    [{ table: -1 }, "table", "-1"],
    [{ table: 4294967296 }, "table", "4294967296"],
    [{ gateways: "10.1.0.1" }, "gateways", '"10.1.0.1"'],
    [{ gateways: ["x"] }, "gateways[0]", '"x"'],
    [{ gateways: ["10.1.0.1", "10.1.0.2"] }, "gateways[1]", '"10.1.0.2"'],
    [{ gateways: ["fd00::1", "10.1.0.1", "fd00::2"] }, "gateways[2]", '"fd00::2"'],
    [{ addSourceHints: "yes" }, "addSourceHints", '"yes"'],
  ];
  for (const [fields, field, value] of wrong) {
    test(JSON.stringify(fields), () => {
      const error = configError(() => parseWith(sbr, fields));
      expect(error.field).toBe(field);
      expect(error.message).toContain(value);
    });
  }

  test("a result without an address of the interface", () => {
    const other: Result = { interfaces: [{ name: "net1" }], ips: [{ address: "10.1.0.5/16", interface: 0 }] };
    for (const result of [{}, { ips: [] }, other]) {
      expect(configError(() => plan({}, result)).field).toBe("prevResult");
    }
  });
});
