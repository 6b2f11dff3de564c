/** IPv6 alone, kube-proxy in iptables mode, packets to other nodes by routes. */

import { describe } from "bun:test";
import { needs, program } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { kubernetesNeeds } from "./built.ts";
import { hasImage, install } from "./installed.ts";
import { provesNetwork } from "./network-proof.ts";
import { testCluster } from "./test-cluster.ts";

describe("a cluster of IPv6 alone on one link", () => {
  const test = needs(...kubernetesNeeds, hasImage, program("ip6tables"));
  const cluster = testCluster({
    name: "sixes",
    families: [6],
    kubeProxyMode: "iptables",
    nodes: [
      { name: "node1", subnet: "rack1" },
      { name: "node2", subnet: "rack1" },
    ],
  });

  test("has a network in mode host-gw", async () => {
    await install(await cluster(), "--mode", "host-gw");
  });
  provesNetwork(test, cluster);
});

expectNothingLeft();
