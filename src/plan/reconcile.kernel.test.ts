/** What owners want, kept in the real kernel; what somebody takes away, noticed and made again. */

import { afterAll, describe, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestNetns, testNamespaces } from "../../test/support/namespaces.ts";
import { needs, program, root } from "../../test/support/needs.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import { TendrilError } from "../core/errors.ts";
import type { Resource, VxlanLink } from "../core/plan.ts";
import { AF_INET6 } from "../linux/libc.ts";
import { addressMessage, RTM_NEWADDR } from "../linux/netlink/rtnetlink/address.ts";
import { decodeLink, RTM_NEWLINK } from "../linux/netlink/rtnetlink/link/link.ts";
import { RTM_NEWROUTE, RTPROT_KERNEL, routeMessage } from "../linux/netlink/rtnetlink/route.ts";
import {
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
  subscribe,
} from "../linux/netlink/subscription.ts";
import { inNetns } from "../linux/netns.ts";
import { Kernel } from "../resources/kernel.ts";
import { kernelKinds } from "../resources/kinds.ts";
import { leaseKind } from "../resources/lease.ts";
import { withLeases } from "./engine.ts";
import { isSame } from "./identity.ts";
import { ownedInKernel } from "./owned.ts";
import { Reconciler } from "./reconcile.ts";
import { watchOwned } from "./watch-owned.ts";

const namespaces = testNamespaces();
const folder = mkdtempSync(join(tmpdir(), "tendril-reconcile-"));
const kernels: Kernel[] = [];
afterAll(() => {
  for (const kernel of kernels) kernel.close();
  rmSync(folder, { recursive: true });
});
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("bridge"), program("nft"));

const PROTOCOL = 84;
const LINK = "t.vxlan";
const OURS = { protocol: PROTOCOL, links: [LINK] };
const on = { where: "host", link: LINK } as const;
const noIpam = () => {
  throw new TendrilError("no IPAM here");
};
const kinds = withLeases(kernelKinds, leaseKind(noIpam, noIpam));

/** A node with an uplink, and reconcilers in it. */
function node() {
  const host = namespaces.fresh();
  // Without addresses that the kernel makes by itself, which come to be used at any moment.
  host.sh(`sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.addr_gen_mode=1
    ip link add up0 type veth peer name far0; ip link set far0 up; ip link set up0 up
    ip addr add 172.20.1.11/24 dev up0; ip addr add fd20::11/64 dev up0 nodad
    until ip link show up0 | grep -q "state UP"; do sleep 0.01; done`);
  const within = <T>(work: () => T): T => inNetns(host.netns, work);
  /** A process of the agent: the socket is opened in the node. */
  const start = () => {
    const kernel = new Kernel(undefined, folder);
    kernels.push(kernel);
    within(() => kernel.route("host"));
    return { kernel, reconciler: new Reconciler({ kernel, kinds }) };
  };
  return { host, within, start, ...start() };
}

const vxlan: VxlanLink = {
  kind: "link",
  type: "vxlan",
  where: "host",
  name: LINK,
  mac: "02:00:00:00:01:01",
  mtu: 1400,
  vni: 7,
  port: 4790,
  local: "172.20.1.11",
};
const own: Resource[] = [
  vxlan,
  { kind: "link-settings", ...on, set: { up: true } },
  { kind: "address", ...on, address: "10.244.1.0/32" },
  { kind: "address", ...on, address: "fd44:1::/128" },
  { kind: "sysctl", where: "host", name: "net/ipv4/ip_forward", value: "1" },
];
const macOf = (n: number) => `02:00:00:00:02:${n.toString(16).padStart(2, "0")}`;

/** What leads to another node, by its number: through the tunnel, and one block of it by the uplink. */
function peer(n: number, mac = macOf(n), underlay = `172.20.1.${n}`): Resource[] {
  const route = { kind: "route", where: "host", protocol: PROTOCOL } as const;
  return [
    { kind: "forwarding", ...on, mac, destination: underlay },
    { kind: "neighbour", ...on, ip: `10.244.${n}.0`, mac },
    { kind: "neighbour", ...on, ip: `fd44:${n}::`, mac },
    {
      ...route,
      ...on,
      destination: `10.244.${n}.0/24`,
      gateway: `10.244.${n}.0`,
      preferredSource: "10.244.1.0",
      onlink: true,
    },
    {
      ...route,
      ...on,
      destination: `fd44:${n}::/64`,
      gateway: `fd44:${n}::`,
      preferredSource: "fd44:1::",
      onlink: true,
    },
    { ...route, link: "up0", destination: `10.245.${n}.0/24`, gateway: underlay },
    { ...route, link: "up0", destination: `fd45:${n}::/64`, gateway: `fd20::${n}`, mtu: 1400 },
  ];
}

/** What the kernel tells about `work`, by the numbers of the messages; nothing when nothing has changed. */
async function toldOf({ host }: { host: TestNetns }, work: () => void): Promise<number[]> {
  const groups = [RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR];
  const subscription = inNetns(host.netns, () => subscribe([...groups, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE]));
  const told: number[] = [];
  try {
    work();
    host.sh("ip link set far0 alias last");
    for await (const notification of subscription) {
      if (notification.lost) throw new Error("messages were lost");
      if (notification.type === RTM_NEWLINK && decodeLink(notification.payload).alias === "last") break;
      if (!isKernels(notification)) told.push(notification.type);
    }
    host.sh("ip link set far0 alias ''");
    return told;
  } finally {
    subscription.close();
  }
}

/** Some time after an IPv6 address was added the kernel comes to use it, tells of it, and makes routes for it. */
function isKernels({ type, payload }: { readonly type: number; readonly payload: Uint8Array }): boolean {
  if (type === RTM_NEWROUTE) return routeMessage.read(payload).protocol === RTPROT_KERNEL;
  return type === RTM_NEWADDR && addressMessage.read(payload).family === AF_INET6;
}

function routeShown({ host }: { host: TestNetns }, destination: string): object[] {
  return host.json(`ip -j ${destination.includes(":") ? "-6 " : ""}route show ${destination}`);
}

describe("a reconciler", () => {
  kernelTest("makes, keeps, changes and removes what owners want, and leaves alone what is another's", async () => {
    const place = node();
    const { host, within, reconciler } = place;
    host.sh(`ip route add 10.245.2.0/24 via 172.20.1.99 metric 50
      ip route add 10.250.0.0/24 via 172.20.1.99; ip -6 route add fd45:2::/64 via fd20::99 metric 50`);
    const foreign = host.sh("ip route; ip -6 route show proto boot; ip -d link show up0");
    expect(within(() => reconciler.set("node", own))).toEqual([]);
    expect(within(() => reconciler.set("peer 2", peer(2)))).toEqual([]);
    expect(within(() => reconciler.set("peer 3", peer(3)))).toEqual([]);
    expect(within(() => reconciler.verify())).toEqual([]);
    expect(reconciler.count).toBe(own.length + 2 * peer(2).length);
    expect(await toldOf(place, () => within(() => reconciler.set("peer 2", peer(2))))).toEqual([]);
    expect(await toldOf(place, () => within(() => reconciler.ensureAll()))).toEqual([]);
    // Another node in its place: another MAC, another address.
    expect(within(() => reconciler.set("peer 2", peer(2, macOf(9), "172.20.1.9")))).toEqual([]);
    expect(within(() => reconciler.verify())).toEqual([]);
    expect(routeShown(place, "10.245.2.0/24")).toMatchObject([{ gateway: "172.20.1.9" }, { gateway: "172.20.1.99" }]);
    expect(host.sh("bridge fdb show dev t.vxlan")).not.toContain(macOf(2));
    within(() => reconciler.set("peer 2", []));
    expect(within(() => reconciler.verify())).toEqual([]);
    expect(routeShown(place, "10.245.2.0/24")).toMatchObject([{ gateway: "172.20.1.99" }]);
    expect(within(() => reconciler.removeAll())).toEqual([]);
    expect(host.sh("ip route; ip -6 route show proto boot; ip -d link show up0")).toBe(foreign);
    expect(host.sh("ip -br link")).not.toContain(LINK);
  });

  kernelTest("has a route that moves to another gateway there at every moment", async () => {
    const { host, within, reconciler } = node();
    const destinations = ["10.245.2.0/24", "fd45:2::/64"];
    const by = (last: number): Resource[] =>
      destinations.map((destination) => ({
        kind: "route",
        where: "host",
        link: "up0",
        destination,
        gateway: destination.includes(":") ? `fd20::${last}` : `172.20.1.${last}`,
        protocol: PROTOCOL,
      }));
    within(() => reconciler.set("peer", by(2)));
    const subscription = inNetns(host.netns, () => subscribe([RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_LINK]));
    try {
      expect(within(() => reconciler.set("peer", by(3)))).toEqual([]);
      host.sh("ip link add last0 type bridge");
      const types: number[] = [];
      for await (const notification of subscription) {
        if (notification.lost || notification.type === RTM_NEWLINK) break;
        types.push(notification.type);
      }
      // New, new, deleted, deleted.
      expect(types).toEqual([24, 24, 25, 25]);
    } finally {
      subscription.close();
    }
    for (const destination of destinations) {
      expect(routeShown({ host }, destination)).toMatchObject([{ gateway: expect.stringMatching(/3$/) }]);
    }
  });

  kernelTest("makes all again that was on a link which it made anew, and what somebody took away", () => {
    const { host, within, reconciler } = node();
    within(() => reconciler.set("node", own));
    within(() => reconciler.set("peer", peer(2)));
    expect(within(() => reconciler.set("node", [{ ...vxlan, vni: 8 }, ...own.slice(1)]))).toEqual([]);
    expect(within(() => reconciler.verify())).toEqual([]);
    // With another MAC the old link has to go first: to the kind it would be somebody else's.
    const other = { ...vxlan, vni: 8, mac: "02:00:00:00:01:99" };
    expect(within(() => reconciler.set("node", [other, ...own.slice(1)]))).toEqual([]);
    expect(within(() => reconciler.verify())).toEqual([]);
    for (const damage of [
      `ip link del ${LINK}`,
      `ip link del ${LINK}; ip link add ${LINK} address ${other.mac} type vxlan id 99 dstport 4790`,
      `ip link set ${LINK} down`,
      "ip link set up0 down; ip link set up0 up; ip addr add fd20::11/64 dev up0 nodad",
      `ip addr flush dev ${LINK}; ip neighbour flush dev ${LINK} nud permanent; ip route flush proto ${PROTOCOL}`,
      "sysctl -qw net.ipv4.ip_forward=0",
    ]) {
      host.sh(damage);
      expect(within(() => reconciler.verify())).not.toEqual([]);
      expect(within(() => reconciler.ensureAll())).toEqual([]);
      expect(within(() => reconciler.verify())).toEqual([]);
    }
  });

  kernelTest("hears of each failure, makes the rest, and makes what failed when it can be", () => {
    const { host, within, reconciler } = node();
    within(() => reconciler.set("node", own));
    host.sh("ip link set up0 down");
    const errors = within(() => reconciler.set("peer", peer(2)));
    expect(errors.map(String)).toEqual([
      expect.stringContaining("Cannot add route 10.245.2.0/24 via 172.20.1.2: ENETUNREACH"),
      expect.stringContaining("Cannot add route fd45:2::/64 via fd20::2: EHOSTUNREACH"),
    ]);
    expect(reconciler.failedCount).toBe(2);
    expect(within(() => reconciler.verify())).toHaveLength(2);
    host.sh("ip link set up0 up; ip addr add fd20::11/64 dev up0 nodad");
    expect(within(() => reconciler.ensureAll())).toEqual([]);
    expect(reconciler.failedCount).toBe(0);
    expect(within(() => reconciler.verify())).toEqual([]);
  });
});

describe("what a former process has left", () => {
  kernelTest("is found as it was wanted, taken over untouched, and dropped where nobody names it", async () => {
    const place = node();
    const { host, within, reconciler: former, start } = place;
    host.sh("ip route add 10.250.0.0/24 via 172.20.1.99 proto static");
    const inTable: Resource = {
      kind: "route",
      where: "host",
      link: "up0",
      destination: "10.251.0.0/24",
      priority: 7,
      table: 1000,
      protocol: PROTOCOL,
    };
    within(() => former.set("node", [...own, inTable]));
    for (const n of [2, 3]) within(() => former.set(`peer ${n}`, peer(n)));
    const { kernel, reconciler } = start();
    const found = within(() => ownedInKernel(kernel, OURS));
    // Settings and kernel parameters are not seen to be ours.
    const wanted = [...own, inTable, ...peer(2), ...peer(3)].filter(
      ({ kind }) => kind !== "link-settings" && kind !== "sysctl",
    );
    expect(found).toHaveLength(wanted.length);
    for (const resource of wanted) expect(found.filter((other) => isSame(other, resource))).toHaveLength(1);
    reconciler.adopt(found);
    const told = await toldOf(place, () => {
      expect(within(() => reconciler.set("node", own))).toEqual([]);
      expect(within(() => reconciler.set("peer 2", peer(2)))).toEqual([]);
    });
    expect(told).toEqual([]);
    expect(within(() => reconciler.dropAdopted())).toEqual([]);
    expect(within(() => ownedInKernel(kernel, OURS))).toHaveLength(4 - 1 + peer(2).length);
    expect(within(() => reconciler.verify())).toEqual([]);
    expect(host.sh("ip route show proto static")).toContain("10.250.0.0/24");
  });

  kernelTest("can be cleaned up without knowing more", () => {
    const { host, within, reconciler: former, start } = node();
    within(() => former.set("node", own));
    within(() => former.set("peer", peer(2)));
    const { kernel, reconciler } = start();
    reconciler.adopt(within(() => ownedInKernel(kernel, OURS)));
    expect(within(() => reconciler.removeAll())).toEqual([]);
    expect(within(() => ownedInKernel(kernel, OURS))).toEqual([]);
    expect(host.sh("ip -br link")).not.toContain(LINK);
  });
});

describe("watching", () => {
  const chain = { family: "inet", table: "t-watch", name: "c" } as const;
  const table: Resource = {
    kind: "nft-table",
    where: "host",
    table: { family: "inet", name: "t-watch" },
    sets: [],
    chains: [{ chain, rules: [] }],
  };

  /** Waits until the condition holds. */
  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await Bun.sleep(5);
  }

  kernelTest(
    "notices what somebody takes away or changes, and not what the reconciler does",
    async () => {
      const place = node();
      const { host, within, reconciler } = place;
      within(() => reconciler.set("node", [...own, table]));
      within(() => reconciler.set("peer 2", peer(2)));
      let count = 0;
      const failures: unknown[] = [];
      const watch = within(() =>
        watchOwned(
          reconciler,
          () => {
            count++;
            failures.push(...within(() => reconciler.ensureAll()));
          },
          (error) => failures.push(error),
          { longestDelay: 20 },
        ),
      );
      try {
        for (let n = 20; n < 40; n++) within(() => reconciler.set(`peer ${n}`, peer(n)));
        within(() => reconciler.set("peer 2", peer(2, macOf(99), "172.20.1.99")));
        for (let n = 20; n < 30; n++) within(() => reconciler.set(`peer ${n}`, []));
        host.sh(`ip link add other0 type bridge; ip link set other0 up; ip route add 10.99.0.0/24 dev other0
        ip neighbour add 10.99.0.9 lladdr 02:00:00:00:00:09 dev other0; ip link del other0`);
        await Bun.sleep(100);
        expect([count, failures]).toEqual([0, []]);
        for (const damage of [
          `ip route del 10.244.32.0/24`,
          `ip -6 route del fd45:32::/64`,
          `ip route replace 10.245.32.0/24 via 172.20.1.77`,
          `bridge fdb del ${macOf(32)} dev ${LINK} dst 172.20.1.32 self`,
          `bridge fdb replace ${macOf(32)} dev ${LINK} dst 172.20.1.77 self permanent`,
          `ip neighbour del 10.244.32.0 dev ${LINK}`,
          `ip neighbour replace fd44:32:: lladdr 02:00:00:00:00:77 dev ${LINK} nud permanent`,
          `ip addr del 10.244.1.0/32 dev ${LINK}`,
          `ip link set ${LINK} down`,
          `ip link set ${LINK} mtu 1300`,
          `ip link del ${LINK}`,
          "ip link set up0 down; ip link set up0 up; ip addr add fd20::11/64 dev up0 nodad",
          "nft delete table inet t-watch",
        ]) {
          const before = count;
          host.sh(damage);
          await until(() => count > before && within(() => reconciler.verify()).length === 0);
        }
        // It comes to rest: making again what is there is not heard as a disturbance.
        await Bun.sleep(100);
        const rest = count;
        within(() => reconciler.ensureAll());
        await Bun.sleep(100);
        expect(count).toBe(rest);
      } finally {
        watch.close();
      }
    },
    20_000,
  );

  kernelTest("notices the chain of somebody else that a part of a table is for", async () => {
    const { host, within, reconciler } = node();
    const chain = { family: "inet", table: "t-beside", name: "forward" } as const;
    const hook = { type: "filter", hook: "forward", priority: "filter - 9", policy: "accept" } as const;
    const beside: Resource = {
      kind: "nft-table",
      where: "host",
      table: { family: "inet", name: "t-beside" },
      sets: [],
      chains: [{ chain: { ...chain, base: hook }, rules: [] }],
      beside: [{ family: "ip", table: "filter", name: "FORWARD" }],
    };
    const failures: unknown[] = [];
    const isThere = () => host.sh("nft list chains").includes("t-beside");
    const makeAgain = () => failures.push(...within(() => reconciler.ensureAll()));
    within(() => reconciler.set("node", [beside]));
    expect([isThere(), within(() => reconciler.verify())]).toEqual([false, []]);
    const watch = within(() => watchOwned(reconciler, makeAgain, (error) => failures.push(error)));
    try {
      host.sh("nft add table ip filter; nft add chain ip filter OTHER");
      await Bun.sleep(100);
      expect(isThere()).toBe(false);
      host.sh("nft 'add chain ip filter FORWARD { type filter hook forward priority filter; policy drop; }'");
      await until(isThere);
      host.sh("nft delete table inet t-beside");
      await until(isThere);
    } finally {
      watch.close();
    }
    within(() => reconciler.set("node", []));
    expect([isThere(), failures]).toEqual([false, []]);
  });

  kernelTest("waits longer and longer while somebody takes away at once what was made again", async () => {
    const { host, within, reconciler } = node();
    const route = {
      kind: "route",
      where: "host",
      link: "up0",
      destination: "10.245.2.0/24",
      protocol: PROTOCOL,
    } as const;
    within(() => reconciler.set("peer", [route]));
    const times = [performance.now()];
    const takeAway = () => host.sh("ip route del 10.245.2.0/24");
    const watch = within(() =>
      watchOwned(
        reconciler,
        () => {
          times.push(performance.now());
          within(() => reconciler.ensureAll());
          takeAway();
        },
        (error) => {
          throw error;
        },
        { delay: 10, longestDelay: 80 },
      ),
    );
    try {
      takeAway();
      await until(() => times.length > 6);
    } finally {
      watch.close();
    }
    // A timer may be late, but it is not early.
    const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    for (const [i, least] of [10, 20, 40, 80, 80, 80].entries()) expect(gaps[i]).toBeGreaterThan(least - 2);
  });
});
