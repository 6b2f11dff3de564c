/** A reserved address follows its pod from node to node. */

import { lastAddress, parseCidr } from "../../core/cidr.ts";
import { formatIp } from "../../core/ip.ts";
import { storeAddress } from "../agent-config.ts";
import { podAddresses } from "../attachment.ts";
import { deletePod, podResult } from "../change.ts";
import { type Lab, nodeNamed } from "../lab.ts";
import { netnsName } from "../names.ts";
import { runProbes } from "../probe/probe.ts";
import type { Play, Scenario } from "../scenario.ts";
import { waitForWays } from "../up.ts";
import { addPatiently, checkFlow, checkReachability, distantPods, runOnNode, startPodFlow } from "./common.ts";

const IDENTITY = "default/sticky";
const NAME = "sticky";
/** So far before the end of the pods' network is the address. */
const FROM_END = 77n;
/** How long nodes may take to hand it over, in milliseconds: twice what is between two looks at their addresses. */
const HANDOVER_MS = 10_000;
/** How long the others may take to learn where the pod is now, in milliseconds. */
const MOVING_MS = 5_000;

export const stickyAddress: Scenario = {
  name: "sticky-address",
  about: "an address is reserved for a pod, which moves to another node while others talk to it",
  async play(play) {
    const { lab } = play.record();
    const { from, to, fromNode, toNode } = distantPods(lab);
    const wanted = lab.podNetworks.map(nearEnd);
    const store = ["--store", storeAddress(lab)];
    runOnNode(play.record(), fromNode.name, ["reserve", IDENTITY, ...wanted, ...store]);
    await using flow = await startPodFlow(play.record(), from, to);
    let place = fromNode.name;
    try {
      await checkAddress(play, `${place}/${NAME}`, wanted);
      await checkReached(play, `${place}/${NAME}`, wanted);
      play.step(`the pod moves from ${fromNode.name} to ${toNode.name}`);
      deletePod(lab.name, `${place}/${NAME}`);
      place = toNode.name;
      await checkAddress(play, `${place}/${NAME}`, wanted);
      await checkReached(play, `${place}/${NAME}`, wanted);
      await waitForWays(play.record().lab);
      checkReachability(play, ", the pod that has moved included");
    } finally {
      checkFlow(play, `${from} to ${to}`, await flow.stop());
      if (nodeNamed(play.record().lab, place)?.pods.includes(NAME)) deletePod(lab.name, `${place}/${NAME}`);
      runOnNode(play.record(), fromNode.name, ["unreserve", IDENTITY, ...store]);
    }
  },
};

/** Attaches the pod there. Until the node where it was has handed the address over, ADD is to be tried again. */
async function checkAddress({ record, check }: Play, path: string, wanted: readonly string[]): Promise<void> {
  const { lab } = record();
  const start = performance.now();
  const refusal = await addPatiently(lab.name, path, HANDOVER_MS, { identity: IDENTITY });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const got = refusal === undefined ? podAddresses(podResult(record().lab, path) ?? {}) : [];
  check(
    `pod ${path} has ${wanted.join(" and ")}`,
    refusal ?? `it has ${got.join(" and ")}, after ${seconds} s`,
    wanted.every((ip) => got.includes(ip)),
  );
}

/** Sends to the address from a pod of every node until all are answered. */
async function checkReached({ record, check }: Play, path: string, wanted: readonly string[]): Promise<void> {
  const { lab } = record();
  const senders = sendersOf(lab);
  const places = [...senders, { member: path, addresses: wanted }].map(({ member, addresses }) => ({
    member,
    netns: netnsName(lab.name, member),
    addresses,
  }));
  const probes = senders.flatMap(({ member }) =>
    wanted.map((address) => ({ from: member, to: path, protocol: "udp" as const, address })),
  );
  const start = performance.now();
  let missing = probes.length;
  while (missing > 0 && performance.now() - start < MOVING_MS) {
    missing = runProbes(probes, places).filter(({ reached }) => !reached).length;
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  check(
    `every node reaches the address at ${path} within ${MOVING_MS / 1000} s`,
    missing === 0
      ? `all ${probes.length} answered after ${seconds} s`
      : `${missing} of ${probes.length} without an answer`,
    missing === 0,
  );
}

/** Nodes, for each has routes of its own. */
function sendersOf(lab: Lab): { member: string; addresses: readonly string[] }[] {
  return lab.nodes.map(({ name, addresses }) => ({
    member: name,
    addresses: addresses.map((each) => each.split("/")[0] ?? ""),
  }));
}

function nearEnd(network: string): string {
  const prefix = parseCidr(network);
  if (prefix === undefined) throw new TypeError(`"${network}" is not in CIDR notation`);
  const last = lastAddress(prefix);
  return formatIp({ ...last, value: last.value - FROM_END });
}
