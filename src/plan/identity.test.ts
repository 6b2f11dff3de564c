import { describe, expect, test } from "bun:test";
import type { Resource } from "../core/plan.ts";
import { identityOf, isSame } from "./identity.ts";

const host = { where: "host", link: "eth0" } as const;
const route: Resource = { kind: "route", ...host, destination: "10.1.0.0/24", gateway: "10.0.0.1" };
const route6: Resource = { kind: "route", ...host, destination: "fd00:1::/64", gateway: "::172.20.1.12" };

describe("one and the same", () => {
  const pairs: readonly (readonly [string, Resource, Resource])[] = [
    ["a route with the kernel's table", route, { ...route, table: 254 }],
    ["a route with the kernel's priority", route, { ...route, priority: 0 }],
    ["an IPv6 route with the kernel's priority", route6, { ...route6, priority: 1024 }],
    ["a route from elsewhere", route, { ...route, preferredSource: "10.0.0.9", protocol: 84, onlink: true }],
    ["a gateway as people write it", route6, { ...route6, gateway: "::ac14:10c" }],
    [
      "a neighbour with another MAC",
      { kind: "neighbour", ...host, ip: "fd00:0::1", mac: "02:00:00:00:00:01" },
      { kind: "neighbour", ...host, ip: "fd00::1", mac: "02:00:00:00:00:02" },
    ],
    [
      "a forwarding entry that leads elsewhere",
      { kind: "forwarding", ...host, mac: "02:00:00:00:00:01", destination: "10.0.0.1" },
      { kind: "forwarding", ...host, mac: "02:00:00:00:00:01", destination: "10.0.0.2" },
    ],
    [
      "a sysctl with another value",
      { kind: "sysctl", where: "host", name: "net/ipv4/ip_forward", value: "0" },
      { kind: "sysctl", where: "host", name: "net/ipv4/ip_forward", value: "1" },
    ],
    [
      "a link with another MTU",
      { kind: "link", type: "sit", where: "host", name: "s", mtu: 1480, local: "10.0.0.1" },
      { kind: "link", type: "ipip", where: "host", name: "s", mtu: 1400, local: "10.0.0.2" },
    ],
  ];
  test.each(pairs)("%s", (_, a, b) => expect(identityOf(a)).toBe(identityOf(b)));
});

describe("beside each other", () => {
  const pairs: readonly (readonly [string, Resource, Resource])[] = [
    ["routes by two gateways", route, { ...route, gateway: "10.0.0.2" }],
    ["routes of two priorities", route, { ...route, priority: 5 }],
    ["routes in two tables", route, { ...route, table: 100 }],
    ["a route and one without a gateway", route, { ...route, gateway: undefined }],
    ["a route and its being away", route, { ...route, kind: "absent-route" }],
    [
      "settings of a link",
      { kind: "link-settings", ...host, set: { up: true } },
      { kind: "link-settings", ...host, set: { mtu: 1400 } },
    ],
    [
      "elements of a set",
      { kind: "nft-element", where: "host", element: { set: nftSet(), key: ["10.0.0.1"] } },
      { kind: "nft-element", where: "host", element: { set: nftSet(), key: ["10.0.0.2"] } },
    ],
    [
      "rules",
      { kind: "rule", where: "host", family: 4, priority: 1, table: 1 },
      { kind: "rule", where: "host", family: 4, priority: 1, table: 2 },
    ],
  ];
  test.each(pairs)("%s", (_, a, b) => expect(identityOf(a)).not.toBe(identityOf(b)));
});

function nftSet() {
  return { family: "inet", table: "t", name: "s", key: ["ipv4_addr"] } as const;
}

test("the order and the spelling do not matter, all else does", () => {
  const { kind, where, link, destination, gateway } = route6;
  expect(isSame(route6, { gateway: "::AC14:010C", destination, link, where, kind, mtu: undefined })).toBe(true);
  expect(isSame(route6, { kind, where, link, destination, gateway, mtu: 1400 })).toBe(false);
});
