import { describe, expect, test } from "bun:test";
import type { NetworkConfig } from "../core/plugin.ts";
import type { Result } from "../core/result.ts";
import { staticIpam } from "./static.ts";
import { networkConfig, type Outcome, runCall } from "./test-support/call.ts";

const ONE = { addresses: [{ address: "10.1.0.5/24", gateway: "10.1.0.1" }] };

type More = Record<string, unknown>;

const config = (ipam: More, more: More = {}): NetworkConfig => networkConfig({ type: "static", ...ipam }, more);
const call = (verb: "add" | "check" | "del" | "gc" | "status", network: NetworkConfig, args = {}): Outcome =>
  runCall(staticIpam, { verb, containerId: "c1", config: network, args });
const ips = (network: NetworkConfig, args = {}) => {
  const { result, error } = call("add", network, args);
  if (error !== undefined) throw new Error(`${error.name}: ${error.message}`);
  return ((result as Result).ips ?? []).map(({ address, gateway }) => [address, gateway ?? null]);
};

describe("ADD", () => {
  test("answers with what the configuration says, in canonical text", () => {
    const network = config({
      addresses: [{ address: "10.1.0.5/24", gateway: "10.1.0.1" }, { address: "FD00:0::5/64" }],
      routes: [{ dst: "0.0.0.0/0" }, { dst: "fd01::/64", gw: "fd00::1" }],
      dns: { nameservers: ["192.0.2.1"], domain: "example", search: ["a.example"], options: ["ndots:2"] },
    });
    expect(call("add", network)).toEqual({
      result: {
        ips: [{ address: "10.1.0.5/24", gateway: "10.1.0.1" }, { address: "fd00::5/64" }],
        routes: [{ dst: "0.0.0.0/0" }, { dst: "fd01::/64", gw: "fd00::1" }],
        dns: { nameservers: ["192.0.2.1"], domain: "example", search: ["a.example"], options: ["ndots:2"] },
      },
      warnings: [],
    });
  });

  test("IP of CNI_ARGS adds to the configured addresses, and GATEWAY belongs to those alone", () => {
    const args = { IP: "10.1.0.6/24, fd00::6/64", GATEWAY: "10.1.0.254,fd00::1,192.0.2.1" };
    expect(ips(config(ONE), args)).toEqual([
      ["10.1.0.5/24", "10.1.0.1"],
      ["10.1.0.6/24", "10.1.0.254"],
      ["fd00::6/64", "fd00::1"],
    ]);
    expect(ips(config(ONE), { GATEWAY: "10.1.0.254" })).toEqual([["10.1.0.5/24", "10.1.0.1"]]);
  });

  test("args.cni.ips replaces both, and runtimeConfig.ips replaces all", () => {
    const args = { IP: "10.1.0.6/24" };
    const inArgs = { args: { cni: { ips: ["10.1.0.7/24"] } } };
    expect(ips(config(ONE, inArgs), args)).toEqual([["10.1.0.7/24", null]]);
    expect(ips(config(ONE, { ...inArgs, runtimeConfig: { ips: ["10.1.0.8/24", "fd00::8/64"] } }), args)).toEqual([
      ["10.1.0.8/24", null],
      ["fd00::8/64", null],
    ]);
    expect(ips(config(ONE, { args: { cni: { ips: [] } }, runtimeConfig: {} }))).toEqual([["10.1.0.5/24", "10.1.0.1"]]);
  });

  test("without any address it answers with none", () => expect(ips(config({}))).toEqual([]));
});

describe("what is refused, by field and value", () => {
  const wrong: [string, NetworkConfig, string][] = [
    ["no ipam", { cniVersion: "1.1.0", name: "net", type: "bridge" }, '"ipam" is missing'],
    ["addresses of text", config({ addresses: "10.1.0.5/24" }), '"ipam.addresses" must be a list: "10.1.0.5/24"'],
    ["an address of text", config({ addresses: ["10.1.0.5/24"] }), '"ipam.addresses[0]" must be an object'],
    ["a nameless address", config({ addresses: [{}] }), '"ipam.addresses[0].address" is missing'],
    ["no prefix length", config({ addresses: [{ address: "10.1.0.5" }] }), '.address" must be in CIDR notation'],
    ["a number", config({ addresses: [{ address: 5 }] }), '"ipam.addresses[0].address" must be a string: 5'],
    [
      "a gateway of another family",
      config({ addresses: [{ address: "10.1.0.5/24", gateway: "fd00::1" }] }),
      '"ipam.addresses[0].gateway" must be an IPv4 address, as the address is: "fd00::1"',
    ],
    [
      "a gateway that is none",
      config({ addresses: [{ address: "10.1.0.5/24", gateway: "gw" }] }),
      '"ipam.addresses[0].gateway" must be an IP address: "gw"',
    ],
    ["routes of text", config({ ...ONE, routes: "default" }), '"ipam.routes" must be a list: "default"'],
    ["a route to nowhere", config({ ...ONE, routes: [{ gw: "10.1.0.1" }] }), '"ipam.routes[0].dst" is missing'],
    ["dns of list", config({ ...ONE, dns: [] }), '"ipam.dns" must be an object: []'],
    [
      "nameservers of text",
      config({ ...ONE, dns: { nameservers: "x" } }),
      '"ipam.dns.nameservers" must be a list: "x"',
    ],
    ["a domain of number", config({ ...ONE, dns: { domain: 1 } }), '"ipam.dns.domain" must be a string: 1'],
    ["a search of number", config({ ...ONE, dns: { search: [1] } }), '"ipam.dns.search[0]" must be a string: 1'],
    ["an option of number", config({ ...ONE, dns: { options: [1] } }), '"ipam.dns.options[0]" must be a string: 1'],
    [
      "an args address without prefix",
      config(ONE, { args: { cni: { ips: ["10.1.0.5"] } } }),
      '"args.cni.ips[0]" must be in CIDR notation such as 10.1.0.0/16: "10.1.0.5"',
    ],
    ["args ips of text", config(ONE, { args: { cni: { ips: "x" } } }), '"args.cni.ips" must be a list: "x"'],
    [
      "a runtime address of number",
      config(ONE, { runtimeConfig: { ips: [1] } }),
      '"runtimeConfig.ips[0]" must be a string: 1',
    ],
    [
      "two of a family before 0.3.0",
      config({ addresses: [{ address: "10.1.0.5/24" }, { address: "10.1.0.6/24" }] }, { cniVersion: "0.2.0" }),
      '"ipam.addresses[1]" asks for a second IPv4 address beside "ipam.addresses[0]"',
    ],
  ];
  for (const [what, network, message] of wrong) {
    test(`${what}, by ADD and STATUS`, () => {
      for (const verb of ["add", "status"] as const) {
        const { error } = call(verb, network);
        expect(error?.name).toBe("ConfigError");
        expect(error?.message).toContain(message);
      }
    });
  }

  for (const [name, value] of [
    ["IP", "10.1.0.5"],
    ["IP", "10.1.0.5/24,"],
    ["GATEWAY", "10.1.0.1,gw"],
  ] as const) {
    test(`${name}=${value} in CNI_ARGS`, () => {
      const { error } = call("add", config(ONE), { [name]: value });
      expect(error?.name).toBe("EnvironmentError");
      expect(error?.message).toContain(`"${name}"`);
    });
  }
});

describe("CHECK", () => {
  const check = (given: Result | undefined, ipam: More = ONE) =>
    call("check", config(ipam, given === undefined ? {} : { prevResult: given })).error;

  test("passes when prevResult has the configured addresses in any spelling and order", () => {
    const addresses = [{ address: "10.1.0.5/24" }, { address: "fd00::5/64", gateway: "fd00::1" }];
    const prevResult = {
      ips: [
        { address: "fd00:0::5/64", gateway: "FD00::1", interface: 2 },
        { address: "10.1.0.5/24", gateway: "10.1.0.9" },
      ],
    };
    expect(check(prevResult, { addresses })).toBeUndefined();
  });

  test("finds a missing address, one too many, another prefix length and another gateway", () => {
    expect(check({ ips: [] })?.message).toBe("10.1.0.5/24 is configured but is not in prevResult");
    expect(check({ ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }] })?.message).toBe(
      "10.1.0.5/24 is configured but is not in prevResult; 10.1.0.5/16 is in prevResult but is not configured",
    );
    expect(check({ ips: [{ address: "10.1.0.5/24" }] })?.message).toBe(
      "The gateway of 10.1.0.5/24 is 10.1.0.1, but none in prevResult",
    );
    expect(check({ ips: [{ address: "10.1.0.5/24", gateway: "10.1.0.2" }] })?.name).toBe("VerificationError");
  });

  test("needs prevResult", () => expect(check(undefined)?.message).toContain('"prevResult" is missing'));
});

test("DEL and GC do nothing, whatever the configuration has become", () => {
  const broken = config({ addresses: "none" });
  expect(call("del", broken)).toEqual({ result: null, warnings: [] });
  expect(call("gc", broken)).toEqual({ result: null, warnings: [] });
});

test("STATUS passes when the runtime has yet to give the addresses", () => {
  expect(call("status", config({})).error).toBeUndefined();
});
