/** Chains that mix our sbr and bridge with the Go ones, and a host that changes over with containers on it. */

import { beforeAll, expect } from "bun:test";
import { goPlugin, hostLocal, V4 } from "../support/attachment-cases.ts";
import { addChain, checkChain, delChain, type Link } from "../support/chain.ts";
import { needs, root } from "../support/needs.ts";
import { type Config, expectBuilt, type Host, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root, goPlugin("bridge"), goPlugin("host-local"), goPlugin("sbr"));

const GO = process.env.TENDRIL_PEER_PLUGINS ?? "";

const bridge = (host: Host): Config => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "bridge",
  bridge: "br0",
  isDefaultGateway: true,
  ipam: hostLocal(host, V4),
});
const sbr: Config = { cniVersion: "1.1.0", name: "net", type: "sbr" };

for (const [title, first, second] of [
  ["ours after the Go bridge", { path: GO }, {}],
  ["the Go sbr after our bridge", {}, { path: GO }],
] as const) {
  test(`${title}: the address answers by its table`, async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const chain: readonly Link[] = [
      { config: bridge(host), ...first },
      { config: sbr, ...second },
    ];
    const result = await addChain(host, container, chain);
    expect(container.namespace.sh("ip rule show")).toContain("from 10.77.0.2 lookup 100\n");
    container.namespace.sh("ping -c 1 -W 10 -I 10.77.0.2 10.77.0.1");
    await checkChain(host, container, chain.slice(1), result);
    await delChain(host, container, chain, result);
    expect(container.namespace.sh("ip rule show")).not.toContain("10.77.0.2");
    expect(container.namespace.sh("ip route show table all")).not.toContain("table 100");
  });
}

test("what the Go sbr has made ours checks and takes away", async () => {
  const host = hosts.fresh();
  const container = hosts.container("c1");
  const below: Link = { config: bridge(host) };
  const result = await addChain(host, container, [below, { config: sbr, path: GO }]);
  await checkChain(host, container, [{ config: sbr }], result);
  await delChain(host, container, [{ config: sbr }], result);
  expect(container.namespace.sh("ip rule show")).not.toContain("10.77.0.2");
  expect(container.namespace.sh("ip route show table all")).not.toContain("table 100");
  await delChain(host, container, [below], result);
});
