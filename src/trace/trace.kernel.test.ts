import { expect } from "bun:test";
import { kernelLink } from "../../test/support/kernel.ts";
import { needs, program, root } from "../../test/support/needs.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import type { NftStatement } from "../core/nftables.ts";
import { inNetns, namedNetnsPath } from "../linux/netns.ts";
import { commit } from "../linux/nftables/batch.ts";
import { addChain } from "../linux/nftables/chain.ts";
import { addRule } from "../linux/nftables/rule.ts";
import { addTable, deleteTable } from "../linux/nftables/table.ts";
import { type NetfilterNetns, netfilterNamespaces } from "../linux/nftables/test-support/netfilter.ts";
import { judgeHop } from "./judge.ts";
import { addressesIn, type PartQuestion, type TraceQuestion, trace, tracePart } from "./trace.ts";
import type { Cluster } from "./walk.ts";

const namespaces = netfilterNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("nsenter"));

const GATEWAY = "169.254.1.1";

interface Stage {
  readonly host: NetfilterNetns;
  readonly a: NetfilterNetns;
  readonly b: NetfilterNetns;
}

/** Two pods behind routed veth pairs, as the cluster's plugin makes them: permanent neighbours, no address on the host. */
function twoPods(): Stage {
  const [host, a, b] = [namespaces.fresh(), namespaces.fresh(), namespaces.fresh()];
  for (const one of [host, a, b]) one.sh("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad; ip link set lo up");
  host.sh("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
  for (const [pod, name, i] of [
    [a, "pa", 2],
    [b, "pb", 3],
  ] as const) {
    host.sh(`ip link add ${name} address 02:00:00:00:01:0${i} type veth peer name eth0 address 02:00:00:00:00:0${i} netns ${pod.name}
      ip link set ${name} up; ip route add 10.9.0.${i}/32 dev ${name}; ip route add fd09::${i}/128 dev ${name}
      ip neigh add 10.9.0.${i} lladdr 02:00:00:00:00:0${i} dev ${name} nud permanent
      ip neigh add fd09::${i} lladdr 02:00:00:00:00:0${i} dev ${name} nud permanent`);
    pod.sh(`ip link set eth0 up; ip addr add 10.9.0.${i}/32 dev eth0; ip addr add fd09::${i}/128 dev eth0 nodad
      ip route add ${GATEWAY} dev eth0; ip route add default via ${GATEWAY}
      ip neigh add ${GATEWAY} lladdr 02:00:00:00:01:0${i} dev eth0 nud permanent
      ip route add default via fe80::1 dev eth0
      ip neigh add fe80::1 lladdr 02:00:00:00:01:0${i} dev eth0 nud permanent`);
  }
  return { host, a, b };
}

function tracing({ host, a, b }: Stage, more: Partial<TraceQuestion> = {}, family: 4 | 6 = 4) {
  const address = (i: number) => (family === 4 ? `10.9.0.${i}` : `fd09::${i}`);
  return inNetns(host.netns, () =>
    trace({
      from: { name: "a", address: address(2), netns: namedNetnsPath(a.name) },
      to: { name: "b", address: address(3), netns: namedNetnsPath(b.name) },
      ...more,
    }),
  );
}

/** Where it is wrong first, and what is said of it. */
function wrongIn(stage: Stage, more: Partial<TraceQuestion> = {}, family: 4 | 6 = 4): string {
  const { wrong } = tracing(stage, more, family);
  return wrong === undefined ? "nothing" : `${wrong.where}: ${wrong.judgement.text}`;
}

kernelTest("two pods that reach each other: every step is read, there and back, and nothing is wrong", () => {
  const stage = twoPods();
  stage.a.sh("ping -n -c 1 -w 10 10.9.0.3 >/dev/null");
  for (const family of [4, 6] as const) {
    const { legs, wrong } = tracing(stage, {}, family);
    expect(wrong).toBeUndefined();
    expect(legs.map(({ hops }) => hops.map(({ where, kind }) => `${where} ${kind}`))).toEqual(
      (["ab", "ba"] as const).map(([from, to]) => [
        `${from} source`,
        `${from} route`,
        `${from} link`,
        `${from} neighbour`,
        "host link",
        "host forward",
        "host route",
        "host link",
        "host neighbour",
        `${to} link`,
        `${to} destination`,
      ]),
    );
    const states = legs.flatMap(({ hops }) => hops.map(({ judgement }) => judgement.state));
    expect(new Set(states)).toEqual(new Set(["ok"]));
  }
});

kernelTest("what is taken away is found, and named where it was", () => {
  const stage = twoPods();
  const { host, a, b } = stage;
  // The kernel takes all routes along with the last address.
  for (const pod of [a, b]) pod.sh("ip addr add 10.9.0.77/32 dev eth0");
  /** Breaks something, looks, and mends it. */
  const broken = (where: NetfilterNetns, breaking: string, mending: string, more?: Partial<TraceQuestion>) => {
    where.sh(breaking);
    const found = wrongIn(stage, more);
    where.sh(mending);
    expect(wrongIn(stage)).toBe("nothing");
    return found;
  };
  const address = "ip addr add 10.9.0.2/32 dev eth0";
  expect(broken(a, "ip addr del 10.9.0.2/32 dev eth0", address)).toBe("a: No link has the address 10.9.0.2");
  expect(broken(a, "ip route del default", `ip route add default via ${GATEWAY}`)).toBe(
    "a: There is no route to 10.9.0.3",
  );
  const gateway = `lladdr 02:00:00:00:01:02 dev eth0 nud permanent`;
  expect(broken(a, `ip neigh del ${GATEWAY} dev eth0`, `ip neigh replace ${GATEWAY} ${gateway}`)).toBe(
    `a: There is no neighbour entry for ${GATEWAY} on "eth0", and nobody at the other end answers for it`,
  );
  const wrongMac = `ip neigh replace ${GATEWAY} lladdr 02:00:00:00:01:77 dev eth0 nud permanent`;
  expect(broken(a, wrongMac, `ip neigh replace ${GATEWAY} ${gateway}`)).toBe(
    `a: Neighbour ${GATEWAY} on "eth0" is 02:00:00:00:01:77, but the link at the other end has 02:00:00:00:01:02`,
  );
  expect(broken(host, "echo 0 >/proc/sys/net/ipv4/ip_forward", "echo 1 >/proc/sys/net/ipv4/ip_forward")).toBe(
    'host: What comes by "pa" is not forwarded in IPv4',
  );
  expect(broken(host, "ip route del 10.9.0.3/32", "ip route add 10.9.0.3/32 dev pb")).toBe(
    "host: There is no route to 10.9.0.3",
  );
  const b3 = "lladdr 02:00:00:00:00:03 dev pb nud permanent";
  const gone = "ip neigh del 10.9.0.3 dev pb; ip -n NS addr del 10.9.0.3/32 dev eth0".replace("NS", b.name);
  const back = `ip neigh replace 10.9.0.3 ${b3}; ip -n ${b.name} addr add 10.9.0.3/32 dev eth0`;
  expect(broken(host, gone, back)).toBe(
    'host: There is no neighbour entry for 10.9.0.3 on "pb", and nobody at the other end answers for it',
  );
  expect(broken(b, "ip addr del 10.9.0.3/32 dev eth0", "ip addr add 10.9.0.3/32 dev eth0")).toBe(
    "b: It arrives, but no link has the address 10.9.0.3",
  );
  // The way back.
  expect(broken(b, "ip route del default", `ip route add default via ${GATEWAY}`)).toBe(
    "b: There is no route to 10.9.0.2",
  );
  host.sh("ip link set pb down");
  expect(wrongIn(stage)).toBe("host: There is no route to 10.9.0.3");
  host.sh("ip link set pb up; ip route add 10.9.0.3/32 dev pb");
  b.sh("ip link set eth0 down");
  expect(wrongIn(stage)).toBe('host: Link "pb" is up, but its other end is down or gone');
});

kernelTest("a source that is routed elsewhere is refused by the reverse path filter", () => {
  const stage = twoPods();
  stage.host.sh("echo 1 >/proc/sys/net/ipv4/conf/pa/rp_filter; ip route replace 10.9.0.2/32 dev pb");
  expect(wrongIn(stage)).toStartWith('host: What comes from 10.9.0.2 is refused by "pa"');
});

kernelTest("rules are asked in their order, and the one that drops is named", () => {
  const stage = twoPods();
  const { netfilter } = stage.host;
  const table = { family: "inet", name: "other" } as const;
  const chain = { family: "inet", table: "other", name: "fwd" } as const;
  const make = (policy: "accept" | "drop", ...rules: readonly (readonly NftStatement[])[]) => {
    const base = { type: "filter", hook: "forward", priority: "filter", policy } as const;
    commit(netfilter, [
      addTable(table),
      addChain({ ...chain, base }),
      ...rules.flatMap((statements) => addRule({ family: "inet", table: "other", chain: "fwd", statements })),
    ]);
  };
  const drop: NftStatement = { kind: "verdict", verdict: "drop" };
  const accept: NftStatement = { kind: "verdict", verdict: "accept" };
  const to: NftStatement = { kind: "match", key: "ip daddr", value: "10.9.0.3" };

  make("accept", [to, { kind: "match", key: "tcp dport", value: 80 }, drop]);
  expect(wrongIn(stage)).toBe("nothing");
  expect(wrongIn(stage, { port: 80 })).toBe(
    'host: Dropped at forward in chain inet "other" "fwd" by: ip daddr 10.9.0.3 tcp dport 80 drop',
  );
  commit(netfilter, [deleteTable(table)]);

  make("drop", [{ kind: "match", key: "ct state", value: ["established"] }, accept]);
  expect(wrongIn(stage)).toBe('host: Dropped at forward by the policy of chain inet "other" "fwd"');
  commit(netfilter, [deleteTable(table)]);

  make("drop", [to, accept]);
  // The answer has another destination.
  expect(wrongIn(stage)).toStartWith("host: Dropped at forward by the policy");
  commit(netfilter, [deleteTable(table)]);

  make("accept", [{ kind: "limit", rate: 1, per: "second", unit: "packets", over: true }, drop]);
  const { legs, wrong } = tracing(stage);
  expect(wrong).toBeUndefined();
  expect(legs[0]?.hops.find(({ kind }) => kind === "filter")?.judgement.state).toBe("unknown");
});

kernelTest("a port is said to be listened on, or not", () => {
  const stage = twoPods();
  expect(wrongIn(stage, { port: 7777 })).toBe("b: It arrives, but nothing listens on TCP port 7777 of 10.9.0.3");
  const server = inNetns(stage.b.netns, () => Bun.listen({ hostname: "10.9.0.3", port: 7777, socket: { data() {} } }));
  try {
    expect(wrongIn(stage, { port: 7777 })).toBe("nothing");
  } finally {
    server.stop(true);
  }
});

kernelTest("pods of one bridge reach each other through its ports", () => {
  const stage = twoPods();
  const { host, a, b } = stage;
  host.sh(`ip link add br0 type bridge; ip link set br0 up
    for i in 2 3; do ip link add q$i type veth peer name p$i; ip link set q$i master br0; ip link set q$i up; done
    ip link set p2 netns ${a.name}; ip link set p3 netns ${b.name}`);
  for (const [pod, i] of [
    [a, 2],
    [b, 3],
  ] as const) {
    pod.sh(
      `ip link set p${i} address 02:00:00:00:05:0${i}; ip link set p${i} up; ip addr add 10.8.0.${i}/24 dev p${i}`,
    );
  }
  const ends = {
    from: { name: "a", address: "10.8.0.2", netns: namedNetnsPath(a.name) },
    to: { name: "b", address: "10.8.0.3", netns: namedNetnsPath(b.name) },
  };
  // The kernel takes its time to see that a bridge has a port.
  while (wrongIn(stage, ends) !== "nothing") Bun.sleepSync(5);
  /** Before anybody has sent anything, and when bridge and pods know each other. */
  for (const prepare of ["true", "ping -n -c 1 -w 10 10.8.0.3 >/dev/null"]) {
    a.sh(prepare);
    const { legs, wrong } = tracing(stage, ends);
    expect(wrong).toBeUndefined();
    expect(legs).toHaveLength(2);
    expect(legs[0]?.hops.find(({ kind }) => kind === "switch")).toMatchObject({ bridge: "br0", port: "q3" });
    expect(legs[0]?.hops.at(-1)).toMatchObject({ kind: "destination", link: "p3", arrivesBy: "p3" });
  }
  a.sh("ip neigh replace 10.8.0.3 lladdr 02:00:00:00:05:77 dev p2 nud permanent");
  expect(wrongIn(stage, ends)).toBe(
    'a: Neighbour 10.8.0.3 on "p2" is 02:00:00:00:05:77, but the link at the other end has 02:00:00:00:05:03',
  );
  a.sh("ip neigh del 10.8.0.3 dev p2");
  host.sh("ip link set q3 nomaster");
  expect(wrongIn(stage, ends)).toBe('host: Link "q3" is no port of bridge "br0"');
  host.sh("ip link set q3 master br0; ip link set br0 down");
  expect(wrongIn(stage, ends)).toBe('host: Link "br0" is down');
  host.sh("ip link set br0 up");
  while (wrongIn(stage, ends) !== "nothing") Bun.sleepSync(5);
  host.sh("ip link set q2 down");
  expect(wrongIn(stage, ends)).toBe('a: Link "p2" is up, but its other end is down or gone');
});

kernelTest("a pod of another node is followed into the tunnel, to the node that has it", () => {
  const stage = twoPods();
  stage.host.sh(`ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up
    ip addr add 192.0.2.1/24 dev up0; ip neigh add 192.0.2.2 lladdr 02:00:00:00:02:02 dev up0 nud permanent
    ip link add vx0 type vxlan id 7 dstport 4789 local 192.0.2.1 nolearning; ip link set vx0 up
    ip route add 10.9.1.0/26 via 10.9.1.0 dev vx0 onlink
    ip neigh add 10.9.1.0 lladdr 02:00:00:00:03:02 dev vx0 nud permanent
    bridge fdb add 02:00:00:00:03:02 dev vx0 dst 192.0.2.2 self permanent`);
  let owner = "node2";
  const cluster: Cluster = {
    self: "node1",
    ownerOf: (address) =>
      address.startsWith("10.9.1.") ? { name: owner, prefix: "10.9.1.0/26", gone: false } : undefined,
    isOfPods: (address) => address.startsWith("10.9."),
    nodeAt: (address) => (address === "192.0.2.2" ? "node2" : undefined),
  };
  const far = { to: { name: "10.9.1.5", address: "10.9.1.5" }, cluster };
  const { legs, wrong } = tracing(stage, far);
  expect(wrong).toBeUndefined();
  expect(legs).toHaveLength(1);
  expect(legs[0]?.hops.at(-1)?.judgement.text).toBe(
    '10.9.1.0/26 is of node "node2", and it is sent there, to 192.0.2.2',
  );
  const outside = { to: { name: "203.0.113.1", address: "203.0.113.1" }, cluster };
  stage.host.sh("ip route add default via 192.0.2.2");
  expect(tracing(stage, outside).legs[0]?.hops.at(-1)?.judgement.text).toBe(
    "203.0.113.1 is of no pool: the packet leaves the cluster by 192.0.2.2",
  );
  owner = "node3";
  expect(wrongIn(stage, far)).toBe('node1: It is sent to 192.0.2.2, node "node2", but 10.9.1.0/26 is of node "node3"');
  owner = "node2";
  stage.host.sh("bridge fdb del 02:00:00:00:03:02 dev vx0 dst 192.0.2.2 self");
  expect(wrongIn(stage, far)).toBe('node1: Tunnel "vx0" has no forwarding entry for 02:00:00:00:03:02');
  stage.host.sh("ip neigh del 10.9.1.0 dev vx0");
  expect(wrongIn(stage, far)).toBe('node1: Tunnel "vx0" has no neighbour entry for 10.9.1.0, and tunnels do not ask');
});

kernelTest("what comes from another node is followed out of the tunnel to the pod, and its answer's end", () => {
  const stage = twoPods();
  const { host, a } = stage;
  host.sh(`ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up
    ip addr add 192.0.2.1/24 dev up0
    ip link add vx0 type vxlan id 7 dstport 4790 local 192.0.2.1 nolearning; ip link set vx0 up
    ip route add 10.9.1.0/26 via 10.9.1.0 dev vx0 onlink; ip route add 10.9.2.0/26 via 192.0.2.3`);
  const arrival = { sender: "192.0.2.2", receiver: "192.0.2.1", tunnel: { name: "vx0", type: "vxlan" } };
  const part = (source: string, more: Partial<PartQuestion> = {}) =>
    inNetns(host.netns, () =>
      tracePart({
        node: "node1",
        from: { name: "far", address: source },
        to: { name: "a", address: "10.9.0.2", netns: namedNetnsPath(a.name) },
        isAnswer: false,
        arrival,
        ...more,
      }),
    ).map((hop) => ({ ...hop, ...judgeHop(hop) }));
  const wrong = (...given: Parameters<typeof part>) => part(...given).find(({ state }) => state !== "ok")?.text;
  const ways = ["link", "link", "forward", "route", "link", "neighbour", "link", "destination"];
  for (const isAnswer of [false, true]) {
    const hops = part("10.9.1.5", { isAnswer, port: 80 });
    expect(hops.map(({ kind }) => kind)).toEqual(ways as typeof ways & (typeof hops)[number]["kind"][]);
    // Nobody listens; an answer is waited for by who has asked.
    const found = hops.map(({ state }) => state).filter((state) => state !== "ok");
    expect(found).toEqual(isAnswer ? [] : ["wrong"]);
  }
  const direct = { sender: "192.0.2.3", receiver: "192.0.2.1" };
  expect(part("10.9.2.5", { arrival: direct }).map(({ kind }) => kind)).toEqual(ways.slice(1) as never[]);
  expect(wrong("10.9.2.5", { arrival: direct })).toBeUndefined();
  expect(wrong("10.9.1.5", { arrival: { ...arrival, sender: "203.0.113.1" } })).toBe(
    "There is no route to 203.0.113.1",
  );
  const lost = { ...arrival, tunnel: { name: "vx1", type: "vxlan" } };
  expect(wrong("10.9.1.5", { arrival: lost })).toBe('There is no link "vx1" of type vxlan, which it would come in by');
  host.sh("ip route del 10.9.1.0/26; echo 1 >/proc/sys/net/ipv4/conf/vx0/rp_filter");
  expect(wrong("10.9.1.5")).toStartWith('What comes from 10.9.1.5 is refused by "vx0"');
  host.sh("ip route add 10.9.1.0/26 via 10.9.1.0 dev vx0 onlink");
  expect(wrong("10.9.1.5")).toBeUndefined();

  const base = { type: "filter", hook: "input", priority: "filter", policy: "accept" } as const;
  const table = { family: "inet", name: "other" } as const;
  const port: NftStatement = { kind: "match", key: "udp dport", value: 4790 };
  commit(host.netfilter, [
    addTable(table),
    addChain({ family: "inet", table: "other", name: "in", base }),
    ...addRule({
      family: "inet",
      table: "other",
      chain: "in",
      statements: [port, { kind: "verdict", verdict: "drop" }],
    }),
  ]);
  expect(wrong("10.9.1.5")).toBe(
    'UDP to port 4790 is dropped at input in chain inet "other" "in" by: udp dport 4790 drop',
  );
  commit(host.netfilter, [deleteTable(table)]);
  host.sh("ip route del 10.9.0.2/32; ip route add 10.9.0.2/32 dev pb");
  expect(part("10.9.1.5").at(-1)).toMatchObject({ kind: "node", where: "node1", destination: "10.9.0.2" });
});

needs(
  root,
  program("ip"),
  program("nsenter"),
  kernelLink("ipip"),
)("a tunnel by addresses leads to the node that the route names", () => {
  const stage = twoPods();
  stage.host.sh(`ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up
      ip addr add 192.0.2.1/24 dev up0; ip neigh add 192.0.2.2 lladdr 02:00:00:00:02:02 dev up0 nud permanent
      ip link add tun0 type ipip local 192.0.2.1; ip link set tun0 up
      ip route add 10.9.1.0/26 via 192.0.2.2 dev tun0 onlink`);
  const cluster: Cluster = {
    ownerOf: () => ({ name: "node2", prefix: "10.9.1.0/26", gone: false }),
    isOfPods: () => true,
    nodeAt: (address) => (address === "192.0.2.2" ? "node2" : undefined),
  };
  const far = { to: { name: "10.9.1.5", address: "10.9.1.5" }, cluster };
  const { legs, wrong } = tracing(stage, far);
  expect(wrong).toBeUndefined();
  expect(legs[0]?.hops.at(-1)).toMatchObject({ judgement: { state: "ok" }, tunnel: { name: "tun0", type: "ipip" } });
  const back = inNetns(stage.host.netns, () =>
    tracePart({
      node: "node1",
      from: { name: "far", address: "10.9.1.5" },
      to: { name: "a", address: "10.9.0.2", netns: namedNetnsPath(stage.a.name) },
      isAnswer: true,
      arrival: { sender: "192.0.2.2", receiver: "192.0.2.1", tunnel: { name: "tun0", type: "ipip" } },
    }),
  );
  expect(back.slice(0, 3).map(({ kind }) => kind)).toEqual(["link", "link", "forward"]);
  expect(back.map(judgeHop).filter(({ state }) => state !== "ok")).toEqual([]);
  expect(back.at(-1)).toMatchObject({ kind: "destination", where: "a", link: "eth0" });
  stage.host.sh("ip link set up0 down");
  expect(wrongIn(stage, far)).toBe("host: There is no route to 192.0.2.2");
});

kernelTest("addresses that others can reach are those of a pod", () => {
  const { a } = twoPods();
  expect(addressesIn(namedNetnsPath(a.name))).toEqual(["10.9.0.2", "fd09::2"]);
});
