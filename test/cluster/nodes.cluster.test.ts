/** Nodes that join, die, come back and are cut off, in mode vxlan across a router. */

import { describe } from "bun:test";
import { expectNothingLeft } from "../support/snapshot.ts";
import { clusterTest, expectGood, stage } from "./stage.ts";

expectNothingLeft();

describe("nodes of a cluster with VXLAN between its subnets", () => {
  const { play } = stage("nodes", "default");

  clusterTest("reach each other's pods, with packets that fill the MTU too", async () => {
    expectGood(await play("reachability"));
  });

  clusterTest("may join under traffic and leave again", async () => {
    expectGood(await play("node-joins"));
  });

  clusterTest("may die and come back with another address", async () => {
    expectGood(await play("node-returns"));
  });

  clusterTest("may be cut off for a while", async () => {
    expectGood(await play("partition"));
  });
});
