/** `sbr` behind `bridge`: two networks of one container, each of which answers by its own way. */

import { beforeAll, describe, expect } from "bun:test";
import { rmSync } from "node:fs";
import { hostLocal } from "../support/attachment-cases.ts";
import { addChain, checkChain, delChain, type Link } from "../support/chain.ts";
import { expectSameState } from "../support/kills.ts";
import type { TestNetns } from "../support/namespaces.ts";
import { needs, program, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import { linkOutside } from "../support/outside.ts";
import { expectAnswer, expectNoAnswer } from "../support/ping.ts";
import {
  type Config,
  expectBuilt,
  fail,
  type Host,
  type Hosts,
  succeed,
  testHosts,
  withResult,
  withValid,
} from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root, program("ip"), program("ping"));

const VERIFICATION = 104;
const CONFIG = 7;

const bridge = (host: Host, number: number, fields: Record<string, unknown> = {}): Config => ({
  cniVersion: "1.1.0",
  name: `net${number}`,
  type: "bridge",
  bridge: `br${number}`,
  isDefaultGateway: true,
  ipam: hostLocal(host, [{ subnet: `10.7${number}.0.0/24` }], [{ subnet: `fd7${number}::/64` }]),
  ...fields,
});
const sbr = (number: number, fields: Record<string, unknown> = {}): Config => ({
  cniVersion: "1.1.0",
  name: `net${number}`,
  type: "sbr",
  ...fields,
});

/** A host that forwards for a peer outside, and takes from each bridge only what has an address of its network. */
function stage(makers: Hosts) {
  const host = makers.fresh();
  const outside = linkOutside(makers, host, {
    host: ["192.0.2.1/24", "2001:db8::1/64"],
    outside: ["192.0.2.2/24", "2001:db8::2/64"],
  });
  host.netns.sh("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1");
  outside.sh("ip route add 10.0.0.0/8 via 192.0.2.1 && ip -6 route add fd00::/8 via 2001:db8::1");
  const container = makers.container("c1");
  const of = (number: number) => ({ ...container, ifname: `net${number}` });
  return { host, outside, container, of, state: () => stateOf(host, [container.namespace]) };
}

/** The link by which the container would send from an address to the peer outside. */
function wayFrom({ json }: TestNetns, source: string): unknown {
  const to = source.includes(":") ? "2001:db8::2" : "192.0.2.2";
  const [route] = json<{ dev: string }>(`ip -j route get ${to} from ${source}`);
  return route?.dev;
}

describe("two networks of one container", () => {
  for (const [title, order] of [
    ["in the order in which they came", [1, 2]],
    ["the last one first", [2, 1]],
  ] as const) {
    test(`answer by their own ways, and go without a trace, ${title}`, async () => {
      const { host, outside, container, of, state } = stage(hosts);
      const before = await state();
      const chains = new Map<number, readonly Link[]>([
        [1, [{ config: bridge(host, 1) }, { config: sbr(1) }]],
        [2, [{ config: bridge(host, 2) }, { config: sbr(2) }]],
      ]);
      const chain = (number: number) => chains.get(number) as readonly Link[];
      const results = new Map([[1, await addChain(host, of(1), chain(1))]]);
      results.set(2, await addChain(host, of(2), chain(2)));
      for (const number of [1, 2]) {
        expectAnswer(outside, `10.7${number}.0.2`);
        for (const address of [`10.7${number}.0.2`, `fd7${number}::2`]) {
          expect(wayFrom(container.namespace, address)).toBe(`net${number}`);
        }
        await checkChain(host, of(number), chain(number), results.get(number) ?? {});
      }
      const [first, second] = order;
      await delChain(host, of(first), chain(first), results.get(first));
      expectAnswer(outside, `10.7${second}.0.2`);
      await checkChain(host, of(second), chain(second), results.get(second) ?? {});
      await delChain(host, of(second), chain(second), results.get(second));
      for (const each of chains.values()) await collect(host, each);
      expectSameState("DEL of both", await state(), before);
    });
  }

  test("do not without it: what is sent from the second one's address takes the first one's way", async () => {
    const { host, outside, of } = stage(hosts);
    const chains = [
      [{ config: bridge(host, 1) }],
      [{ config: bridge(host, 2, { isDefaultGateway: false, isGateway: true }) }],
    ];
    for (const [i, chain] of chains.entries()) await addChain(host, of(i + 1), chain);
    expectAnswer(outside, "10.71.0.2");
    expectNoAnswer(outside, "10.72.0.2");
    for (const [i, chain] of chains.entries()) await delChain(host, of(i + 1), chain);
  });
});

async function collect(host: Host, chain: readonly Link[]): Promise<void> {
  for (const { config } of chain) await succeed(host, { verb: "GC", config: withValid(config, []) });
}

/** One network, with sbr behind bridge. */
async function attached(fields: Record<string, unknown> = {}, below: Record<string, unknown> = {}) {
  const { host, container, of } = stage(hosts);
  const chain = [{ config: bridge(host, 1, below) }, { config: sbr(1, fields) }] as const;
  const previous = await addChain(host, of(1), chain.slice(0, 1));
  const inside = async () =>
    (await stateOf(host, [container.namespace])).filter((line) => line.startsWith("container"));
  const before = await inside();
  const result = await addChain(
    host,
    of(1),
    chain.slice(1).map((link) => ({ config: withResult(link.config, previous) })),
  );
  const main = (family: number) =>
    container.namespace.sh(`ip -${family} route show dev net1 | grep -v fe80 || true`).replace(/ +$/gm, "");
  const table = (number: number, family = 4) =>
    container.namespace.sh(`ip -${family} route show table ${number} 2>/dev/null || true`).replace(/ +$/gm, "");
  const rules = (family: number) => container.namespace.sh(`ip -${family} rule show | grep -v 'from all'`);
  return { host, container, of: of(1), chain, result, previous, inside, before, main, table, rules };
}

describe.concurrent("one network", () => {
  test("has a table for each of its addresses, and DEL puts its routes back into the main one", async () => {
    const { host, of, chain, result, previous, inside, before, main, table, rules } = await attached();
    expect(result).toEqual(previous);
    expect(main(4) + main(6)).toBe("");
    expect(table(100)).toBe(
      "default via 10.71.0.1 dev net1\n10.71.0.0/24 dev net1 proto kernel scope link src 10.71.0.2\n",
    );
    expect(table(101, 6)).toBe(
      "fd71::/64 dev net1 proto kernel metric 256 pref medium\ndefault via fd71::1 dev net1 metric 1024 pref medium\n",
    );
    expect(rules(4)).toBe("32765:\tfrom 10.71.0.2 lookup 100\n");
    expect(rules(6)).toBe("32765:\tfrom fd71::2 lookup 101\n");
    await checkChain(host, of, chain, result);
    await delChain(host, of, chain.slice(1), result);
    expectSameState("DEL of sbr", await inside(), before);
    await delChain(host, of, chain.slice(1), result);
    expectSameState("a second DEL", await inside(), before);
    await delChain(host, of, chain, result);
  });

  test("moves to its tables the routes that can be of use to an address", async () => {
    const ipam = {
      type: "static",
      addresses: [
        { address: "10.71.0.9/24", gateway: "10.71.0.1" },
        { address: "10.72.0.9/24", gateway: "10.72.0.1" },
      ],
      routes: [
        { dst: "0.0.0.0/0" },
        { dst: "10.80.0.0/16", gw: "10.72.0.7", priority: 7 },
        { dst: "10.81.0.0/16", gw: "10.71.0.7" },
      ],
    };
    const { host, of, chain, result, table, main, inside, before } = await attached(
      {},
      { isDefaultGateway: false, ipam },
    );
    expect(main(4)).toBe("");
    expect(table(100).split("\n").sort()).toEqual([
      "",
      "10.71.0.0/24 dev net1 proto kernel scope link src 10.71.0.9",
      "10.81.0.0/16 via 10.71.0.7 dev net1",
      "default via 10.71.0.1 dev net1",
    ]);
    expect(table(101).split("\n").sort()).toEqual([
      "",
      "10.72.0.0/24 dev net1 proto kernel scope link src 10.72.0.9",
      "10.80.0.0/16 via 10.72.0.7 dev net1 metric 7",
      "default via 10.72.0.1 dev net1",
    ]);
    await checkChain(host, of, chain, result);
    await delChain(host, of, chain.slice(1), result);
    expectSameState("DEL of sbr", await inside(), before);
    await delChain(host, of, chain, result);
  });

  test("with a table that is configured moves no route", async () => {
    const { host, of, chain, result, rules, table, main, inside, before } = await attached({ table: 5001 });
    expect(rules(4)).toBe("32765:\tfrom 10.71.0.2 lookup 5001\n");
    expect(rules(6)).toBe("32765:\tfrom fd71::2 lookup 5001\n");
    expect(table(5001)).toBe("");
    expect(main(4)).toContain("default via 10.71.0.1");
    await checkChain(host, of, chain, result);
    await delChain(host, of, chain.slice(1), result);
    expectSameState("DEL of sbr", await inside(), before);
    await delChain(host, of, chain, result);
  });

  test("with gateways has its default routes by them", async () => {
    const { host, of, chain, result, table, inside, before } = await attached({ gateways: ["10.71.0.7", "fd71::7"] });
    expect(table(100)).toContain("default via 10.71.0.7 dev net1\n");
    expect(table(100)).not.toContain("10.71.0.1");
    expect(table(101, 6)).toContain("default via fd71::7 dev net1");
    expect(table(101, 6)).not.toContain("fd71::1 ");
    await checkChain(host, of, chain, result);
    await delChain(host, of, chain.slice(1), result);
    expectSameState("DEL of sbr", await inside(), before);
    await delChain(host, of, chain, result);
  });

  test("with addSourceHints keeps the way to its own network, from its address", async () => {
    const { host, of, chain, result, main, inside, before } = await attached({ addSourceHints: true });
    expect(main(4)).toBe("10.71.0.0/24 proto kernel scope link src 10.71.0.2\n");
    expect(main(6)).toBe("fd71::/64 src fd71::2 metric 1024 pref medium\n");
    await checkChain(host, of, chain, result);
    await delChain(host, of, chain.slice(1), result);
    expectSameState("DEL of sbr", await inside(), before);
    await delChain(host, of, chain, result);
  });

  test("takes the first tables that nobody names", async () => {
    const { host, container, of } = stage(hosts);
    container.namespace.sh(
      "ip rule add from 10.9.9.9 lookup 100 && ip link set lo up && ip route add 10.8.0.0/16 dev lo table 102",
    );
    const chain = [{ config: bridge(host, 1) }, { config: sbr(1) }];
    const result = await addChain(host, of(1), chain);
    expect(container.namespace.sh("ip rule show")).toContain("32764:\tfrom 10.71.0.2 lookup 101\n");
    expect(container.namespace.sh("ip -6 rule show")).toContain("from fd71::2 lookup 103\n");
    await delChain(host, of(1), chain, result);
    expect(container.namespace.sh("ip rule show")).toContain("from 10.9.9.9 lookup 100");
  });

  test("is found broken by CHECK", async () => {
    const { host, container, of, chain, result } = await attached();
    container.namespace.sh(`ip rule del from 10.71.0.2 && ip route del default table 100
      ip route add default via 10.71.0.1 dev net1 onlink`);
    const { code, msg } = await fail(host, { verb: "CHECK", container: of, config: withResult(sbr(1), result) });
    expect(code).toBe(VERIFICATION);
    for (const finding of [
      "rule priority 32765 from 10.71.0.2/32 lookup 100 is missing",
      "route 0.0.0.0/0 via 10.71.0.1 dev net1 is missing",
      "route 0.0.0.0/0 via 10.71.0.1 dev net1 is there again",
    ]) {
      expect(msg).toContain(finding);
    }
    await delChain(host, of, chain, result);
  });

  test("DEL without a record takes away rules and tables, without a namespace nothing", async () => {
    for (const given of [true, false]) {
      const { host, container, of, chain, result, rules, table } = await attached();
      rmSync(`${host.runFolder}/attachments/net1/c1@sbr@net1.json`);
      await checkChain(host, of, chain.slice(1), result);
      await delChain(host, of, chain.slice(1), given ? result : undefined);
      expect([table(100), table(101, 6)]).toEqual(["", ""]);
      expect(() => rules(4)).toThrow();
      await delChain(host, { ...of, netns: "" }, chain);
      await delChain(host, { ...of, netns: "/run/netns/there-is-none" }, chain);
      expect(container.namespace.sh("ip -br link")).not.toContain("net1");
    }
  });

  test("is as it was after an ADD that the kernel refuses", async () => {
    const { host, container, of } = stage(hosts);
    const chain = [{ config: bridge(host, 1) }];
    const previous = await addChain(host, of(1), chain);
    const inside = () => stateOf(host, [container.namespace]);
    const before = await inside();
    const config = withResult(sbr(1, { gateways: ["172.31.0.1"] }), previous);
    const { msg } = await fail(host, { verb: "ADD", container: of(1), config });
    expect(msg).toContain("route 0.0.0.0/0 via 172.31.0.1: ENETUNREACH");
    expectSameState("a failed ADD", await inside(), before);
    await delChain(host, of(1), chain, previous);
  });

  test("needs an address of the interface", async () => {
    const { host, of, container } = stage(hosts);
    for (const result of [{}, { ips: [{ address: "10.71.0.2/24", interface: 0 }], interfaces: [{ name: "eth9" }] }]) {
      const config = withResult(sbr(1), result);
      const { code, msg } = await fail(host, { verb: "ADD", container: of(1), config });
      expect({ code, msg }).toEqual({ code: CONFIG, msg: expect.stringContaining('"prevResult" has no address') });
      expect(container.namespace.sh("ip -br link")).not.toContain("net1");
    }
  });
});
