import { describe, expect, test } from "bun:test";
import type { Result } from "../../core/result.ts";
import { configError, linkFact, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { tap } from "./tap.ts";

const a = "02:00:00:00:00:0a";
const b = "02:00:00:00:00:0b";
const c = "02:00:00:00:00:0c";
const ipv4: Result = { ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }], routes: [{ dst: "0.0.0.0/0" }] };

test("without fields the device has one queue and a MAC of the attachment's", () => {
  const plan = planWith(tap, {});
  const [link] = ofKind(plan, "link");
  expect(link).toEqual({
    kind: "link",
    type: "tun",
    where: "container",
    name: "eth0",
    mac: expect.stringMatching(/^.[26ae]:/),
    multiQueue: false,
  });
  expect(plan.resources.slice(1)).toEqual([
    { kind: "link-settings", where: "container", link: "eth0", set: { up: true } },
  ]);
  expect(plan.result).toEqual({ interfaces: [{ name: "eth0", mac: link?.mac as string, sandbox: NETNS }] });
  expect(planWith(tap, {})).toEqual(plan);
});

test("each field has its place", () => {
  const fields = {
    multiQueue: true,
    mtu: 1400,
    mac: a,
    owner: 1000,
    group: 0,
    selinuxContext: "system_u:system_r:container_t:s0:c1,c2",
    bridge: "br0",
  };
  const [link] = ofKind(planWith(tap, fields, { links: new Map([["container/br0", linkFact()]]) }), "link");
  const { bridge, ...same } = fields;
  expect(link).toEqual({ kind: "link", type: "tun", where: "container", name: "eth0", ...same, master: bridge });
  expect(planWith(tap, { mtu: 0, mac: "", selinuxContext: "", bridge: "", owner: null })).toEqual(planWith(tap, {}));
});

test("the addresses and routes of the IPAM plugin are the device's", () => {
  const plan = planWith(tap, { ipam: { type: "host-local" } }, { ipam: ipv4 });
  expect(plan.result).toMatchObject({
    ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 0 }],
    routes: [{ dst: "0.0.0.0/0" }],
  });
  expect(ofKind(plan, "address")).toMatchObject([{ where: "container", link: "eth0", address: "10.1.0.5/16" }]);
  expect(ofKind(plan, "route")).toMatchObject([{ destination: "0.0.0.0/0", gateway: "10.1.0.1" }]);
  expect(ofKind(plan, "sysctl")).toMatchObject([{ name: "net/ipv4/conf/eth0/arp_notify", value: "1" }]);
});

test("the MAC of runtimeConfig comes before the one of CNI_ARGS, and that before the field's", () => {
  const macOf = (fields: Record<string, unknown>, args?: Record<string, string>) =>
    ofKind(planWith(tap, fields, {}, args), "link")[0]?.mac;
  expect(macOf({ mac: c, runtimeConfig: { mac: a } }, { MAC: b })).toBe(a);
  expect(macOf({ mac: c, runtimeConfig: { mac: "" } }, { MAC: b })).toBe(b);
  expect(macOf({ mac: c }, { MAC: "" })).toBe(c);
});

test("after another vendor's ADD the device has the MAC that its result says", () => {
  const adopted: Result = { interfaces: [{ name: "eth0", mac: b, sandbox: NETNS }] };
  expect(ofKind(planWith(tap, { bridge: "br0" }, { adopted }), "link")[0]).toMatchObject({ mac: b, master: "br0" });
});

describe("the bridge", () => {
  const about = { containerId: "c1", ifname: "eth0", prevResult: undefined };

  test("is looked for in the container, and must be there for ADD", () => {
    expect(tap.links(parseWith(tap, { bridge: "br0" }), about)).toEqual([{ where: "container", name: "br0" }]);
    expect(tap.links(parseWith(tap, {}), about)).toEqual([]);
    const error = configError(() => planWith(tap, { bridge: "br0" }));
    expect(error.field).toBe("bridge");
    expect(error.message).toContain('"br0"');
    expect(planWith(tap, { bridge: "br0" }, { recovering: true }).resources).toHaveLength(2);
  });

  test("is nothing that STATUS could look for", () => {
    const status = { containerId: undefined, ifname: undefined, prevResult: undefined };
    expect(tap.links(parseWith(tap, { bridge: "br0" }), status)).toEqual([]);
    expect(tap.obstacles(parseWith(tap, {}), new Map())).toEqual([]);
  });
});

describe("a wrong field is named with its value", () => {
  const wrong: [fields: Record<string, unknown>, field: string, value: string][] = [
    [{ multiQueue: "yes" }, "multiQueue", '"yes"'],
    [{ mtu: "1500" }, "mtu", '"1500"'],
    [{ mtu: 67 }, "mtu", "67"],
    [{ mtu: 65536 }, "mtu", "65536"],
    [{ mac: 7 }, "mac", "7"],
    [{ mac: "zz" }, "mac", '"zz"'],
    [{ mac: "01:00:5e:00:00:01" }, "mac", '"01:00:5e:00:00:01"'],
    [{ owner: "root" }, "owner", '"root"'],
    [{ owner: -1 }, "owner", "-1"],
    [{ owner: 4294967295 }, "owner", "4294967295"],
    [{ group: 1.5 }, "group", "1.5"],
    [{ selinuxContext: 7 }, "selinuxContext", "7"],
    [{ selinuxContext: "a b" }, "selinuxContext", '"a b"'],
    [{ selinuxContext: "a\nb" }, "selinuxContext", '"a\\nb"'],
    [{ bridge: 7 }, "bridge", "7"],
    [{ bridge: "a/b" }, "bridge", '"a/b"'],
    [{ runtimeConfig: "x" }, "runtimeConfig", '"x"'],
    [{ runtimeConfig: { mac: "zz" } }, "runtimeConfig.mac", '"zz"'],
  ];
  for (const [fields, field, value] of wrong) {
    test(JSON.stringify(fields), () => {
      const error = configError(() => parseWith(tap, fields));
      expect(error.field).toBe(field);
      expect(error.message).toContain(value);
    });
  }

  test("a MAC of CNI_ARGS", () => {
    expect(configError(() => parseWith(tap, {}, { MAC: "zz" })).field).toBe("CNI_ARGS MAC");
  });
});
