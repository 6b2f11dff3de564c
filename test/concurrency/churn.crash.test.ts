/**
 * A busy node: thousands of calls in no order for containers of five networks, many at a time, some killed. No address is
 * held twice, what is attached stays whole, and in the end the machine is as before.
 */

import { beforeAll, expect } from "bun:test";
import { pluginTypes } from "../../src/plugins/types.ts";
import { hostLocal } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, program, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import { expectBuilt, type Host, testHosts } from "../support/plugin-calls.ts";
import { seededRandom } from "../support/random.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { type Network, Node } from "./node.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root, program("ip"), program("nft"));

const CONTAINERS = 30;
const OPERATIONS = 2_000;
/** Operations that are under way at a time. */
const WORKERS = 8;

const has = (type: string) => (pluginTypes as readonly string[]).includes(type);

/** Not many more addresses than containers, so that each is used again soon. */
function ranges(host: Host, number: number): Record<string, unknown> {
  return hostLocal(
    host,
    [{ subnet: `10.80.${number}.0/24`, rangeStart: `10.80.${number}.10`, rangeEnd: `10.80.${number}.49` }],
    [{ subnet: `fd80:${number}::/64`, rangeStart: `fd80:${number}::10`, rangeEnd: `fd80:${number}::37` }],
  );
}

function networksOf(host: Host): Network[] {
  const bridge = (name: string, fields: Record<string, unknown> = {}) => ({
    ...{ type: "bridge", bridge: `br-${name}`, isDefaultGateway: true },
    ...fields,
  });
  const all: readonly Network[] = [
    { name: "plain", plugins: [bridge("plain", { ipam: ranges(host, 0) })] },
    {
      name: "routed",
      plugins: [{ type: "ptp", ipMasq: true, ipam: { ...ranges(host, 1), routes: [{ dst: "10.99.0.0/16" }] } }],
    },
    {
      name: "whole",
      plugins: [
        bridge("whole", {
          ipMasq: true,
          macspoofchk: true,
          isDefaultGateway: false,
          isGateway: true,
          ipam: ranges(host, 2),
        }),
        { type: "portmap", runtimeConfig: {} },
        {
          type: "bandwidth",
          ingressRate: 100_000_000,
          ingressBurst: 1_000_000,
          egressRate: 100_000_000,
          egressBurst: 1_000_000,
        },
        { type: "firewall", ingressPolicy: "isolated" },
        { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1" }, mtu: 1400, allmulti: true },
      ],
      portMappings: true,
    },
    {
      name: "guarded",
      plugins: [
        bridge("guarded", { isDefaultGateway: false, isGateway: true, ipam: ranges(host, 3) }),
        { type: "firewall", ingressPolicy: "same-bridge" },
      ],
    },
    { name: "wire", plugins: [{ type: "macvlan", master: "up0", ipam: ranges(host, 4) }] },
  ];
  return all.map((network) => ({ ...network, plugins: network.plugins.filter(({ type }) => has(type)) }));
}

test(`${OPERATIONS} operations on ${CONTAINERS} containers in five networks, ${WORKERS} at a time, some killed`, async () => {
  const random = seededRandom("churn");
  const host = hosts.fresh();
  host.netns.sh("ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up");
  const containers = Array.from({ length: CONTAINERS }, (_, i) => hosts.container(`c${i}`));
  const namespaces = containers.map(({ namespace }) => namespace);
  if (Bun.which("iptables-nft") !== null)
    host.netns.sh("iptables-nft -P FORWARD DROP && ip6tables-nft -P FORWARD DROP");
  const before = await stateOf(host, namespaces);
  const node = new Node(host, networksOf(host), containers);
  let left = OPERATIONS;
  const worker = async (number: number) => {
    const own = random.branch(number);
    while (left > 0 && node.failures.length === 0) {
      left--;
      await node.operate(own);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, (_, i) => worker(i)));
  expect(node.failures).toEqual([]);
  // Something of each kind has happened, or the test tests nothing.
  for (const kind of ["ADD", "ADD killed", "CHECK", "DEL", "DEL killed", "ADD again", "DEL again", "GC", "GC killed"]) {
    expect({ kind, happened: (node.counts.get(kind) ?? 0) > 0 }).toEqual({ kind, happened: true });
  }
  console.log(`churn: ${[...node.counts].map(([kind, count]) => `${kind} ${count}`).join(", ")}`);
  await node.checkAll();
  await node.empty();
  expect(node.failures).toEqual([]);
  expectSameState("all of it, DEL, GC", await stateOf(host, namespaces), before);
}, 300_000);
