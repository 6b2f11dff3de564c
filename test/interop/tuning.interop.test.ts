/** Chains that mix our tuning and bridge with the Go ones, and a host that changes over with containers on it. */

import { beforeAll, describe, expect } from "bun:test";
import { goPlugin, hostLocal, V4 } from "../support/attachment-cases.ts";
import { addChain, checkChain, delChain, type Link } from "../support/chain.ts";
import type { TestNetns } from "../support/namespaces.ts";
import { needs, root } from "../support/needs.ts";
import { type Config, expectBuilt, type Host, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root, goPlugin("bridge"), goPlugin("host-local"), goPlugin("tuning"));

const GO = process.env.TENDRIL_PEER_PLUGINS ?? "";
const MAC = "02:00:5e:00:53:01";

const bridge = (host: Host): Config => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "bridge",
  bridge: "br0",
  isGateway: true,
  ipam: hostLocal(host, V4),
});
const tuning = (host: Host): Config => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "tuning",
  mac: MAC,
  mtu: 1400,
  promisc: true,
  allmulti: true,
  txQLen: 77,
  dataDir: host.path("go-tuning"),
});

/** What the plugin changes. */
function look({ json }: TestNetns) {
  const [{ address, mtu, txqlen, flags } = {}] = json<Record<string, unknown>>("ip -j link show eth0");
  return { address, mtu, txqlen, flags: (flags as string[]).filter((flag) => /PROMISC|ALLMULTI/.test(flag)) };
}

const tuned = { address: MAC, mtu: 1400, txqlen: 77, flags: ["ALLMULTI", "PROMISC"] };

const mixes: readonly [title: string, chain: (host: Host) => readonly [Link, Link]][] = [
  ["ours after the Go bridge", (host) => [{ config: bridge(host), path: GO }, { config: tuning(host) }]],
  ["the Go tuning after our bridge", (host) => [{ config: bridge(host) }, { config: tuning(host), path: GO }]],
];

describe.concurrent("a chain of", () => {
  for (const [title, make] of mixes) {
    test(title, async () => {
      const host = hosts.fresh();
      const container = hosts.container("c1");
      const chain = make(host);
      const previous = await addChain(host, container, chain.slice(0, 1));
      const before = look(container.namespace);
      await delChain(host, container, chain.slice(0, 1), previous);
      const result = await addChain(host, container, chain);
      expect(result.interfaces?.find(({ sandbox }) => sandbox !== undefined)?.mac).toBe(MAC);
      expect(look(container.namespace)).toEqual(tuned);
      await checkChain(host, container, chain, result);
      container.namespace.sh("ping -c 1 -W 10 10.77.0.1");
      await delChain(host, container, chain.slice(1), result);
      expect({ ...look(container.namespace), address: "" }).toEqual({ ...before, address: "" });
      await delChain(host, container, chain.slice(0, 1), result);
    });
  }
});

test("what the Go tuning has changed ours checks, and gives back from its file", async () => {
  const host = hosts.fresh();
  const container = hosts.container("c1");
  const [below, go, ours] = [
    { config: bridge(host) },
    { config: tuning(host), path: GO },
    { config: tuning(host) },
  ] as const;
  const previous = await addChain(host, container, [below]);
  const before = look(container.namespace);
  await delChain(host, container, [below], previous);
  const result = await addChain(host, container, [below, go]);
  const changed = look(container.namespace);
  expect(changed).toEqual(tuned);
  await checkChain(host, container, [below, ours], result);
  await delChain(host, container, [ours], result);
  expect(look(container.namespace)).toEqual(before);
  await delChain(host, container, [below], result);
});
