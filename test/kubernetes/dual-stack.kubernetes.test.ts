/** Both families over the router between two subnets, kube-proxy in nftables mode: mode auto, then vxlan. */

import { describe } from "bun:test";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { kubernetesNeeds } from "./built.ts";
import { hasImage, install } from "./installed.ts";
import { provesNetwork, provesReach } from "./network-proof.ts";
import { THREE_NODES, testCluster } from "./test-cluster.ts";

describe("a cluster of two families in two subnets", () => {
  const test = needs(...kubernetesNeeds, hasImage);
  const cluster = testCluster({
    name: "dual",
    families: [4, 6],
    nodes: THREE_NODES,
  });

  test("has a network by the manifest as it is", async () => {
    await install(await cluster());
  });
  provesNetwork(test, cluster);

  test("pods that run are reached as before once the mode is another one", async () => {
    const up = await cluster();
    await install(up, "--mode", "vxlan");
    await provesReach(up);
  });
});

expectNothingLeft();
