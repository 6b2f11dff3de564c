/** Each type of link that is made for a container against the real kernel. */

import { describe, expect } from "bun:test";
import { kernelLink, type LinkKind } from "../../../test/support/kernel.ts";
import { type Need, needs, program, root } from "../../../test/support/needs.ts";
import { ConflictError, KernelFeatureError, UnknownContainerError } from "../../core/errors.ts";
import type { IpvlanLink, MacvlanLink, PlainLink, Resource, VlanLink, VrfLink } from "../../core/plan.ts";
import { inNetns } from "../../linux/netns.ts";
import { apply, explain, rollBack } from "../../plan/engine.ts";
import { Kernel } from "../kernel.ts";
import { kernelKinds } from "../kinds.ts";
import { type Place, testPlaces, undoStack } from "../test-support/place.ts";

const { runFolder, fresh, within, make, findings, unmake } = testPlaces();

const MAC = "02:00:00:00:00:02";
const child = {
  kind: "link",
  where: "container",
  name: "eth0",
  mtu: 1400,
  parent: { where: "host", name: "up0" },
} as const;
const macvlan: MacvlanLink = { ...child, type: "macvlan", mode: "bridge", mac: MAC };
const ipvlan: IpvlanLink = { ...child, type: "ipvlan", mode: "l3" };
const vlan: VlanLink = { ...child, type: "vlan", vlan: 5 };
const plain: PlainLink = { kind: "link", type: "dummy", where: "container", name: "eth0", mac: MAC, mtu: 1400 };
const vrf: VrfLink = { kind: "link", type: "vrf", where: "container", name: "red", table: 1001 };

/** A place whose host has an uplink, and with `inContainer` whose container has one of the same name. */
function withUplink(inContainer = false): Place {
  const place = fresh();
  for (const { sh } of inContainer ? [place.host, place.container] : [place.host]) {
    sh(`ip link add up0 type veth peer name far0 && ip link set up0 up && ip link set far0 up
      until ip link show far0 | grep -q "state UP" && ip link show up0 | grep -q "state UP"; do sleep 0.01; done`);
  }
  return place;
}

function found({ container }: Place, name = "eth0"): unknown {
  return container.json(`ip -j -d link show dev ${name}`)[0];
}

const ofKind = (kind: LinkKind) => needs(root, program("ip"), kernelLink(kind));

/** For each type: the resource, what ip(8) shows of it, a command that breaks it, and what is then found. */
const types: readonly {
  readonly title: string;
  readonly kind: LinkKind;
  readonly resource: Resource & { readonly kind: "link" };
  readonly shows: object;
  readonly damage: string;
  readonly finding: string;
}[] = [
  ...(["bridge", "private", "vepa", "passthru"] as const).map((mode) => ({
    title: `a macvlan in mode ${mode}`,
    kind: "macvlan" as const,
    resource: { ...macvlan, mode },
    shows: { address: MAC, mtu: 1400, linkinfo: { info_kind: "macvlan", info_data: { mode } } },
    damage: "ip link set eth0 mtu 1300",
    finding: '"eth0" has MTU 1300, not 1400',
  })),
  {
    title: "a macvlan with a queue of its own",
    kind: "macvlan",
    resource: { ...macvlan, broadcastQueueLength: 2000 },
    shows: { linkinfo: { info_data: { mode: "bridge", bcqueuelen: 2000 } } },
    damage: "ip link set eth0 type macvlan bcqueuelen 2001",
    finding: '"eth0" has bcqueuelen 2001, not 2000',
  },
  {
    title: "a macvlan whose mode is changed",
    kind: "macvlan",
    resource: macvlan,
    shows: { address: MAC },
    damage: "ip link set eth0 type macvlan mode vepa",
    finding: '"eth0" is in mode vepa, not bridge',
  },
  {
    title: "a macvlan whose MAC is changed",
    kind: "macvlan",
    resource: macvlan,
    shows: { address: MAC },
    damage: "ip link set eth0 address 02:00:00:00:00:99",
    finding: `"eth0" has MAC 02:00:00:00:00:99, not ${MAC}`,
  },
  {
    title: "a macvlan that is made anew from another link",
    kind: "macvlan",
    resource: macvlan,
    shows: { address: MAC },
    damage: `ip link add dummy0 type veth peer name dummy1; ip link del eth0
      ip link add link dummy0 name eth0 address ${MAC} mtu 1400 type macvlan mode bridge`,
    finding: '"eth0" is not made from "up0"',
  },
  ...(["l2", "l3", "l3s"] as const).map((mode) => ({
    title: `an ipvlan in mode ${mode}`,
    kind: "ipvlan" as const,
    resource: { ...ipvlan, mode },
    shows: { mtu: 1400, linkinfo: { info_kind: "ipvlan", info_data: { mode } } },
    damage: `ip link set eth0 type ipvlan mode ${mode === "l2" ? "l3" : "l2"}`,
    finding: `"eth0" is in mode ${mode === "l2" ? "l3" : "l2"}, not ${mode}`,
  })),
  {
    title: "a VLAN",
    kind: "vlan",
    resource: vlan,
    shows: { mtu: 1400, linkinfo: { info_kind: "vlan", info_data: { id: 5, protocol: "802.1Q" } } },
    damage: "ip link set eth0 mtu 1300",
    finding: '"eth0" has MTU 1300, not 1400',
  },
  {
    title: "a dummy",
    kind: "dummy",
    resource: plain,
    shows: { address: MAC, mtu: 1400, linkinfo: { info_kind: "dummy" } },
    damage: "ip link del eth0; ip link add eth0 type veth peer name other",
    finding: '"eth0" in the container is of kind veth, not dummy',
  },
  {
    title: "an ifb",
    kind: "ifb",
    resource: { ...plain, type: "ifb" },
    shows: { address: MAC, mtu: 1400, linkinfo: { info_kind: "ifb" } },
    damage: "ip link del eth0; ip link add eth0 type veth peer name other",
    finding: '"eth0" in the container is of kind veth, not ifb',
  },
  {
    title: "a VRF",
    kind: "vrf",
    resource: vrf,
    shows: { linkinfo: { info_kind: "vrf", info_data: { table: 1001 } } },
    damage: "ip link del red; ip link add red type vrf table 1002",
    finding: 'VRF "red" has table 1002, not 1001',
  },
];

for (const { title, kind, resource, shows, damage, finding } of types) {
  const test = ofKind(kind);
  describe(title, () => {
    test("is made as asked, found broken, removed, and removing it again is fine", () => {
      const place = withUplink();
      make(place, resource);
      expect(found(place, resource.name)).toMatchObject(shows);
      expect(findings(place, resource)).toEqual([]);
      place.container.sh(damage);
      expect(findings(place, resource)).toEqual([finding]);
      place.container.sh(`ip link del ${resource.name}`);
      make(place, resource);
      expect(unmake(place, resource)).toEqual([]);
      expect(place.container.sh("ip -br link")).not.toContain(`${resource.name} `);
      expect(findings(place, resource)).toEqual([`interface "${resource.name}" is not in the container`]);
      expect(unmake(place, resource)).toEqual([]);
    });

    test("that was undone is as if it had never been", () => {
      const place = withUplink();
      const before = place.host.sh("ip -d link") + place.container.sh("ip -d link");
      within(place, (machine) => {
        const undo = undoStack();
        apply([resource], machine, undo);
        expect(found(place, resource.name)).toBeDefined();
        expect(rollBack([...undo.own])).toEqual([]);
      });
      expect(place.host.sh("ip -d link") + place.container.sh("ip -d link")).toBe(before);
    });

    test("is made by the command that explains it", () => {
      const place = withUplink();
      within(place, ({ kinds }) => {
        for (const command of explain([resource], kinds, { container: place.container.netns.path })) {
          place.host.sh(command);
        }
      });
      expect(found(place, resource.name)).toMatchObject(shows);
      expect(findings(place, resource)).toEqual([]);
    });

    test("another link of its name is a conflict, which is left alone", () => {
      const place = withUplink();
      place.container.sh(`ip link add ${resource.name} type bridge`);
      expect(() => make(place, resource)).toThrow(ConflictError);
      expect(unmake(place, resource)).toEqual([]);
      expect(found(place, resource.name)).toMatchObject({ linkinfo: { info_kind: "bridge" } });
    });
  });
}

for (const resource of [macvlan, ipvlan, vlan]) {
  const test = ofKind(resource.type);
  describe(`a ${resource.type}`, () => {
    test("gets its name also where the host has a link of that name, and two containers theirs", () => {
      const place = withUplink();
      place.host.sh("ip link add eth0 type veth peer name eth1");
      make(place, resource);
      expect(findings(place, resource)).toEqual([]);
      const second = { ...resource, name: "eth1", mac: undefined, ...(resource.type === "vlan" ? { vlan: 6 } : {}) };
      make(place, second);
      expect(findings(place, resource, second)).toEqual([]);
      expect(place.host.json("ip -j -d link show dev eth0")).toMatchObject([{ linkinfo: { info_kind: "veth" } }]);
      expect(unmake(place, resource, second)).toEqual([]);
      expect(place.container.json("ip -j link")).toMatchObject([{ ifname: "lo" }]);
    });

    test("is made from a link of the container", () => {
      const place = withUplink(true);
      const inside = { ...resource, parent: { where: "container", name: "up0" } as const };
      make(place, inside);
      expect(findings(place, inside)).toEqual([]);
      expect(found(place)).toMatchObject({ link: "up0", linkinfo: { info_kind: resource.type } });
      // The other one of that name is not meant.
      expect(findings(place, resource)).toEqual(['"eth0" is not made from "up0"']);
      expect(unmake(place, inside)).toEqual([]);
      expect(place.container.sh("ip -br link")).not.toContain("eth0");
    });

    test("from a link that is not there is refused", () => {
      const place = fresh();
      expect(() => make(place, resource)).toThrow(UnknownContainerError);
    });

    test("of a container that is gone is gone too", () => {
      const { host } = withUplink();
      inNetns(host.netns, () => {
        const kernel = new Kernel(undefined, runFolder);
        try {
          expect(() => kernelKinds.link.ensure(resource, kernel, () => {})).toThrow(UnknownContainerError);
          expect(kernelKinds.link.verify(resource, kernel)).toEqual(["the container's network namespace is gone"]);
          expect(() => kernelKinds.link.remove(resource, kernel)).not.toThrow();
        } finally {
          kernel.close();
        }
      });
    });
  });
}

/** A kernel that has links of the kind tells nothing of one that has not. */
function lackOf(kind: LinkKind): Need {
  return () => (kernelLink(kind)() === undefined ? `this kernel has ${kind}` : undefined);
}

describe("a kernel without links of the kind", () => {
  const features = { ipvlan: "CONFIG_IPVLAN", vlan: "CONFIG_VLAN_8021Q", dummy: "CONFIG_DUMMY", vrf: "CONFIG_NET_VRF" };
  for (const resource of [ipvlan, vlan, plain, vrf]) {
    const feature = features[resource.type as keyof typeof features];
    needs(root, lackOf(resource.type))(`says that ${feature} is missing, for ${resource.type}`, () => {
      const place = withUplink();
      expect(() => make(place, resource)).toThrow(KernelFeatureError);
      expect(() => make(place, resource)).toThrow(feature);
      expect(place.container.json("ip -j link")).toMatchObject([{ ifname: "lo" }]);
    });
  }
});

describe("a master that is in use otherwise", () => {
  ofKind("macvlan")("takes no macvlan as a port of a bridge, and none beside one in mode passthru", () => {
    const place = withUplink();
    place.host.sh("ip link add br0 type bridge && ip link set up0 master br0");
    expect(() => make(place, macvlan)).toThrow('its master "up0" is in use otherwise');
    place.host.sh("ip link set up0 nomaster");
    make(place, macvlan);
    expect(() => make(place, { ...macvlan, name: "eth1", mode: "passthru" })).toThrow(ConflictError);
    expect(findings(place, macvlan)).toEqual([]);
  });

  ofKind("ipvlan")("takes no ipvlan as a port of a bridge", () => {
    const place = withUplink();
    place.host.sh("ip link add br0 type bridge && ip link set up0 master br0");
    expect(() => make(place, ipvlan)).toThrow('its master "up0" is in use otherwise');
  });

  ofKind("vlan")("has a VLAN once", () => {
    const place = withUplink();
    make(place, vlan);
    expect(() => make(place, { ...vlan, name: "eth1" })).toThrow('"up0" has a link of VLAN 5 already');
    expect(findings(place, vlan)).toEqual([]);
  });
});

describe("the parent's MAC", () => {
  ofKind("macvlan")("is that of a macvlan in mode passthru, and follows it until it goes", () => {
    const place = withUplink();
    const [{ address }] = place.host.json<{ address: string }>("ip -j link show up0") as [{ address: string }];
    const taker: MacvlanLink = { ...macvlan, mode: "passthru" };
    make(place, { ...taker, mac: undefined });
    expect(found(place)).toMatchObject({ address });
    unmake(place, taker);
    make(place, taker);
    expect(found(place)).toMatchObject({ address: MAC });
    expect(place.host.json("ip -j link show up0")).toMatchObject([{ address: MAC }]);
    unmake(place, taker);
    expect(place.host.json("ip -j link show up0")).toMatchObject([{ address }]);
  });

  for (const resource of [ipvlan, vlan]) {
    ofKind(resource.type)(`is that of a ${resource.type}`, () => {
      const place = withUplink();
      make(place, resource);
      const [parent] = place.host.json<{ address: string }>("ip -j link show up0");
      expect(found(place)).toMatchObject({ address: parent?.address });
    });
  }
});

describe("a VRF", () => {
  const test = ofKind("vrf");

  test("that is there with its table is taken, and stays while it has ports", () => {
    const place = fresh();
    place.container.sh("ip link add red type vrf table 1001 && ip link add eth0 type veth peer name eth1");
    make(place, vrf);
    place.container.sh("ip link set eth0 master red");
    expect(unmake(place, vrf)).toEqual([]);
    expect(findings(place, vrf)).toEqual([]);
    place.container.sh("ip link set eth0 nomaster");
    expect(unmake(place, vrf)).toEqual([]);
    expect(findings(place, vrf)).toEqual(['interface "red" is not in the container']);
  });

  test("that is there with another table is a conflict", () => {
    const place = fresh();
    place.container.sh("ip link add red type vrf table 1002");
    expect(() => make(place, vrf)).toThrow('VRF "red" already exists with table 1002, not 1001');
  });
});
