import { expect, test } from "bun:test";
import { AF_INET, AF_INET6 } from "../linux/libc.ts";
import { type Route, RT_TABLE_MAIN, RTPROT_BIRD, RTPROT_BOOT } from "../linux/netlink/rtnetlink/route.ts";
import { isToldByBgp } from "./lookup.ts";

function route(cidr: string, protocol: number, table = RT_TABLE_MAIN): Route {
  const [destination = "", length] = cidr.split("/");
  const family = destination.includes(":") ? AF_INET6 : AF_INET;
  const header = {
    family,
    destinationLength: Number(length),
    sourceLength: 0,
    tos: 0,
    table8: table,
    scope: 0,
    type: 1,
  };
  return { ...header, protocol, flags: 0, ...(Number(length) > 0 && { destination }) };
}

test("BGP has told of a way when the most specific route of the main table is its", () => {
  const told = (address: string, ...routes: Route[]) => isToldByBgp(routes, address);
  const standard = route("0.0.0.0/0", RTPROT_BOOT);
  expect(told("10.1.0.5", standard, route("10.1.0.0/26", RTPROT_BIRD))).toBe(true);
  expect(told("10.2.0.5", standard, route("10.1.0.0/26", RTPROT_BIRD))).toBe(false);
  expect(told("10.1.0.5", route("10.1.0.0/26", RTPROT_BIRD), route("10.1.0.5/32", RTPROT_BOOT))).toBe(false);
  expect(told("10.1.0.5", standard, route("10.1.0.0/26", RTPROT_BIRD, 100))).toBe(false);
  expect(told("fd00::5", standard, route("fd00::/122", RTPROT_BIRD))).toBe(true);
  expect(told("10.1.0.5", route("::/0", RTPROT_BIRD))).toBe(false);
  expect(told("10.1.0.5")).toBe(false);
});
