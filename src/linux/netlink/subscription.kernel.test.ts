import { describe, expect } from "bun:test";
import { readdirSync } from "node:fs";
import { type TestNetns, testNamespaces } from "../../../test/support/namespaces.ts";
import { needs, program, root } from "../../../test/support/needs.ts";
import { expectNothingLeft, openDescriptors } from "../../../test/support/snapshot.ts";
import { inNetns } from "../netns.ts";
import { addressMessage, RTM_DELADDR, RTM_NEWADDR } from "./rtnetlink/address.ts";
import {
  changeLink,
  createLink,
  decodeLink,
  deleteLink,
  findLink,
  RTM_DELLINK,
  RTM_NEWLINK,
} from "./rtnetlink/link/link.ts";
import { neighbourMessage, RTM_NEWNEIGH } from "./rtnetlink/neighbour.ts";
import { RTM_DELROUTE, RTM_NEWROUTE, routeDestination, routeMessage } from "./rtnetlink/route.ts";
import { RTM_NEWRULE, ruleMessage } from "./rtnetlink/rule.ts";
import { NETLINK_ROUTE } from "./socket.ts";
import {
  type Notification,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV4_RULE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
  type SubscribeOptions,
  type Subscription,
  subscribe,
} from "./subscription.ts";

const namespaces = testNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("nsenter"));

function subscribeIn({ netns }: TestNetns, groups: readonly number[], options?: SubscribeOptions): Subscription {
  return inNetns(netns, () => subscribe(groups, NETLINK_ROUTE, options));
}

/** Reads until one is accepted; gives all that came, as text. */
async function readUntil(
  subscription: Subscription,
  show: (notification: Notification) => string | undefined,
  last: string,
): Promise<string[]> {
  const seen: string[] = [];
  for (;;) {
    const { value, done } = await subscription.next();
    if (done) throw new Error(`Ended after ${seen.join(", ")}`);
    const shown = show(value);
    if (shown !== undefined) seen.push(shown);
    if (shown === last) return seen;
  }
}

/** `+name` for a link that is new or changed, `-name` for one that goes. */
function showLink(notification: Notification): string | undefined {
  if (notification.lost) return "lost";
  const sign = { [RTM_NEWLINK]: "+", [RTM_DELLINK]: "-" }[notification.type];
  return sign === undefined ? undefined : sign + decodeLink(notification.payload).name;
}

describe("a subscription", () => {
  kernelTest("hears of the links of its namespace and of no other's", async () => {
    const one = namespaces.fresh();
    const other = namespaces.fresh();
    const subscription = subscribeIn(one, [RTNLGRP_LINK]);
    try {
      other.sh("ip link add foreign0 type bridge; ip link del foreign0");
      one.sh("ip link add here0 type bridge");
      other.sh("ip link add foreign1 type bridge");
      one.sh("ip link set here0 alias x; ip link del here0; ip link add last0 type bridge");
      const seen = await readUntil(subscription, showLink, "+last0");
      expect(new Set(seen)).toEqual(new Set(["+here0", "-here0", "+last0"]));
      expect(seen.indexOf("-here0")).toBeGreaterThan(seen.lastIndexOf("+here0"));
    } finally {
      subscription.close();
    }
  });

  kernelTest("misses nothing that happens after it began, although nobody reads yet", async () => {
    const { socket, ...namespace } = namespaces.fresh();
    const subscription = subscribeIn({ socket, ...namespace }, [RTNLGRP_LINK]);
    try {
      socket.execute(createLink({ name: "early0", info: { kind: "bridge" } }));
      await Bun.sleep(20);
      socket.execute(createLink({ name: "late0", info: { kind: "bridge" } }));
      // The messages are intact although others were received into the same memory after them.
      expect(await readUntil(subscription, showLink, "+late0")).toEqual(["+early0", "+late0"]);
    } finally {
      subscription.close();
    }
  });

  kernelTest("to several groups gives addresses, routes, neighbours and rules ready to decode", async () => {
    const namespace = namespaces.fresh();
    namespace.sh("ip link add a0 type veth peer name b0; ip link set a0 up; ip link set b0 up");
    const { index } = findLink(namespace.socket, "a0") ?? { index: 0 };
    const groups = [
      RTNLGRP_IPV4_IFADDR,
      RTNLGRP_IPV6_IFADDR,
      RTNLGRP_IPV4_ROUTE,
      RTNLGRP_IPV6_ROUTE,
      RTNLGRP_NEIGH,
      RTNLGRP_IPV4_RULE,
    ];
    const subscription = subscribeIn(namespace, groups);
    try {
      namespace.sh(`ip addr add 10.1.0.1/24 dev a0
        ip addr add fd00::1/64 dev a0 nodad
        ip route add 10.2.0.0/16 via 10.1.0.9
        ip route add fd02::/64 via fd00::9
        ip route del 10.2.0.0/16
        ip neigh add 10.1.0.7 lladdr 02:00:00:00:00:07 dev a0
        ip addr del 10.1.0.1/24 dev a0
        ip rule add priority 77 table 99`);
      const show = (notification: Notification): string | undefined => {
        if (notification.lost) return "lost";
        const { type, payload } = notification;
        if (type === RTM_NEWADDR || type === RTM_DELADDR) {
          const address = addressMessage.read(payload);
          const sign = type === RTM_NEWADDR ? "+" : "-";
          return address.index === index ? `${sign}address ${address.local ?? address.address}` : undefined;
        }
        if (type === RTM_NEWROUTE || type === RTM_DELROUTE) {
          const route = routeMessage.read(payload);
          return `${type === RTM_NEWROUTE ? "+" : "-"}route ${routeDestination(route)}`;
        }
        if (type === RTM_NEWNEIGH) return `+neighbour ${neighbourMessage.read(payload).destination}`;
        if (type === RTM_NEWRULE) return `+rule ${ruleMessage.read(payload).priority}`;
        return undefined;
      };
      const seen = await readUntil(subscription, show, "+rule 77");
      for (const expected of [
        "+address 10.1.0.1",
        "+address fd00::1",
        "+route 10.2.0.0/16",
        "+route fd02::/64",
        "-route 10.2.0.0/16",
        "+neighbour 10.1.0.7",
        "-address 10.1.0.1",
      ]) {
        expect(seen).toContain(expected);
      }
    } finally {
      subscription.close();
    }
  });
});

describe("an overrun", () => {
  const burst = ({ socket }: TestNetns, from: number) => {
    for (let i = 0; i < 100; i++) socket.execute(changeLink({ name: "a0", mtu: from + i }));
  };
  const showMtu = (notification: Notification): string =>
    notification.lost ? "lost" : String(decodeLink(notification.payload).mtu);

  kernelTest("is told, and what happens after it is heard again, each time", async () => {
    const namespace = namespaces.fresh();
    namespace.sh("ip link add a0 type veth peer name b0");
    // Room for a few messages only.
    const subscription = subscribeIn(namespace, [RTNLGRP_LINK], { receiveBuffer: 8_192 });
    try {
      for (const round of [1, 2, 3]) {
        burst(namespace, 1_000 * round);
        const lost = await readUntil(subscription, showMtu, "lost");
        expect(lost.length).toBeLessThan(100);
        namespace.socket.execute(changeLink({ name: "a0", mtu: 900 + round }));
        // Nothing that is older than the loss comes after it: a watcher has listed anew by then.
        expect(await readUntil(subscription, showMtu, String(900 + round))).toEqual([String(900 + round)]);
      }
    } finally {
      subscription.close();
    }
  });

  kernelTest("of a consumer that does not come is told too, instead of keeping everything", async () => {
    const namespace = namespaces.fresh();
    namespace.sh("ip link add a0 type veth peer name b0");
    const subscription = subscribeIn(namespace, [RTNLGRP_LINK], { maxQueued: 10 });
    try {
      for (const from of [1_000, 2_000, 3_000]) {
        burst(namespace, from);
        await Bun.sleep(20);
      }
      namespace.socket.execute(changeLink({ name: "a0", mtu: 999 }));
      const seen = await readUntil(subscription, showMtu, "999");
      expect(seen[0]).toBe("lost");
      expect(seen.length).toBeLessThanOrEqual(11);
    } finally {
      subscription.close();
    }
  });
});

describe("closing", () => {
  kernelTest("ends an iteration that waits, and every later one", async () => {
    const subscription = subscribeIn(namespaces.fresh(), [RTNLGRP_LINK]);
    const waiting = [subscription.next(), subscription.next()];
    await Bun.sleep(5);
    subscription.close();
    for (const next of waiting) expect(await next).toEqual({ done: true, value: undefined });
    expect(await subscription.next()).toEqual({ done: true, value: undefined });
    subscription.close();
  });

  kernelTest("comes with the end of a loop, and with close before the first turn of the event loop", async () => {
    const namespace = namespaces.fresh();
    const before = openDescriptors();
    const subscription = subscribeIn(namespace, [RTNLGRP_LINK]);
    namespace.socket.execute(createLink({ name: "here0", info: { kind: "bridge" } }));
    for await (const notification of subscription) {
      expect(showLink(notification)).toBe("+here0");
      break;
    }
    const inLoop: string[] = [];
    const closed = subscribeIn(namespace, [RTNLGRP_LINK]);
    closed.close();
    for await (const notification of closed) inLoop.push(String(showLink(notification)));
    expect(inLoop).toEqual([]);
    expect(openDescriptors()).toEqual(before);
  });

  kernelTest("gives back socket and namespace of each of many, which had no thread of their own", async () => {
    const namespace = namespaces.fresh();
    const before = openDescriptors();
    const threads = readdirSync("/proc/self/task").length;
    const many = Array.from({ length: 100 }, () => subscribeIn(namespace, [RTNLGRP_LINK]));
    const ends = many.map((subscription) => readUntil(subscription, showLink, "+here0"));
    await Bun.sleep(5);
    // Each has its socket and its namespace.
    expect(openDescriptors()).toHaveLength(before.length + 200);
    // The runtime may start a few for other work of its own meanwhile.
    expect(readdirSync("/proc/self/task").length).toBeLessThan(threads + 20);
    namespace.socket.execute(createLink({ name: "here0", info: { kind: "bridge" } }));
    for (const seen of await Promise.all(ends)) expect(seen).toEqual(["+here0"]);
    for (const subscription of many) subscription.close();
    expect(openDescriptors()).toEqual(before);
    namespace.socket.execute(deleteLink({ name: "here0" }));
  });

  kernelTest("is not needed where subscribing failed, for the kernel has no such group", () => {
    const namespace = namespaces.fresh();
    const before = openDescriptors();
    expect(() => subscribeIn(namespace, [RTNLGRP_LINK, 4_000])).toThrow("EINVAL");
    expect(openDescriptors()).toEqual(before);
  });
});
