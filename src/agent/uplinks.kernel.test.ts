import { expect } from "bun:test";
import { needs, program, root } from "../../test/support/needs.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import { formatIpBytes } from "../core/ip.ts";
import { AF_INET6, closeSocket, openSocket, SOCK_RAW, send, setSocketOption } from "../linux/libc.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../linux/netlink/socket.ts";
import { inNetns, type Netns } from "../linux/netns.ts";
import { encodeSocketAddress } from "../linux/socket-address.ts";
import { planNodeBase } from "../modes/node.ts";
import { testPlaces } from "../resources/test-support/place.ts";
import { listUplinks } from "./uplinks.ts";

const places = testPlaces();
expectNothingLeft();
const test = needs(root, program("ip"), program("nft"));

const IPPROTO_ICMPV6 = 58;
const IPPROTO_IPV6 = 41;
const IPV6_MULTICAST_HOPS = 18;

/** The first four bytes of one; the others are zero. */
type Network = readonly [number, number, number, number];

/** Tells all nodes of the link that this is the way to the world, and that addresses are of a network. @see RFC 4861, 4.2 */
function advertise(netns: Netns, network: Network): void {
  const message = new Uint8Array(48);
  const view = new DataView(message.buffer);
  message.set([134, 0, 0, 0, 64]);
  view.setUint16(6, 1800);
  message.set([3, 4, 64, 0xc0], 16);
  view.setUint32(20, 3600);
  view.setUint32(24, 3600);
  message.set(network, 32);
  inNetns(netns, () => {
    const fd = openSocket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
    try {
      setSocketOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, new Uint8Array([255, 0, 0, 0]));
      send(fd, message, encodeSocketAddress("ff02::1", 0));
    } finally {
      closeSocket(fd);
    }
  });
}

function uplinksIn(netns: Netns) {
  return inNetns(netns, () => {
    const socket = new NetlinkSocket(NETLINK_ROUTE);
    try {
      return listUplinks(socket);
    } finally {
      socket.close();
    }
  });
}

/** A node and, as its "container", the router on its link. */
function stage() {
  const place = places.fresh();
  const { host: node, container: router } = place;
  node.sh(`sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=1
    ip link add eth0 type veth peer name eth0 netns ${router.name} && ip link set eth0 up
    sysctl -qw net.ipv6.conf.eth0.accept_ra=1 net.ipv6.conf.eth0.autoconf=1`);
  router.sh(`sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.all.forwarding=1
    ip link set eth0 up && ip address add fe80::1/64 dev eth0 nodad`);
  const has = (what: string) => node.sh("ip -6 route; ip -6 address").includes(what);
  /** Whether an advertisement, repeated as routers do, gives the node an address. */
  const listensTo = async (network: Network) => {
    const deadline = Date.now() + 5_000;
    const address = formatIpBytes(new Uint8Array([...network, ...new Array<number>(12).fill(0)])).replace("::", ":");
    while (!has(address)) {
      if (Date.now() > deadline) return false;
      advertise(router.netns, network);
      await Bun.sleep(20);
    }
    return true;
  };
  return { place, node, has, listensTo };
}

const FIRST: Network = [0xfd, 0x20, 0, 0x01];
const SECOND: Network = [0xfd, 0x20, 0, 0x02];
const DEFAULT_ROUTE = "default via fe80::1";
const settings = { families: [4, 6] as const, pools: [] };

test("a node that begins to forward keeps its way to the world, and goes on listening to the router", async () => {
  const { place, node, has, listensTo } = stage();
  expect(await listensTo(FIRST)).toBe(true);
  expect(has(DEFAULT_ROUTE)).toBe(true);
  const uplinks = uplinksIn(node.netns);
  expect(uplinks).toMatchObject([{ name: "eth0", isAdvertised: true }]);
  const base = planNodeBase(settings, { name: "a", addresses: [], uplinks });
  places.make(place, ...base);
  expect(has(DEFAULT_ROUTE)).toBe(true);
  expect(await listensTo(SECOND)).toBe(true);
  // It is still so that the router tells it, so that the agent goes on to want it.
  expect(uplinksIn(node.netns)).toMatchObject([{ name: "eth0", isAdvertised: true }]);
  expect(places.findings(place, ...base)).toEqual([]);
  expect(places.unmake(place, ...base)).toEqual([]);
  expect(node.sh("sysctl -n net.ipv6.conf.eth0.accept_ra").trim()).toBe("2");
});

test("a link to which a person gave the default route is nobody's business", () => {
  const { node } = stage();
  node.sh("ip address add fd20:9::1/64 dev eth0 nodad && ip -6 route add default via fe80::1 dev eth0");
  expect(uplinksIn(node.netns)).toEqual([{ name: "eth0", mtu: 1500, addresses: ["fd20:9::1/64"] }]);
  node.sh("ip -6 route replace default via fe80::1 dev eth0 proto ra && sysctl -qw net.ipv6.conf.eth0.accept_ra=0");
  expect(uplinksIn(node.netns)).toEqual([{ name: "eth0", mtu: 1500, addresses: ["fd20:9::1/64"] }]);
});
