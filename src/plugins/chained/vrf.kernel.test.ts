/** `vrf` behind `bridge`: interfaces in routing domains of their own, and back. */

import { beforeAll, describe, expect } from "bun:test";
import { rmSync } from "node:fs";
import { hostLocal } from "../../../test/support/attachment-cases.ts";
import { kernelLink } from "../../../test/support/kernel.ts";
import { expectSameState, killAtEachStep } from "../../../test/support/kills.ts";
import { needs, program, root } from "../../../test/support/needs.ts";
import { namespaceState } from "../../../test/support/network-state.ts";
import { expectBuilt, type Host, type PluginCall, succeed, testHosts } from "../../../test/support/plugin-calls.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { ConflictError, VerificationError } from "../../core/errors.ts";
import type { Result } from "../../core/result.ts";
import { bridge } from "../interface/bridge.ts";
import { type CallOptions, type Fields, type Served, serve } from "../test-support/served.ts";
import { vrf } from "./vrf.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root, program("ip"), program("ping"), kernelLink("vrf"));

function bridgeFields(host: Host, number: number): Fields {
  const ipam = hostLocal(host, [{ subnet: `10.7${number}.0.0/24` }], [{ subnet: `fd7${number}::/64` }]);
  return { name: `net${number}`, bridge: `br${number}`, isDefaultGateway: true, ipam };
}

function vrfFields(number: number, more: Fields = {}): Fields {
  return { name: `net${number}`, vrfname: "red", ...more };
}

function stage() {
  const host = hosts.fresh();
  const container = hosts.container("c1");
  const { sh, json, netns } = container.namespace;
  // The first VRF of a namespace gives it a rule for good.
  sh("ip link add red type vrf table 9 && ip link delete red");
  const table = (number: number, family = 4) =>
    sh(`ip -${family} route show table ${number} 2>/dev/null | grep -v -e fe80 -e ff00 || true`)
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !/^(local|broadcast|anycast) /.test(line))
      .sort();
  const masterOf = (link: string) => json<{ master?: string }>(`ip -j link show ${link}`)[0]?.master;
  /** A network of the container, of two plugins. */
  const network = (number: number, fields: Fields = {}, below: Fields = {}) => {
    const of = { ...container, ifname: `net${number}` };
    const first = serve(bridge, host, { ...bridgeFields(host, number), ...below });
    const second = serve(vrf, host, vrfFields(number, fields));
    const both = [first, second];
    return {
      first,
      second,
      of,
      add: (): Result => second.add(of, { prevResult: first.add(of) }),
      check: (result: Result, plugins: readonly Served[] = both) => {
        for (const plugin of plugins) plugin.check(of, result);
      },
      del: (result?: Result, options: CallOptions = {}) => {
        const given = result === undefined ? options : { ...options, prevResult: result };
        for (const plugin of both.toReversed()) plugin.del(of, given);
      },
    };
  };
  return { host, container, sh, table, masterOf, network, inside: () => namespaceState(netns) };
}

describe("an interface", () => {
  for (const [title, keep] of [
    ["whose IPv6 addresses the kernel keeps", 1],
    ["whose IPv6 addresses the kernel drops", 0],
  ] as const) {
    test(`${title} is in its VRF with addresses and routes, and afterwards as it was`, async () => {
      const { sh, table, masterOf, network, inside } = stage();
      const { first, second, of, check, del } = network(1);
      const previous = first.add(of);
      sh(`sysctl -qw net.ipv6.conf.net1.keep_addr_on_down=${keep}`);
      const before = await inside();
      const result = second.add(of, { prevResult: previous });
      expect(result).toEqual(previous);
      expect(masterOf("net1")).toBe("red");
      expect(table(1)).toEqual([
        "10.71.0.0/24 dev net1 proto kernel scope link src 10.71.0.2",
        "default via 10.71.0.1 dev net1",
      ]);
      expect(table(1, 6)).toEqual([
        "default via fd71::1 dev net1 metric 1024 pref medium",
        "fd71::/64 dev net1 proto kernel metric 256 pref medium",
      ]);
      expect([...table(254), ...table(254, 6)]).toEqual([]);
      for (const address of ["10.71.0.1", "fd71::1"]) sh(`ping -c 1 -W 10 -I red ${address}`);
      // The parameter is the plugin's before.
      check(result, keep === 1 ? [first, second] : [second]);
      for (const time of ["DEL", "a second DEL"]) {
        second.del(of, { prevResult: result });
        expectSameState(time, await inside(), before);
      }
      del(result);
    });
  }

  test("takes its routes of whatever table along", async () => {
    const ipam = {
      type: "static",
      addresses: [{ address: "10.71.0.9/24", gateway: "10.71.0.1" }, { address: "fd71::9/64" }],
      routes: [
        { dst: "10.80.0.0/16", priority: 7 },
        { dst: "10.81.0.0/16", table: 1000 },
        { dst: "fd80::/64", gw: "fd71::7" },
      ],
    };
    const { table, network, inside } = stage();
    const { first, second, of, check, del } = network(1, { table: 77 }, { isDefaultGateway: false, ipam });
    const previous = first.add(of);
    const before = await inside();
    const result = second.add(of, { prevResult: previous });
    expect(table(77)).toContain("10.80.0.0/16 via 10.71.0.1 dev net1 metric 7");
    expect(table(77, 6)).toContain("fd80::/64 via fd71::7 dev net1 metric 1024 pref medium");
    expect(table(1000)).toEqual(["10.81.0.0/16 via 10.71.0.1 dev net1"]);
    check(result);
    second.del(of, { prevResult: result });
    expectSameState("DEL", await inside(), before);
    del(result);
  });
});

describe("two interfaces", () => {
  for (const first of [0, 1]) {
    test(`in one VRF share it until the last has gone, number ${first + 1} first`, () => {
      const { sh, table, masterOf, network } = stage();
      const networks = [network(1), network(2)] as const;
      const results = [networks[0].add(), networks[1].add()] as const;
      expect([masterOf("net1"), masterOf("net2")]).toEqual(["red", "red"]);
      expect(table(1)).toContain("10.72.0.0/24 dev net2 proto kernel scope link src 10.72.0.2");
      for (const [i, { check }] of networks.entries()) check(results[i] as Result);
      const second = 1 - first;
      networks[first]?.del(results[first]);
      expect(masterOf(`net${second + 1}`)).toBe("red");
      networks[second]?.check(results[second] as Result);
      networks[second]?.del(results[second]);
      expect(sh("ip -br link")).not.toContain("red");
    });
  }

  test("with the same address are in two VRFs, each with a table of its own", () => {
    const { sh, table, network } = stage();
    const same = { ipam: { type: "static", addresses: [{ address: "10.71.0.9/24", gateway: "10.71.0.1" }] } };
    const networks = [network(1, {}, same), network(2, { vrfname: "blue" }, same)];
    for (const [i, { add, check }] of networks.entries()) {
      const result = add();
      expect(table(i + 1)).toContain(`default via 10.71.0.1 dev net${i + 1}`);
      check(result);
    }
    for (const { del } of networks) del();
    expect(sh("ip -br link")).not.toMatch(/red|blue/);
  });
});

describe("the table", () => {
  test("is the VRF's own where it is there, or another one is refused", () => {
    const { sh, table, network } = stage();
    sh("ip link add red type vrf table 500");
    const { second, of, add, del } = network(1);
    const result = add();
    expect(table(500)).toContain("default via 10.71.0.1 dev net1");
    second.del(of, { prevResult: result });
    sh("ip link add red type vrf table 500");
    const other = network(1, { table: 501 }).second;
    expect(() => other.add(of, { prevResult: result })).toThrow(ConflictError);
    expect(() => other.add(of, { prevResult: result })).toThrow('VRF "red" already exists with table 500, not 501');
    del(result);
  });

  test("that is chosen is one that nobody names", () => {
    const { sh, table, network } = stage();
    sh("ip link set lo up && ip route add 10.9.0.0/16 dev lo table 1 && ip rule add from 10.9.9.9 lookup 2");
    const { add, del } = network(1);
    const result = add();
    expect(table(3)).toContain("default via 10.71.0.1 dev net1");
    del(result);
  });
});

describe("an ADD is refused, and changes nothing,", () => {
  for (const [title, prepare, words] of [
    ["where the name is that of another link", "ip link add red type bridge", '"red" already exists but is not a vrf'],
    [
      "where the interface is a port already",
      "ip link add br9 type bridge && ip link set net1 master br9",
      'Interface "net1" cannot be in VRF "red": it is a port of "br9"',
    ],
  ] as const) {
    test(title, async () => {
      const { sh, network, inside } = stage();
      const { first, second, of } = network(1);
      const prevResult = first.add(of);
      sh(prepare);
      const before = await inside();
      expect(() => second.add(of, { prevResult })).toThrow(ConflictError);
      expect(() => second.add(of, { prevResult })).toThrow(words);
      expectSameState("a refused ADD", await inside(), before);
      first.del(of);
    });
  }
});

describe("CHECK and DEL", () => {
  test("find what is broken", () => {
    const { sh, network } = stage();
    const { second, of, add, del } = network(1);
    const result = add();
    sh("ip link set net1 nomaster && ip link set red down");
    const check = () => second.check(of, result);
    expect(check).toThrow(VerificationError);
    for (const finding of [
      'link "red" is down',
      '"net1" is not a port of VRF "red"',
      "route 0.0.0.0/0 via 10.71.0.1 dev net1 is missing",
    ]) {
      expect(check).toThrow(finding);
    }
    del(result);
    expect(sh("ip -br link")).not.toContain("red");
  });

  test("work without a record, and without a namespace", async () => {
    for (const given of [true, false]) {
      const { host, sh, network, inside } = stage();
      const { first, second, of, check, del } = network(1);
      const previous = first.add(of);
      const before = await inside();
      const result = second.add(of, { prevResult: previous });
      rmSync(`${host.runFolder}/attachments/net1/c1@vrf@net1.json`);
      check(result, [second]);
      second.del(of, given ? { prevResult: result } : {});
      expectSameState("DEL without record", await inside(), before);
      second.add(of, { prevResult: previous });
      del(undefined, { netns: null });
      expect(sh("ip -br link")).not.toContain("red");
    }
  });
});

test("what it would do is said without doing it, and done by hand makes the same", async () => {
  const states = [];
  for (const isByHand of [true, false]) {
    const { host, network, inside } = stage();
    const { first, second, of, del } = network(1);
    const prevResult = first.add(of);
    const before = await inside();
    const foreseen = second.foreseeAdd(of, { prevResult });
    expectSameState("foresight", await inside(), before);
    if (isByHand) host.netns.sh(["set -e", ...(foreseen?.commands ?? [])].join("\n"));
    else expect(second.add(of, { prevResult })).toEqual(foreseen?.result as Result);
    // A VRF that is made without a MAC has one at random.
    const chance = /link\/ether [0-9a-f:]+ (?=.* vrf )|link-netns \S+ /;
    states.push((await inside()).map((line) => line.replace(chance, "")));
    del();
  }
  expectSameState("by hand", states[0] ?? [], states[1] ?? []);
});

describe("killed after any step", () => {
  test("an ADD leaves nothing once DEL has come", async () => {
    const { host, sh, network, inside } = stage();
    const { first, of } = network(1);
    const prevResult = first.add(of);
    const before = await inside();
    const config = { cniVersion: "1.1.0", type: "vrf", name: "net1", vrfname: "red", prevResult };
    const request = (verb: PluginCall["verb"]): PluginCall => ({ verb, container: of, config });
    const after = async (step: number) => {
      await succeed(host, request("DEL"));
      expectSameState(`ADD killed after step ${step}, DEL`, await inside(), before);
    };
    await killAtEachStep({ host, call: () => request("ADD"), after, atLeast: 8 });
    await succeed(host, request("DEL"));
    expect(sh("ip -br link")).not.toContain("red");
    first.del(of);
  });
});
