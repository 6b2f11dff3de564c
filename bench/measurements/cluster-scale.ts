/** A large cluster, of which one node has an agent; all others are documents. */

import { mkdirSync } from "node:fs";
import { clusterStore } from "../../src/cluster/cluster-store.ts";
import { DOCUMENT_VERSION } from "../../src/core/cluster.ts";
import { listRoutes } from "../../src/linux/netlink/rtnetlink/route.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../../src/linux/netlink/socket.ts";
import {
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
  type Subscription,
  subscribe,
} from "../../src/linux/netlink/subscription.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { ROUTE_PROTOCOL } from "../../src/modes/mode.ts";
import { openStore } from "../../src/store/open.ts";
import { makeFabric, memoryOf, processorTime, untilReady } from "../cluster.ts";
import { addBlock, addNode, POOL } from "../documents.ts";
import { type BenchHost, startAgent } from "../host.ts";
import { type Bench, type Comparison, count, type Measurement, type Sample } from "../measurement.ts";

const FEW = 10;
const MANY = 1000;
const CHANGES = 20;
/** Milliseconds in which what an agent does once is done. */
const REST = 3000;

export const clusterScale: Measurement = {
  about: `an agent among ${MANY} nodes: until it has all routes, one node's change, and memory; idle among ${FEW}`,
  async run(bench) {
    const few = await measure(bench, FEW);
    const many = await measure(bench, MANY);
    return [
      {
        what: `a fresh agent has routes to ${MANY} nodes`,
        measured: { name: bench.resident.name, samples: [many.start] },
        against: count("five seconds", 5000),
        goal: 1,
      },
      {
        what: `one node's change among ${MANY}`,
        measured: { name: `${MANY} nodes`, samples: many.changes },
        against: { name: `${FEW} nodes`, samples: few.changes },
      },
      {
        what: `what the kernel is told for ${CHANGES} changes, a number`,
        measured: count(`${MANY} nodes`, many.messages),
        against: count(`${FEW} nodes`, few.messages),
        goal: 1,
      },
      ...memory(`idle among ${FEW} nodes`, few, 80),
      ...memory(`among ${MANY} nodes`, many, 120),
    ];
  },
};

interface Measured {
  readonly start: Sample;
  readonly changes: readonly Sample[];
  readonly messages: number;
  readonly memory: ReturnType<typeof memoryOf>;
}

function memory(what: string, { memory: { all, own } }: Measured, most: number): Comparison[] {
  return [
    { what: `memory ${what}, MB`, measured: count("resident", all), against: count("goal", most), goal: 1 },
    { what: `memory ${what}, MB, no file's`, measured: count("its own", own), against: count("goal", most), goal: 1 },
  ];
}

async function measure(bench: Bench, nodes: number): Promise<Measured> {
  bench.say(`  ${nodes} nodes …`);
  const [fabric] = makeFabric(bench.resident, 1);
  if (fabric === undefined) throw new Error("There is no host");
  const { host, address } = fabric;
  const folder = `${host.folder}/store`;
  mkdirSync(folder);
  const raw = openStore(`dir:${folder}`, {}, {});
  const store = clusterStore(raw, () => {});
  await store.pools.create("default", {
    version: DOCUMENT_VERSION,
    cidrs: [POOL],
    blockBits: { ipv4: 26, ipv6: 122 },
    nodeSelector: {},
    excluded: [],
    masquerade: false,
  });
  for (let i = 1; i < nodes; i++) await addNode(store, i);
  const config = {
    node: "node0",
    network: host.network,
    store: `dir:${folder}`,
    mode: "vxlan",
    subnet: [POOL],
  };
  const begun = performance.now();
  const agent = startAgent(bench.resident.agent ?? "", host, { ...config, addresses: [`${address}/16`] });
  await until(() => routesOf(host) >= nodes - 1);
  const start = { wall: performance.now() - begun, cpu: processorTime(agent.pid) };
  await untilReady(host);
  await Bun.sleep(REST);
  const changed = inNetns(host.netns, () => subscribe([RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE]));
  const heard = number(changed);
  const changes: Sample[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const before = processorTime(agent.pid);
    const from = performance.now();
    await addBlock(store, 1 + (i % (nodes - 1)), nodes + i);
    await until(() => routesOf(host) >= nodes + i);
    const wall = performance.now() - from;
    await Bun.sleep(50);
    changes.push({ wall, cpu: processorTime(agent.pid) - before });
  }
  changed.close();
  const messages = await heard;
  const measured = { start, changes, messages, memory: memoryOf(agent.pid) };
  agent.kill();
  await raw.close();
  return measured;
}

/** How many routes to other nodes' pods a host has. */
function routesOf({ netns }: BenchHost): number {
  return inNetns(netns, () => {
    const socket = new NetlinkSocket(NETLINK_ROUTE);
    try {
      return listRoutes(socket).filter(
        ({ protocol, destinationLength }) => protocol === ROUTE_PROTOCOL && destinationLength === 26,
      ).length;
    } finally {
      socket.close();
    }
  });
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error("The agent does not get there");
    await Bun.sleep(2);
  }
}

/** How many changes have been told when the subscription ends. */
async function number(subscription: Subscription): Promise<number> {
  let heard = 0;
  for await (const _ of subscription) heard++;
  return heard;
}
