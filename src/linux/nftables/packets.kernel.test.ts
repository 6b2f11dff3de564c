/** What the rules that Tendril itself uses do to packets. */

import { expect } from "bun:test";
import { needs, program, root } from "../../../test/support/needs.ts";
import { expectAnswer, expectNoAnswer } from "../../../test/support/ping.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import type { NftChain, NftElement, NftRule, NftSet, NftStatement } from "../../core/nftables.ts";
import { commit, type NftRequest } from "./batch.ts";
import { addChain } from "./chain.ts";
import { addElements, deleteElements } from "./element.ts";
import { addRule, listRules } from "./rule.ts";
import { addSet } from "./set.ts";
import { addTable } from "./table.ts";
import { type NetfilterNetns, netfilterNamespaces } from "./test-support/netfilter.ts";

const namespaces = netfilterNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("ping"), program("nsenter"));

function chainWith(chain: NftChain, ...rules: readonly (readonly NftStatement[])[]): NftRequest[] {
  const { family, table, name } = chain;
  const whole = rules.map((statements): NftRule => ({ family, table, chain: name, statements }));
  return [addChain(chain), ...whole.flatMap(addRule)];
}

const INET = { family: "inet", table: "tendril" } as const;
const MASQUERADE_V4: NftSet = { ...INET, name: "masquerade_ipv4", key: ["ipv4_addr"], data: "verdict" };
const MASQUERADE_V6: NftSet = { ...INET, name: "masquerade_ipv6", key: ["ipv6_addr"], data: "verdict" };

function subnetChain(key: "ip daddr" | "ip6 daddr", subnet: string, multicast: string): NftRequest[] {
  const pass = (value: string): NftStatement[] => [
    { kind: "match", key, value },
    { kind: "verdict", verdict: "return" },
  ];
  return chainWith({ ...INET, name: chainName(subnet) }, pass(subnet), pass(multicast), [
    { kind: "masquerade", flags: ["fully-random"] },
  ]);
}

function chainName(subnet: string): string {
  return `masquerade-${subnet.replace("/", "-").replaceAll(":", "_")}`;
}

/** Two pods on subnets of a host, and a world outside that knows no way back to them. */
function hostWithPods() {
  const [host, outside, first, second] = [0, 1, 2, 3].map(() => namespaces.fresh()) as [
    NetfilterNetns,
    NetfilterNetns,
    NetfilterNetns,
    NetfilterNetns,
  ];
  // A link's own address is else of no use until the kernel knows that nobody else has it.
  for (const one of [host, outside, first, second]) one.sh("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad");
  for (const [name, peer, i] of [
    ["out", outside, 0],
    ["one", first, 5],
    ["two", second, 6],
  ] as const) {
    host.sh(`ip link add ${name} type veth peer name eth0 netns ${peer.name}; ip link set ${name} up`);
    peer.sh("ip link set eth0 up");
    if (i === 0) continue;
    host.sh(`ip addr add 10.22.0.1/32 dev ${name}; ip route add 10.22.0.${i}/32 dev ${name}
      ip addr add fd22::1/128 dev ${name} nodad; ip route add fd22::${i}/128 dev ${name}`);
    peer.sh(`ip addr add 10.22.0.${i}/32 dev eth0; ip addr add fd22::${i}/128 dev eth0 nodad
      ip route add 10.22.0.1 dev eth0; ip route add default via 10.22.0.1
      ip route add fd22::1 dev eth0; ip route add default via fd22::1`);
  }
  host.sh(`ip addr add 192.0.2.1/24 dev out; ip addr add 2001:db8::1/64 dev out nodad
    echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding`);
  outside.sh("ip addr add 192.0.2.2/24 dev eth0; ip addr add 2001:db8::2/64 dev eth0 nodad");
  return { host, outside, first, second };
}

kernelTest(
  "pods behind the masquerade reach the world, others do not, and within the subnet nothing is rewritten",
  () => {
    const { host, first, second } = hostWithPods();
    expectNoAnswer(first, "192.0.2.2");
    const element = (set: NftSet, address: string, subnet: string): NftElement => ({
      set,
      key: [address],
      verdict: { goto: chainName(subnet) },
      comment: "net: mynet eth0 abc",
    });
    const elements = [
      element(MASQUERADE_V4, "10.22.0.5", "10.22.0.0/16"),
      element(MASQUERADE_V6, "fd22::5", "fd22::/64"),
    ];
    commit(host.netfilter, [
      addTable({ family: "inet", name: "tendril" }),
      addSet(MASQUERADE_V4),
      addSet(MASQUERADE_V6),
      ...chainWith(
        { ...INET, name: "postrouting", base: { type: "nat", hook: "postrouting", priority: "srcnat" } },
        [{ kind: "vmap", key: "ip saddr", map: "masquerade_ipv4" }],
        [{ kind: "vmap", key: "ip6 saddr", map: "masquerade_ipv6" }],
      ),
      ...subnetChain("ip daddr", "10.22.0.0/16", "224.0.0.0/4"),
      ...subnetChain("ip6 daddr", "fd22::/64", "ff00::/8"),
      ...addElements(elements),
    ]);
    // The second pod counts whom it is spoken to by.
    const seen = { family: "inet", table: "seen" } as const;
    commit(second.netfilter, [
      addTable({ family: "inet", name: "seen" }),
      ...chainWith(
        { ...seen, name: "in", base: { type: "filter", hook: "input", priority: "filter" } },
        [{ kind: "match", key: "ip saddr", value: "10.22.0.5" }, { kind: "counter" }],
        [{ kind: "match", key: "ip6 saddr", value: "fd22::5" }, { kind: "counter" }],
      ),
    ]);
    for (const address of ["192.0.2.2", "2001:db8::2"]) {
      expectAnswer(first, address);
      expectNoAnswer(second, address);
    }
    for (const address of ["10.22.0.6", "fd22::6"]) expectAnswer(first, address);
    const counts = listRules(second.netfilter, { ...seen, name: "in" }).map(({ expressions }) =>
      expressions.flatMap((one) => (one.name === "counter" ? [one.data.packets] : [])),
    );
    expect(counts).toEqual([[1n], [1n]]);
    commit(host.netfilter, deleteElements(elements));
    for (const address of ["192.0.2.2", "2001:db8::2"]) expectNoAnswer(first, address);
  },
);

kernelTest("a guarded port of a bridge takes frames from its own address only", () => {
  const [host, guarded, free] = [0, 1, 2].map(() => namespaces.fresh()) as [
    NetfilterNetns,
    NetfilterNetns,
    NetfilterNetns,
  ];
  host.sh("ip link add br0 type bridge; ip link set br0 up");
  for (const [name, peer, i] of [
    ["port-g", guarded, 1],
    ["port-f", free, 2],
  ] as const) {
    host.sh(`ip link add ${name} type veth peer name eth0 address 02:00:00:00:00:0${i} netns ${peer.name}
      ip link set ${name} master br0 up`);
    peer.sh(`ip link set eth0 up; ip addr add 10.23.0.${i}/24 dev eth0`);
  }
  const BRIDGE = { family: "bridge", table: "tendril" } as const;
  const ports: NftSet = { ...BRIDGE, name: "spoof_ports", key: ["ifname"] };
  const allowed: NftSet = { ...BRIDGE, name: "spoof_allowed", key: ["ifname", "ether_addr"] };
  const chain: NftChain = {
    ...BRIDGE,
    name: "prerouting",
    base: { type: "filter", hook: "prerouting", priority: "dstnat" },
  };
  const elements: NftElement[] = [
    { set: allowed, key: ["port-g", "02:00:00:00:00:01"] },
    { set: ports, key: ["port-g"] },
  ];
  commit(host.netfilter, [
    addTable({ family: "bridge", name: "tendril" }),
    addSet(ports),
    addSet(allowed),
    ...chainWith(chain, [
      { kind: "match", key: "iifname", value: { set: "spoof_ports" } },
      { kind: "match", key: ["iifname", "ether saddr"], operator: "!=", value: { set: "spoof_allowed" } },
      { kind: "verdict", verdict: "drop" },
    ]),
    ...addElements(elements),
  ]);
  expectAnswer(guarded, "10.23.0.2");
  guarded.sh("ip link set eth0 address 02:00:00:00:00:66");
  expectNoAnswer(guarded, "10.23.0.2");
  free.sh("ip link set eth0 address 02:00:00:00:00:67");
  guarded.sh("ip link set eth0 address 02:00:00:00:00:01");
  expectAnswer(free, "10.23.0.1");
  expectAnswer(guarded, "10.23.0.2");
  guarded.sh("ip link set eth0 address 02:00:00:00:00:66");
  commit(host.netfilter, deleteElements(elements));
  expectAnswer(guarded, "10.23.0.2");
});
