/** A node dies with its pods, is given up, and comes back under another address. */

import { formatIp, parseIp } from "../../core/ip.ts";
import { podAddresses } from "../attachment.ts";
import { addNode, addPod, podResult, removeNode } from "../change.ts";
import { bare, type LabNode } from "../lab.ts";
import type { Scenario } from "../scenario.ts";
import { waitForWays } from "../up.ts";
import {
  checkFlow,
  checkNoAddressTwice,
  checkReachability,
  needsThreeNodes,
  podsBeside,
  startPodFlow,
  waitUntilGivenUp,
} from "./common.ts";

/** How much higher the new address is. */
const STEP = 64n;

export const nodeReturns: Scenario = {
  name: "node-returns",
  about: "a node dies, its blocks are freed, and it comes back with another address, which it keeps",
  unfit: needsThreeNodes,
  async play(play) {
    const { lab } = play.record();
    const node = lab.nodes.at(-1) as LabNode;
    const others = podsBeside(lab, node.name);
    await using flow = others === undefined ? undefined : await startPodFlow(play.record(), others.from, others.to);
    play.step(`node ${node.name} loses its power`);
    removeNode(lab.name, node.name, { disk: false });
    const start = performance.now();
    await waitUntilGivenUp(play, node.name);
    play.check(
      "the others give the dead node up after grace and heartbeat",
      `no routes to its pods any more after ${((performance.now() - start) / 1000).toFixed(1)} s`,
      true,
    );
    const addresses = node.addresses.map(raised);
    play.step(`node ${node.name} comes back as ${addresses.map(bare).join(" and ")}`);
    await addNode(lab.name, { name: node.name, subnet: node.subnet, addresses });
    for (const pod of node.pods) addPod(lab.name, `${node.name}/${pod}`);
    await waitForWays(play.record().lab);
    const got = node.pods.flatMap((pod) => podAddresses(podResult(play.record().lab, `${node.name}/${pod}`) ?? {}));
    play.check(
      "its pods start again",
      `they have ${got.join(", ")}`,
      got.length === node.pods.length * lab.families.length,
    );
    checkReachability(play, ", by the node's new address");
    await checkNoAddressTwice(play);
    if (flow !== undefined && others !== undefined)
      checkFlow(play, `${others.from} to ${others.to}`, await flow.stop());
  },
};

/** Another address of the same network, in CIDR notation. */
function raised(cidr: string): string {
  const ip = parseIp(bare(cidr));
  if (ip === undefined) throw new TypeError(`"${cidr}" is not in CIDR notation`);
  return `${formatIp({ ...ip, value: ip.value + STEP })}/${cidr.split("/")[1]}`;
}
