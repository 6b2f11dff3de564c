import { afterAll, expect } from "bun:test";
import { type TestNetns, testNamespaces } from "../../../test/support/namespaces.ts";
import { needs, program, root } from "../../../test/support/needs.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { type Closable, udpClient } from "../../../test/support/traffic.ts";
import { inNetns } from "../netns.ts";
import {
  countFlows,
  deleteFlow,
  deleteFlows,
  type Flow,
  type FlowPattern,
  IPPROTO_UDP,
  listFlows,
  listFlowsOf,
} from "./conntrack.ts";
import { NetlinkError } from "./error.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "./socket.ts";

const namespaces = testNamespaces();
const open: Closable[] = [];
afterAll(() => {
  for (const one of open.splice(0)) one.close();
});
expectNothingLeft();
const test = needs(root, program("nft"), program("conntrack"));

interface Tracked {
  readonly netns: TestNetns;
  readonly socket: NetlinkSocket;
  /** The port of the client that has sent to each. */
  readonly clients: readonly number[];
  list(pattern: Omit<FlowPattern, "protocol">): Flow[];
  /** As conntrack(8) shows them. */
  shown(): string;
}

/** A namespace with flows to port 8080, which is led to port 9090 of another address, to port 53, and by IPv6. */
async function tracked(): Promise<Tracked> {
  const netns = namespaces.fresh();
  netns.sh(`ip link set lo up
    nft add table inet t
    nft 'add chain inet t c { type nat hook output priority -100; }'
    nft add rule inet t c ip daddr 127.0.0.1 udp dport 8080 dnat ip to 127.0.0.7:9090
    nft add rule inet t c ip6 daddr ::1 udp dport 8081 dnat ip6 to [::1]:9091`);
  const [four, six] = [await udpClient(netns, 4), await udpClient(netns, 6)];
  const socket = inNetns(netns.netns, () => new NetlinkSocket(NETLINK_NETFILTER));
  open.push(four, six, socket);
  const answers = [
    four.ask("127.0.0.1", 8080, { patience: 0 }),
    four.ask("127.0.0.2", 8080, { patience: 0 }),
    four.ask("127.0.0.1", 53, { patience: 0 }),
    six.ask("::1", 8081, { patience: 0 }),
    six.ask("::1", 53, { patience: 0 }),
  ];
  await Promise.all(answers);
  return {
    netns,
    socket,
    clients: [four.port, six.port],
    list: (pattern) => listFlows(socket, { ...pattern, protocol: IPPROTO_UDP }),
    shown: () => netns.sh("(conntrack -L -f ipv4; conntrack -L -f ipv6) 2>/dev/null"),
  };
}

test("flows are found by port, by destination and by who answers, as conntrack(8) finds them", async () => {
  const { netns, clients, list } = await tracked();
  const patterns: readonly (readonly [Omit<FlowPattern, "protocol">, string, number])[] = [
    [{ family: 4, destinationPort: 8080 }, "", 2],
    [{ family: 4, destinationPort: 8080, destination: "127.0.0.1" }, "--orig-dst 127.0.0.1", 1],
    [{ family: 4, destinationPort: 8080, answeredBy: "127.0.0.7" }, "--reply-src 127.0.0.7", 1],
    [{ family: 4, destinationPort: 8080, answeredBy: "127.0.0.8" }, "--reply-src 127.0.0.8", 0],
    [{ family: 4, destinationPort: 9090 }, "", 0],
    [{ family: 4, destinationPort: 8081 }, "", 0],
    [{ family: 6, destinationPort: 8081 }, "", 1],
    [{ family: 6, destinationPort: 53, destination: "::1", answeredBy: "::1" }, "--orig-dst ::1 --reply-src ::1", 1],
    [{ family: 6, destinationPort: 53, destination: "::2" }, "--orig-dst ::2", 0],
    [{ family: 6, destinationPort: 53, answeredBy: "::2" }, "--reply-src ::2", 0],
  ];
  for (const [pattern, words, count] of patterns) {
    const found = list(pattern);
    const command = `conntrack -L -f ipv${pattern.family} -p udp --orig-port-dst ${pattern.destinationPort} ${words}`;
    const theirs = netns.sh(`${command} 2>/dev/null`).split("\n").filter(Boolean);
    expect({ pattern, found: found.length, theirs: theirs.length }).toEqual({ pattern, found: count, theirs: count });
    for (const { original } of found) {
      expect(original?.protocol?.sourcePort).toBe(clients[pattern.family === 4 ? 0 : 1] ?? 0);
    }
  }
});

test("flows are deleted, and others stay; those that are gone by then are no error", async () => {
  const { socket, list, shown } = await tracked();
  const doomed = [...list({ family: 4, destinationPort: 8080 }), ...list({ family: 6, destinationPort: 8081 })];
  expect(doomed).toHaveLength(3);
  deleteFlows(socket, doomed);
  deleteFlows(socket, doomed);
  expect(shown()).not.toMatch(/dport=808/);
  expect(shown().match(/dport=53 /g)).toHaveLength(2);
});

test("a flow that has come in the place of a deleted one is another one", async () => {
  const { netns, socket, list } = await tracked();
  const [old] = list({ family: 4, destinationPort: 53 });
  if (old === undefined) throw new Error("no flow");
  netns.sh("conntrack -D -p udp --orig-port-dst 53 >/dev/null 2>&1");
  const again = { ...old, id: ((old.id ?? 0) ^ 1) >>> 0 };
  // The same tuple is tracked anew, with an id of its own.
  netns.sh(`conntrack -I -p udp -s 127.0.0.1 -d 127.0.0.1 --sport ${old.original?.protocol?.sourcePort} --dport 53 \
    --timeout 30 >/dev/null 2>&1`);
  expect(() => socket.execute(deleteFlow(again))).toThrow(NetlinkError);
  expect(list({ family: 4, destinationPort: 53 })).toHaveLength(1);
});

test("flows of addresses are the same whether the kernel picks them or gives all", async () => {
  const { socket } = await tracked();
  expect(countFlows(socket)).toBe(5);
  const cases: readonly (readonly [addresses: readonly string[], count: number])[] = [
    [["127.0.0.2"], 1],
    [["127.0.0.7", "127.0.0.9"], 1],
    [["::1"], 2],
    [["127.0.0.1", "::1"], 5],
    [["::2"], 0],
  ];
  for (const [addresses, count] of cases) {
    const [picked, all] = [0, Number.POSITIVE_INFINITY].map((flowsOfAWalk) =>
      listFlowsOf(socket, addresses, flowsOfAWalk)
        .map(({ original }) => JSON.stringify(original))
        .sort(),
    );
    expect({ addresses, picked }).toEqual({ addresses, picked: all });
    expect({ addresses, count: all?.length }).toEqual({ addresses, count });
  }
});
