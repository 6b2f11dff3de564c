import { describe, expect, test } from "bun:test";
import { ACCEPTED_MARK } from "../core/accepted-mark.ts";
import type { Resource } from "../core/plan.ts";
import { planNodeBase, planPeerBase } from "./node.ts";

const local = { name: "a", addresses: ["172.20.1.11/24", "fd20::11/64"], uplinks: [] };
const pool = (masquerade: boolean, ...cidrs: string[]) => ({ cidrs, masquerade });
const plan = (...pools: ReturnType<typeof pool>[]) => planNodeBase({ families: [4, 6], pools }, local);

function elementsOf(resources: readonly Resource[]): string[] {
  return resources.flatMap((one) =>
    one.kind === "nft-element" ? [`${one.element.set.name}: ${one.element.key}`] : [],
  );
}

describe("the node's resources", () => {
  test("forward in the families of the pods", () => {
    const names = (families: readonly (4 | 6)[]) =>
      planNodeBase({ families, pools: [] }, local).flatMap((one) => (one.kind === "sysctl" ? [one.name] : []));
    expect(names([4])).toEqual(["net/ipv4/ip_forward"]);
    expect(names([4, 6])).toEqual(["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"]);
  });

  test("keep the kernel listening to routers where it has its way to the world from them, before it forwards", () => {
    const uplinks = [
      { name: "eth0", mtu: 1500, addresses: local.addresses, isAdvertised: true as const },
      { name: "eth1", mtu: 1500, addresses: ["192.0.2.1/24"] },
    ];
    const set = (families: readonly (4 | 6)[]) =>
      planNodeBase({ families, pools: [] }, { ...local, uplinks }).flatMap((one) =>
        one.kind === "sysctl" ? [`${one.name}=${one.value}`] : [],
      );
    expect(set([6])).toEqual(["net/ipv6/conf/eth0/accept_ra=2", "net/ipv6/conf/all/forwarding=1"]);
    expect(set([4])).toEqual(["net/ipv4/ip_forward=1"]);
  });

  test("have the pools' networks, those that are masqueraded, and the node's own addresses as elements", () => {
    expect(elementsOf(plan(pool(true, "10.244.0.0/16", "fd44::/48"), pool(false, "10.9.0.0/16")))).toEqual([
      "cluster_ipv4: 10.9.0.0/16",
      "cluster_ipv4: 10.244.0.0/16",
      "cluster_ipv6: fd44::/48",
      "cluster_masqueraded_ipv4: 10.244.0.0/16",
      "cluster_masqueraded_ipv6: fd44::/48",
      "cluster_nodes_ipv4: 172.20.1.11",
      "cluster_nodes_ipv6: fd20::11",
    ]);
  });

  test("have no network twice, nor one within another", () => {
    const pools = [pool(false, "10.244.3.0/24"), pool(false, "10.244.0.0/16"), pool(false, "10.244.0.0/16")];
    expect(elementsOf(plan(...pools))[0]).toBe("cluster_ipv4: 10.244.0.0/16");
    expect(elementsOf(plan(...pools))).toHaveLength(3);
  });

  test("let marked packets through iptables in the families of the pods", () => {
    const ways = planNodeBase({ families: [6], pools: [] }, local).filter(({ kind }) => kind === "nft-iptables");
    expect(ways).toMatchObject([{ family: "ip6", mark: ACCEPTED_MARK, adminChain: "TENDRIL-ADMIN" }]);
  });

  test("have the same rules whoever is in the cluster", () => {
    const tables = (resources: readonly Resource[]) => resources.filter(({ kind }) => kind === "nft-table");
    expect(tables(plan(pool(false, "10.244.0.0/16")))).toEqual(tables(plan()));
    const some = [pool(true, "10.244.0.0/16"), pool(true, "10.9.0.0/16")];
    expect(tables(plan(...some))).toEqual(tables(plan(...some.slice(1))));
  });

  test("have connections tracked only where pods are masqueraded", () => {
    const types = (resources: readonly Resource[]) =>
      resources.flatMap((one) => (one.kind === "nft-table" ? one.chains.map(({ chain }) => chain.base?.type) : []));
    expect(types(plan(pool(false, "10.244.0.0/16")))).not.toContain("nat");
    expect(types(plan(pool(true, "10.244.0.0/16")))).toContain("nat");
  });
});

test("a peer sees pods under their own addresses where packets go to it directly", () => {
  const peer = { name: "b", addresses: ["172.20.1.12/24", "172.20.1.12/24"] };
  expect(elementsOf(planPeerBase(peer, true))).toEqual(["cluster_nodes_ipv4: 172.20.1.12"]);
  expect(planPeerBase(peer, false)).toEqual([]);
});
