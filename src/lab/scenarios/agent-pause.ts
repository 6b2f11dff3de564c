/** An agent is paused for longer than its node's grace: it must notice before it gives an address. */

import { TendrilError } from "../../core/errors.ts";
import { pauseAgent, resumeAgent } from "../agent-process.ts";
import { agentStatus, waitForAgent } from "../agent-status.ts";
import { deletePod } from "../change.ts";
import type { Play, Scenario } from "../scenario.ts";
import { AGENT_MS, waitForWays } from "../up.ts";
import {
  addPatiently,
  checkNoAddressTwice,
  checkReachability,
  distantPods,
  needsThreeNodes,
  SETTLING_MS,
  waitUntilGivenUp,
} from "./common.ts";

const NEW = ["new1", "new2", "new3"];

export const agentPause: Scenario = {
  name: "agent-pause",
  about: "an agent is paused until its node is given up, and goes on: no address is held twice",
  unfit: needsThreeNodes,
  async play(play) {
    const { lab } = play.record();
    const { fromNode, toNode } = distantPods(lab);
    const paused = toNode.name;
    const before = (await agentStatus(lab.name, paused))?.epoch ?? 0;
    play.step(`the agent of ${paused} is paused`);
    pauseAgent(lab.name, paused);
    const made: string[] = [];
    try {
      await waitUntilGivenUp(play, paused);
      play.check("the others give the node up", `no routes to its pods any more`, true);
      for (const name of NEW) made.push(await addEventually(play, `${fromNode.name}/${name}`));
    } finally {
      resumeAgent(lab.name, paused);
      play.step(`the agent of ${paused} goes on`);
    }
    for (const name of NEW) made.push(await addEventually(play, `${paused}/${name}`));
    const { epoch } = await waitForAgent(lab.name, paused, { within: AGENT_MS });
    play.check("the node begins a new epoch", `from ${before} to ${epoch}`, epoch > before);
    await checkNoAddressTwice(play);
    await waitForWays(play.record().lab);
    checkReachability(play, " after the pause");
    for (const path of made) deletePod(lab.name, path);
  },
};

/** Attaches a pod as a runtime does, and returns its name. Throws TendrilError when it is refused for too long. */
async function addEventually({ record }: Play, path: string): Promise<string> {
  const refusal = await addPatiently(record().lab.name, path, SETTLING_MS);
  if (refusal !== undefined) throw new TendrilError(refusal);
  return path;
}
