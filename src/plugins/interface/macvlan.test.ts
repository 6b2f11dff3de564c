import { describe, expect, test } from "bun:test";
import { attachmentMac } from "../../core/names.ts";
import type { Result } from "../../core/result.ts";
import { configError, KEY, links, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { macvlan } from "./macvlan.ts";

const fields = { master: "up0" };
const facts = { links: links({ "host/up0": {} }) };
const withIpam = { ...fields, ipam: { type: "host-local" } };
const dual: Result = {
  ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }, { address: "fd00::5/64" }],
  routes: [{ dst: "0.0.0.0/0" }],
};
const MAC = "02:00:5e:00:53:01";

function linkOf(config: object, more: object = {}, args: Record<string, string> = {}) {
  return ofKind(planWith(macvlan, { ...fields, ...config }, { ...facts, ...more }, args), "link")[0];
}

describe("the link", () => {
  test("is made from the host's, with a MAC of the attachment's", () => {
    expect(linkOf({})).toEqual({
      kind: "link",
      where: "container",
      type: "macvlan",
      name: "eth0",
      mac: attachmentMac("container", KEY),
      mode: "bridge",
      parent: { where: "host", name: "up0" },
    });
  });

  test.each(["bridge", "private", "vepa", "passthru"])("is in mode %s", (mode) => {
    expect(linkOf({ mode })).toMatchObject({ mode });
  });

  test("is in mode bridge when the mode is empty", () => {
    expect(linkOf({ mode: "" })).toMatchObject({ mode: "bridge" });
    expect(linkOf({ mode: null })).toMatchObject({ mode: "bridge" });
  });

  test("has the master's MAC in mode passthru, and the result says so", () => {
    expect(linkOf({ mode: "passthru" })).not.toMatchObject({ mac: expect.any(String) });
    const plan = planWith(macvlan, { ...fields, mode: "passthru" }, facts);
    expect(plan.result.interfaces).toEqual([{ name: "eth0", mac: "0a:00:00:00:00:01", sandbox: NETNS }]);
    expect(linkOf({ mode: "passthru", mac: MAC })).toMatchObject({ mac: MAC });
  });

  test("has the MAC that is asked for, by runtimeConfig before args before CNI_ARGS before the field", () => {
    const other = "02:00:5e:00:53:99";
    expect(linkOf({ mac: MAC })).toMatchObject({ mac: MAC });
    expect(linkOf({ mac: other }, {}, { MAC })).toMatchObject({ mac: MAC });
    expect(linkOf({ mac: other, args: { cni: { mac: MAC } } }, {}, { MAC: other })).toMatchObject({ mac: MAC });
    const all = { mac: other, args: { cni: { mac: other } }, runtimeConfig: { mac: MAC } };
    expect(linkOf(all, {}, { MAC: other })).toMatchObject({ mac: MAC });
    expect(linkOf({ mac: "", runtimeConfig: { mac: "" } })).toMatchObject({ mac: attachmentMac("container", KEY) });
  });

  test("has the MTU and the queue length that are asked for, and with 0 those of the kernel", () => {
    expect(linkOf({ mtu: 1400, bcqueuelen: 500 })).toMatchObject({ mtu: 1400, broadcastQueueLength: 500 });
    const left = linkOf({ mtu: 0, bcqueuelen: 0 }) as object;
    expect(Object.values({ ...left, kind: 0 })).not.toContain(500);
    expect(left).toMatchObject({ mtu: undefined, broadcastQueueLength: undefined });
  });

  test("is made from the link of the default route where no master is named", () => {
    const found = links({ "host/default": { name: "eno1" } });
    for (const master of [undefined, null, ""]) {
      expect(linkOf({ master }, { links: found })).toMatchObject({ parent: { where: "host", name: "eno1" } });
    }
  });

  test("is made from a link of the container", () => {
    const found = links({ "container/up0": {}, "container/default": { name: "net0" } });
    const inside = { linkInContainer: true };
    expect(linkOf(inside, { links: found })).toMatchObject({ parent: { where: "container", name: "up0" } });
    expect(linkOf({ ...inside, master: "" }, { links: found })).toMatchObject({
      parent: { where: "container", name: "net0" },
    });
    expect(macvlan.links(parseWith(macvlan, { ...fields, ...inside }), ABOUT)).toEqual([
      { where: "container", name: "up0" },
    ]);
  });

  test("of another vendor's ADD has the MAC of its result, and no master needs to be there", () => {
    const adopted: Result = { interfaces: [{ name: "eth0", mac: MAC, sandbox: NETNS }] };
    expect(linkOf({}, { adopted, links: links({}) })).toMatchObject({ mac: MAC, parent: { name: "up0" } });
    expect(linkOf({ master: "" }, { recovering: true, links: links({}) })).toMatchObject({ parent: undefined });
  });
});

const ABOUT = { containerId: "c1", ifname: "eth0", prevResult: undefined };

describe("the container", () => {
  test("gets addresses and routes, announces them, and the result says them", () => {
    const plan = planWith(macvlan, withIpam, { ...facts, ipam: dual });
    expect(ofKind(plan, "address").map(({ address }) => address)).toEqual(["10.1.0.5/16", "fd00::5/64"]);
    expect(ofKind(plan, "route")).toMatchObject([{ destination: "0.0.0.0/0", gateway: "10.1.0.1" }]);
    expect(ofKind(plan, "sysctl").map(({ name, value }) => `${name}=${value}`)).toEqual([
      "net/ipv4/conf/eth0/arp_notify=1",
      "net/ipv6/conf/lo/disable_ipv6=0",
      "net/ipv6/conf/eth0/disable_ipv6=0",
      "net/ipv6/conf/eth0/keep_addr_on_down=1",
      "net/ipv6/conf/eth0/ndisc_notify=1",
    ]);
    expect(plan.result).toEqual({
      interfaces: [{ name: "eth0", mac: attachmentMac("container", KEY), sandbox: NETNS }],
      ips: [
        { address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 0 },
        { address: "fd00::5/64", interface: 0 },
      ],
      routes: [{ dst: "0.0.0.0/0" }],
    });
  });

  test("that another vendor's plugin has attached is to have no more than that makes", () => {
    const adopted: Result = { interfaces: [{ name: "eth0", mac: MAC, sandbox: NETNS }] };
    const plan = planWith(macvlan, withIpam, { ...facts, ipam: dual, adopted });
    expect(ofKind(plan, "sysctl").filter(({ name }) => name.endsWith("_notify"))).toEqual([]);
    expect(ofKind(plan, "address").map(({ duplicateDetection }) => duplicateDetection)).toEqual([true, true]);
  });

  test("without ipam gets an interface that is up, and no more", () => {
    const { resources, result } = planWith(macvlan, fields, facts);
    expect(resources.map(({ kind }) => kind)).toEqual(["link", "link-settings"]);
    expect(result.ips).toBeUndefined();
    expect(result.routes).toBeUndefined();
  });
});

describe("refused is", () => {
  const wrong: readonly (readonly [field: string, value: unknown])[] = [
    ["master", 7],
    ["master", "a/b"],
    ["master", "a name longer than the kernel's"],
    ["linkInContainer", "yes"],
    ["mode", "bridged"],
    ["mode", 7],
    ["mtu", "1500"],
    ["mtu", -1],
    ["mtu", 67],
    ["mac", "zz"],
    ["mac", "01:00:5e:00:00:01"],
    ["bcqueuelen", -1],
    ["bcqueuelen", "5"],
    ["bcqueuelen", 4294967296],
  ];
  test.each(wrong)("%s %p", (field, value) => {
    const error = configError(() => parseWith(macvlan, { ...fields, [field]: value }));
    expect(error.field).toBe(field);
    expect(error.message).toContain(JSON.stringify(value));
  });

  test("a MAC of CNI_ARGS that is none", () => {
    expect(configError(() => parseWith(macvlan, fields, { MAC: "zz" })).message).toContain('"CNI_ARGS MAC"');
  });

  test("a master that is not there", () => {
    const error = configError(() => linkOf({}, { links: links({ "host/up0": undefined }) }));
    expect(error.message).toContain('"master" must name a link, and there is none of this name in the host: "up0"');
  });

  test("no master where there is no default route", () => {
    const error = configError(() => linkOf({ master: "" }, { links: links({ "host/default": undefined }) }));
    expect(error.message).toContain('"master" is missing, and the host has no default route');
  });

  test("an MTU above the master's", () => {
    const error = configError(() => linkOf({ mtu: 1501 }));
    expect(error.message).toContain('"mtu" must not be above 1500, the MTU of master "up0": 1501');
    expect(() => linkOf({ mtu: 1500 })).not.toThrow();
  });
});

describe("STATUS", () => {
  test("says what ADD would", () => {
    const obstacles = (config: object, found: Record<string, object | undefined>) =>
      macvlan.obstacles(parseWith(macvlan, { ...fields, ...config }), links(found));
    expect(obstacles({}, { "host/up0": {} })).toEqual([]);
    expect(obstacles({}, { "host/up0": undefined })[0]).toContain('"up0"');
    expect(obstacles({ mtu: 1600 }, { "host/up0": {} })[0]).toContain("1600");
    expect(obstacles({ linkInContainer: true }, {})).toEqual([]);
  });
});
