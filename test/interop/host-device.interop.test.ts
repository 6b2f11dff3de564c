/** A device that the Go plugin has moved ours brings back, and the other way round, as on a host that changes over. */

import { beforeAll, expect } from "bun:test";
import { goPlugin, hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { addChain, checkChain, delChain, type Link } from "../support/chain.ts";
import { needs, root } from "../support/needs.ts";
import { type Config, expectBuilt, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root, goPlugin("host-device"), goPlugin("host-local"), goPlugin("tuning"));

const GO = process.env.TENDRIL_PEER_PLUGINS ?? "";
const MAC = "02:00:5e:00:53:0a";

function stage() {
  const host = hosts.fresh();
  host.netns.sh(`ip link add ens0 address ${MAC} type veth peer name wire0; ip link set wire0 up`);
  const config: Config = {
    cniVersion: "1.1.0",
    name: "net",
    type: "host-device",
    hwaddr: MAC,
    ipam: hostLocal(host, V4, V6),
  };
  const tuning: Config = { cniVersion: "1.1.0", name: "net", type: "tuning", mac: "02:00:5e:00:53:0c", mtu: 1400 };
  const look = () => host.netns.json<Record<string, unknown>>("ip -j link show ens0");
  return { host, container: hosts.container("c1"), config, tuning, look };
}

for (const [title, before, after] of [
  ["what the Go plugin has moved comes back by ours", { path: GO }, {}],
  ["what ours has moved comes back by the Go plugin", {}, { path: GO }],
] as const) {
  test(title, async () => {
    const { host, container, config, look } = stage();
    const [first, second]: Link[][] = [[{ config, ...before }], [{ config, ...after }]];
    const result = await addChain(host, container, first as Link[]);
    await checkChain(host, container, second as Link[], result);
    await delChain(host, container, second as Link[], result);
    expect(look()).toMatchObject([{ ifname: "ens0", address: MAC }]);
    expect(look()[0]).not.toHaveProperty("ifalias");
    expect(container.namespace.sh("ip -br link")).not.toContain("eth0");
  });
}

for (const [title, device, tuner] of [
  ["ours and the Go tuning", {}, { path: GO }],
  ["the Go host-device and our tuning", { path: GO }, {}],
  ["ours and our tuning", {}, {}],
] as const) {
  test(`in a chain of ${title} the device has its own MAC and MTU again`, async () => {
    const { host, container, config, tuning, look } = stage();
    const chain: readonly Link[] = [
      { config, ...device },
      { config: { ...tuning, dataDir: host.path("tuning") }, ...tuner },
    ];
    const result = await addChain(host, container, chain);
    await checkChain(host, container, chain, result);
    expect(container.namespace.json("ip -j link show eth0")).toMatchObject([
      { address: "02:00:5e:00:53:0c", mtu: 1400 },
    ]);
    await delChain(host, container, chain, result);
    expect(look()).toMatchObject([{ address: MAC, mtu: 1500 }]);
  });
}
