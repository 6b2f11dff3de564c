import { describe, expect, test } from "bun:test";
import type { Resource } from "../../core/plan.ts";
import type { Facts, LinkFact } from "../../core/planner.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import type { Result } from "../../core/result.ts";
import { bridge } from "./bridge.ts";

const key = { network: "net", containerId: "c1", ifname: "eth0" };
const netns = "/run/netns/c1";

function plan(fields: Record<string, unknown>, facts: Partial<Facts> = {}) {
  const config = { cniVersion: "1.1.0", name: "net", type: "bridge", ...fields } as NetworkConfig;
  const known: Facts = {
    key,
    netns,
    bootId: "boot",
    ipam: undefined,
    prevResult: undefined,
    adopted: undefined,
    recovering: false,
    links: new Map(),
    sysctls: new Map(),
    ...facts,
  };
  return bridge.plan(bridge.parse(config, new Map()), known);
}

const withIpam = { ipam: { type: "host-local" } };
const ipv4: Result = { ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }], routes: [{ dst: "0.0.0.0/0" }] };
const dual: Result = { ips: [...(ipv4.ips ?? []), { address: "fd00::5/64", gateway: "fd00::1" }] };

function ofKind<K extends Resource["kind"]>(resources: readonly Resource[], kind: K): Extract<Resource, { kind: K }>[] {
  return resources.filter((resource) => resource.kind === kind) as Extract<Resource, { kind: K }>[];
}

describe("a plan is complete before anything is touched", () => {
  test("names and MACs are chosen, and the result says them", () => {
    const { resources, result } = plan(withIpam, { ipam: ipv4 });
    const [made, veth] = ofKind(resources, "link");
    expect(made).toMatchObject({ type: "bridge", name: "cni0", shared: true });
    expect(veth?.name).toMatch(/^veth[a-z2-7]{11}$/);
    if (made?.type !== "bridge" || veth?.type !== "veth") throw new Error("no links");
    expect(result.interfaces).toEqual([
      { name: "cni0", mac: made.mac },
      { name: veth.name, mac: veth.mac },
      { name: "eth0", mac: veth.peer.mac, sandbox: netns },
    ]);
  });

  test("is the same each time, and another one for another container", () => {
    const again = plan(withIpam, { ipam: ipv4 });
    expect(plan(withIpam, { ipam: ipv4 })).toEqual(again);
    const other = plan(withIpam, { ipam: ipv4, key: { ...key, containerId: "c2" } });
    expect(ofKind(other.resources, "link")[1]?.name).not.toBe(ofKind(again.resources, "link")[1]?.name);
  });

  test("is JSON: what the record gives back is the same plan", () => {
    const { resources } = plan(
      { ...withIpam, isDefaultGateway: true, ipMasq: true, macspoofchk: true },
      { ipam: dual },
    );
    expect(JSON.parse(JSON.stringify(resources))).toEqual(JSON.parse(JSON.stringify([...resources])));
    expect(plan({ ...withIpam }, { ipam: ipv4 }).resources).toEqual(
      JSON.parse(JSON.stringify(plan({ ...withIpam }, { ipam: ipv4 }).resources)),
    );
  });

  test("the MAC of a bridge that is there is the one in the result", () => {
    const fact: LinkFact = {
      name: "cni0",
      mac: "0a:00:00:00:00:01",
      mtu: 1500,
      up: true,
      promisc: false,
      allmulticast: false,
      txQueueLength: 1000,
      kind: "bridge",
      addresses: [],
    };
    const { result } = plan(withIpam, { ipam: ipv4, links: new Map([["host/cni0", fact]]) });
    expect(result.interfaces?.[0]?.mac).toBe("0a:00:00:00:00:01");
  });
});

describe("gateways", () => {
  test("without isGateway the bridge has no address and nothing forwards", () => {
    const { resources, result } = plan(withIpam, { ipam: { ips: [{ address: "10.1.0.5/16" }] } });
    expect(ofKind(resources, "address").filter(({ where }) => where === "host")).toEqual([]);
    expect(ofKind(resources, "sysctl").map(({ name }) => name)).not.toContain("net/ipv4/ip_forward");
    expect(result.ips).toEqual([{ address: "10.1.0.5/16", interface: 2 }]);
  });

  test("an address without a gateway gets the first of its network", () => {
    const { resources, result } = plan(
      { ...withIpam, isGateway: true },
      { ipam: { ips: [{ address: "10.1.0.5/16" }] } },
    );
    expect(result.ips).toEqual([{ address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 2 }]);
    expect(ofKind(resources, "address")[0]).toMatchObject({ where: "host", address: "10.1.0.1/16", others: "refuse" });
  });

  test("isDefaultGateway adds a default route in each family that has none by a gateway", () => {
    const { result } = plan({ ...withIpam, isDefaultGateway: true }, { ipam: dual });
    expect(result.routes).toEqual([
      { dst: "0.0.0.0/0", gw: "10.1.0.1" },
      { dst: "::/0", gw: "fd00::1" },
    ]);
    const given = { ...ipv4, routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.9" }] };
    expect(plan({ ...withIpam, isDefaultGateway: true }, { ipam: given }).result.routes).toEqual(given.routes);
  });

  test("forceAddress replaces another address of the bridge", () => {
    const { resources } = plan({ ...withIpam, isGateway: true, forceAddress: true }, { ipam: ipv4 });
    expect(ofKind(resources, "address")[0]?.others).toBe("replace");
  });
});

describe("inside the container", () => {
  test("a route without a gateway takes the address's", () => {
    const { resources } = plan(withIpam, { ipam: ipv4 });
    expect(ofKind(resources, "route")).toEqual([
      { kind: "route", where: "container", link: "eth0", destination: "0.0.0.0/0", gateway: "10.1.0.1" },
    ]);
  });

  test("IPv6 addresses come up without duplicate detection unless it is asked for", () => {
    const sysctls = (fields: object) =>
      Object.fromEntries(
        ofKind(plan({ ...withIpam, ...fields }, { ipam: dual }).resources, "sysctl").map(({ name, value }) => [
          name,
          value,
        ]),
      );
    expect(sysctls({})).toMatchObject({ "net/ipv6/conf/eth0/accept_dad": "0" });
    expect(sysctls({ enabledad: true })).toMatchObject({
      "net/ipv6/conf/eth0/accept_dad": "1",
      "net/ipv6/conf/eth0/enhanced_dad": "1",
    });
  });

  test("addresses are set before the interface comes up, and routes after", () => {
    const { resources } = plan(withIpam, { ipam: ipv4 });
    const at = (test: (resource: Resource) => boolean) => resources.findIndex(test);
    const address = at((r) => r.kind === "address" && r.where === "container");
    const up = at((r) => r.kind === "link-settings" && r.where === "container");
    const route = at((r) => r.kind === "route");
    expect(address).toBeLessThan(up);
    expect(up).toBeLessThan(route);
  });

  test("disableContainerInterface leaves it down", () => {
    const { resources } = plan({ disableContainerInterface: true });
    expect(ofKind(resources, "link-settings").map(({ where }) => where)).toEqual(["host", "host"]);
  });

  test("without IPAM the result has no addresses", () => {
    const { result } = plan({});
    expect(result.ips).toBeUndefined();
    expect(result.routes).toBeUndefined();
  });
});

describe("names of another vendor's ADD", () => {
  test("are taken from its result", () => {
    const adopted: Result = {
      interfaces: [
        { name: "cni0", mac: "0a:00:00:00:00:01" },
        { name: "veth12345678", mac: "0a:00:00:00:00:02" },
        { name: "eth0", mac: "0a:00:00:00:00:03", sandbox: netns },
      ],
    };
    const [, veth] = ofKind(plan(withIpam, { ipam: ipv4, adopted }).resources, "link");
    expect(veth).toMatchObject({ name: "veth12345678", mac: "0a:00:00:00:00:02", peer: { mac: "0a:00:00:00:00:03" } });
  });

  test("and no more is expected than that ADD made", () => {
    const adopted: Result = { interfaces: [{ name: "cni0" }, { name: "veth12345678" }] };
    const { resources } = plan({ ...withIpam, isGateway: true }, { ipam: dual, adopted });
    expect(ofKind(resources, "sysctl").map(({ name }) => name)).not.toContain("net/ipv6/conf/cni0/accept_dad");
    expect(ofKind(resources, "address").filter((one) => !one.duplicateDetection)).toEqual([]);
  });
});

describe("masquerade", () => {
  test("is one element for each address, which leads to the chain of its network", () => {
    const { resources } = plan({ ...withIpam, ipMasq: true }, { ipam: dual });
    expect(
      ofKind(resources, "nft-element").map(({ element }) => [element.set.name, element.key, element.verdict]),
    ).toEqual([
      ["masquerade_ipv4", ["10.1.0.5"], { goto: "masquerade-10.1.0.0-16" }],
      ["masquerade_ipv6", ["fd00::5"], { goto: "masquerade-fd00__-64" }],
    ]);
    expect(ofKind(resources, "nft-chain").map(({ chain }) => chain.name)).toEqual([
      "masquerade-10.1.0.0-16",
      "masquerade-fd00__-64",
    ]);
  });
});

describe("STATUS", () => {
  test("says when the bridge's name is another link's", () => {
    const config = bridge.parse({ cniVersion: "1.1.0", name: "net", type: "bridge" } as NetworkConfig, new Map());
    const flags = { up: true, promisc: false, allmulticast: false };
    const fact: LinkFact = {
      name: "cni0",
      mac: "",
      mtu: 1500,
      txQueueLength: 1000,
      ...flags,
      kind: "dummy",
      addresses: [],
    };
    expect(bridge.obstacles(config, new Map([["host/cni0", fact]]))).toEqual(['"cni0" is there but is not a bridge']);
    expect(bridge.obstacles(config, new Map([["host/cni0", { ...fact, kind: "bridge" }]]))).toEqual([]);
    expect(bridge.obstacles(config, new Map([["host/cni0", undefined]]))).toEqual([]);
  });
});

describe("VLANs", () => {
  test("the port is in its own untagged and in those of the trunk tagged, and the bridge filters", () => {
    const { resources } = plan({ vlan: 100, vlanTrunk: [{ id: 200 }] });
    expect(ofKind(resources, "link")[0]).toMatchObject({ vlanFiltering: true });
    expect(ofKind(resources, "port-vlans")).toEqual([
      {
        kind: "port-vlans",
        where: "host",
        link: ofKind(resources, "link")[1]?.name ?? "",
        vlans: [
          { vlan: 100, pvid: true, untagged: true },
          { vlan: 200, pvid: false, untagged: false },
        ],
        only: true,
      },
    ]);
  });

  test("a trunk alone has VLAN 1 untagged", () => {
    const { resources } = plan({ vlanTrunk: [{ id: 200 }], preserveDefaultVlan: true });
    expect(ofKind(resources, "port-vlans")[0]).toMatchObject({
      only: false,
      vlans: [
        { vlan: 1, pvid: true, untagged: true },
        { vlan: 200, pvid: false, untagged: false },
      ],
    });
  });

  test("the gateway of a VLAN is on a pair of its own", () => {
    const { resources, result } = plan({ ...withIpam, isGateway: true, vlan: 100 }, { ipam: ipv4 });
    expect(ofKind(resources, "address")[0]).toMatchObject({ where: "host", link: "cni0.100", address: "10.1.0.1/16" });
    expect(result.interfaces?.[3]?.name).toBe("cni0.100");
  });
});
