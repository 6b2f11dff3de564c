import { describe, expect, test } from "bun:test";
import { cidrContains, parseCidr } from "../core/cidr.ts";
import { parseIp } from "../core/ip.ts";
import { interfaceNameProblem } from "../core/names.ts";
import type { Resource, ResourceKindName, ResourceOf } from "../core/plan.ts";
import { exampleFile } from "./example.ts";
import type { Lab } from "./lab.ts";
import { parseLabFile } from "./lab-file.ts";
import { planStages, type Stage } from "./stages.ts";
import { exampleLab, smallLab } from "./test-support/fixtures.ts";

function ofKind<K extends ResourceKindName>(kind: K, resources: readonly Resource[]): ResourceOf<K>[] {
  return resources.filter((resource) => resource.kind === kind) as ResourceOf<K>[];
}

/** All that is made in the namespace of a member, as its own. */
function resourcesOf(lab: Lab, member: string): Resource[] {
  return planStages(lab)
    .filter(({ container }) => container === member)
    .flatMap(({ resources }) => [...resources])
    .filter(({ where, kind }) => where === "container" || kind === "link");
}

function routesOf(lab: Lab, member: string): string[] {
  return ofKind("route", resourcesOf(lab, member)).map(
    ({ destination, gateway, link }) => `${destination} via ${gateway} dev ${link}`,
  );
}

/** The networks that a member is connected to, by the addresses of its links. */
function connected(stages: readonly Stage[], member: string): string[] {
  return stages.flatMap(({ host, container, resources }) =>
    ofKind("address", resources)
      .filter(({ where }) => (where === "host" ? host : container) === member)
      .map(({ address }) => address),
  );
}

describe("the stages of a lab", () => {
  test("give a node routes to the others' pods: by the node itself in its subnet, by the router beyond", () => {
    expect(routesOf(exampleLab(), "node1")).toEqual([
      "0.0.0.0/0 via 172.20.1.1 dev eth0",
      "::/0 via fd20:1::1 dev eth0",
      "10.244.2.0/24 via 172.20.1.12 dev eth0",
      "fd44:0:0:2::/64 via fd20:1::12 dev eth0",
      "10.244.3.0/24 via 172.20.1.1 dev eth0",
      "fd44:0:0:3::/64 via fd20:1::1 dev eth0",
    ]);
    expect(routesOf(exampleLab(), "node3")).toContain("10.244.1.0/24 via 172.20.2.1 dev eth0");
  });

  test("give the router a route to each node's pods", () => {
    expect(routesOf(exampleLab(), "router")).toEqual([
      "10.244.1.0/24 via 172.20.1.11 dev rack1",
      "fd44:0:0:1::/64 via fd20:1::11 dev rack1",
      "10.244.2.0/24 via 172.20.1.12 dev rack1",
      "fd44:0:0:2::/64 via fd20:1::12 dev rack1",
      "10.244.3.0/24 via 172.20.2.13 dev rack2",
      "fd44:0:0:3::/64 via fd20:2::13 dev rack2",
    ]);
  });

  test("give the outside host routes to the nodes, and none to the pods", () => {
    expect(routesOf(exampleLab(), "outside")).toEqual([
      "172.20.1.0/24 via 198.51.100.1 dev eth0",
      "fd20:1::/64 via 2001:db8:51::1 dev eth0",
      "172.20.2.0/24 via 198.51.100.1 dev eth0",
      "fd20:2::/64 via 2001:db8:51::1 dev eth0",
    ]);
  });

  test("name as gateways only addresses that somebody has in a network that the member is connected to", () => {
    const stages = planStages(exampleLab());
    const all = stages
      .flatMap(({ resources }) => ofKind("address", resources))
      .map(({ address }) => address.split("/")[0]);
    for (const { container, resources } of stages) {
      for (const { gateway = "" } of ofKind("route", resources)) {
        expect(all).toContain(gateway);
        const ip = parseIp(gateway);
        const prefixes = connected(stages, container).map(parseCidr);
        expect(prefixes.some((prefix) => ip && prefix && cidrContains(prefix, ip))).toBe(true);
      }
    }
  });

  test("give every link of a lab a name that the kernel takes and a MAC of its own", () => {
    const links = planStages(exampleLab()).flatMap(({ resources }) => ofKind("link", resources));
    const ends = links.flatMap((link): { name: string; mac?: string }[] =>
      link.type === "veth" ? [link, link.peer] : [link],
    );
    for (const { mac } of ends) expect(mac).toBeDefined();
    for (const { name } of ends) expect(interfaceNameProblem(name)).toBeUndefined();
    expect(new Set(ends.map(({ mac }) => mac)).size).toBe(ends.length);
  });

  test("differ in their MACs between two labs of one description, so that a capture tells them apart", () => {
    const macs = (lab: Lab) =>
      planStages(lab)
        .flatMap(({ resources }) => ofKind("link", resources))
        .map(({ mac }) => mac);
    expect(macs(exampleLab("one")).filter((mac) => macs(exampleLab("two")).includes(mac))).toEqual([]);
  });

  test("masquerade what a node's pods send beyond pods and fabric, in each family", () => {
    const [table] = ofKind("nft-table", resourcesOf(exampleLab(), "node1"));
    const rules = table?.chains[0]?.rules ?? [];
    const printed = rules.map(({ statements }) =>
      statements.map((one) => (one.kind === "match" ? `${one.key} ${one.operator ?? "=="} ${one.value}` : one.kind)),
    );
    expect(printed).toEqual([
      [
        "ip saddr == 10.244.1.0/24",
        "ip daddr != 10.244.0.0/16",
        "ip daddr != 172.20.1.0/24",
        "ip daddr != 172.20.2.0/24",
        "masquerade",
      ],
      [
        "ip6 saddr == fd44:0:0:1::/64",
        "ip6 daddr != fd44::/48",
        "ip6 daddr != fd20:1::/64",
        "ip6 daddr != fd20:2::/64",
        "masquerade",
      ],
    ]);
  });

  test("leave routes to pods and the masquerade to the agents, where there are any", () => {
    const lab = parseLabFile(exampleFile());
    expect(routesOf(lab, "node1")).toEqual(["0.0.0.0/0 via 172.20.1.1 dev eth0", "::/0 via fd20:1::1 dev eth0"]);
    expect(routesOf(lab, "router")).toEqual([]);
    expect(ofKind("nft-table", resourcesOf(lab, "node1"))).toEqual([]);
  });

  test("give all links of a subnet its MTU", () => {
    const links = planStages(parseLabFile(exampleFile("jumbo")))
      .filter(({ container }) => container !== "outside")
      .flatMap(({ resources }) => ofKind("link", resources));
    expect(links.length).toBeGreaterThan(4);
    for (const { mtu } of links.filter(({ type }) => type !== "vrf") as { mtu?: number }[]) expect(mtu).toBe(9000);
  });

  test("of a lab with one family touch the other by nothing but parameters that may be missing", () => {
    const stages = planStages(smallLab());
    for (const { resources } of stages) {
      expect(ofKind("address", resources).filter(({ address }) => address.includes(":"))).toEqual([]);
      expect(ofKind("route", resources).filter(({ destination }) => destination.includes(":"))).toEqual([]);
      for (const { name, optional } of ofKind("sysctl", resources)) {
        if (name.startsWith("net/ipv6")) expect(optional).toBe(true);
      }
    }
    expect(stages.some(({ container }) => container === "outside")).toBe(false);
  });
});
