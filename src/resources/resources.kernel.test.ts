/** Each kind of resource against the real kernel: made, made again, found broken, undone, removed, removed again. */

import { describe, expect } from "bun:test";
import { onBothKernels } from "../../test/support/kernel.ts";
import { type Need, needs, program, root } from "../../test/support/needs.ts";
import { ConflictError, KernelError, KernelFeatureError, UnknownContainerError } from "../core/errors.ts";
import { ownerComment } from "../core/names.ts";
import type { NftElementResource, Resource, VethLink } from "../core/plan.ts";
import { inNetns } from "../linux/netns.ts";
import { apply, rollBack } from "../plan/engine.ts";
import { Kernel } from "./kernel.ts";
import { kernelKinds } from "./kinds.ts";
import { type Place, testPlaces, undoStack } from "./test-support/place.ts";

const { runFolder, fresh, within, make, findings, unmake } = testPlaces();
const test = needs(root, onBothKernels);

const veth: VethLink = {
  kind: "link",
  type: "veth",
  where: "host",
  name: "veth0",
  mac: "02:00:00:00:00:01",
  mtu: 1400,
  peer: { name: "eth0", mac: "02:00:00:00:00:02" },
};
const bridge: Resource = {
  kind: "link",
  type: "bridge",
  where: "host",
  shared: true,
  name: "br0",
  mac: "02:00:00:00:00:03",
};
const inet = { family: "inet", table: "t" } as const;
const port: VethLink = { ...veth, master: "br0" };
const up = (where: "host" | "container", link: string): Resource => ({
  kind: "link-settings",
  where,
  link,
  set: { up: true },
});
const table: Resource = {
  kind: "nft-table",
  where: "host",
  shared: true,
  table: { family: "inet", name: "t" },
  sets: [{ ...inet, name: "m", key: ["ipv4_addr"], data: "verdict" }],
  chains: [
    {
      chain: { ...inet, name: "c", base: { type: "filter", hook: "forward", priority: "filter", policy: "accept" } },
      rules: [{ ...inet, chain: "c", statements: [{ kind: "vmap", key: "ip saddr", map: "m" }] }],
    },
  ],
};

const ifb: Resource = { kind: "link", type: "ifb", where: "host", name: "ifb7", mac: "02:00:00:00:00:07" };
const bucket: Resource = {
  kind: "qdisc",
  where: "host",
  link: "veth0",
  qdisc: { type: "tbf", handle: 1, rate: 1_000_000, burst: 20_000, limit: 30_000 },
};
const ingress: Resource = { kind: "qdisc", where: "host", link: "veth0", qdisc: { type: "ingress" } };
const redirect: Resource = { kind: "filter", where: "host", link: "veth0", priority: 1, redirect: "ifb7" };

const vxlan: Resource = {
  kind: "link",
  type: "vxlan",
  where: "host",
  name: "vx0",
  mac: "02:00:00:00:00:08",
  mtu: 1400,
  vni: 7,
  port: 4790,
  local: "10.7.0.1",
};
const forwarding: Resource = {
  kind: "forwarding",
  where: "host",
  link: "vx0",
  mac: "02:00:00:00:00:09",
  destination: "10.7.0.2",
};
const sources: readonly Resource[] = [
  veth,
  up("container", "eth0"),
  up("host", "veth0"),
  { kind: "address", where: "container", link: "eth0", address: "fd00::5/64" },
  { kind: "address", where: "container", link: "eth0", address: "fd00::6/64" },
];
const sourced: Resource = {
  kind: "route",
  where: "container",
  link: "eth0",
  destination: "fd09:0::/64",
  gateway: "FD00::1",
  preferredSource: "fd00:0::5",
  onlink: true,
  protocol: 84,
};

/** For each kind: what has to be there first, the resource, a command that breaks it, and what is then found. */
const kinds: readonly {
  readonly title: string;
  readonly first?: readonly Resource[];
  readonly resource: Resource;
  readonly damage: (place: Place) => void;
  readonly finding: string | RegExp;
}[] = [
  {
    title: "a bridge",
    resource: bridge,
    damage: ({ host }) => host.sh("ip link del br0"),
    finding: 'bridge "br0" is gone',
  },
  {
    title: "a veth pair",
    resource: veth,
    damage: ({ host }) => host.sh("ip link del veth0"),
    finding: 'the host\'s end "veth0" of the veth pair is gone',
  },
  {
    title: "a veth pair with a master",
    first: [bridge],
    resource: port,
    damage: ({ host }) => host.sh("ip link set veth0 nomaster"),
    finding: '"veth0" is not a port of "br0"',
  },
  {
    title: "settings of a link",
    first: [veth],
    resource: up("container", "eth0"),
    damage: ({ container }) => container.sh("ip link set eth0 down"),
    finding: 'link "eth0" is down',
  },
  {
    title: "settings of a port",
    first: [bridge, port],
    resource: { kind: "link-settings", where: "host", link: "veth0", set: { hairpin: true, isolated: true } },
    damage: ({ host }) => host.sh("bridge link set dev veth0 hairpin off"),
    finding: 'hairpin of link "veth0" is off',
  },
  {
    title: "MAC, MTU and the like of a link",
    first: [veth],
    resource: {
      kind: "link-settings",
      where: "container",
      link: "eth0",
      set: { mac: "02:00:00:00:00:09", mtu: 1300, txQueueLength: 77, allmulticast: true, promisc: true },
    },
    damage: ({ container }) =>
      container.sh("ip link set eth0 address 02:00:00:00:00:08 mtu 1280 txqueuelen 5 allmulticast off promisc off"),
    finding: [
      'promisc of link "eth0" is off; allmulticast of link "eth0" is off',
      'link "eth0" has MAC 02:00:00:00:00:08, not 02:00:00:00:00:09; link "eth0" has MTU 1280, not 1300',
      'link "eth0" has transmit queue length 5, not 77',
    ].join("; "),
  },
  {
    title: "an IPv4 address",
    first: [veth],
    resource: { kind: "address", where: "container", link: "eth0", address: "10.0.0.5/24" },
    damage: ({ container }) => container.sh("ip address del 10.0.0.5/24 dev eth0"),
    finding: 'link "eth0" does not have address 10.0.0.5/24',
  },
  {
    title: "an IPv6 address, usable at once",
    first: [veth, up("container", "eth0"), up("host", "veth0")],
    resource: { kind: "address", where: "container", link: "eth0", address: "fd00::5/64" },
    damage: ({ container }) => container.sh("ip address del fd00::5/64 dev eth0"),
    finding: 'link "eth0" does not have address fd00::5/64',
  },
  {
    title: "a route",
    first: [
      veth,
      { kind: "address", where: "container", link: "eth0", address: "10.0.0.5/24" },
      up("container", "eth0"),
      up("host", "veth0"),
    ],
    resource: {
      kind: "route",
      where: "container",
      link: "eth0",
      destination: "10.9.0.0/16",
      gateway: "10.0.0.1",
      mtu: 1300,
      priority: 50,
    },
    damage: ({ container }) => container.sh("ip route del 10.9.0.0/16"),
    finding: "route 10.9.0.0/16 via 10.0.0.1 dev eth0 is missing",
  },
  {
    title: "a neighbour",
    first: [veth, up("container", "eth0")],
    resource: { kind: "neighbour", where: "container", link: "eth0", ip: "10.0.0.1", mac: "02:00:00:00:00:09" },
    damage: ({ container }) => container.sh("ip neighbour del 10.0.0.1 dev eth0"),
    finding: 'neighbour 10.0.0.1 on "eth0" is missing',
  },
  {
    title: "a forwarding entry",
    first: [vxlan],
    resource: forwarding,
    damage: ({ host }) => host.sh("bridge fdb del 02:00:00:00:00:09 dev vx0 dst 10.7.0.2 self"),
    finding: '02:00:00:00:00:09 on "vx0" has no way',
  },
  {
    title: "a forwarding entry that leads elsewhere",
    first: [vxlan],
    resource: forwarding,
    damage: ({ host }) => host.sh("bridge fdb replace 02:00:00:00:00:09 dev vx0 dst 10.7.0.3 self permanent"),
    finding: '02:00:00:00:00:09 on "vx0" is behind 10.7.0.3, not 10.7.0.2',
  },
  {
    title: "an IPv6 route with a preferred source",
    first: sources,
    resource: sourced,
    damage: ({ container }) => container.sh("ip addr del fd00::5/64 dev eth0"),
    finding: "route fd09:0::/64 via FD00::1 dev eth0 is missing",
  },
  {
    title: "a rule",
    resource: { kind: "rule", where: "container", family: 4, priority: 99, table: 1000, from: "10.0.0.0/24" },
    damage: ({ container }) => container.sh("ip rule del priority 99"),
    finding: "rule priority 99 from 10.0.0.0/24 lookup 1000 is missing",
  },
  {
    title: "a sysctl",
    resource: { kind: "sysctl", where: "container", name: "net/ipv4/ip_forward", value: "1" },
    damage: ({ container }) => container.sh("sysctl -qw net.ipv4.ip_forward=0"),
    finding: "sysctl net/ipv4/ip_forward is 0, not 1",
  },
  {
    title: "a sysctl of several numbers",
    resource: { kind: "sysctl", where: "container", name: "net/ipv4/ip_local_port_range", value: "1024  65000" },
    damage: ({ container }) => container.sh("sysctl -qw net.ipv4.ip_local_port_range='2048 65000'"),
    finding: "sysctl net/ipv4/ip_local_port_range is 2048\t65000, not 1024  65000",
  },
  {
    title: "an nf_tables table",
    resource: table,
    damage: ({ host }) => host.sh("nft flush chain inet t c"),
    finding: 'chain "c" of nf_tables table inet "t" has been changed',
  },
  {
    title: "an nf_tables chain, with an anonymous set in a rule",
    first: [table],
    resource: {
      kind: "nft-chain",
      where: "host",
      chain: { ...inet, name: "d" },
      rules: [
        {
          ...inet,
          chain: "d",
          statements: [
            { kind: "match", key: "ip daddr", value: { anyOf: ["10.0.0.1", "10.0.0.2"] } },
            { kind: "verdict", verdict: "accept" },
          ],
        },
      ],
    },
    damage: ({ host }) => host.sh("nft add rule inet t d drop"),
    finding: 'chain "d" of nf_tables table inet "t" has been changed',
  },
  {
    title: "an nf_tables rule",
    first: [table],
    resource: {
      kind: "nft-rule",
      where: "host",
      rule: { ...inet, chain: "c", statements: [{ kind: "verdict", verdict: "accept" }], comment: "mine" },
    },
    damage: ({ host }) => host.sh("nft flush chain inet t c"),
    finding: 'the rule "mine" is gone from chain "c" of nf_tables table inet "t"',
  },
  {
    title: "a qdisc tbf",
    first: [veth],
    resource: bucket,
    damage: ({ host }) => host.sh("tc qdisc change dev veth0 root tbf rate 10mbit burst 20000 limit 30000"),
    finding: 'qdisc tbf of "veth0" has not rate 8000000bit',
  },
  {
    title: "a qdisc tbf that is gone",
    first: [veth],
    resource: bucket,
    damage: ({ host }) => host.sh("tc qdisc delete dev veth0 root"),
    finding: 'link "veth0" has no qdisc tbf 1:',
  },
  {
    title: "a qdisc ingress",
    first: [veth],
    resource: ingress,
    damage: ({ host }) => host.sh("tc qdisc delete dev veth0 ingress"),
    finding: 'link "veth0" has no qdisc ingress',
  },
  {
    title: "a filter",
    first: [veth, ifb, ingress],
    resource: redirect,
    damage: ({ host }) => host.sh("tc filter delete dev veth0 ingress"),
    finding: 'link "veth0" has no filter that redirects to "ifb7"',
  },
  {
    title: "an nf_tables element",
    first: [table],
    resource: {
      kind: "nft-element",
      where: "host",
      element: {
        set: { ...inet, name: "m", key: ["ipv4_addr"], data: "verdict" },
        key: ["10.0.0.5"],
        verdict: "accept",
        comment: "mine",
      },
    },
    damage: ({ host }) => host.sh("nft flush map inet t m"),
    finding: 'element 10.0.0.5 of "m" in nf_tables table inet "t" is gone',
  },
];

/** The tools that tests with such a title make and break things by. */
const toolsOf = (title: string): Need[] => [
  ...(title.includes("nf_tables") ? [program("nft")] : []),
  ...(/qdisc|filter/.test(title) ? [program("tc")] : []),
];

for (const { title, first = [], resource, damage, finding } of kinds) {
  const test = needs(root, onBothKernels, ...toolsOf(title));

  describe(title, () => {
    test("is as it should be when it was made, also twice", () => {
      const place = fresh();
      make(place, ...first, resource);
      expect(findings(place, resource)).toEqual([]);
      // A second veth pair of that name would be a conflict; all else is there already.
      if (!(resource.kind === "link" && resource.type === "veth")) make(place, resource);
      expect(findings(place, resource)).toEqual([]);
    });

    test("is found broken", () => {
      const place = fresh();
      make(place, ...first, resource);
      damage(place);
      expect(findings(place, resource).join("; ")).toMatch(finding);
    });

    test("that was undone is as if it had never been", () => {
      const place = fresh();
      make(place, ...first);
      const before = findings(place, resource);
      within(place, (machine) => {
        const undo = undoStack();
        apply([resource], machine, undo);
        expect(rollBack([...undo.own, ...undo.shared.map(({ step }) => step)])).toEqual([]);
      });
      expect(findings(place, resource)).toEqual(before);
    });

    test("that was removed is gone, and removing it again is fine", () => {
      const place = fresh();
      make(place, ...first, resource);
      expect(unmake(place, resource)).toEqual([]);
      if (resource.kind !== "sysctl" && resource.kind !== "link-settings") {
        expect(findings(place, resource)).not.toEqual([]);
      }
      expect(unmake(place, resource)).toEqual([]);
    });
  });
}

function conflict(work: () => void): ConflictError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConflictError) return error;
    throw error;
  }
  throw new Error("There was no conflict");
}

describe("conflicts", () => {
  test("a name that another kind of link has", () => {
    const place = fresh();
    make(place, veth);
    expect(() => make(place, { ...bridge, name: "veth0" } as Resource)).toThrow(ConflictError);
  });

  test("an interface that the container has", () => {
    const place = fresh();
    place.container.sh("ip link add eth0 type bridge");
    expect(() => make(place, veth)).toThrow('interface "eth0" already exists in the container');
    expect(place.host.sh("ip -br link")).not.toContain("veth0");
  });

  describe("an nf_tables element that its owner has alone", () => {
    const test = needs(root, onBothKernels, program("nft"));
    const set = { ...inet, name: "m", key: ["ipv4_addr"], data: "verdict" } as const;
    const element = (containerId: string, fields: Partial<NftElementResource> = {}): Resource => ({
      kind: "nft-element",
      where: "host",
      exclusive: "address of the year",
      element: {
        set,
        key: ["10.0.0.5"],
        verdict: "accept",
        comment: ownerComment({ network: "net", ifname: "eth0", containerId }),
      },
      ...fields,
    });

    test("is refused to others, who are told whose it is and how to free it", () => {
      const place = fresh();
      make(place, table, element("first"));
      const before = place.host.sh("nft list ruleset");
      const error = conflict(() => make(place, element("second")));
      expect(error.message).toBe('The address of the year is taken by container "first" in network "net" as "eth0"');
      expect(error.details).toContain("nft delete element inet t m { 10.0.0.5 }");
      expect(place.host.sh("nft list ruleset")).toBe(before);
      expect(unmake(place, element("second"))).toEqual([]);
      expect(findings(place, element("first"))).toEqual([]);
      expect(unmake(place, element("first"))).toEqual([]);
      make(place, element("second"));
      expect(findings(place, element("second"))).toEqual([]);
    });

    test("is made again by its owner, also where it led elsewhere", () => {
      const place = fresh();
      make(place, table, element("first"), element("first"));
      place.host.sh(`nft delete element inet t m '{ 10.0.0.5 }'
        nft add element inet t m '{ 10.0.0.5 comment "net eth0 first" : drop }'`);
      make(place, element("first"));
      expect(findings(place, element("first"))).toEqual([]);
    });

    test("that nobody signed is nobody's to take either", () => {
      const place = fresh();
      make(place, table);
      place.host.sh("nft add element inet t m '{ 10.0.0.5 : drop }'");
      expect(conflict(() => make(place, element("first"))).message).toBe(
        "The address of the year is taken by somebody who has not signed it",
      );
    });
  });

  test("another gateway address is refused, or replaced and put back by undoing", () => {
    const place = fresh();
    make(place, bridge);
    place.host.sh("ip address add 10.0.0.9/24 dev br0");
    const gateway = { kind: "address", where: "host", link: "br0", address: "10.0.0.1/24" } as const;
    expect(() => make(place, { ...gateway, others: "refuse" })).toThrow(ConflictError);
    within(place, (machine) => {
      const undo = undoStack();
      apply([{ ...gateway, others: "replace" }], machine, undo);
      expect(place.host.sh("ip -br address show br0")).toContain("10.0.0.1/24");
      rollBack(undo.own);
    });
    expect(place.host.sh("ip -br address show br0")).toContain("10.0.0.9/24");
    expect(place.host.sh("ip -br address show br0")).not.toContain("10.0.0.1/24");
  });

  test("IPv6 networks live side by side on a bridge", () => {
    const place = fresh();
    make(place, bridge);
    place.host.sh("ip address add fd01::1/64 dev br0");
    make(place, { kind: "address", where: "host", link: "br0", address: "fd02::1/64", others: "refuse" });
    expect(place.host.sh("ip -br address show br0")).toContain("fd01::1/64");
  });
});

describe.skipIf(Bun.which("tc") === null)("traffic control that others have set up", () => {
  test("a queueing discipline of somebody else's is a conflict, and stays", () => {
    const place = fresh();
    make(place, veth);
    place.host.sh("tc qdisc add dev veth0 root handle 7: tbf rate 10mbit burst 20000 limit 30000");
    const before = place.host.sh("tc qdisc show dev veth0");
    expect(() => make(place, bucket)).toThrow('Cannot hold the rate of "veth0": it has a queueing discipline already');
    expect(findings(place, bucket)).toEqual(['link "veth0" has no qdisc tbf 1:']);
    expect(unmake(place, bucket)).toEqual([]);
    expect(place.host.sh("tc qdisc show dev veth0")).toBe(before);
  });

  for (const kind of ["ingress", "clsact"]) {
    test(`filters of somebody else's by ${kind} stay, and what carries them`, () => {
      const place = fresh();
      make(place, veth, ifb);
      place.host.sh(`tc qdisc add dev veth0 ${kind}`);
      place.host.sh(
        "tc filter add dev veth0 ingress protocol ip priority 5 u32 match u32 0 0 action mirred egress mirror dev ifb7",
      );
      const before = place.host.sh("tc qdisc show dev veth0; tc filter show dev veth0 ingress");
      make(place, ingress, redirect);
      expect(findings(place, ingress, redirect)).toEqual([]);
      expect(place.host.sh("tc filter show dev veth0 ingress")).not.toBe(before);
      expect(unmake(place, ingress, redirect)).toEqual([]);
      expect(place.host.sh("tc qdisc show dev veth0; tc filter show dev veth0 ingress")).toBe(before);
    });
  }

  test("what is redirected already is a conflict, and stays", () => {
    const place = fresh();
    make(place, veth, ifb, { ...ifb, name: "ifb8", mac: "02:00:00:00:00:08" } as Resource, ingress, redirect);
    const before = place.host.sh("tc filter show dev veth0 ingress");
    const other: Resource = { ...redirect, redirect: "ifb8" } as Resource;
    expect(() => make(place, other)).toThrow('Cannot redirect what "veth0" receives');
    expect(unmake(place, other)).toEqual([]);
    expect(place.host.sh("tc filter show dev veth0 ingress")).toBe(before);
  });

  test("of a link that is gone nothing is left to remove", () => {
    const place = fresh();
    make(place, veth, ifb, bucket, ingress, redirect);
    place.host.sh("ip link delete ifb7");
    expect(findings(place, redirect)).toEqual(['link "veth0" has no filter that redirects to "ifb7"']);
    expect(unmake(place, redirect)).toEqual([]);
    place.host.sh("ip link delete veth0");
    expect(findings(place, bucket, ingress)).toEqual([
      'qdisc tbf is gone with its link "veth0"',
      'qdisc ingress is gone with its link "veth0"',
    ]);
    expect(unmake(place, bucket, ingress, redirect)).toEqual([]);
  });
});

describe("settings that are given back", () => {
  const set = { mac: "02:00:00:00:00:09", mtu: 1300, txQueueLength: 77, allmulticast: true };
  const restore = { mac: "02:00:00:00:00:02", mtu: 1400, txQueueLength: 1000, allmulticast: false };
  const settings: Resource = { kind: "link-settings", where: "container", link: "eth0", set, restore };

  test("are those that were there before", () => {
    const place = fresh();
    make(place, veth);
    const before = place.container.sh("ip -d link show eth0");
    make(place, settings);
    expect(place.container.sh("ip -d link show eth0")).not.toBe(before);
    expect(unmake(place, settings)).toEqual([]);
    expect(place.container.sh("ip -d link show eth0")).toBe(before);
  });

  test("of which the kernel refuses one leave none of the others behind", () => {
    const place = fresh();
    make(place, veth);
    const before = place.container.sh("ip -d link show eth0");
    within(place, (machine) => {
      const undo = undoStack();
      const tooLarge: Resource = { ...settings, set: { ...set, mtu: 70_000 } };
      expect(() => apply([tooLarge], machine, undo)).toThrow(
        'Cannot change link "eth0" to address 02:00:00:00:00:09 mtu 70000 txqueuelen 77 allmulticast on: EINVAL (mtu greater than device maximum)',
      );
      expect(rollBack(undo.own)).toEqual([]);
    });
    expect(place.container.sh("ip -d link show eth0")).toBe(before);
  });

  test("of a link that has gone are nobody's", () => {
    const place = fresh();
    expect(unmake(place, settings)).toEqual([]);
  });
});

test("a sysctl that can only be written is written", () => {
  const place = fresh();
  const flush: Resource = { kind: "sysctl", where: "container", name: "net/ipv4/route/flush", value: "1" };
  make(place, flush);
  expect(findings(place, flush)).toEqual([]);
  expect(unmake(place, { ...flush, restore: "1" })).toEqual([]);
});

describe("an IPv6 route", () => {
  test("that has lost the source it prefers gets it again", () => {
    const place = fresh();
    const { container } = place;
    make(place, ...sources, sourced);
    container.sh("ip addr del fd00::5/64 dev eth0; ip addr add fd00::5/64 dev eth0 nodad");
    expect(findings(place, sourced)).toHaveLength(1);
    make(place, sourced);
    expect(findings(place, sourced)).toEqual([]);
  });

  test("that is one of several ways is not touched when it is there", () => {
    const place = fresh();
    make(place, ...sources);
    place.container.sh("ip -6 route add fd09::/64 via fd00::9 dev eth0");
    make(place, sourced);
    const before = place.container.sh("ip -6 route");
    make(place, sourced);
    expect(findings(place, sourced)).toEqual([]);
    expect(place.container.sh("ip -6 route")).toBe(before);
  });

  test("of somebody else's to the same way is left to them", () => {
    const place = fresh();
    make(place, ...sources);
    place.container.sh("ip -6 route add fd09::/64 via fd00::1 dev eth0 proto static");
    const before = place.container.sh("ip -6 route");
    make(place, sourced);
    expect(unmake(place, sourced)).toEqual([]);
    expect(place.container.sh("ip -6 route")).toBe(before);
  });
});

describe("what is not ours stays", () => {
  test("a bridge with another MAC", () => {
    const place = fresh();
    place.host.sh("ip link add br0 type bridge");
    expect(unmake(place, bridge)).toEqual([]);
    expect(place.host.sh("ip -br link")).toContain("br0");
  });

  test("a bridge with a port", () => {
    const place = fresh();
    make(place, bridge, port);
    expect(unmake(place, bridge)).toEqual([]);
    expect(place.host.sh("ip -br link")).toContain("br0");
  });

  needs(
    root,
    onBothKernels,
    program("nft"),
  )("an element that has another owner by now", () => {
    const place = fresh();
    const set = { ...inet, name: "m", key: ["ipv4_addr"], data: "verdict" } as const;
    const element = (comment: string): Resource => ({
      kind: "nft-element",
      where: "host",
      element: { set, key: ["10.0.0.5"], verdict: "accept", comment },
    });
    make(place, table, element("first"), element("second"));
    expect(unmake(place, element("first"))).toEqual([]);
    expect(findings(place, element("second"))).toEqual([]);
  });

  needs(root, program("nft"))("of several elements, those of another owner, and of a set that is gone", () => {
    const place = fresh();
    const element = (name: string, address: string, comment: string): Resource => ({
      kind: "nft-element",
      where: "host",
      element: { set: { ...inet, name, key: ["ipv4_addr"] }, key: [address], comment },
    });
    place.host.sh(`nft 'add table inet ${inet.table}; add set inet ${inet.table} a { type ipv4_addr; }'
      nft 'add set inet ${inet.table} b { type ipv4_addr; }'`);
    const all = [element("a", "10.0.0.5", "x"), element("b", "10.0.0.6", "x"), element("a", "10.0.0.7", "x")];
    const others = element("a", "10.0.0.8", "y");
    make(place, ...all, others);
    expect(unmake(place, ...all, element("a", "10.0.0.8", "x"))).toEqual([]);
    const left = () => place.host.sh("nft list ruleset").match(/10\.0\.0\.\d/g);
    expect(left()).toEqual(["10.0.0.8"]);
    make(place, ...all);
    place.host.sh(`nft delete set inet ${inet.table} b`);
    expect(unmake(place, ...all)).toEqual([]);
    expect(left()).toEqual(["10.0.0.8"]);
  });
});

describe("what cannot be", () => {
  test("a kernel that refuses says so", () => {
    const place = fresh();
    make(place, veth);
    const unreachable: Resource = {
      kind: "route",
      where: "container",
      link: "eth0",
      destination: "10.9.0.0/16",
      gateway: "10.77.0.1",
    };
    expect(() => make(place, up("container", "eth0"), unreachable)).toThrow(KernelError);
  });

  test("a container that is gone", () => {
    const { host } = fresh();
    inNetns(host.netns, () => {
      const kernel = new Kernel(undefined, runFolder);
      try {
        expect(() => kernelKinds.link.ensure(veth, kernel, () => {})).toThrow(UnknownContainerError);
        expect(() => kernelKinds.link.remove(veth, kernel)).not.toThrow();
      } finally {
        kernel.close();
      }
    });
  });

  for (const first of [[], [bridge]]) {
    test(`VLAN filtering on ${first.length === 0 ? "a new" : "our"} bridge works, or names what the kernel lacks`, () => {
      const place = fresh();
      make(place, ...first);
      try {
        make(place, { ...bridge, vlanFiltering: true } as Resource);
        expect(place.host.sh("ip -d link show br0")).toContain("vlan_filtering 1");
      } catch (error) {
        expect(error).toBeInstanceOf(KernelFeatureError);
        expect((error as KernelFeatureError).message).toContain("CONFIG_BRIDGE_VLAN_FILTERING");
        expect(place.host.sh("ip -d link")).not.toContain("vlan_filtering 1");
        expect(place.host.sh("ip -br link").includes("br0")).toBe(first.length > 0);
      }
    });
  }
});

test("links that are deleted at once by several processes' calls share the deletion", () => {
  const place = fresh();
  const many = Array.from(
    { length: 10 },
    (_, i): VethLink => ({ ...veth, name: `veth${i}`, peer: { name: `eth${i}`, mac: `02:00:00:00:01:0${i}` } }),
  );
  make(place, ...many);
  // One link is left marked, as by a process that died before it deleted; the next deletion takes it along.
  place.host.sh("ip link set veth9 group 1952804452");
  expect(unmake(place, ...many.slice(0, 9))).toEqual([]);
  expect(place.host.sh("ip -br link")).not.toContain("veth");
});
