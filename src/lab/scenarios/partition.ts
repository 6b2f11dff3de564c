/** A node is cut off from the fabric for a while. */

import { podAddresses } from "../attachment.ts";
import { podResult } from "../change.ts";
import type { LabNode } from "../lab.ts";
import { setLink } from "../link-state.ts";
import { netnsName } from "../names.ts";
import { runProbes } from "../probe/probe.ts";
import type { Play, Scenario } from "../scenario.ts";
import { waitForWays } from "../up.ts";
import { checkFlow, checkReachability, needsThreeNodes, podsBeside, startPodFlow } from "./common.ts";

/** Not so long that the node is given up, in milliseconds. */
const CUT_MS = 1_000;

export const partition: Scenario = {
  name: "partition",
  about: "a node's cable is pulled and plugged in again: the others keep talking, and its pods are back as they were",
  unfit: needsThreeNodes,
  async play(play) {
    const { lab } = play.record();
    const node = lab.nodes.filter(({ pods }) => pods.length > 0).at(-1) as LabNode;
    const others = podsBeside(lab, node.name);
    if (others === undefined) return;
    await using flow = await startPodFlow(play.record(), others.from, others.to);
    const inside = `${node.name}/${node.pods[0]}`;
    const port = netnsName(lab.name, node.subnet);
    play.step(`the port of ${node.name} goes down`);
    setLink(port, node.name, "down");
    try {
      const reached = reaches(play, others.from, inside);
      play.check("its pods are out of reach", reached ? "one was reached" : `${inside} does not answer`, !reached);
      await Bun.sleep(CUT_MS);
    } finally {
      setLink(port, node.name, "up");
    }
    const start = performance.now();
    play.step(`the port of ${node.name} is up`);
    while (!reaches(play, others.from, inside) && performance.now() - start < HEALING_MS) await Bun.sleep(50);
    const seconds = (performance.now() - start) / 1000;
    play.check(
      `its pods are reached again within ${HEALING_MS / 1000} s, with nothing done for it`,
      `${inside} answers ${seconds.toFixed(1)} s after the cable is back`,
      performance.now() - start < HEALING_MS,
    );
    checkFlow(play, `${others.from} to ${others.to}`, await flow.stop());
    await waitForWays(play.record().lab);
    checkReachability(play, " after the partition");
  },
};

/** How long a cluster may take to be whole again, in milliseconds. */
const HEALING_MS = 5_000;

function reaches({ record }: Play, from: string, to: string): boolean {
  const { lab } = record();
  const addresses = podAddresses(podResult(lab, to) ?? {});
  const probes = addresses.map((address) => ({ from, to, protocol: "udp" as const, address }));
  const places = [from, to].map((member) => ({
    member,
    netns: netnsName(lab.name, member),
    addresses: podAddresses(podResult(lab, member) ?? {}),
  }));
  return runProbes(probes, places).every((outcome) => outcome.reached);
}
