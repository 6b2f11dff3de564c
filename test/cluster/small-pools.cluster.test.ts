/** Ranges of a few addresses, as operators of whereabouts have them: whoever asks first gets one, on whichever node. */

import { beforeAll, expect } from "bun:test";
import { testAgents } from "../support/agent.ts";
import { needs, program, root } from "../support/needs.ts";
import { type Config, expectBuilt, fail, succeed, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { twoNodes } from "../support/two-nodes.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
const agents = testAgents();
expectNothingLeft();

const test = needs(root, program("ip"));

/** The range of the example that whereabouts' documents begin with. */
const config: Config = {
  cniVersion: "1.0.0",
  name: "whereabouts",
  type: "bridge",
  bridge: "lan0",
  ipam: { type: "whereabouts", range: "192.168.2.225/28" },
};
const USABLE = 14;

test("nodes that take turns get every address of one block at once, and then a refusal that says so", async () => {
  const { nodes, start } = twoNodes(hosts);
  await start(agents);
  const attached = [];
  for (let i = 0; i < USABLE; i++) {
    const { host } = nodes[i % nodes.length] as (typeof nodes)[number];
    const container = hosts.container(`pod${i}`);
    const { ips = [] } = await succeed(host, { verb: "ADD", container, config });
    attached.push({ host, container, address: ips[0]?.address });
  }
  const expected = Array.from({ length: USABLE }, (_, i) => `192.168.2.${225 + i}/28`);
  expect(attached.map(({ address }) => address).sort()).toEqual(expected);
  const last = { host: nodes[0].host, container: hosts.container("last") };
  const refusal = await fail(last.host, { verb: "ADD", container: last.container, config });
  expect([refusal.code, refusal.msg]).toEqual([11, expect.stringMatching(/^Pool ".*" has no free IPv4 address left$/)]);
  for (const { host, container } of [...attached, last]) await succeed(host, { verb: "DEL", container, config });
});
