/** The store is away for a while. */

import { agentStatus, waitUntil } from "../agent-status.ts";
import { podAddresses } from "../attachment.ts";
import { addPod, deletePod } from "../change.ts";
import { startStore, stopStore } from "../cluster-store.ts";
import type { Play, Scenario } from "../scenario.ts";
import { waitForWays } from "../up.ts";
import { checkFlow, checkNoAddressTwice, checkReachability, distantPods, SETTLING_MS, startPodFlow } from "./common.ts";

export const storeAway: Scenario = {
  name: "store-away",
  about: "the store stops for a while: pods keep talking, new ones start from the blocks in hand, DEL works",
  async play(play) {
    const { lab } = play.record();
    const { from, to, fromNode } = distantPods(lab);
    const early = `${fromNode.name}/early`;
    const before = await epochs(play);
    await using flow = await startPodFlow(play.record(), from, to);
    try {
      play.step(`the store is away for ${play.storeAway} s`);
      await stopStore(lab);
      const start = performance.now();
      const addresses = podAddresses(addPod(lab.name, early));
      play.check(
        "a new pod starts from the blocks in hand",
        `${early} has ${addresses.join(" and ")}`,
        addresses.length === lab.families.length,
      );
      await waitUntil(
        "the agents notice",
        async () => {
          const status = await agentStatus(lab.name, fromNode.name);
          return status?.store?.available === false ? undefined : "the store is there for them";
        },
        { within: SETTLING_MS },
      );
      play.check("agents say that the store is away", "their status has it", true);
      await Bun.sleep(Math.max(0, play.storeAway * 1000 - (performance.now() - start)));
      deletePod(lab.name, early);
      play.check("DEL works without the store", `pod ${early} is gone`, true);
    } finally {
      await startStore(lab);
      play.step("the store is back");
    }
    await waitUntil("all agents use the store again", () => missingStore(play), { within: SETTLING_MS });
    checkFlow(play, `${from} to ${to}`, await flow.stop());
    await waitForWays(play.record().lab);
    const after = await epochs(play);
    play.check("no node was given up for it", `epochs before: ${before}, after: ${after}`, before === after);
    checkReachability(play, " after the store is back");
    await checkNoAddressTwice(play);
  },
};

async function missingStore({ record }: Play): Promise<string | undefined> {
  const { lab } = record();
  for (const { name } of lab.nodes) {
    const status = await agentStatus(lab.name, name);
    if (!status?.ready || !status.store?.available) return `${name} does not`;
  }
  return undefined;
}

async function epochs({ record }: Play): Promise<string> {
  const { lab } = record();
  const all = await Promise.all(lab.nodes.map(({ name }) => agentStatus(lab.name, name)));
  return all.map((status) => status?.epoch ?? "unknown").join(", ");
}
