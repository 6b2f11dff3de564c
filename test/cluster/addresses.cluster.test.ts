/** Pools that are used up, and addresses that follow their pod. */

import { describe } from "bun:test";
import { expectNothingLeft } from "../support/snapshot.ts";
import { clusterTest, expectGood, stage } from "./stage.ts";

expectNothingLeft();

describe("addresses of a cluster on one link", () => {
  const { play } = stage("addresses", "flat");

  clusterTest("are borrowed when a pool is used up, and then refused", async () => {
    expectGood(await play("exhaustion"));
  });

  clusterTest("that are reserved follow their pod to another node", async () => {
    expectGood(await play("sticky-address"));
  });
});
