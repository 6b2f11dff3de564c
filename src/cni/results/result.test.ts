import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ConfigError } from "../../core/errors.ts";
import { familyOf, formatIpBytes } from "../../core/ip.ts";
import type { Result } from "../../core/result.ts";
import { type CniVersion, versions } from "../versions.ts";
import { formatResult, parseResult, resultJson } from "./result.ts";

const full: Result = {
  interfaces: [
    { name: "cni0", mac: "02:00:00:00:00:01", mtu: 1500 },
    {
      name: "eth0",
      mac: "02:00:00:00:00:02",
      mtu: 1450,
      sandbox: "/run/netns/a",
      socketPath: "/run/s",
      pciID: "0000:00:1f.6",
    },
  ],
  ips: [
    { address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 1 },
    { address: "10.1.0.6/16", interface: 0 },
    { address: "fd00::5/64" },
  ],
  routes: [
    { dst: "0.0.0.0/0", gw: "10.1.0.1", mtu: 1400, advmss: 1360, priority: 7, table: 0, scope: 0 },
    { dst: "fd01::/16" },
  ],
  dns: { nameservers: ["10.1.0.1"], domain: "a.example", search: ["b.example"], options: ["ndots:5"] },
};

/** As the reference plugins print them, to the order of the keys. */
const golden: Record<string, { versions: CniVersion[]; json: object; empty: object }> = {
  "the oldest form": {
    versions: ["0.1.0", "0.2.0"],
    json: {
      ip4: { ip: "10.1.0.5/16", gateway: "10.1.0.1", routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.1" }] },
      ip6: { ip: "fd00::5/64", routes: [{ dst: "fd01::/16" }] },
      dns: { nameservers: ["10.1.0.1"], domain: "a.example", search: ["b.example"], options: ["ndots:5"] },
    },
    empty: { dns: {} },
  },
  "the middle form": {
    versions: ["0.3.0", "0.3.1", "0.4.0"],
    json: {
      interfaces: [
        { name: "cni0", mac: "02:00:00:00:00:01" },
        { name: "eth0", mac: "02:00:00:00:00:02", sandbox: "/run/netns/a" },
      ],
      ips: [
        { version: "4", interface: 1, address: "10.1.0.5/16", gateway: "10.1.0.1" },
        { version: "4", interface: 0, address: "10.1.0.6/16" },
        { version: "6", address: "fd00::5/64" },
      ],
      routes: [
        { dst: "0.0.0.0/0", gw: "10.1.0.1", mtu: 1400, advmss: 1360, priority: 7, table: 0, scope: 0 },
        { dst: "fd01::/16" },
      ],
      dns: { nameservers: ["10.1.0.1"], domain: "a.example", search: ["b.example"], options: ["ndots:5"] },
    },
    empty: { dns: {} },
  },
  "the newest form": {
    versions: ["1.0.0", "1.1.0"],
    json: {
      dns: { nameservers: ["10.1.0.1"], domain: "a.example", search: ["b.example"], options: ["ndots:5"] },
      interfaces: [
        { mac: "02:00:00:00:00:01", mtu: 1500, name: "cni0" },
        {
          mac: "02:00:00:00:00:02",
          mtu: 1450,
          name: "eth0",
          pciID: "0000:00:1f.6",
          sandbox: "/run/netns/a",
          socketPath: "/run/s",
        },
      ],
      ips: [
        { address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 1 },
        { address: "10.1.0.6/16", interface: 0 },
        { address: "fd00::5/64" },
      ],
      routes: [
        { advmss: 1360, dst: "0.0.0.0/0", gw: "10.1.0.1", mtu: 1400, priority: 7, scope: 0, table: 0 },
        { dst: "fd01::/16" },
      ],
    },
    empty: {},
  },
};

for (const [form, { versions, json, empty }] of Object.entries(golden)) {
  for (const cniVersion of versions) {
    test(`a result of ${cniVersion} is printed in ${form}, as the reference prints it`, () => {
      expect(formatResult(full, cniVersion)).toBe(JSON.stringify({ cniVersion, ...json }, undefined, 4));
    });

    test(`what is empty or zero is left out of a result of ${cniVersion}`, () => {
      const result: Result = { interfaces: [], ips: [], routes: [], dns: { nameservers: [], domain: "" } };
      expect(formatResult(result, cniVersion)).toBe(JSON.stringify({ cniVersion, ...empty }, undefined, 4));
    });
  }
}

test("the tables cover every version", () => {
  expect(
    Object.values(golden)
      .flatMap((form) => form.versions)
      .sort(),
  ).toEqual([...versions]);
});

describe("parsing", () => {
  test("an old result comes out in the newest form", () => {
    expect(parseResult({ cniVersion: "0.2.0", ...golden["the oldest form"]?.json }, "1.1.0", "result")).toEqual({
      ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }, { address: "fd00::5/64" }],
      routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.1" }, { dst: "fd01::/16" }],
      ...(full.dns === undefined ? {} : { dns: full.dns }),
    });
  });

  test("addresses get their canonical text, and empty ones are absent as in Go's reader", () => {
    const ips = [{ address: "FD00:0::0005/64", gateway: "" }];
    expect(parseResult({ ips, dns: {} }, "1.1.0", "result")).toEqual({ ips: [{ address: "fd00::5/64" }] });
  });

  test("a zero is absent where it means nothing, and stays where it has a meaning", () => {
    const route = { dst: "0.0.0.0/0", mtu: 0, advmss: 0, priority: 0, table: 0, scope: 0 };
    const value = { interfaces: [{ name: "eth0", mtu: 0, mac: "" }], ips: [{ address: "10.1.0.5/16", interface: 0 }] };
    expect(parseResult({ ...value, routes: [route] }, "1.1.0", "result")).toEqual({
      interfaces: [{ name: "eth0" }],
      ips: [{ address: "10.1.0.5/16", interface: 0 }],
      routes: [{ dst: "0.0.0.0/0", table: 0, scope: 0 }],
    });
  });

  test("the family of an address of 0.3 to 0.4 may be left out", () => {
    expect(parseResult({ ips: [{ address: "10.1.0.5/16" }] }, "0.4.0", "result")).toEqual({
      ips: [{ address: "10.1.0.5/16" }],
    });
  });

  const wrong: [version: CniVersion, value: unknown, field: string][] = [
    ["1.1.0", [], "result"],
    ["1.1.0", null, "result"],
    ["1.1.0", "text", "result"],
    ["1.1.0", { cniVersion: "2.0.0" }, "result.cniVersion"],
    ["1.1.0", { cniVersion: 1 }, "result.cniVersion"],
    ["1.1.0", { interfaces: {} }, "result.interfaces"],
    ["1.1.0", { interfaces: [{}] }, "result.interfaces[0].name"],
    ["1.1.0", { interfaces: [{ name: "" }] }, "result.interfaces[0].name"],
    ["1.1.0", { interfaces: [{ name: "a", mac: 5 }] }, "result.interfaces[0].mac"],
    ["1.1.0", { interfaces: [{ name: "a", mtu: -1 }] }, "result.interfaces[0].mtu"],
    ["1.1.0", { ips: [{ gateway: "10.1.0.1" }] }, "result.ips[0].address"],
    ["1.1.0", { ips: [{ address: "10.1.0.5/33" }] }, "result.ips[0].address"],
    ["1.1.0", { ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1/16" }] }, "result.ips[0].gateway"],
    ["1.1.0", { ips: [{ address: "10.1.0.5/16", interface: "0" }] }, "result.ips[0].interface"],
    ["1.1.0", { routes: [{ gw: "10.1.0.1" }] }, "result.routes[0].dst"],
    ["1.1.0", { routes: [{ dst: "0.0.0.0/0", table: 1.5 }] }, "result.routes[0].table"],
    ["1.0.0", { dns: { search: "a.example" } }, "result.dns.search"],
    ["0.4.0", { ips: [{ address: "10.1.0.5/16", version: "6" }] }, "result.ips[0].version"],
    ["0.4.0", { ips: [{ address: "10.1.0.5/16", version: 4 }] }, "result.ips[0].version"],
    ["0.3.1", { interfaces: [{ name: 5 }] }, "result.interfaces[0].name"],
    ["0.2.0", { ip4: { gateway: "10.1.0.1" } }, "result.ip4.ip"],
    ["0.2.0", { ip4: { ip: "fd00::5/64" } }, "result.ip4.ip"],
    ["0.1.0", { ip6: { ip: "10.1.0.5/16" } }, "result.ip6.ip"],
    ["0.1.0", { ip6: { ip: "fd00::5/64", routes: [{ dst: "x" }] } }, "result.ip6.routes[0].dst"],
  ];
  for (const [version, value, field] of wrong) {
    test(`${JSON.stringify(value)} of ${version} is refused with "${field}"`, () => {
      try {
        parseResult(value, version, "result");
        throw new Error("nothing was thrown");
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
        expect((error as ConfigError).field).toBe(field);
      }
    });
  }
});

const ip4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIpBytes);
// Not IPv4-mapped, whose canonical text is IPv4.
const ip6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => {
  bytes[0] = 0xfd;
  return formatIpBytes(bytes);
});
const ip = fc.oneof(ip4, ip6);
const cidr = fc.tuple(ip, fc.nat(32)).map(([address, bits]) => `${address}/${bits}`);
const word = fc.string({ minLength: 1 });
const maybe = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }, ...required: (keyof T)[]) =>
  fc.record(model, { requiredKeys: required }) as fc.Arbitrary<T>;
const positive = fc.integer({ min: 1, max: 65_535 });
const someOf = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: 1, maxLength: 4 });
const results = maybe({
  interfaces: someOf(
    maybe({ name: word, mac: word, mtu: positive, sandbox: word, socketPath: word, pciID: word }, "name"),
  ),
  ips: someOf(maybe({ address: cidr, gateway: ip, interface: fc.nat(9) }, "address")),
  routes: someOf(
    maybe(
      { dst: cidr, gw: ip, mtu: positive, advmss: positive, priority: positive, table: fc.nat(), scope: fc.nat(255) },
      "dst",
    ),
  ),
  dns: maybe({ nameservers: someOf(ip), domain: word, search: someOf(word), options: someOf(word) }, "domain"),
}) as fc.Arbitrary<Result>;

describe("round trips", () => {
  const roundTrip = (result: Result, version: CniVersion): Result =>
    parseResult(JSON.parse(formatResult(result, version)), "0.1.0", "result");

  test("through 1.0.0 and 1.1.0 nothing is lost", () => {
    fc.assert(
      fc.property(results, fc.constantFrom("1.0.0" as const, "1.1.0" as const), (result, version) => {
        expect(roundTrip(result, version)).toEqual(result);
      }),
      { numRuns: 500 },
    );
  });

  test("through 0.3.0 to 0.4.0 an interface loses its mtu, socket and PCI device, and nothing else is lost", () => {
    fc.assert(
      fc.property(results, fc.constantFrom("0.3.0" as const, "0.3.1" as const, "0.4.0" as const), (result, version) => {
        const { interfaces, ...others } = result;
        const kept = interfaces?.map(({ mtu: _, socketPath: __, pciID: ___, ...each }) => each);
        expect(roundTrip(result, version)).toEqual({ ...others, ...(kept === undefined ? {} : { interfaces: kept }) });
      }),
      { numRuns: 500 },
    );
  });

  test("through 0.1.0 and 0.2.0 the first address of each family and the routes of its family stay", () => {
    fc.assert(
      fc.property(results, fc.constantFrom("0.1.0" as const, "0.2.0" as const), (result, version) => {
        const back = roundTrip(result, version);
        const firsts = ([4, 6] as const).flatMap((family) => {
          const first = result.ips?.find(({ address }) => familyOf(address) === family);
          return first === undefined ? [] : [first];
        });
        expect((back.ips ?? []).map(({ address, gateway }) => [address, gateway])).toEqual(
          firsts.map(({ address, gateway }) => [address, gateway]),
        );
        const families = firsts.map(({ address }) => familyOf(address));
        const routes = families.flatMap((family) =>
          (result.routes ?? []).filter(({ dst }) => familyOf(dst) === family),
        );
        expect((back.routes ?? []).map(({ dst, gw }) => [dst, gw])).toEqual(routes.map(({ dst, gw }) => [dst, gw]));
        expect(back.dns).toEqual(result.dns);
        expect(back.interfaces).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test("a result that went through a version once goes through it unchanged", () => {
    fc.assert(
      fc.property(results, fc.constantFrom(...versions), (result, version) => {
        const once = roundTrip(result, version);
        expect(resultJson(once, version)).toEqual(resultJson(result, version));
      }),
      { numRuns: 500 },
    );
  });
});
