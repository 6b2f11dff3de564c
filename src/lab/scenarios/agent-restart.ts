/** Agents are killed, stopped and started again while their pods talk. */

import { TendrilError } from "../../core/errors.ts";
import { killAgent, startAgent, stopAgent } from "../agent-process.ts";
import { agentStatus, waitForAgent, waitUntil } from "../agent-status.ts";
import { podAddresses, podNetnsName } from "../attachment.ts";
import { addPod, deletePod, requireNode } from "../change.ts";
import { nodeNamed } from "../lab.ts";
import type { Play, Scenario } from "../scenario.ts";
import { AGENT_MS, waitForWays } from "../up.ts";
import { checkFlow, checkReachability, distantPods, SETTLING_MS, sentenceOf, startPodFlow } from "./common.ts";

/** How long an agent stays away, in milliseconds: not so long that the others give its node up. */
const AWAY_MS = 1_000;

export const agentRestart: Scenario = {
  name: "agent-restart",
  about: "agents are killed, stopped and started again under traffic, and pods come and go in between",
  async play(play) {
    const { lab } = play.record();
    const { from, to, fromNode, toNode } = distantPods(lab);
    const leaving = `${fromNode.name}/leaving`;
    const address = podAddresses(addPod(lab.name, leaving))[0] ?? "";
    await using flow = await startPodFlow(play.record(), from, to);
    try {
      play.step(`the agent of ${fromNode.name} is killed`);
      await killAgent(lab.name, fromNode.name);
      checkRefusedAdd(play, `${fromNode.name}/early`);
      deletePod(lab.name, leaving);
      play.check("DEL works without an agent", `pod ${leaving} is gone`, true);
      await Bun.sleep(AWAY_MS);
      await restart(play, fromNode.name);
      await waitUntil(
        `the agent of ${fromNode.name} knows that ${leaving} has gone`,
        async () => {
          const pods = (await agentStatus(lab.name, fromNode.name))?.pods;
          const id = podNetnsName({ lab: lab.name, node: fromNode, name: "leaving" });
          return pods?.some(({ containerId }) => containerId === id) !== false ? `${address} is still held` : undefined;
        },
        { within: SETTLING_MS },
      );
      play.check("the agent hears later of what was detached without it", `${address} is not held any more`, true);
      play.step(`the agent of ${toNode.name} is stopped`);
      await stopAgent(lab.name, toNode.name);
      await Bun.sleep(AWAY_MS);
      await restart(play, toNode.name);
    } finally {
      checkFlow(play, `${from} to ${to}`, await flow.stop());
      if (nodeNamed(play.record().lab, fromNode.name)?.pods.includes("leaving")) deletePod(lab.name, leaving);
    }
    await waitForWays(play.record().lab);
    checkReachability(play, " after both are back");
  },
};

/** A runtime that is told to try again later does so. */
function checkRefusedAdd({ record, check }: Play, path: string): void {
  const expected = "ADD without an agent fails, says what to start, and leaves nothing";
  try {
    addPod(record().lab.name, path);
    deletePod(record().lab.name, path);
    check(expected, "the pod was attached", false);
  } catch (error) {
    if (!(error instanceof TendrilError)) throw error;
    const words = sentenceOf(error);
    check(expected, words, words.includes("tendril agent"));
  }
}

async function restart({ record, step }: Play, name: string): Promise<void> {
  const { lab } = record();
  startAgent(record(), requireNode(lab, name));
  await waitForAgent(lab.name, name, { within: AGENT_MS });
  step(`the agent of ${name} is ready again`);
}
