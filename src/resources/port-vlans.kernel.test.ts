/** VLANs of a bridge's ports against a kernel that filters them, as bridge(8) sees them. */

import { describe, expect } from "bun:test";
import { bridgeVlanFiltering } from "../../test/support/kernel.ts";
import { needs, program, root } from "../../test/support/needs.ts";
import type { PortVlansResource, Resource } from "../core/plan.ts";
import { apply, rollBack } from "../plan/engine.ts";
import { type Place, testPlaces, undoStack } from "./test-support/place.ts";

const test = needs(root, program("bridge"), bridgeVlanFiltering);
const { fresh, within, make, findings, unmake } = testPlaces();

const bridge = {
  kind: "link",
  type: "bridge",
  where: "host",
  shared: true,
  name: "br0",
  mac: "02:00:00:00:00:03",
} as const satisfies Resource;
const filtering = { ...bridge, vlanFiltering: true } as const satisfies Resource;
const port: Resource = {
  kind: "link",
  type: "veth",
  where: "host",
  name: "veth0",
  mac: "02:00:00:00:00:01",
  master: "br0",
  peer: { name: "eth0", mac: "02:00:00:00:00:02" },
};
const own = (vlan: number) => ({ vlan, pvid: true, untagged: true });
const tagged = (vlan: number) => ({ vlan, pvid: false, untagged: false });
const vlans = (only: boolean, ...list: PortVlansResource["vlans"]): PortVlansResource => ({
  kind: "port-vlans",
  where: "host",
  link: "veth0",
  vlans: list,
  only,
});

/** As bridge(8) lists a port's VLANs. */
function shown({ host }: Place, link = "veth0"): string[] {
  const [entry] = host.json<{ vlans: { vlan: number; vlanEnd?: number; flags?: string[] }[] }>(
    `bridge -j vlan show dev ${link}`,
  );
  return (entry?.vlans ?? []).map(({ vlan, vlanEnd, flags = [] }) =>
    [vlanEnd === undefined ? vlan : `${vlan}-${vlanEnd}`, ...flags].join(" "),
  );
}

function filters({ host }: Place): unknown {
  const [link] = host.json<{ linkinfo: { info_data: { vlan_filtering: number } } }>("ip -j -d link show br0");
  return link?.linkinfo.info_data.vlan_filtering;
}

describe("a port", () => {
  const cases: readonly { readonly title: string; readonly resource: PortVlansResource; readonly shows: string[] }[] = [
    { title: "with a VLAN of its own", resource: vlans(true, own(100)), shows: ["100 PVID Egress Untagged"] },
    {
      title: "with a trunk",
      resource: vlans(true, own(1), tagged(7), tagged(20), tagged(21), tagged(22)),
      shows: ["1 PVID Egress Untagged", "7", "20", "21", "22"],
    },
    {
      title: "that keeps VLAN 1",
      resource: vlans(false, own(100), tagged(7)),
      shows: ["1 Egress Untagged", "7", "100 PVID Egress Untagged"],
    },
    {
      title: "at the ends of the numbers",
      resource: vlans(true, own(4094), tagged(1)),
      shows: ["1", "4094 PVID Egress Untagged"],
    },
  ];

  for (const { title, resource, shows } of cases) {
    test(`${title} has exactly these, also when they are made twice`, () => {
      const place = fresh();
      make(place, filtering, port, resource);
      expect(shown(place)).toEqual(shows);
      make(place, resource);
      expect(shown(place)).toEqual(shows);
      expect(findings(place, filtering, port, resource)).toEqual([]);
      expect(unmake(place, resource, port)).toEqual([]);
    });
  }

  const each: readonly (readonly [title: string, step: number])[] = [
    ["as many VLANs as there are", 1],
    ["every second VLAN", 2],
  ];
  for (const [title, step] of each) {
    test(`with ${title}`, () => {
      const place = fresh();
      const trunk = Array.from({ length: Math.floor(4093 / step) }, (_, i) => tagged(1 + step * (i + 1)));
      const all = vlans(true, own(1), ...trunk);
      make(place, filtering, port, all);
      expect(shown(place).length).toBe(1 + trunk.length);
      expect(findings(place, all)).toEqual([]);
    });
  }

  test("is found broken by what is missing, what is too much, and other flags", () => {
    const place = fresh();
    const resource = vlans(true, own(100), tagged(7));
    make(place, filtering, port, resource);
    place.host.sh("bridge vlan del dev veth0 vid 7");
    expect(findings(place, resource)).toEqual(['port "veth0" does not let VLAN 7 through as it should']);
    place.host.sh("bridge vlan add dev veth0 vid 7 untagged");
    expect(findings(place, resource)).toEqual([
      'port "veth0" does not let VLAN 7 through as it should',
      'port "veth0" lets VLAN 7 through',
    ]);
    make(place, resource);
    place.host.sh("bridge vlan add dev veth0 vid 9");
    expect(findings(place, resource)).toEqual(['port "veth0" lets VLAN 9 through']);
    expect(findings(place, { ...resource, only: false })).toEqual([]);
    place.host.sh("ip link set veth0 nomaster");
    expect(findings(place, resource)).not.toEqual([]);
    place.host.sh("ip link del veth0");
    expect(findings(place, resource)).toEqual(['port "veth0" is gone with its VLANs']);
    expect(unmake(place, resource)).toEqual([]);
  });
});

describe("a bridge that is there without VLAN filtering", () => {
  test("filters from now on when it is ours, and again as before when that is undone", () => {
    const place = fresh();
    make(place, bridge, port);
    expect(filters(place)).toBe(0);
    expect(findings(place, filtering)).toEqual(['bridge "br0" does not filter VLANs']);
    within(place, (machine) => {
      const undo = undoStack();
      apply([filtering], machine, undo);
      expect(filters(place)).toBe(1);
      expect(rollBack([...undo.own, ...undo.shared.map(({ step }) => step)])).toEqual([]);
    });
    expect(filters(place)).toBe(0);
    make(place, filtering);
    expect(filters(place)).toBe(1);
    // Who does not ask for it does not mind it.
    make(place, bridge);
    expect(filters(place)).toBe(1);
    expect(findings(place, bridge, filtering)).toEqual([]);
  });

  test("is left alone when it is an administrator's", () => {
    const place = fresh();
    place.host.sh("ip link add br0 address 02:00:00:00:00:77 type bridge");
    make(place, filtering, port, vlans(true, own(100)));
    expect(filters(place)).toBe(0);
    expect(shown(place)).toEqual(["100 PVID Egress Untagged"]);
    expect(findings(place, filtering)).toEqual([]);
  });
});
