import { describe, expect, test } from "bun:test";
import type { Result } from "../../core/result.ts";
import { configError, links, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { ipvlan } from "./ipvlan.ts";

const fields = { master: "up0", ipam: { type: "host-local" } };
const ipam: Result = { ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }], routes: [{ dst: "0.0.0.0/0" }] };
const facts = { links: links({ "host/up0": {} }), ipam };
const before: Result = { interfaces: [{ name: "vlan5" }], ips: [{ address: "10.2.0.5/16", interface: 0 }] };

function linkOf(config: object, more: object = {}) {
  return ofKind(planWith(ipvlan, { ...fields, ...config }, { ...facts, ...more }), "link")[0];
}

describe("the link", () => {
  test("is made from the host's and has its MAC", () => {
    const plan = planWith(ipvlan, fields, facts);
    expect(ofKind(plan, "link")).toEqual([
      {
        kind: "link",
        where: "container",
        type: "ipvlan",
        name: "eth0",
        mode: "l2",
        parent: { where: "host", name: "up0" },
      },
    ]);
    expect(plan.result).toEqual({
      interfaces: [{ name: "eth0", mac: "0a:00:00:00:00:01", sandbox: NETNS }],
      ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 0 }],
      routes: [{ dst: "0.0.0.0/0" }],
    });
  });

  test.each(["l2", "l3", "l3s"])("is in mode %s", (mode) => {
    expect(linkOf({ mode })).toMatchObject({ mode });
  });

  test("has the MTU that is asked for", () => {
    expect(linkOf({ mtu: 1400 })).toMatchObject({ mtu: 1400 });
  });

  test("is made from the link of the default route where neither a master nor a result names one", () => {
    expect(linkOf({ master: "" }, { links: links({ "host/default": { name: "eno1" } }) })).toMatchObject({
      parent: { where: "host", name: "eno1" },
    });
  });

  test("is made from the one interface of the plugin before, where no master is named", () => {
    const config = parseWith(ipvlan, { ...fields, master: undefined });
    const about = { containerId: "c1", ifname: "eth0", prevResult: before };
    expect(ipvlan.links(config, about)).toEqual([{ where: "host", name: "vlan5" }]);
    const chained = { prevResult: before, links: links({ "host/vlan5": { name: "vlan5" } }) };
    expect(linkOf({ master: undefined }, chained)).toMatchObject({ parent: { where: "host", name: "vlan5" } });
    // A master that is named counts.
    expect(linkOf({}, { ...chained, links: facts.links })).toMatchObject({ parent: { name: "up0" } });
  });
});

describe("addresses", () => {
  test("without ipam are those of the plugin before", () => {
    const chained = { ...facts, ipam: undefined, prevResult: { ...before, routes: [{ dst: "10.3.0.0/16" }] } };
    const { result } = planWith(ipvlan, { master: "up0" }, chained);
    expect(result).toEqual({
      interfaces: [{ name: "eth0", mac: "0a:00:00:00:00:01", sandbox: NETNS }],
      ips: [{ address: "10.2.0.5/16", interface: 0 }],
      routes: [{ dst: "10.3.0.0/16" }],
    });
  });

  test("of ipam come before those", () => {
    expect(planWith(ipvlan, fields, { ...facts, prevResult: before }).result.ips).toMatchObject([
      { address: "10.1.0.5/16" },
    ]);
  });
});

describe("refused is", () => {
  const wrong: readonly (readonly [field: string, value: unknown])[] = [
    ["master", 7],
    ["linkInContainer", 1],
    ["mode", "l4"],
    ["mtu", "1500"],
    ["mtu", 67],
  ];
  test.each(wrong)("%s %p", (field, value) => {
    const error = configError(() => parseWith(ipvlan, { ...fields, [field]: value }));
    expect(error.field).toBe(field);
    expect(error.message).toContain(JSON.stringify(value));
  });

  test("a master that is not there, and an MTU above its own", () => {
    expect(configError(() => linkOf({}, { links: links({}) })).message).toContain('"up0"');
    expect(configError(() => linkOf({ mtu: 9000 })).message).toContain(
      'must not be above 1500, the MTU of master "up0": 9000',
    );
  });

  test("neither ipam nor addresses of the plugin before, but not when it is about to be removed", () => {
    const bare = { ...facts, ipam: undefined };
    expect(configError(() => planWith(ipvlan, { master: "up0" }, bare)).message).toContain('"ipam" is missing');
    expect(() => planWith(ipvlan, { master: "up0" }, { ...bare, recovering: true })).not.toThrow();
  });

  test("a result of several interfaces in the place of a master, but not of an attachment that is there", () => {
    const prevResult = { interfaces: [{ name: "br0" }, { name: "eth0" }] };
    const error = configError(() => linkOf({ master: "" }, { prevResult }));
    expect(error.message).toContain('"master" is missing');
    expect(error.message).toContain('["br0","eth0"]');
    expect(() => linkOf({ master: "" }, { prevResult, adopted: prevResult })).not.toThrow();
  });
});

test("STATUS says what ADD would, where the plugin before in the chain does not say it", () => {
  const obstacles = (config: object) => ipvlan.obstacles(parseWith(ipvlan, { ...fields, ...config }), links({}));
  expect(obstacles({})[0]).toContain('"up0"');
  expect(obstacles({ master: undefined })[0]).toContain("no default route");
  expect(obstacles({ master: undefined, ipam: undefined })).toEqual([]);
});
