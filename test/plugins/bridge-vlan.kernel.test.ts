/** `bridge` with VLANs: what bridge(8) shows, who reaches whom, what CHECK finds, and that nothing stays. */

import { beforeAll, describe, expect } from "bun:test";
import { bridgeVlanFiltering, kernelLink } from "../support/kernel.ts";
import { needs, program, root } from "../support/needs.ts";
import { linkOutside } from "../support/outside.ts";
import {
  type Config,
  type Container,
  expectBuilt,
  fail,
  type Host,
  succeed,
  testHosts,
  withResult,
  withValid,
} from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();

const tools = [program("bridge"), program("ping")];
const test = needs(root, ...tools, bridgeVlanFiltering);
const testWithTags = needs(root, ...tools, bridgeVlanFiltering, kernelLink("vlan"));

const VERIFICATION = 104;

type Fields = Readonly<Record<string, unknown>>;

const network = (name: string, fields: Fields): Config => ({
  cniVersion: "1.1.0",
  name,
  type: "bridge",
  bridge: "br0",
  ...fields,
});

/** An address of one subnet that all VLANs share, so that only the VLANs keep containers apart. */
const at = (last: number): Fields => ({ type: "static", addresses: [{ address: `10.77.0.${last}/24` }] });

/** Ports and their VLANs as bridge(8) lists them. */
function vlansOf(host: Host): Record<string, string[]> {
  const ports = host.netns.json<{ ifname: string; vlans: { vlan: number; flags?: string[] }[] }>("bridge -j vlan show");
  return Object.fromEntries(
    ports.map(({ ifname, vlans }) => [ifname, vlans.map(({ vlan, flags = [] }) => [vlan, ...flags].join(" "))]),
  );
}

function filters(host: Host): unknown {
  const [link] = host.netns.json<{ linkinfo: { info_data: { vlan_filtering: number } } }>("ip -j -d link show br0");
  return link?.linkinfo.info_data.vlan_filtering;
}

function linksOf(host: Host): string[] {
  return host.netns
    .json<{ ifname: string }>("ip -j link show")
    .map(({ ifname }) => ifname)
    .sort();
}

type Attached = ReturnType<typeof hosts.container>;

async function attach(host: Host, id: string, config: Config) {
  const container = hosts.container(id);
  const result = await succeed(host, { verb: "ADD", config, container });
  return { container, config, result, port: result.interfaces?.[1]?.name ?? "" };
}

const check = (host: Host, { container, config, result }: Awaited<ReturnType<typeof attach>>) =>
  succeed(host, { verb: "CHECK", container, config: withResult(config, result) });

const del = (host: Host, container: Container, config: Config) => succeed(host, { verb: "DEL", container, config });

function reaches({ namespace }: Attached, address: string): boolean {
  // The first packet waits for a neighbour's answer; the next one shows that the first was no chance.
  return namespace.sh(`ping -q -c 2 -i 0.2 -W 1 ${address} >/dev/null && echo yes || echo no`).trim() === "yes";
}

describe("a container's port", () => {
  const cases: readonly { readonly title: string; readonly fields: Fields; readonly shows: readonly string[] }[] = [
    { title: "with vlan", fields: { vlan: 100 }, shows: ["100 PVID Egress Untagged"] },
    {
      title: "with vlan and preserveDefaultVlan",
      fields: { vlan: 100, preserveDefaultVlan: true },
      shows: ["1 Egress Untagged", "100 PVID Egress Untagged"],
    },
    {
      title: "with vlanTrunk",
      fields: { vlanTrunk: [{ id: 42 }, { minID: 10, maxID: 12 }] },
      shows: ["1 PVID Egress Untagged", "10", "11", "12", "42"],
    },
    {
      title: "with vlan and a vlanTrunk that has it too",
      fields: { vlan: 11, vlanTrunk: [{ minID: 10, maxID: 12 }] },
      shows: ["10", "11 PVID Egress Untagged", "12"],
    },
  ];

  for (const { title, fields, shows } of cases) {
    test(`${title} has these VLANs, is checked, and goes`, async () => {
      const host = hosts.fresh();
      const one = await attach(host, "c1", network("net", { ...fields, ipam: at(2) }));
      expect(filters(host)).toBe(1);
      expect(vlansOf(host)).toEqual({ br0: ["1 PVID Egress Untagged"], [one.port]: [...shows] });
      await check(host, one);
      await del(host, one.container, one.config);
      expect(vlansOf(host)).toEqual({ br0: ["1 PVID Egress Untagged"] });
      await succeed(host, { verb: "GC", config: withValid(one.config, []) });
      expect(linksOf(host)).toEqual(["lo"]);
    });
  }

  test("is found broken when its VLANs are not its own any more", async () => {
    const host = hosts.fresh();
    const one = await attach(host, "c1", network("net", { vlan: 100, ipam: at(2) }));
    const finding = async () => {
      const { code, msg, details } = await fail(host, {
        verb: "CHECK",
        container: one.container,
        config: withResult(one.config, one.result),
      });
      expect(code).toBe(VERIFICATION);
      return `${msg} ${details ?? ""}`;
    };
    host.netns.sh(`bridge vlan add dev ${one.port} vid 7`);
    expect(await finding()).toContain(`port "${one.port}" lets VLAN 7 through`);
    host.netns.sh(`bridge vlan del dev ${one.port} vid 7; bridge vlan del dev ${one.port} vid 100`);
    expect(await finding()).toContain(`port "${one.port}" does not let VLAN 100 through`);
    host.netns.sh(
      `bridge vlan add dev ${one.port} vid 100 pvid untagged; ip link set br0 type bridge vlan_filtering 0`,
    );
    expect(await finding()).toContain('bridge "br0" does not filter VLANs');
    host.netns.sh("ip link set br0 type bridge vlan_filtering 1");
    await check(host, one);
  });
});

describe("containers of one subnet", () => {
  test("reach each other within a VLAN and not across, also beside a network without VLANs", async () => {
    const host = hosts.fresh();
    // The bridge is made by the network that asks for no filtering.
    const plain = await attach(host, "plain", network("plain", { ipam: at(9) }));
    expect(filters(host)).toBe(0);
    const red = await attach(host, "red", network("red", { vlan: 100, ipam: at(2) }));
    const red2 = await attach(host, "red2", network("red", { vlan: 100, ipam: at(3) }));
    const blue = await attach(host, "blue", network("blue", { vlan: 200, ipam: at(4) }));
    const plain2 = await attach(host, "plain2", network("plain", { ipam: at(8) }));
    expect(filters(host)).toBe(1);
    expect(reaches(red.container, "10.77.0.3")).toBe(true);
    expect(reaches(red2.container, "10.77.0.2")).toBe(true);
    expect(reaches(plain.container, "10.77.0.8")).toBe(true);
    expect(reaches(red.container, "10.77.0.4")).toBe(false);
    expect(reaches(red.container, "10.77.0.9")).toBe(false);
    expect(reaches(blue.container, "10.77.0.2")).toBe(false);
    expect(reaches(blue.container, "10.77.0.8")).toBe(false);
    for (const one of [plain, red, red2, blue, plain2]) {
      await check(host, one);
      await del(host, one.container, one.config);
    }
    for (const name of ["plain", "red", "blue"]) {
      await succeed(host, { verb: "GC", config: withValid(network(name, {}), []) });
    }
    expect(linksOf(host)).toEqual(["lo"]);
  });

  testWithTags("a trunk reaches each VLAN by its tag, and no other", async () => {
    const host = hosts.fresh();
    const red = await attach(host, "red", network("red", { vlan: 100, ipam: at(2) }));
    const blue = await attach(host, "blue", network("blue", { vlan: 200, ipam: at(2) }));
    const green = await attach(host, "green", network("green", { vlan: 300, ipam: at(2) }));
    const trunk = await attach(host, "trunk", network("trunk", { vlanTrunk: [{ id: 100 }, { id: 200 }] }));
    const tagged = (vlan: number): boolean => {
      trunk.container.namespace.sh(
        `ip link add link eth0 name eth0.${vlan} type vlan id ${vlan} && ip link set eth0.${vlan} up &&
        ip address add 10.77.0.7/24 dev eth0.${vlan}`,
      );
      const reached = reaches(trunk.container, "10.77.0.2");
      trunk.container.namespace.sh(`ip link del eth0.${vlan}`);
      return reached;
    };
    expect(tagged(100)).toBe(true);
    expect(tagged(200)).toBe(true);
    expect(tagged(300)).toBe(false);
    for (const one of [red, blue, green, trunk]) await check(host, one);
  });
});

describe("the gateway of a VLAN", () => {
  const withGateway = (host: Host, vlan: number, subnet: string, fields: Fields = {}): Config =>
    network(`net${vlan}`, {
      vlan,
      isDefaultGateway: true,
      ipam: {
        type: "host-local",
        dataDir: host.dataDir,
        ranges: [[{ subnet: `10.${subnet}.0.0/24` }], [{ subnet: `fd${subnet}::/64` }]],
      },
      ...fields,
    });

  test("is on a pair of its own, which all its containers reach and which goes after the last", async () => {
    const host = hosts.fresh();
    const red = await attach(host, "red", withGateway(host, 100, "71"));
    const red2 = await attach(host, "red2", withGateway(host, 100, "71"));
    const blue = await attach(host, "blue", withGateway(host, 200, "72"));
    const shown = vlansOf(host);
    const gatewayPorts = Object.keys(shown).filter((port) => ![red, red2, blue].some((one) => one.port === port));
    expect(shown[red.port]).toEqual(["100 PVID Egress Untagged"]);
    expect(gatewayPorts.map((port) => shown[port]).sort()).toEqual([
      ["1 PVID Egress Untagged"],
      ["100 PVID Egress Untagged"],
      ["200 PVID Egress Untagged"],
    ]);
    const addresses = host.netns.sh("ip -br address show");
    expect(addresses).toMatch(/^br0\.100@\S+ +UP +10\.71\.0\.1\/24 fd71::1\/64 /m);
    expect(addresses).toMatch(/^br0\.200@\S+ +UP +10\.72\.0\.1\/24 fd72::1\/64 /m);
    const [{ address }] = host.netns.json<{ address: string }>("ip -j link show br0.100") as [{ address: string }];
    expect(red.result.interfaces?.map(({ name, sandbox }) => [name, sandbox !== undefined])).toEqual([
      ["br0", false],
      [red.port, false],
      ["eth0", true],
      ["br0.100", false],
    ]);
    expect(red.result.interfaces?.[3]?.mac).toBe(address);
    for (const gateway of ["10.71.0.1", "fd71::1", "10.71.0.3"]) expect(reaches(red.container, gateway)).toBe(true);
    for (const gateway of ["10.72.0.1", "fd72::1"]) expect(reaches(blue.container, gateway)).toBe(true);
    for (const one of [red, red2, blue]) await check(host, one);

    await del(host, red.container, red.config);
    await succeed(host, { verb: "GC", config: withValid(red.config, [red2.container]) });
    expect(reaches(red2.container, "10.71.0.1")).toBe(true);
    await del(host, red2.container, red2.config);
    await succeed(host, { verb: "GC", config: withValid(red.config, []) });
    expect(linksOf(host)).not.toContain("br0.100");
    expect(reaches(blue.container, "10.72.0.1")).toBe(true);
    await del(host, blue.container, blue.config);
    await succeed(host, { verb: "GC", config: withValid(blue.config, []) });
    expect(linksOf(host)).toEqual(["lo"]);
  });

  test("is found broken, and mended by the next ADD", async () => {
    const host = hosts.fresh();
    const red = await attach(host, "red", withGateway(host, 100, "71"));
    host.netns.sh("ip link del br0.100");
    const { code } = await fail(host, {
      verb: "CHECK",
      container: red.container,
      config: withResult(red.config, red.result),
    });
    expect(code).toBe(VERIFICATION);
    expect(reaches(red.container, "10.71.0.1")).toBe(false);
    const red2 = await attach(host, "red2", withGateway(host, 100, "71"));
    // The ping without an answer has left a question for the gateway's MAC that the kernel asks three times, a second
    // apart. What is sent after the third is dropped with it, so this is no time to begin another ping.
    red.container.namespace.sh("ip neighbour flush dev eth0");
    expect(reaches(red.container, "10.71.0.1")).toBe(true);
    await check(host, red);
    await check(host, red2);
  });

  test("masquerades its VLAN's containers", async () => {
    const host = hosts.fresh();
    linkOutside(hosts, host, { host: ["192.0.2.1/24"], outside: ["192.0.2.2/24"] });
    const red = await attach(host, "red", withGateway(host, 100, "71", { ipMasq: true }));
    expect(reaches(red.container, "192.0.2.2")).toBe(true);
    await check(host, red);
    await del(host, red.container, red.config);
    await succeed(host, { verb: "GC", config: withValid(red.config, []) });
    expect(linksOf(host)).toEqual(["lo", "up0"]);
  });
});
