/** The store goes away and comes back: a folder, and a real etcd. */

import { describe } from "bun:test";
import { needs, program } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { clusterNeeds, clusterTest, expectGood, stage } from "./stage.ts";

expectNothingLeft();

describe("a cluster over a folder", () => {
  const { play } = stage("folder", "default");

  clusterTest("goes on without it", async () => {
    expectGood(await play("store-away"));
  });
});

describe("a cluster over etcd", () => {
  const { play } = stage("etcd", "default", { store: "etcd" }, [program("etcd")]);
  const etcdTest = needs(...clusterNeeds, program("etcd"));

  etcdTest("reaches each other's pods", async () => {
    expectGood(await play("reachability"));
  });

  etcdTest("goes on without it", async () => {
    expectGood(await play("store-away"));
  });

  etcdTest("may have a node cut off from it for a while", async () => {
    expectGood(await play("partition"));
  });
});
