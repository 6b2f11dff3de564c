/** Fewer blocks than nodes, such as in ranges that operators of whereabouts have: whoever asks first gets an address. */

import { beforeAll, expect } from "bun:test";
import { agentStatus } from "../../src/lab/agent-status.ts";
import { testConnectivity } from "../../src/lab/connectivity.ts";
import { takeDown } from "../../src/lab/down.ts";
import { parseLabFile } from "../../src/lab/lab-file.ts";
import { bringUp } from "../../src/lab/up.ts";
import { testAgents } from "../support/agent.ts";
import { needs, program, root } from "../support/needs.ts";
import { type Config, expectBuilt, fail, succeed, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { twoNodes } from "../support/two-nodes.ts";
import { clusterTest, plugins, tendril } from "./stage.ts";

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

const ONE_BLOCK = `
mode: host-gw
pods: [10.250.0.0/27]
blockSize: {ipv4: 27}
subnets: [{name: lan, prefixes: [172.20.1.0/24]}]
nodes:
  - {name: node1, subnet: lan, pods: [web]}
  - {name: node2, subnet: lan, pods: [web]}
  - {name: node3, subnet: lan, pods: [web, db]}
`;

clusterTest("a network of one block serves three nodes, of which two have none of their own", async () => {
  const name = `t${process.pid}oneblock`;
  try {
    const { lab } = await bringUp(parseLabFile(ONE_BLOCK, { name }), { plugins, program: tendril });
    const { findings } = testConnectivity(lab);
    expect(findings.length).toBeGreaterThan(100);
    expect(findings.flatMap(({ problem }) => problem ?? [])).toEqual([]);
    for (const node of ["node1", "node2", "node3"]) {
      expect(await agentStatus(name, node)).toMatchObject({ ready: true, problems: [] });
    }
  } finally {
    takeDown(name);
  }
});
