/** What a node does for its pods, by real packets: whom the world sees, who gets through, and from which addresses. */

import { describe, expect } from "bun:test";
import { needs, program, root } from "../../test/support/needs.ts";
import { expectAnswer, expectNoAnswer } from "../../test/support/ping.ts";
import { answering, askTcp, askUdp, BRIEFLY } from "../../test/support/traffic.ts";
import { planPodGuard, planPodSources } from "../core/pod-guard.ts";
import { firewall } from "../plugins/chained/firewall.ts";
import { planWith } from "../plugins/test-support/planning.ts";
import { planNodeBase, planPeerBase } from "./node.ts";
import { type StagedNode, testStages } from "./test-support/stage.ts";

const stages = testStages();
const needed = [root, program("ip"), program("ping"), program("nft")];
const POOLS = [{ cidrs: ["10.244.1.0/24", "fd44:1::/64"], masquerade: true }];
const FAMILIES = [4, 6] as const;

/** A node with a pod, and another node that knows the way to the pod as somebody outside. */
function stage(): [StagedNode, StagedNode] {
  const [node, other] = stages.fresh({ underlay: [4, 6], routed: false, mtu: 1500 });
  other.host.sh("ip route add 10.244.1.0/24 via 172.20.1.11 && ip -6 route add fd44:1::/64 via fd20:1::11");
  return [node, other];
}

const base = (node: StagedNode) => planNodeBase({ families: [4, 6], pools: POOLS }, node.local);
const OUTSIDE = { 4: "172.20.1.12", 6: "fd20:1::12" };
const NODE = { 4: "172.20.1.11", 6: "fd20:1::11" };

describe("outside the cluster", () => {
  const test = needs(...needed);

  test("pods are seen as their node, and by peers that packets go to directly as themselves", async () => {
    const [node, other] = stage();
    node.make(...base(node));
    const server = await answering(other.host, "other", { tcp: [80] });
    try {
      for (const family of FAMILIES) {
        expect(await askTcp(node.pod, OUTSIDE[family], 80)).toBe(`other ${NODE[family]}`);
      }
      const peer = planPeerBase(other.asPeer, true);
      node.make(...peer);
      expect(node.findings(...base(node), ...peer)).toEqual([]);
      for (const family of FAMILIES) {
        expect(await askTcp(node.pod, OUTSIDE[family], 80)).toBe(`other ${node.podAddresses[family]}`);
      }
      node.unmake(...peer);
      expect(await askTcp(node.pod, OUTSIDE[4], 80)).toBe(`other ${NODE[4]}`);
    } finally {
      server.close();
    }
  });

  test("what is put back after somebody has wiped all tables is whole", () => {
    const [node] = stage();
    const resources = [...base(node), ...planPodSources("veth0", ["10.244.1.5"], "pod")];
    node.make(...resources);
    node.host.sh("nft flush ruleset");
    expect(node.findings(...resources)).not.toEqual([]);
    node.make(...resources);
    expect(node.findings(...resources)).toEqual([]);
    node.unmake(...resources);
    expect(node.host.sh("nft list tables")).not.toContain("tendril");
  });
});

describe("where the host drops what is forwarded", () => {
  const test = needs(...needed, program("iptables-nft"), program("ip6tables-nft"));

  test("pods reach the world and are reached, and nobody else is", async () => {
    const [node, other] = stage();
    node.host.sh(`iptables-nft -P FORWARD DROP && ip6tables-nft -P FORWARD DROP
      ip address add 10.66.0.1/32 dev veth0 && ip route add 10.66.0.5 dev veth0`);
    node.pod.sh("ip address add 10.66.0.5/32 dev eth0");
    other.host.sh("ip route add 10.66.0.5 via 172.20.1.11");
    node.make(...base(node));
    const servers = [
      await answering(other.host, "other", { tcp: [80] }),
      await answering(node.pod, "pod", { tcp: [80], udp: [80] }),
    ];
    try {
      for (const family of FAMILIES) {
        expect(await askTcp(node.pod, OUTSIDE[family], 80)).toBe(`other ${NODE[family]}`);
        expect(await askTcp(other.host, node.podAddresses[family], 80)).toBe(`pod ${OUTSIDE[family]}`);
      }
      expect(await askUdp(other.host, "10.66.0.5", 80, BRIEFLY)).toBe("no answer");
      node.host.sh(`iptables-nft -A TENDRIL-ADMIN -p udp -d ${node.podAddresses[4]} -j DROP`);
      expect(await askUdp(other.host, node.podAddresses[4], 80, BRIEFLY)).toBe("no answer");
      node.host.sh("iptables-nft -F TENDRIL-ADMIN");
      expect(await askUdp(other.host, node.podAddresses[4], 80)).toBe("pod 172.20.1.12");
    } finally {
      for (const server of servers) server.close();
    }
  });

  test("nothing of ours is at the hook forward until then", () => {
    const [node] = stage();
    const atForward = () => node.host.sh("nft list chains inet").includes("hook forward");
    node.make(...base(node));
    expect(atForward()).toBe(false);
    node.host.sh("ip6tables-nft -A FORWARD -j DROP");
    node.make(...base(node));
    expect(atForward()).toBe(true);
    node.unmake(...base(node));
    expect(atForward()).toBe(false);
  });

  test("neither the plugin firewall nor the cluster takes from the other what it accepts", async () => {
    const [node, other] = stage();
    node.host.sh(`iptables-nft -P FORWARD DROP
      for i in 5 6; do ip route add 10.66.0.$i dev veth0; done`);
    node.pod.sh("for i in 5 6; do ip address add 10.66.0.$i/32 dev eth0; done");
    other.host.sh("ip route add 10.66.0.0/24 via 172.20.1.11");
    // A container of another network, 10.66.0.5; whose 10.66.0.6 is nobody has said.
    const prevResult = { ips: [{ address: "10.66.0.5/32" }] };
    const { resources } = planWith(firewall, {}, { prevResult });
    const server = await answering(other.host, "other", { udp: [80] });
    try {
      for (const order of [
        [base(node), resources],
        [resources, base(node)],
      ]) {
        for (const part of order) node.make(...part);
        expectAnswer(node.pod, OUTSIDE[4], node.podAddresses[4]);
        expectAnswer(node.pod, OUTSIDE[4], "10.66.0.5");
        expectNoAnswer(node.pod, OUTSIDE[4], "10.66.0.6");
        expect(await askUdp(node.pod, OUTSIDE[4], 80)).toBe(`other ${NODE[4]}`);
        node.unmake(...resources);
        expectAnswer(node.pod, OUTSIDE[4], node.podAddresses[4]);
        expectNoAnswer(node.pod, OUTSIDE[4], "10.66.0.5");
        node.unmake(...base(node));
      }
    } finally {
      server.close();
    }
  });
});

describe("a guarded pod", () => {
  const test = needs(...needed);

  test("sends from its own addresses and from no others", async () => {
    const [node, other] = stage();
    node.host.sh("ip route add 10.244.1.66 dev veth0 && ip -6 route add fd44:1::66 dev veth0");
    node.pod.sh("ip address add 10.244.1.66/32 dev eth0 && ip address add fd44:1::66/128 dev eth0 nodad");
    const own = planPodSources("veth0", Object.values(node.podAddresses), "pod");
    node.make(...base(node));
    const others = { 4: "10.244.1.66", 6: "fd44:1::66" };
    for (const family of FAMILIES) expectAnswer(node.pod, OUTSIDE[family], others[family]);
    node.make(...own);
    expect(node.findings(...own)).toEqual([]);
    for (const family of FAMILIES) {
      expectAnswer(node.pod, OUTSIDE[family], node.podAddresses[family]);
      expectNoAnswer(node.pod, OUTSIDE[family], others[family]);
    }
    expect(await askUdp(other.host, node.podAddresses[4], 9, BRIEFLY)).toBe("refused");
  });

  test("finds its neighbours, and tests its addresses for duplicates", () => {
    const [node] = stage();
    node.make(...base(node), ...planPodSources("veth0", Object.values(node.podAddresses), "pod"));
    node.pod.sh("ip neighbour flush dev eth0 && ping -6 -n -c 1 -W 5 fe80::1%eth0");
    node.pod.sh("sysctl -qw net.ipv6.conf.eth0.accept_dad=1 && ip address add fe80::1/64 dev eth0");
    const failed = () => node.pod.sh("ip -6 -o address show dev eth0 dadfailed");
    const deadline = Date.now() + 10_000;
    while (failed() === "" && Date.now() < deadline) Bun.sleepSync(20);
    expect(failed()).toContain("fe80::1");
  });

  test("on a bridge is kept apart from the others there too", () => {
    const [node] = stages.fresh({ underlay: [4], routed: false, mtu: 1500 });
    const { host, pod } = node;
    host.sh(`
      ip link add cni0 type bridge && ip link set cni0 up && ip address add 10.244.7.1/24 dev cni0
      ip address add fd44:7::1/64 dev cni0 nodad
      ip link add veth1 type veth peer name eth1 netns ${pod.name} && ip link set veth1 master cni0 up
    `);
    pod.sh(`ip link set eth1 up && sysctl -qw net.ipv6.conf.eth1.accept_dad=0
      ip address add 10.244.7.5/24 dev eth1 && ip address add 10.244.7.6/24 dev eth1
      ip address add fd44:7::5/64 dev eth1 nodad && ip address add fd44:7::6/64 dev eth1 nodad`);
    expectAnswer(pod, "10.244.7.1", "10.244.7.6");
    expectAnswer(pod, "fd44:7::1", "fd44:7::6");
    const guard = [planPodGuard("bridge"), ...planPodSources("veth1", ["10.244.7.5", "fd44:7::5"], "pod", "bridge")];
    node.make(...guard);
    expect(node.findings(...guard)).toEqual([]);
    pod.sh("ip neighbour flush dev eth1");
    host.sh("ip neighbour flush dev cni0");
    expectAnswer(pod, "10.244.7.1", "10.244.7.5");
    expectAnswer(pod, "fd44:7::1", "fd44:7::5");
    expectNoAnswer(pod, "10.244.7.1", "10.244.7.6");
    expectNoAnswer(pod, "fd44:7::1", "fd44:7::6");
    node.unmake(...guard);
    expect(host.sh("nft list ruleset")).toBe("");
  });
});
