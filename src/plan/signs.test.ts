import { expect, test } from "bun:test";
import type { Resource } from "../core/plan.ts";
import { Signs } from "./signs.ts";

const set = { family: "inet", table: "t", name: "s", key: ["ipv4_addr"] } as const;
const chain = { family: "inet", table: "t", name: "c" } as const;
const route: Resource = { kind: "route", where: "host", link: "up0", destination: "fd00:0::/64" };
const resources: readonly Resource[] = [
  { kind: "link", type: "sit", where: "host", name: "s0", mtu: 1480, local: "10.0.0.1" },
  { kind: "address", where: "host", link: "s0", address: "10.0.0.1/32" },
  { kind: "sysctl", where: "host", name: "net/ipv4/ip_forward", value: "1" },
  route,
  { kind: "nft-chain", where: "host", chain, rules: [] },
  { kind: "nft-element", where: "host", element: { set, key: ["10.0.0.1"] } },
  { kind: "nft-iptables", where: "host", family: "ip", mark: 1, adminChain: "ADMIN" },
];

function held(signs: Signs): boolean[] {
  return [
    signs.hasLink("s0"),
    signs.hasLink("up0"),
    signs.hasDestination("fd00::/64"),
    signs.hasTable("inet", "t"),
    signs.hasChain("inet", "t", "c"),
    signs.awaitsChain("ip", "filter", "FORWARD"),
  ];
}

test("what was added has signs until the last that has them is dropped", () => {
  const signs = new Signs();
  expect(held(signs)).toEqual([false, false, false, false, false, false]);
  for (const resource of resources) signs.add(resource);
  expect(held(signs)).toEqual([true, true, true, true, true, true]);
  expect([signs.hasLink("lo"), signs.hasTable("ip", "t"), signs.hasChain("inet", "t", "d")]).not.toContain(true);
  expect([signs.awaitsChain("inet", "t", "c"), signs.hasChain("ip", "filter", "FORWARD")]).not.toContain(true);
  signs.drop(resources[4] as Resource);
  signs.drop(resources[0] as Resource);
  expect(held(signs)).toEqual([true, true, true, true, false, true]);
  // By another gateway it is another route, and the destination is the same.
  signs.add({ ...route, gateway: "fd00::1" });
  signs.drop(route);
  expect(held(signs)).toEqual([true, true, true, true, false, true]);
  for (const resource of [...resources.slice(1, 3), ...resources.slice(5)]) signs.drop(resource);
  signs.drop({ ...route, gateway: "fd00::1" });
  expect(held(signs)).toEqual([false, false, false, false, false, false]);
});
