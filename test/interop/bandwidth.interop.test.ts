/** Chains that mix our bandwidth and bridge with the Go ones, and a host that changes over, or back, with containers on it. */

import { beforeAll, describe, expect } from "bun:test";
import { goPlugin, hostLocal, V4 } from "../support/attachment-cases.ts";
import { addChain, checkChain, delChain, type Link } from "../support/chain.ts";
import { needs, program, root } from "../support/needs.ts";
import { type Config, expectBuilt, type Host, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root, program("tc"), goPlugin("bridge"), goPlugin("host-local"), goPlugin("bandwidth"));

const GO = process.env.TENDRIL_PEER_PLUGINS ?? "";

const bridge = (host: Host): Config => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "bridge",
  bridge: "br0",
  isGateway: true,
  ipam: hostLocal(host, V4),
});
const bandwidth = (): Config => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "bandwidth",
  ingressRate: 100_000_000,
  ingressBurst: 1_000_000,
  egressRate: 20_000_000,
  egressBurst: 1_000_000,
});

/** The rates of the host's token buckets, in bytes a second, and its ifbs. */
function look({ netns }: Host) {
  const qdiscs = netns.json<{ kind: string; options: { rate: number } }>("tc -j qdisc show");
  return {
    rates: qdiscs.filter(({ kind }) => kind === "tbf").map(({ options }) => options.rate),
    ingress: qdiscs.filter(({ kind }) => kind === "ingress").length,
    ifbs: netns.json("ip -j link show type ifb").length,
  };
}

const held = { rates: [12_500_000, 2_500_000], ingress: 1, ifbs: 1 };
const none = { rates: [], ingress: 0, ifbs: 0 };

const mixes: readonly [title: string, chain: (host: Host) => readonly Link[]][] = [
  ["ours after the Go bridge", (host) => [{ config: bridge(host), path: GO }, { config: bandwidth() }]],
  ["the Go bandwidth after our bridge", (host) => [{ config: bridge(host) }, { config: bandwidth(), path: GO }]],
];

describe.concurrent("a chain of", () => {
  for (const [title, make] of mixes) {
    test(title, async () => {
      const host = hosts.fresh();
      const container = hosts.container("c1");
      const chain = make(host);
      const result = await addChain(host, container, chain);
      expect(look(host)).toEqual(held);
      expect(result.interfaces?.at(-1)?.name).toMatch(/^bwp[0-9a-f]{12}$/);
      await checkChain(host, container, chain, result);
      container.namespace.sh("ping -c 1 -W 10 10.77.0.1");
      await delChain(host, container, chain, result);
      await delChain(host, container, chain);
      expect(look(host)).toEqual(none);
    });
  }
});

describe.concurrent("what one has made", () => {
  const links = (host: Host) => ({ below: { config: bridge(host) }, go: { config: bandwidth(), path: GO } });

  for (const { how, result: given, netns } of [
    { how: "with the result", result: true, netns: true },
    { how: "with the result, after the container", result: true, netns: false },
    { how: "without the result", result: false, netns: true },
  ]) {
    test(`the Go one, ours checks, and takes away ${how}`, async () => {
      const host = hosts.fresh();
      const container = hosts.container("c1");
      const { below, go } = links(host);
      const ours = { config: bandwidth() };
      const result = await addChain(host, container, [below, go]);
      await checkChain(host, container, [below, ours], result);
      const whose = netns ? container : { ...container, netns: "" };
      await delChain(host, whose, [ours], given ? result : undefined);
      // Without the result nobody knows the host's end, with which goes what is on it.
      expect(look(host)).toEqual(given ? none : { ...none, rates: [12_500_000], ingress: 1 });
      await delChain(host, whose, [below, ours], given ? result : undefined);
      expect(look(host)).toEqual(none);
    });
  }

  test("ours, the Go one checks, and takes away", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const { below, go } = links(host);
    const ours = { config: bandwidth() };
    const result = await addChain(host, container, [below, ours]);
    await checkChain(host, container, [below, go], result);
    await delChain(host, container, [go]);
    expect(look(host).ifbs).toBe(0);
    await delChain(host, container, [below]);
    expect(look(host)).toEqual(none);
    await delChain(host, container, [below, ours], result);
  });
});
