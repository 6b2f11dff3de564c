/** The links by which nodes reach each other's pods, against the real kernel: two nodes with a cable between them. */

import { describe, expect } from "bun:test";
import { kernelLink } from "../../../test/support/kernel.ts";
import { needs, program, root } from "../../../test/support/needs.ts";
import { ConflictError } from "../../core/errors.ts";
import type { Resource, TunnelLink, VxlanLink } from "../../core/plan.ts";
import { apply, explain, explainRemoval, rollBack } from "../../plan/engine.ts";
import { type Place, testPlaces, undoStack } from "../test-support/place.ts";

const { fresh, within, make, findings, unmake } = testPlaces();

const PROTOCOL = 84;

/** A node by its number, as all see it. */
interface Node {
  readonly number: number;
  readonly mac: string;
  readonly v4: string;
  readonly v6: string;
}

const [one, two] = [1, 2].map((number) => ({
  number,
  mac: `02:00:00:00:01:0${number}`,
  v4: `172.20.1.1${number}`,
  v6: `fd20::1${number}`,
})) as [Node, Node];

/** Two nodes, each of which is the host of its own place. */
function twoNodes(): [Place, Place] {
  const { host, container } = fresh();
  host.sh(`ip link add up0 type veth peer name up0 netns ${container.name}`);
  for (const [{ sh }, { v4, v6 }] of [
    [host, one],
    [container, two],
  ] as const) {
    sh(`sysctl -qw net.ipv6.conf.up0.accept_dad=0; ip link set lo up; ip link set up0 up
      ip addr add ${v4}/24 dev up0; ip addr add ${v6}/64 dev up0 nodad`);
  }
  return [
    { host, container },
    { host: container, container: host },
  ];
}

const vxlan = ({ mac, v4 }: Node): VxlanLink => ({
  kind: "link",
  type: "vxlan",
  where: "host",
  name: "t.vxlan",
  mac,
  mtu: 1400,
  vni: 7,
  port: 4790,
  local: v4,
});
const tunnel = (type: TunnelLink["type"], { v4 }: Node): TunnelLink => ({
  kind: "link",
  type,
  where: "host",
  name: `t.${type}`,
  mtu: 1480,
  local: v4,
});

/** A link up, with the node's own address in each family of the pods. */
function ends(link: VxlanLink | TunnelLink, { number }: Node, families: readonly (4 | 6)[]): Resource[] {
  const on = { where: "host", link: link.name } as const;
  return [
    link,
    { kind: "link-settings", ...on, set: { up: true } },
    ...families.map((family) => ({ kind: "address" as const, ...on, address: podAddress(number, family) })),
  ];
}

function podAddress(number: number, family: 4 | 6): string {
  return family === 4 ? `10.244.${number}.0/32` : `fd44:${number}::/128`;
}

function vxlanTo(from: Node, to: Node, destination: string): Resource[] {
  const on = { where: "host", link: "t.vxlan" } as const;
  const ways = ([4, 6] as const).map((family) => {
    const [gateway = "", preferredSource = ""] = [to, from].map(
      ({ number }) => podAddress(number, family).split("/")[0],
    );
    const network = family === 4 ? `${gateway}/24` : `${gateway}/64`;
    const route = { destination: network, gateway, preferredSource, onlink: true, protocol: PROTOCOL };
    return { gateway, route: { kind: "route" as const, ...on, ...route } };
  });
  return [
    { kind: "forwarding", ...on, mac: to.mac, destination },
    ...ways.map(({ gateway: ip }) => ({ kind: "neighbour" as const, ...on, ip, mac: to.mac })),
    ...ways.map(({ route }) => route),
  ];
}

const withIp = needs(root, program("ip"), program("ping"));

describe("a vxlan", () => {
  for (const underlay of ["v4", "v6"] as const) {
    withIp(
      `carries both families between two nodes that reach each other by ${underlay}, is verified and removed`,
      () => {
        const [first, second] = twoNodes();
        const plan = (from: Node, to: Node) => [
          ...ends({ ...vxlan(from), local: from[underlay] }, from, [4, 6]),
          ...vxlanTo(from, to, to[underlay]),
        ];
        make(first, ...plan(one, two));
        make(second, ...plan(two, one));
        expect(findings(first, ...plan(one, two))).toEqual([]);
        expect(first.host.json("ip -j -d link show dev t.vxlan")).toMatchObject([
          { mtu: 1400, address: one.mac, linkinfo: { info_data: { id: 7, port: 4790, learning: false } } },
        ]);
        first.host.sh("ping -c 1 -W 10 10.244.2.0 && ping -c 1 -W 10 fd44:2::");
        // What has gone is found, and made again.
        first.host.sh(`bridge fdb del ${two.mac} dev t.vxlan dst ${two[underlay]} self
        ip neighbour del fd44:2:: dev t.vxlan; ip route del 10.244.2.0/24`);
        expect(findings(first, ...plan(one, two))).toEqual([
          `${two.mac} on "t.vxlan" has no way`,
          'neighbour fd44:2:: on "t.vxlan" is missing',
          "route 10.244.2.0/24 via 10.244.2.0 dev t.vxlan is missing",
        ]);
        make(first, ...plan(one, two));
        expect(findings(first, ...plan(one, two))).toEqual([]);
        expect(unmake(first, ...plan(one, two))).toEqual([]);
        expect(first.host.sh("ip -br link")).not.toContain("t.vxlan");
        expect(unmake(first, ...plan(one, two))).toEqual([]);
      },
    );
  }

  withIp("is made by the commands that explain it, and what is on it is removed by them", () => {
    const [{ host, container }] = twoNodes();
    const place = { host, container };
    const resources = [...ends(vxlan(one), one, [4, 6]), ...vxlanTo(one, two, two.v4)];
    const naming = { container: container.netns.path };
    within(place, ({ kinds }) => {
      for (const command of explain(resources, kinds, naming)) host.sh(command);
    });
    expect(findings(place, ...resources)).toEqual([]);
    const onIt = vxlanTo(one, two, two.v4);
    within(place, ({ kinds }) => {
      for (const command of explainRemoval(onIt, kinds, naming)) host.sh(command);
    });
    expect(findings(place, ...onIt)).toHaveLength(onIt.length);
  });

  withIp("changes its MTU alive, is made anew with another number, port or address, and else is left alone", () => {
    const place = fresh();
    const { host } = place;
    const index = () => host.json<{ ifindex: number }>("ip -j link show dev t.vxlan")[0]?.ifindex ?? 0;
    const link = vxlan(one);
    make(place, link);
    const made = index();
    make(place, link);
    make(place, { ...link, mtu: 1300 });
    expect(index()).toBe(made);
    expect(findings(place, { ...link, mtu: 1300 })).toEqual([]);
    let before = made;
    for (const other of [{ vni: 8 }, { port: 4791 }, { local: two.v4 }, { local: two.v6 }]) {
      expect(findings(place, { ...link, ...other })).not.toEqual([]);
      make(place, { ...link, ...other });
      expect(findings(place, { ...link, ...other })).toEqual([]);
      expect(index()).not.toBe(before);
      before = index();
    }
    host.sh("ip link set t.vxlan type vxlan learning");
    expect(findings(place, { ...link, local: two.v6 })).toEqual(['"t.vxlan" learns from what comes in']);
    make(place, { ...link, local: two.v6 });
    expect(findings(place, { ...link, local: two.v6 })).toEqual([]);
  });

  withIp("with another MAC is somebody else's: a conflict, and not removed", () => {
    const place = fresh();
    place.host.sh("ip link add t.vxlan type vxlan id 9 dstport 4790");
    expect(() => make(place, vxlan(one))).toThrow(ConflictError);
    expect(unmake(place, vxlan(one))).toEqual([]);
    expect(place.host.sh("ip -br link")).toContain("t.vxlan");
  });

  withIp("that was undone is as if it had never been, also a change of its MTU", () => {
    const place = fresh();
    const shown = () => place.host.sh("ip -d link");
    const empty = shown();
    const undone = (...resources: Resource[]) =>
      within(place, (machine) => {
        const undo = undoStack();
        apply(resources, machine, undo);
        expect(rollBack([...undo.own])).toEqual([]);
      });
    undone(vxlan(one));
    expect(shown()).toBe(empty);
    make(place, vxlan(one));
    const made = shown();
    undone({ ...vxlan(one), mtu: 1300 });
    expect(shown()).toBe(made);
  });
});

for (const { type, family } of [
  { type: "ipip", family: 4 },
  { type: "sit", family: 6 },
] as const) {
  const inKernel = needs(root, program("ip"), program("ping"), kernelLink(type));
  const plan = (from: Node, to: Node): Resource[] => [
    ...ends(tunnel(type, from), from, [family]),
    {
      kind: "route",
      where: "host",
      link: `t.${type}`,
      destination: family === 4 ? `10.244.${to.number}.0/24` : `fd44:${to.number}::/64`,
      gateway: family === 4 ? to.v4 : `::${to.v4}`,
      preferredSource: podAddress(from.number, family).split("/")[0] as string,
      onlink: true,
      protocol: PROTOCOL,
    },
  ];

  describe(`an ${type} tunnel`, () => {
    inKernel("carries its family to whichever node the route says, is verified and removed", () => {
      const [first, second] = twoNodes();
      make(first, ...plan(one, two));
      make(second, ...plan(two, one));
      make(first, ...plan(one, two));
      expect(findings(first, ...plan(one, two))).toEqual([]);
      expect(first.host.json(`ip -j -d link show dev t.${type}`)).toMatchObject([
        { mtu: 1480, linkinfo: { info_kind: type, info_data: { local: one.v4, ttl: 64, pmtudisc: true } } },
      ]);
      first.host.sh(`ping -c 1 -W 10 ${podAddress(2, family).split("/")[0]}`);
      const route = plan(one, two).slice(-1);
      expect(unmake(first, ...route)).toEqual([]);
      expect(findings(first, ...route)).toHaveLength(1);
      expect(unmake(first, ...plan(one, two))).toEqual([]);
      expect(first.host.sh("ip -br link")).not.toContain(`t.${type}`);
    });

    inKernel("that sends by one link is beside that which sends by all", () => {
      const [place] = twoNodes();
      const lan: TunnelLink = { ...tunnel(type, one), name: "t.lan", uplink: "up0" };
      make(place, tunnel(type, one), lan);
      make(place, tunnel(type, one), lan);
      expect(findings(place, tunnel(type, one), lan)).toEqual([]);
      expect(place.host.json("ip -j -d link show dev t.lan")).toMatchObject([{ link: "up0" }]);
      expect(findings(place, { ...lan, uplink: undefined })).toEqual([
        '"t.lan" does not send by whichever link the routes name',
      ]);
      expect(unmake(place, tunnel(type, one), lan)).toEqual([]);
      expect(place.host.sh("ip -br link")).not.toContain("t.");
    });

    inKernel("is made by the commands that explain it", () => {
      const [place] = twoNodes();
      within(place, ({ kinds }) => {
        for (const command of explain(plan(one, two), kinds, { container: place.container.netns.path })) {
          place.host.sh(command);
        }
      });
      expect(findings(place, ...plan(one, two))).toEqual([]);
    });

    inKernel(
      "is made anew from another address, changes its MTU alive, and two from one address are a conflict",
      () => {
        const place = fresh();
        const index = () => place.host.json<{ ifindex: number }>(`ip -j link show dev t.${type}`)[0]?.ifindex;
        const link = tunnel(type, one);
        make(place, link);
        const made = index();
        make(place, { ...link, mtu: 1400 });
        expect(index()).toBe(made);
        make(place, { ...link, mtu: 1400, local: two.v4 });
        expect(index()).not.toBe(made);
        expect(findings(place, { ...link, mtu: 1400, local: two.v4 })).toEqual([]);
        const again = { ...link, name: "t.other", local: two.v4 };
        expect(() => make(place, again)).toThrow(`another ${type} link has ${two.v4} already`);
      },
    );
  });
}

withIp("the commands of a tunnel", () => {
  within(fresh(), ({ kinds }) => {
    expect(explain([tunnel("sit", one)], kinds, { container: "/c" })).toEqual([
      "ip link add name t.sit mtu 1480 type sit local 172.20.1.11 ttl 64",
    ]);
  });
});
