import { describe, expect, test } from "bun:test";
import { ConfigError } from "../../core/errors.ts";
import type { Facts, LinkFact } from "../../core/planner.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import type { Result } from "../../core/result.ts";
import { tuning } from "./tuning.ts";

const key = { network: "net", containerId: "c1", ifname: "eth0" };
const netns = "/run/netns/c1";
const link: LinkFact = {
  name: "eth0",
  mac: "02:00:00:00:00:01",
  mtu: 1500,
  up: true,
  promisc: false,
  allmulticast: false,
  txQueueLength: 1000,
  kind: "veth",
  addresses: [],
};
const prevResult: Result = {
  interfaces: [
    { name: "eth0", mac: "02:00:00:00:00:02" },
    { name: "eth0", mac: link.mac, sandbox: netns, mtu: 1500 },
  ],
  ips: [{ address: "10.1.0.5/16", interface: 1 }],
};

const parse = (fields: Record<string, unknown>) =>
  tuning.parse({ cniVersion: "1.1.0", name: "net", type: "tuning", ...fields } as NetworkConfig, new Map());

function plan(fields: Record<string, unknown>, facts: Partial<Facts> = {}) {
  return tuning.plan(parse(fields), {
    key,
    netns,
    bootId: "boot",
    ipam: undefined,
    prevResult,
    adopted: undefined,
    recovering: false,
    links: new Map([["container/eth0", link]]),
    sysctls: new Map(),
    files: new Map(),
    ...facts,
  });
}

const all = { mac: "02:00:00:00:00:09", promisc: true, mtu: 1400, allmulti: true, txQLen: 77 };
const container = { where: "container" } as const;
const settings = { ...container, kind: "link-settings", link: "eth0" } as const;

test("without fields nothing is made, and the result is the one before", () => {
  expect(plan({})).toEqual({ resources: [], result: prevResult });
});

test("each setting is a resource that knows what to give back", () => {
  const { resources } = plan(all);
  expect(resources).toEqual([
    { ...settings, set: { mac: all.mac }, restore: { mac: link.mac } },
    { ...settings, set: { promisc: true }, restore: { promisc: false } },
    { ...settings, set: { mtu: 1400 }, restore: { mtu: 1500 } },
    { ...settings, set: { allmulticast: true }, restore: { allmulticast: false } },
    { ...settings, set: { txQueueLength: 77 }, restore: { txQueueLength: 1000 } },
  ]);
  expect(plan({ allmulti: false, txQLen: 0 }).resources).toEqual([
    { ...settings, set: { allmulticast: false }, restore: { allmulticast: false } },
    { ...settings, set: { txQueueLength: 0 }, restore: { txQueueLength: 1000 } },
  ]);
});

test("parameters give back what they were; those of the interface are known as its own", () => {
  const sysctls = new Map([
    ["container/net/ipv4/conf/eth0/arp_filter", "0"],
    ["container/net/core/somaxconn", "4096"],
  ]);
  const { resources } = plan(
    { sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1", "net.core.somaxconn": "500", "net.x": "1" } },
    { sysctls },
  );
  const sysctl = { ...container, kind: "sysctl" } as const;
  expect(resources).toEqual([
    { ...sysctl, name: "net/ipv4/conf/eth0/arp_filter", value: "1", link: "eth0", restore: "0" },
    { ...sysctl, name: "net/core/somaxconn", value: "500", restore: "4096" },
    { ...sysctl, name: "net/x", value: "1" },
  ]);
});

test("a plan is JSON: what the record gives back is the same", () => {
  const { resources } = plan({ ...all, sysctl: { "net.core.somaxconn": "500" } });
  expect(JSON.parse(JSON.stringify(resources))).toEqual(resources);
});

describe("the result", () => {
  test("has the container's interface with its new MAC and MTU, and all else as before", () => {
    expect(plan(all).result).toEqual({
      interfaces: [
        { name: "eth0", mac: "02:00:00:00:00:02" },
        { name: "eth0", mac: all.mac, sandbox: netns, mtu: 1400 },
      ],
      ips: prevResult.ips as NonNullable<Result["ips"]>,
    });
  });

  test("has what is not changed as it was", () => {
    const interfaceOf = (fields: Record<string, unknown>) => plan(fields).result.interfaces?.[1];
    expect(interfaceOf({ mac: all.mac })).toMatchObject({ mac: all.mac, mtu: 1500 });
    expect(interfaceOf({ mtu: 1400 })).toMatchObject({ mac: link.mac, mtu: 1400 });
    expect(plan({ promisc: true }).result).toBe(prevResult);
  });

  test("of a version without interfaces stays as it is", () => {
    const old: Result = { ips: [{ address: "10.1.0.5/16" }] };
    expect(plan(all, { prevResult: old }).result).toEqual(old);
  });
});

describe("what the plan depends on", () => {
  const about = { containerId: "c1", ifname: "eth0", prevResult };

  test("is asked only where it is needed", () => {
    expect(tuning.links(parse({}), about)).toEqual([]);
    expect(tuning.links(parse({ mtu: 1400 }), about)).toEqual([{ where: "container", name: "eth0" }]);
    expect(tuning.sysctls?.(parse({ sysctl: { "net.ipv4.conf.IFNAME.x": "1" } }), about)).toEqual([
      { where: "container", name: "net/ipv4/conf/eth0/x" },
    ]);
    expect(tuning.files?.(parse({ dataDir: "/d" }), about)).toEqual(["/d/c1_eth0.json"]);
    expect(tuning.files?.(parse({ sysctl: { "net.x": "1" } }), about)).toEqual([
      "/etc/cni/tuning/allowlist.conf",
      "/run/cni/tuning/c1_eth0.json",
    ]);
  });

  test("is nothing for STATUS", () => {
    const status = { containerId: undefined, ifname: undefined, prevResult: undefined };
    const config = parse({ ...all, sysctl: { "net.x": "1" } });
    expect(tuning.links(config, status)).toEqual([]);
    expect(tuning.sysctls?.(config, status)).toEqual([]);
    expect(tuning.obstacles(config, new Map())).toEqual([]);
  });
});

describe("the allow list", () => {
  const sysctl = { "net.ipv4.conf.IFNAME.arp_filter": "1", "net.core.somaxconn": "500" };
  const withList = (list: string, more: Partial<Facts> = {}) =>
    plan({ sysctl }, { files: new Map([["/etc/cni/tuning/allowlist.conf", list]]), ...more });

  test("lets pass what one of its lines matches, as it is configured", () => {
    expect(withList("  ^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$  \n\nsomaxconn\n").resources).toHaveLength(2);
  });

  test("refuses what none of its lines matches, and an empty one all", () => {
    for (const list of ["^net.ipv4.conf.IFNAME.[a-z_]*$", ""]) {
      expect(() => withList(list)).toThrow(ConfigError);
    }
    expect(() => withList("^net.ipv4.conf.IFNAME.[a-z_]*$")).toThrow(/"sysctl".*allowlist.conf.*"net.core.somaxconn"/);
  });

  test("with a line that is no regular expression is an error, as is one that only the reference plugin could read", () => {
    for (const line of ["net.[", "\\Qnet\\E", "[[:alpha:]]"]) {
      expect(() => withList(`net\n${line}`)).toThrow(JSON.stringify(line));
    }
  });

  test("is for ADD alone: what is there is checked and removed", () => {
    expect(withList("", { adopted: prevResult }).resources).toHaveLength(2);
    expect(withList("", { recovering: true, prevResult: undefined }).result).toEqual({});
  });
});

describe("after another vendor's ADD, or without a record", () => {
  const of = (text: string) => ({ adopted: prevResult, files: new Map([["/run/cni/tuning/c1_eth0.json", text]]) });

  test("what the interface has now is not what is given back", () => {
    for (const facts of [{ adopted: prevResult }, { recovering: true }]) {
      expect(plan({ mtu: 1400 }, facts).resources).toEqual([{ ...settings, set: { mtu: 1400 } }]);
    }
  });

  test("the reference plugin's file says what is given back, whatever the configuration has by now", () => {
    const file = '{"mac": "02:00:00:00:00:01", "promisc": false, "mtu": 1500, "allmulti": false, "txQLen": 1000}';
    expect(plan({ mtu: 1400 }, of(file)).resources).toEqual([
      { ...settings, set: {}, restore: { mac: link.mac } },
      { ...settings, set: {}, restore: { promisc: false } },
      { ...settings, set: { mtu: 1400 }, restore: { mtu: 1500 } },
      { ...settings, set: {}, restore: { allmulticast: false } },
      { ...settings, set: {}, restore: { txQueueLength: 1000 } },
    ]);
  });

  test("a file that cannot be read is as none", () => {
    for (const file of ["", "{", "[]", '{"mtu": "x"}']) {
      expect(plan({ mtu: 1400 }, of(file)).resources).toEqual([{ ...settings, set: { mtu: 1400 } }]);
    }
  });
});
