/** Agents that are killed, stopped and paused. */

import { describe } from "bun:test";
import { expectNothingLeft } from "../support/snapshot.ts";
import { clusterTest, expectGood, stage } from "./stage.ts";

expectNothingLeft();

describe("agents", () => {
  const { play } = stage("agents", "default");

  clusterTest("may be killed and started again under traffic, and nothing is lost", async () => {
    expectGood(await play("agent-restart"));
  });

  clusterTest("may be paused until their node is given up, and no address is held twice", async () => {
    expectGood(await play("agent-pause"));
  });
});
