/** A node joins a cluster that carries traffic, gets a pod, and leaves again. */

import { podAddresses } from "../attachment.ts";
import { addNode, addPod, removeNode } from "../change.ts";
import type { Scenario } from "../scenario.ts";
import { waitForWays } from "../up.ts";
import { checkFlow, checkReachability, distantPods, startPodFlow, waitUntilGivenUp } from "./common.ts";

const NAME = "joiner";

export const nodeJoins: Scenario = {
  name: "node-joins",
  about: "a node joins, its pod reaches everybody at once, and nobody else notices",
  async play(play) {
    const { lab } = play.record();
    const { from, to, toNode } = distantPods(lab);
    await using flow = await startPodFlow(play.record(), from, to);
    try {
      play.step(`node ${NAME} joins in subnet ${toNode.subnet}`);
      const start = performance.now();
      await addNode(lab.name, { name: NAME, subnet: toNode.subnet });
      const result = addPod(lab.name, `${NAME}/web`);
      await waitForWays(play.record().lab);
      const seconds = (performance.now() - start) / 1000;
      play.check(
        "a pod on the new node gets an address, and all nodes know the way to it",
        `${podAddresses(result).join(" and ")}, known everywhere ${seconds.toFixed(1)} s after the node was made`,
        podAddresses(result).length === lab.families.length,
      );
      checkReachability(play, ", the new node and its pod included");
    } finally {
      checkFlow(play, `${from} to ${to}`, await flow.stop());
      if (play.record().lab.nodes.some(({ name }) => name === NAME)) removeNode(lab.name, NAME);
    }
    await waitUntilGivenUp(play, NAME);
    play.check("a node that has left is forgotten by the others", "no node has a route to its pods any more", true);
  },
};
