import { describe, expect } from "bun:test";
import { alike, linkAsIp, linkNames } from "../../../../../test/support/ip-json.ts";
import { kernelLink } from "../../../../../test/support/kernel.ts";
import { type TestNetns, testNamespaces } from "../../../../../test/support/namespaces.ts";
import { needs, program, root } from "../../../../../test/support/needs.ts";
import { expectNothingLeft } from "../../../../../test/support/snapshot.ts";
import { interfaceNameProblem } from "../../../../core/names.ts";
import { NetlinkError } from "../../error.ts";
import type { NetlinkRequest } from "../../message.ts";
import type { NetlinkSocket } from "../../socket.ts";
import { encode } from "../../wire.ts";
import { bridgeData } from "./bridge.ts";
import {
  changeLink,
  changeLinkFlags,
  createLink,
  deleteLink,
  deleteLinkGroup,
  findLink,
  findLinkByIndex,
  IF_OPER_UP,
  IFF_ALLMULTI,
  IFF_PROMISC,
  IFF_UP,
  type KernelLink,
  type Link,
  listLinks,
} from "./link.ts";

const namespaces = testNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("nsenter"));

/** @see linux/if.h */
const IFF_LOWER_UP = 0x10000;

/** @see linux/if_link.h */
const IFLA_BR_MULTI_BOOLOPT = 46;
const IFLA_BR_FDB_N_LEARNED = 48;

interface BridgePrinted {
  readonly linkinfo: { readonly info_data: object };
}

function veth(name: string, peer: Link): Link & { name: string } {
  return { name, info: { kind: "veth", veth: { peer } } };
}

function bridge(name: string): Link & { name: string } {
  return { name, info: { kind: "bridge" } };
}

function refusal(socket: NetlinkSocket, request: NetlinkRequest): NetlinkError {
  try {
    socket.execute(request);
  } catch (error) {
    if (error instanceof NetlinkError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** Compares all links of the namespace, in all fields that we know, with what ip(8) prints. */
function expectAsPrinted({ socket, json }: TestNetns): void {
  // The kernel brings a link into operation some time after it has its carrier.
  while (listLinks(socket).some(isComingUp)) Bun.sleepSync(1);
  const links = listLinks(socket);
  const names = linkNames(links);
  const printed = json<{ flags: string[] }>("ip -j -d link show");
  expect(links).toHaveLength(printed.length);
  for (const [i, link] of links.entries()) {
    const ours = linkAsIp(link, names);
    // ip(8) adds to a link's flags that the other end is down.
    const flags = printed[i]?.flags.filter((flag) => flag !== "M-DOWN");
    expect(ours).toEqual(alike({ ...printed[i], flags }, ours));
    // Looked up alone it is the same link.
    expect(linkAsIp(findLinkByIndex(socket, link.index) as KernelLink, names)).toEqual(ours);
  }
}

function isComingUp({ flags, operationalState = 0 }: KernelLink): boolean {
  return (
    (flags & IFF_UP) !== 0 && (flags & IFF_LOWER_UP) !== 0 && operationalState !== 0 && operationalState !== IF_OPER_UP
  );
}

describe("links", () => {
  kernelTest("of all kinds and states decode to what ip(8) prints", () => {
    const here = namespaces.fresh();
    const there = namespaces.fresh();
    expectAsPrinted(here);
    here.sh(`ip link add host0 type veth peer name eth0 netns ${there.name}
      ip link add cni0 type bridge forward_delay 300 ageing_time 6000 priority 4096 mcast_snooping 0
      ip link set host0 master cni0 up mtu 1400 alias "a web server" group 7 txqueuelen 33
      ip link set host0 type bridge_slave hairpin on isolated on learning off cost 9 priority 5
      ip link set cni0 up
      ip link add local0 type veth peer name local1
      ip link set local0 up promisc on
      ip link set local1 address 02:00:00:00:00:77 allmulticast on multicast off arp off
      ip link add vxlan0 type vxlan id 7 dstport 4789
      ip link add link local0 name mac0 type macvlan mode vepa bcqueuelen 300
      ip link add link local0 name eth1 netns ${there.name} type macvlan mode bridge
      ip link add ifb7 type ifb
      ip tuntap add dev tap0 mode tap user 7 group 8 multi_queue
      ip tuntap add dev tun0 mode tun pi vnet_hdr
      ip link set lo up`);
    there.sh("ip link set eth0 up");
    expectAsPrinted(here);
    expectAsPrinted(there);
  });

  needs(
    root,
    program("ip"),
    ...(["dummy", "ipvlan", "vlan", "vrf"] as const).map(kernelLink),
  )("of the kinds that not every kernel has decode to what ip(8) prints", () => {
    const here = namespaces.fresh();
    const there = namespaces.fresh();
    here.sh(`ip link add below0 type dummy
        ip link add below1 type dummy
        ip link set below1 up
        ip link add link below0 name ip0 type ipvlan mode l3
        ip link add link below0 name eth0 netns ${there.name} type ipvlan mode l3
        ip link add link below1 name vlan5 type vlan id 5 loose_binding on
        ip link add link below1 name eth1 netns ${there.name} type vlan protocol 802.1ad id 4094
        ip link set vlan5 up
        ip link add red type vrf table 1001
        ip link set vlan5 master red`);
    expectAsPrinted(here);
    expectAsPrinted(there);
    expect(findLink(here.socket, "vlan5")?.info).toMatchObject({ portKind: "vrf", vrfPort: { table: 1001 } });
  });

  kernelTest("of a veth pair are made with both ends complete, one in another namespace", () => {
    const here = namespaces.fresh();
    const there = namespaces.fresh();
    here.socket.execute(
      createLink({
        ...veth("host0", { name: "eth0", address: "02:00:00:00:00:02", mtu: 1400, netnsFd: there.netns.fd }),
        address: "02:00:00:00:00:01",
        mtu: 1400,
      }),
    );
    expect(here.json("ip -j link show dev host0")).toMatchObject([
      { address: "02:00:00:00:00:01", mtu: 1400, operstate: "DOWN", link_netnsid: 0 },
    ]);
    expect(there.json("ip -j link show dev eth0")).toMatchObject([{ address: "02:00:00:00:00:02", mtu: 1400 }]);
    expect(findLink(here.socket, "eth0")).toBeUndefined();
    // Each end tells the index of the other.
    expect(findLink(here.socket, "host0")?.link).toBe(findLink(there.socket, "eth0")?.index as number);
    there.socket.execute(deleteLink({ name: "eth0" }));
    expect(findLink(here.socket, "host0")).toBeUndefined();
  });

  kernelTest("of a bridge are made with its settings, and take ports with theirs", () => {
    const namespace = namespaces.fresh();
    const { socket, json } = namespace;
    socket.execute(
      createLink({
        ...bridge("cni0"),
        info: { kind: "bridge", bridge: { forwardDelay: 300, ageingTime: 6000, multicastSnooping: false } },
      }),
    );
    socket.execute(createLink(veth("host0", { name: "eth0" })));
    const master = findLink(socket, "cni0")?.index ?? 0;
    socket.execute(changeLinkFlags({ name: "host0", master }, IFF_UP));
    socket.execute(
      changeLink({ name: "host0", info: { portKind: "bridge", bridgePort: { hairpin: true, isolated: true } } }),
    );
    expect(json("ip -j -d link show dev cni0")).toMatchObject([
      { linkinfo: { info_kind: "bridge", info_data: { forward_delay: 300, ageing_time: 6000, mcast_snooping: 0 } } },
    ]);
    expect(json("ip -j -d link show dev host0")).toMatchObject([
      { master: "cni0", linkinfo: { info_slave_data: { hairpin: true, isolated: true, learning: true } } },
    ]);
    expectAsPrinted(namespace);
    socket.execute(changeLink({ name: "host0", master: 0 }));
    expect(findLink(socket, "host0")?.master).toBeUndefined();
  });

  kernelTest("change only in what a request names", () => {
    const namespace = namespaces.fresh();
    const { socket, json } = namespace;
    socket.execute(createLink(veth("a0", { name: "b0" })));
    const index = findLink(socket, "a0")?.index ?? 0;
    socket.execute(changeLinkFlags({ index }, IFF_UP | IFF_PROMISC | IFF_ALLMULTI));
    socket.execute(changeLinkFlags({ index }, 0, IFF_ALLMULTI));
    socket.execute(changeLink({ index, mtu: 1300, alias: "first", group: 5, address: "02:00:00:00:00:0a" }));
    socket.execute(changeLinkFlags({ index: findLink(socket, "b0")?.index ?? 0 }, IFF_UP));
    const [link] = json<{ flags: string[] }>(`ip -j -d link show dev a0`);
    expect(link).toMatchObject({ mtu: 1300, ifalias: "first", group: "5", address: "02:00:00:00:00:0a" });
    expect(link?.flags.toSorted()).toEqual(["BROADCAST", "LOWER_UP", "MULTICAST", "PROMISC", "UP"]);
    expectAsPrinted(namespace);
    socket.execute(changeLinkFlags({ index }, 0, IFF_UP));
    socket.execute(changeLink({ index, name: "renamed0" }));
    expect(findLinkByIndex(socket, index)).toMatchObject({ name: "renamed0", mtu: 1300, alias: "first" });
  });

  kernelTest("that are read, changed and written keep what we do not know of", () => {
    const { socket, sh, json } = namespaces.fresh();
    sh("ip link add br0 type bridge mcast_hash_max 512 mcast_query_interval 5000 group_fwd_mask 8 forward_delay 300");
    const read = findLink(socket, "br0")?.info?.bridge ?? {};
    // The kernel told more than our table has.
    expect(read.unknown?.length).toBeGreaterThan(10);
    // What a kernel tells but does not let one set: how many entries it has learned, and, where it is built without
    // VLAN filtering, that this is off.
    const { vlanFiltering: _, ...taken } = read;
    const refused = [IFLA_BR_MULTI_BOOLOPT, IFLA_BR_FDB_N_LEARNED];
    const unknown = read.unknown?.filter(({ type }) => !refused.includes(type)) ?? [];
    const changed = bridgeData.read(encode(bridgeData, { ...taken, unknown, forwardDelay: 400 }));
    socket.execute(createLink({ name: "br1", info: { kind: "bridge", bridge: changed } }));
    const [before] = json<BridgePrinted>("ip -j -d link show dev br0");
    expect(before?.linkinfo.info_data).toMatchObject({
      mcast_hash_max: 512,
      mcast_query_intvl: 5000,
      forward_delay: 300,
    });
    const [after] = json<BridgePrinted>("ip -j -d link show dev br1");
    const own = {
      forward_delay: 400,
      bridge_id: expect.anything(),
      root_id: expect.anything(),
      gc_timer: expect.anything(),
    };
    expect(after?.linkinfo.info_data).toEqual({ ...before?.linkinfo.info_data, ...own });
  });

  kernelTest("are refused with the kernel's code", () => {
    const { socket } = namespaces.fresh();
    socket.execute(createLink(bridge("br0")));
    expect(refusal(socket, createLink(bridge("br0"))).code).toBe("EEXIST");
    expect(refusal(socket, deleteLink({ name: "missing0" }))).toMatchObject({
      code: "ENODEV",
      message: 'Cannot delete link "missing0": ENODEV',
    });
    expect(refusal(socket, changeLink({ index: 4711, mtu: 1400 })).message).toBe(
      "Cannot change link with index 4711: ENODEV",
    );
    expect(refusal(socket, changeLink({ name: "br0", mtu: 10 })).kernelMessage).toContain("mtu");
    // A veth's end cannot be made up.
    expect(refusal(socket, createLink({ ...veth("a0", { name: "b0", flags: IFF_UP, change: IFF_UP }) })).code).toBe(
      "ENOTCONN",
    );
    expect(findLink(socket, "a0")).toBeUndefined();
  });
});

describe("deleteLinkGroup", () => {
  kernelTest("deletes the links of its group, the others' ends with them, and no others", () => {
    const { socket } = namespaces.fresh();
    for (let i = 0; i < 40; i++) {
      socket.execute(createLink({ ...veth(`go${i}`, { name: `end${i}` }), group: 99 }));
      if (i % 10 === 0) socket.execute(createLink({ ...veth(`stay${i}`, { name: `other${i}` }), group: 98 }));
    }
    socket.execute(deleteLinkGroup(99));
    expect(
      listLinks(socket)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["lo", ...[0, 10, 20, 30].flatMap((i) => [`stay${i}`, `other${i}`])].sort());
    expect(refusal(socket, deleteLinkGroup(99))).toMatchObject({
      code: "ENODEV",
      message: "Cannot delete links of group 99: ENODEV",
    });
  });
});

describe("interfaceNameProblem", () => {
  kernelTest("refuses what the kernel refuses or takes as another name, and takes the rest", () => {
    const { socket } = namespaces.fresh();
    socket.execute(createLink(bridge("start")));
    const index = findLink(socket, "start")?.index ?? 0;
    /** Whether the kernel gives the link just this name. */
    const taken = (name: string): boolean => {
      socket.execute(changeLink({ index, name: "start" }));
      try {
        socket.execute(changeLink({ index, name }));
      } catch (error) {
        if (error instanceof NetlinkError) return false;
        throw error;
      }
      return findLinkByIndex(socket, index)?.name === name;
    };
    // Each character of Latin-1, and letters whose bytes hold that of a space.
    const characters = Array.from({ length: 255 }, (_, i) => `a${String.fromCharCode(i + 1)}`);
    const names = [...characters, "à", "Š", ".", "..", "...", "a".repeat(15), "a".repeat(16), "ä".repeat(8), "eth%d"];
    const wrong = names.filter((name) => taken(name) !== (interfaceNameProblem(name) === undefined));
    expect(wrong).toEqual([]);
  });

  kernelTest("refuses the names of sysctl folders, which the kernel does not let a link begin with", () => {
    const { socket } = namespaces.fresh();
    for (const name of ["all", "default"]) {
      expect(refusal(socket, createLink(bridge(name))).code).toBe("EINVAL");
      expect(interfaceNameProblem(name)).toBeDefined();
    }
  });
});
