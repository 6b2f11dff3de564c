/** What networks without containers have left in our tables, when one of them is collected. */

import { beforeAll, expect } from "bun:test";
import { hostLocal } from "../support/attachment-cases.ts";
import { addChain, delChain } from "../support/chain.ts";
import { needs, program, root } from "../support/needs.ts";
import { expectBuilt, succeed, testHosts, withValid } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root, program("ip"), program("nft"));

test("GC of one network removes the table, although chains of another one stand on its parts", async () => {
  const host = hosts.fresh();
  const networks = ["one", "two"].map((name, i) => {
    const common = { cniVersion: "1.1.0", name };
    const ipam = hostLocal(host, [{ subnet: `10.${77 + i}.0.0/24` }]);
    const portMappings = [{ hostPort: 8080 + i, containerPort: 80, protocol: "tcp" }];
    return [
      { ...common, type: "bridge", bridge: `br${i}`, isGateway: true, ipMasq: true, ipam },
      { ...common, type: "portmap", runtimeConfig: { portMappings } },
      { ...common, type: "firewall", ingressPolicy: "same-bridge" },
    ];
  });
  for (const [i, configs] of networks.entries()) {
    const container = hosts.container(`c${i}`);
    const chain = configs.map((config) => ({ config }));
    await delChain(host, container, chain, await addChain(host, container, chain));
  }
  expect(host.netns.sh("nft list tables")).toContain("table inet tendril");
  for (const config of networks[1] ?? []) await succeed(host, { verb: "GC", config: withValid(config, []) });
  expect(host.netns.sh("nft list ruleset")).toBe("");
  // The other one's bridge is for its own GC.
  expect(host.netns.sh("ip link show br0")).toContain("br0");
  for (const config of networks[0] ?? []) await succeed(host, { verb: "GC", config: withValid(config, []) });
  expect(host.netns.sh("ip -o link")).not.toMatch(/\bbr[01]\b/);
});
