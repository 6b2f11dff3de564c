import { describe, expect, test } from "bun:test";
import { staticIpam } from "./static.ts";
import { networkConfig, runCall, type TestCall } from "./test-support/call.ts";
import { callPeer, findPeer } from "./test-support/peer.ts";

const peer = findPeer("static");
const path = "path" in peer ? peer.path : "";
const why = "missing" in peer ? ` (skipped: ${peer.missing})` : "";

type More = Record<string, unknown>;

const TWO = { addresses: [{ address: "10.1.0.5/24", gateway: "10.1.0.1" }, { address: "fd00::5/64" }] };
const DNS = { nameservers: ["192.0.2.1"], domain: "example", search: ["a", "b"], options: ["ndots:2"] };

const SAME: [string, More, More?, Record<string, string>?][] = [
  ["two addresses", TWO],
  ["no address", {}],
  [
    "routes and DNS settings",
    { ...TWO, routes: [{ dst: "0.0.0.0/0" }, { dst: "fd01::/64", gw: "fd00::1" }], dns: DNS },
  ],
  ["an empty gateway", { addresses: [{ address: "10.1.0.5/24", gateway: "" }] }],
  ["a gateway elsewhere", { addresses: [{ address: "10.1.0.5/24", gateway: "192.0.2.1" }] }],
  ["IP of CNI_ARGS", TWO, {}, { IP: "10.2.0.5/24, fd02::5/64" }],
  ["GATEWAY for configured addresses", TWO, {}, { GATEWAY: "10.1.0.254,fd00::1" }],
  ["GATEWAY for given addresses", TWO, {}, { IP: "10.1.0.6/24,fd00::6/64", GATEWAY: "10.1.0.254,fd00::1,10.1.0.253" }],
  ["args.cni.ips", TWO, { args: { cni: { ips: ["10.3.0.5/24"] } } }, { IP: "10.2.0.5/24" }],
  ["empty args.cni.ips", TWO, { args: { cni: { ips: [] } } }],
  ["runtimeConfig.ips", TWO, { args: { cni: { ips: ["10.3.0.5/24"] } }, runtimeConfig: { ips: ["10.4.0.5/24"] } }],
  [
    "one of each family before 0.3.0",
    { addresses: [{ address: "10.1.0.5/24" }, { address: "10.1.0.6/24" }] },
    { cniVersion: "0.2.0" },
  ],
  ["an address without prefix length", { addresses: [{ address: "10.1.0.5" }] }],
  ["an IP without prefix length", TWO, {}, { IP: "10.1.0.5" }],
  ["a GATEWAY that is none", TWO, {}, { GATEWAY: "gw" }],
  ["args.cni.ips without prefix length", TWO, { args: { cni: { ips: ["10.3.0.5"] } } }],
  ["runtimeConfig.ips without prefix length", TWO, { runtimeConfig: { ips: ["10.3.0.5"] } }],
];

describe.skipIf(path === "")(`beside the reference plugin${why}`, () => {
  for (const [what, ipam, more, args] of SAME) {
    test(`the same results and refusals: ${what}`, async () => {
      const call: TestCall = {
        verb: "add",
        containerId: "c1",
        config: networkConfig({ ...ipam, type: "static" }, more),
        ...(args === undefined ? {} : { args }),
      };
      const mine = runCall(staticIpam, call);
      const other = await callPeer(path, call);
      expect(mine.error !== undefined).toBe(other.error !== undefined);
      const withoutNone = (result: unknown) => ({ ips: [], ...(result as object | undefined) });
      expect(withoutNone(mine.result)).toEqual(withoutNone(other.result));
    });
  }
});
