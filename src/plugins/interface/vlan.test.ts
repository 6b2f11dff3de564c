import { describe, expect, test } from "bun:test";
import { TryAgainError } from "../../core/errors.ts";
import type { Result } from "../../core/result.ts";
import { configError, links, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { vlan } from "./vlan.ts";

const fields = { master: "up0", vlanId: 5, ipam: { type: "host-local" } };
const ipam: Result = { ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }] };
const facts = { links: links({ "host/up0": {} }), ipam };

describe("the link", () => {
  test("is the VLAN of the host's link and has its MAC", () => {
    const plan = planWith(vlan, { ...fields, mtu: 1400 }, facts);
    expect(ofKind(plan, "link")).toEqual([
      {
        kind: "link",
        where: "container",
        type: "vlan",
        name: "eth0",
        vlan: 5,
        mtu: 1400,
        parent: { where: "host", name: "up0" },
      },
    ]);
    expect(plan.result.interfaces).toEqual([{ name: "eth0", mac: "0a:00:00:00:00:01", sandbox: NETNS }]);
    expect(plan.result.ips).toEqual([{ address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 0 }]);
  });

  test("is VLAN 0 when none is named", () => {
    expect(ofKind(planWith(vlan, { ...fields, vlanId: undefined }, facts), "link")[0]).toMatchObject({ vlan: 0 });
  });

  test("is that of a link of the container", () => {
    const inside = { ...fields, linkInContainer: true };
    const plan = planWith(vlan, inside, { ...facts, links: links({ "container/up0": {} }) });
    expect(ofKind(plan, "link")[0]).toMatchObject({ parent: { where: "container", name: "up0" } });
  });
});

describe("refused is", () => {
  const wrong: readonly (readonly [field: string, value: unknown])[] = [
    ["master", 7],
    ["vlanId", -1],
    ["vlanId", 4095],
    ["vlanId", "5"],
    ["mtu", 67],
    ["linkInContainer", "yes"],
  ];
  test.each(wrong)("%s %p", (field, value) => {
    const error = configError(() => parseWith(vlan, { ...fields, [field]: value }));
    expect(error.field).toBe(field);
    expect(error.message).toContain(JSON.stringify(value));
  });

  test("no master, and no ipam", () => {
    expect(configError(() => parseWith(vlan, { ...fields, master: "" })).message).toContain('"master" is missing');
    expect(configError(() => parseWith(vlan, { ...fields, ipam: undefined })).message).toContain('"ipam" is missing');
  });

  test("a master that is not there, and an MTU above its own", () => {
    expect(configError(() => planWith(vlan, fields, { ipam })).message).toContain('"up0"');
    const error = configError(() => planWith(vlan, { ...fields, mtu: 9000 }, facts));
    expect(error.message).toContain('must not be above 1500, the MTU of master "up0": 9000');
  });
});

test("a master that is down is to be waited for, but not to remove the VLAN", () => {
  const down = { ...facts, links: links({ "host/up0": { up: false } }) };
  expect(() => planWith(vlan, fields, down)).toThrow(TryAgainError);
  expect(() => planWith(vlan, fields, down)).toThrow('master "up0" is down');
  expect(() => planWith(vlan, fields, { ...down, recovering: true })).not.toThrow();
  const obstacles = (found: Record<string, object | undefined>) =>
    vlan.obstacles(parseWith(vlan, fields), links(found));
  expect(obstacles({ "host/up0": {} })).toEqual([]);
  expect(obstacles({ "host/up0": { up: false } })).toEqual(['Master "up0" is down']);
  expect(obstacles({ "host/up0": undefined })[0]).toContain('"up0"');
});
