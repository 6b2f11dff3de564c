/**
 * What ip(8) and bridge(8) of iproute2 6.1.0 send, and what we send for the same wish.
 *
 * Captured in a fresh namespace by `strace -e trace=sendmsg -e write=all COMMAND`; look-ups that come before the request
 * are left out, and the sequence number is set to 1. Link 2 is a veth, 3 another, 4 a bridge, 8 a vxlan; descriptor 4 is a namespace.
 * Where both differ, each difference is listed with its reason, as the line of one and of the other.
 */

import { addAddress, addressMessage, deleteAddress, IFA_F_NODAD } from "./address.ts";
import { addPortVlan, bridgeVlanMessage, deletePortVlan } from "./bridge-vlan.ts";
import { IPVLAN_MODE_L2, IPVLAN_MODE_L3S } from "./link/ipvlan.ts";
import {
  changeLink,
  changeLinkFlags,
  createLink,
  deleteLink,
  deleteLinkGroup,
  IFF_PROMISC,
  IFF_UP,
  linkMessage,
} from "./link/link.ts";
import { MACVLAN_MODE_BRIDGE, MACVLAN_MODE_PASSTHRU, MACVLAN_MODE_PRIVATE } from "./link/macvlan.ts";
import { deleteForwarding, deleteNeighbour, neighbourMessage, setForwarding, setNeighbour } from "./neighbour.ts";
import { addRoute, deleteRoute, RTPROT_STATIC, replaceRoute, routeMessage } from "./route.ts";
import { addRule, deleteRule, ruleMessage } from "./rule.ts";
import { type Layout, testCaptured } from "./test-support/captured.ts";

const ZERO = "iproute2 sends the kind without C's final zero, which the kernel does not ask for";
const EXPLICIT = "ip(8) always sends it, with the value that the kernel has without";
const TABLE_ORDER = "we write in the order of our table, ip(8) in the order of its arguments";
const EXACT_DELETE = "ip(8) deletes any route to the destination, we only one as we make it";

const links: Layout = {
  name: "link",
  header: 16,
  nested: { "18": 0, "18.2": 0, "18.2.1": 16, "18.5": 0 },
  wire: linkMessage,
  captured: [
    {
      command: "ip link add veth0 type veth peer name eth0 netns capb",
      sent: "64000000100005060100000000000000000000000000000000000000000000000a00030076657468300000003800120008000100766574682c000200280001000000000000000000000000000000000008001c0004000000090003006574683000000000",
      ours: createLink({ name: "veth0", info: { kind: "veth", veth: { peer: { name: "eth0", netnsFd: 4 } } } }),
      differences: [{ reason: ZERO, theirs: "18.1 76657468", ours: "18.1 7665746800" }],
      order: TABLE_ORDER,
      reads: { name: "veth0", info: { kind: "veth", veth: { peer: { name: "eth0", netnsFd: 4 } } } },
    },
    {
      command:
        "ip link add vxlan0 address 02:00:00:00:00:07 mtu 1450 type vxlan id 1 local 127.0.0.1 dstport 4789 nolearning",
      sent: "74000000100005060100000000000000000000000000000000000000000000000a000100020000000007000008000400aa0500000b00030076786c616e300000340012000900010076786c616e000000240002000800010001000000080004007f000001050007000000000006000f0012b50000",
      ours: createLink({
        name: "vxlan0",
        address: "02:00:00:00:00:07",
        mtu: 1450,
        info: { kind: "vxlan", vxlan: { id: 1, local: "127.0.0.1", port: 4789, learning: false } },
      }),
      differences: [{ reason: ZERO, theirs: "18.1 76786c616e", ours: "18.1 76786c616e00" }],
      order: TABLE_ORDER,
      reads: {
        name: "vxlan0",
        address: "02:00:00:00:00:07",
        mtu: 1450,
        info: { kind: "vxlan", vxlan: { id: 1, local: "127.0.0.1", port: 4789, learning: false } },
      },
    },
    {
      command:
        "ip link add vxlan1 type vxlan id 2 local ::1 dstport 8472 nolearning ttl 64 udp6zerocsumtx udp6zerocsumrx",
      sent: "84000000100005060100000000000000000000000000000000000000000000000b00030076786c616e310000580012000900010076786c616e0000004800020005000500400000000500130001000000050014000100000008000100020000001400110000000000000000000000000000000001050007000000000006000f0021180000",
      ours: createLink({
        name: "vxlan1",
        info: {
          kind: "vxlan",
          vxlan: {
            id: 2,
            local6: "::1",
            port: 8472,
            learning: false,
            ttl: 64,
            udp6ZeroChecksumSent: true,
            udp6ZeroChecksumTaken: true,
          },
        },
      }),
      differences: [{ reason: ZERO, theirs: "18.1 76786c616e", ours: "18.1 76786c616e00" }],
      order: TABLE_ORDER,
      reads: {
        name: "vxlan1",
        info: {
          kind: "vxlan",
          vxlan: {
            id: 2,
            local6: "::1",
            port: 8472,
            learning: false,
            ttl: 64,
            udp6ZeroChecksumSent: true,
            udp6ZeroChecksumTaken: true,
          },
        },
      },
    },
    {
      command: "ip link add vxlan2 type vxlan id 7 dstport 4789 learning noudpcsum",
      sent: "60000000100005060100000000000000000000000000000000000000000000000b00030076786c616e320000340012000900010076786c616e0000002400020005001200000000000800010007000000050007000100000006000f0012b50000",
      ours: createLink({
        name: "vxlan2",
        info: { kind: "vxlan", vxlan: { id: 7, port: 4789, learning: true, udpChecksum: false } },
      }),
      differences: [{ reason: ZERO, theirs: "18.1 76786c616e", ours: "18.1 76786c616e00" }],
      order: TABLE_ORDER,
      reads: {
        name: "vxlan2",
        info: { kind: "vxlan", vxlan: { id: 7, port: 4789, learning: true, udpChecksum: false } },
      },
    },
    {
      command: "ip link add ipip1 mtu 1480 type ipip local 172.20.1.11 ttl 64",
      sent: "9c0000001000050601000000000000000000000000000000000000000000000008000400c80500000a00030069706970310000006800120008000100697069705c000200050009000000000008000200ac14010b05000a0001000000050005000000000005000400400000000800010000000000080014000000000006000f0000000000060010000000000006001100000000000600120000000000",
      ours: createLink({
        name: "ipip1",
        mtu: 1480,
        info: { kind: "ipip", ipip: { local: "172.20.1.11", ttl: 64, pmtuDiscovery: true } },
      }),
      differences: [
        { reason: ZERO, theirs: "18.1 69706970", ours: "18.1 6970697000" },
        { reason: EXPLICIT, theirs: "18.2.15 0000" },
        { reason: EXPLICIT, theirs: "18.2.16 0000" },
        { reason: EXPLICIT, theirs: "18.2.17 0000" },
        { reason: EXPLICIT, theirs: "18.2.18 0000" },
        { reason: EXPLICIT, theirs: "18.2.20 00000000" },
        { reason: EXPLICIT, theirs: "18.2.1 header 00000000" },
        { reason: EXPLICIT, theirs: "18.2.5 00" },
        { reason: EXPLICIT, theirs: "18.2.9 00" },
      ],
      order: TABLE_ORDER,
      reads: {
        name: "ipip1",
        mtu: 1480,
        info: { kind: "ipip", ipip: { local: "172.20.1.11", ttl: 64, pmtuDiscovery: true } },
      },
    },
    {
      command: "ip link add ipip2 type ipip local 172.20.1.11 remote 172.20.1.12 nopmtudisc",
      sent: "9c000000100005060100000000000000000000000000000000000000000000000a000300697069703200000070001200080001006970697064000200050009000000000008000200ac14010b08000300ac14010c05000a0000000000050005000000000005000400000000000800010000000000080014000000000006000f0000000000060010000000000006001100000000000600120000000000",
      ours: createLink({
        name: "ipip2",
        info: { kind: "ipip", ipip: { local: "172.20.1.11", remote: "172.20.1.12", ttl: 0, pmtuDiscovery: false } },
      }),
      differences: [
        { reason: ZERO, theirs: "18.1 69706970", ours: "18.1 6970697000" },
        { reason: EXPLICIT, theirs: "18.2.15 0000" },
        { reason: EXPLICIT, theirs: "18.2.16 0000" },
        { reason: EXPLICIT, theirs: "18.2.17 0000" },
        { reason: EXPLICIT, theirs: "18.2.18 0000" },
        { reason: EXPLICIT, theirs: "18.2.20 00000000" },
        { reason: EXPLICIT, theirs: "18.2.1 header 00000000" },
        { reason: EXPLICIT, theirs: "18.2.5 00" },
        { reason: EXPLICIT, theirs: "18.2.9 00" },
      ],
      order: TABLE_ORDER,
      reads: {
        name: "ipip2",
        info: { kind: "ipip", ipip: { local: "172.20.1.11", remote: "172.20.1.12", ttl: 0, pmtuDiscovery: false } },
      },
    },
    {
      command: "ip link add sit1 mtu 1480 type sit local 172.20.1.11 ttl 64",
      sent: "a40000001000050601000000000000000000000000000000000000000000000008000400c805000009000300736974310000000070001200070001007369740064000200050009000000000008000200ac14010b05000a0001000000050005000000000005000400400000000800010000000000080014000000000006000f00000000000600100000000000060011000000000006001200000000000600080000000000",
      ours: createLink({
        name: "sit1",
        mtu: 1480,
        info: { kind: "sit", sit: { local: "172.20.1.11", ttl: 64, pmtuDiscovery: true } },
      }),
      differences: [
        { reason: ZERO, theirs: "18.1 736974", ours: "18.1 73697400" },
        { reason: EXPLICIT, theirs: "18.2.15 0000" },
        { reason: EXPLICIT, theirs: "18.2.16 0000" },
        { reason: EXPLICIT, theirs: "18.2.17 0000" },
        { reason: EXPLICIT, theirs: "18.2.18 0000" },
        { reason: EXPLICIT, theirs: "18.2.20 00000000" },
        { reason: EXPLICIT, theirs: "18.2.1 header 00000000" },
        { reason: EXPLICIT, theirs: "18.2.5 00" },
        { reason: EXPLICIT, theirs: "18.2.9 00" },
        { reason: EXPLICIT, theirs: "18.2.8 0000" },
      ],
      order: TABLE_ORDER,
      reads: {
        name: "sit1",
        mtu: 1480,
        info: { kind: "sit", sit: { local: "172.20.1.11", ttl: 64, pmtuDiscovery: true } },
      },
    },
    {
      command: "ip link add br0 type bridge vlan_filtering 1",
      sent: "440000001000050601000000000000000000000000000000000000000000000008000300627230001c0012000a00010062726964676500000c0002000500070001000000",
      ours: createLink({ name: "br0", info: { kind: "bridge", bridge: { vlanFiltering: true } } }),
      differences: [{ reason: ZERO, theirs: "18.1 627269646765", ours: "18.1 62726964676500" }],
      reads: { name: "br0", info: { kind: "bridge", bridge: { vlanFiltering: true } } },
    },
    {
      command: "ip link add br0 type bridge forward_delay 200 stp_state 0",
      sent: "4c000000100005060100000000000000000000000000000000000000000000000800030062723000240012000a00010062726964676500001400020008000100c80000000800050000000000",
      ours: createLink({ name: "br0", info: { kind: "bridge", bridge: { forwardDelay: 200, stpState: 0 } } }),
      differences: [{ reason: ZERO, theirs: "18.1 627269646765", ours: "18.1 62726964676500" }],
      reads: { info: { kind: "bridge", bridge: { forwardDelay: 200, stpState: 0 } } },
    },
    {
      command: "ip link add br1 mtu 1400 address 02:00:00:00:00:07 up type bridge",
      sent: "4c0000001000050601000000000000000000000000000000010000000100000008000400780500000a00010002000000000700000800030062723100100012000a0001006272696467650000",
      ours: createLink({
        name: "br1",
        mtu: 1400,
        address: "02:00:00:00:00:07",
        flags: IFF_UP,
        change: IFF_UP,
        info: { kind: "bridge" },
      }),
      differences: [{ reason: ZERO, theirs: "18.1 627269646765", ours: "18.1 62726964676500" }],
      order: TABLE_ORDER,
      reads: { name: "br1", mtu: 1400, address: "02:00:00:00:00:07", flags: 1, change: 1, info: { kind: "bridge" } },
    },
    {
      command: "ip link add link veth0 name eth0 netns capb type macvlan mode bridge",
      sent: "580000001000050601000000000000000000000000000000000000000000000008001c000400000008000500030000000900030065746830000000001c0012000b0001006d6163766c616e000c0002000800010004000000",
      ours: createLink({
        name: "eth0",
        link: 3,
        netnsFd: 4,
        info: { kind: "macvlan", macvlan: { mode: MACVLAN_MODE_BRIDGE } },
      }),
      differences: [{ reason: ZERO, theirs: "18.1 6d6163766c616e", ours: "18.1 6d6163766c616e00" }],
      order: TABLE_ORDER,
      reads: { name: "eth0", link: 3, netnsFd: 4, info: { kind: "macvlan", macvlan: { mode: MACVLAN_MODE_BRIDGE } } },
    },
    {
      command:
        "ip link add link veth0 name eth1 address 02:00:00:00:00:07 mtu 1400 netns capb type macvlan mode private bcqueuelen 500",
      sent: "74000000100005060100000000000000000000000000000000000000000000000a0001000200000000070000080004007805000008001c00040000000800050003000000090003006574683100000000240012000b0001006d6163766c616e001400020008000700f40100000800010001000000",
      ours: createLink({
        name: "eth1",
        address: "02:00:00:00:00:07",
        mtu: 1400,
        link: 3,
        netnsFd: 4,
        info: { kind: "macvlan", macvlan: { mode: MACVLAN_MODE_PRIVATE, broadcastQueueLength: 500 } },
      }),
      differences: [{ reason: ZERO, theirs: "18.1 6d6163766c616e", ours: "18.1 6d6163766c616e00" }],
      order: TABLE_ORDER,
      reads: {
        name: "eth1",
        address: "02:00:00:00:00:07",
        mtu: 1400,
        link: 3,
        netnsFd: 4,
        info: { kind: "macvlan", macvlan: { mode: MACVLAN_MODE_PRIVATE, broadcastQueueLength: 500 } },
      },
    },
    {
      command: "ip link add link veth0 name eth2 type macvlan mode passthru nopromisc",
      sent: "58000000100005060100000000000000000000000000000000000000000000000800050003000000090003006574683200000000240012000b0001006d6163766c616e001400020008000100080000000600020001000000",
      ours: createLink({
        name: "eth2",
        link: 3,
        info: { kind: "macvlan", macvlan: { mode: MACVLAN_MODE_PASSTHRU, flags: 1 } },
      }),
      differences: [{ reason: ZERO, theirs: "18.1 6d6163766c616e", ours: "18.1 6d6163766c616e00" }],
      order: TABLE_ORDER,
      reads: { name: "eth2", link: 3, info: { kind: "macvlan", macvlan: { mode: MACVLAN_MODE_PASSTHRU, flags: 1 } } },
    },
    {
      command: "ip link add link veth0 name eth3 netns capb type ipvlan mode l2",
      sent: "600000001000050601000000000000000000000000000000000000000000000008001c00040000000800050003000000090003006574683300000000240012000a0001006970766c616e00001400020006000100000000000600020000000000",
      ours: createLink({
        name: "eth3",
        link: 3,
        netnsFd: 4,
        info: { kind: "ipvlan", ipvlan: { mode: IPVLAN_MODE_L2 } },
      }),
      differences: [
        { reason: ZERO, theirs: "18.1 6970766c616e", ours: "18.1 6970766c616e00" },
        { reason: "ip(8) always sends the flags, which are 0 when there are none", theirs: "18.2.2 0000" },
      ],
      order: TABLE_ORDER,
      reads: {
        name: "eth3",
        link: 3,
        netnsFd: 4,
        info: { kind: "ipvlan", ipvlan: { mode: IPVLAN_MODE_L2, flags: 0 } },
      },
    },
    {
      command: "ip link add link veth0 name eth4 type ipvlan mode l3s private",
      sent: "58000000100005060100000000000000000000000000000000000000000000000800050003000000090003006574683400000000240012000a0001006970766c616e00001400020006000100020000000600020001000000",
      ours: createLink({
        name: "eth4",
        link: 3,
        info: { kind: "ipvlan", ipvlan: { mode: IPVLAN_MODE_L3S, flags: 1 } },
      }),
      differences: [{ reason: ZERO, theirs: "18.1 6970766c616e", ours: "18.1 6970766c616e00" }],
      order: TABLE_ORDER,
      reads: { name: "eth4", link: 3, info: { kind: "ipvlan", ipvlan: { mode: IPVLAN_MODE_L3S, flags: 1 } } },
    },
    {
      command: "ip link add link veth0 name eth5 netns capb type vlan id 5",
      sent: "540000001000050601000000000000000000000000000000000000000000000008001c000400000008000500030000000900030065746835000000001800120008000100766c616e0c0002000600010005000000",
      ours: createLink({ name: "eth5", link: 3, netnsFd: 4, info: { kind: "vlan", vlan: { id: 5 } } }),
      differences: [{ reason: ZERO, theirs: "18.1 766c616e", ours: "18.1 766c616e00" }],
      order: TABLE_ORDER,
      reads: { name: "eth5", link: 3, netnsFd: 4, info: { kind: "vlan", vlan: { id: 5 } } },
    },
    {
      command: "ip link add link veth0 name eth6 type vlan protocol 802.1ad id 4094 gvrp on loose_binding on",
      sent: "600000001000050601000000000000000000000000000000000000000000000008000500030000000900030065746836000000002c00120008000100766c616e200002000600050088a8000006000100fe0f00000c0002000600000006000000",
      ours: createLink({
        name: "eth6",
        link: 3,
        info: { kind: "vlan", vlan: { protocol: 0x88a8, id: 4094, flags: { flags: 6, mask: 6 } } },
      }),
      differences: [{ reason: ZERO, theirs: "18.1 766c616e", ours: "18.1 766c616e00" }],
      order: TABLE_ORDER,
      reads: {
        name: "eth6",
        link: 3,
        info: { kind: "vlan", vlan: { protocol: 0x88a8, id: 4094, flags: { flags: 6, mask: 6 } } },
      },
    },
    {
      command: "ip link add name red type vrf table 1001",
      sent: "400000001000050601000000000000000000000000000000000000000000000008000300726564001800120007000100767266000c00020008000100e9030000",
      ours: createLink({ name: "red", info: { kind: "vrf", vrf: { table: 1001 } } }),
      differences: [{ reason: ZERO, theirs: "18.1 767266", ours: "18.1 76726600" }],
      reads: { name: "red", info: { kind: "vrf", vrf: { table: 1001 } } },
    },
    {
      command: "ip link add name dummy0 address 02:00:00:00:00:08 type dummy",
      sent: "48000000100005060100000000000000000000000000000000000000000000000a00010002000000000800000b00030064756d6d79300000100012000900010064756d6d79000000",
      ours: createLink({ name: "dummy0", address: "02:00:00:00:00:08", info: { kind: "dummy" } }),
      differences: [{ reason: ZERO, theirs: "18.1 64756d6d79", ours: "18.1 64756d6d7900" }],
      reads: { name: "dummy0", address: "02:00:00:00:00:08", info: { kind: "dummy" } },
    },
    {
      command: "ip link add name ifb7 type ifb",
      sent: "38000000100005060100000000000000000000000000000000000000000000000900030069666237000000000c0012000700010069666200",
      ours: createLink({ name: "ifb7", info: { kind: "ifb" } }),
      differences: [{ reason: ZERO, theirs: "18.1 696662", ours: "18.1 69666200" }],
      reads: { name: "ifb7", info: { kind: "ifb" } },
    },
    {
      command: "ip link set veth0 master br0",
      sent: "280000001000050001000000000000000000000002000000000000000000000008000a0004000000",
      ours: changeLink({ index: 2, master: 4 }),
      reads: { index: 2, master: 4 },
    },
    {
      command: "ip link set veth0 nomaster",
      sent: "280000001000050001000000000000000000000002000000000000000000000008000a0000000000",
      ours: changeLink({ index: 2, master: 0 }),
      reads: { index: 2, master: 0 },
    },
    {
      command: "ip link set veth0 master br0 up",
      sent: "280000001000050001000000000000000000000002000000010000000100000008000a0004000000",
      ours: changeLinkFlags({ index: 2, master: 4 }, IFF_UP),
      reads: { index: 2, master: 4, flags: 1, change: 1 },
    },
    {
      command: "ip link set veth0 type bridge_slave hairpin on isolated on",
      sent: "480000001000050001000000000000000000000002000000000000000000000028001200100001006272696467655f736c6176651400050005000400010000000500210001000000",
      ours: changeLink({ index: 2, info: { portKind: "bridge", bridgePort: { hairpin: true, isolated: true } } }),
      differences: [
        {
          reason:
            "ip(8) names its own argument where the link's kind belongs; the kernel takes the kind from the master",
          theirs: `18.1 ${Buffer.from("bridge_slave").toString("hex")}`,
        },
        { reason: "we name the kind of the port, as the kernel does in dumps", ours: "18.4 62726964676500" },
      ],
      reads: {
        index: 2,
        info: { kind: "bridge_slave", portData: Uint8Array.of(5, 0, 4, 0, 1, 0, 0, 0, 5, 0, 33, 0, 1, 0, 0, 0) },
      },
    },
    {
      command: "ip link set veth0 mtu 1400",
      sent: "28000000100005000100000000000000000000000200000000000000000000000800040078050000",
      ours: changeLink({ index: 2, mtu: 1400 }),
      reads: { mtu: 1400 },
    },
    {
      command: "ip link set veth0 address 02:00:00:00:00:09",
      sent: "2c000000100005000100000000000000000000000200000000000000000000000a0001000200000000090000",
      ours: changeLink({ index: 2, address: "02:00:00:00:00:09" }),
      reads: { address: "02:00:00:00:00:09" },
    },
    {
      command: "ip link set veth0 promisc on",
      sent: "2000000010000500010000000000000000000000020000000001000000010000",
      ours: changeLinkFlags({ index: 2 }, IFF_PROMISC),
      reads: { flags: IFF_PROMISC, change: IFF_PROMISC },
    },
    {
      command: "ip link set veth0 alias hello",
      sent: "2c000000100005000100000000000000000000000200000000000000000000000900140068656c6c6f000000",
      ours: changeLink({ index: 2, alias: "hello" }),
      differences: [
        {
          reason: "iproute2 sends the alias without C's final zero, which the kernel does not ask for",
          theirs: "20 68656c6c6f",
          ours: "20 68656c6c6f00",
        },
      ],
      reads: { alias: "hello" },
    },
    {
      command: "ip link set veth0 up",
      sent: "2000000010000500010000000000000000000000020000000100000001000000",
      ours: changeLinkFlags({ index: 2 }, IFF_UP),
      reads: { index: 2, flags: IFF_UP, change: IFF_UP },
    },
    {
      command: "ip link set veth0 down",
      sent: "2000000010000500010000000000000000000000020000000000000001000000",
      ours: changeLinkFlags({ index: 2 }, 0, IFF_UP),
      reads: { index: 2, flags: 0, change: IFF_UP },
    },
    {
      command: "ip link set veth0 name veth1",
      sent: "2c000000100005000100000000000000000000000200000000000000000000000a0003007665746831000000",
      ours: changeLink({ index: 2, name: "veth1" }),
      reads: { index: 2, name: "veth1" },
    },
    {
      command: "ip link set veth0 group 7",
      sent: "280000001000050001000000000000000000000002000000000000000000000008001b0007000000",
      ours: changeLink({ index: 2, group: 7 }),
      reads: { group: 7 },
    },
    {
      command: "ip link set veth5 netns capb",
      sent: "280000001000050001000000000000000000000007000000000000000000000008001c0004000000",
      ours: changeLink({ index: 7, netnsFd: 4 }),
      reads: { index: 7, netnsFd: 4 },
    },
    {
      command: "ip link del veth0",
      sent: "2000000011000500010000000000000000000000020000000000000000000000",
      ours: deleteLink({ index: 2 }),
      reads: { index: 2 },
    },
    {
      command: "ip link del group 7",
      sent: "280000001100050001000000000000000000000000000000000000000000000008001b0007000000",
      ours: deleteLinkGroup(7),
      reads: { index: 0, group: 7 },
    },
  ],
};

const NESTED = "we flag that the attribute holds attributes, as newer formats ask for and this one permits";

const portVlans: Layout = {
  name: "port's VLAN",
  header: 16,
  nested: { "26": 0 },
  wire: bridgeVlanMessage,
  captured: [
    {
      command: "bridge vlan add vid 100 dev veth0 pvid untagged",
      sent: "2c000000130005000100000000000000070000000300000000000000000000000c001a000800020006006400",
      ours: addPortVlan(3, "veth0", { vlan: 100, pvid: true, untagged: true }),
      differences: [{ reason: NESTED, ours: "26 nested" }],
      reads: { family: 7, index: 3, vlans: [{ vlan: 100, flags: 6 }] },
    },
    {
      command: "bridge vlan del vid 100 dev veth0",
      sent: "2c000000110005000100000000000000070000000300000000000000000000000c001a000800020000006400",
      ours: deletePortVlan(3, "veth0", 100),
      differences: [{ reason: NESTED, ours: "26 nested" }],
      reads: { family: 7, index: 3, vlans: [{ vlan: 100, flags: 0 }] },
    },
  ],
};

const addresses: Layout = {
  name: "address",
  header: 8,
  nested: {},
  wire: addressMessage,
  captured: [
    {
      command: "ip addr add 10.1.2.3/24 dev veth0",
      sent: "280000001400050601000000000000000218000002000000080002000a010203080001000a010203",
      ours: addAddress({ index: 2, ip: "10.1.2.3", prefixLength: 24 }),
      reads: { family: 2, index: 2, prefixLength: 24, local: "10.1.2.3", address: "10.1.2.3" },
    },
    {
      command: "ip addr add 10.1.2.4/24 brd 10.1.2.255 dev veth0",
      sent: "300000001400050601000000000000000218000002000000080002000a010204080004000a0102ff080001000a010204",
      ours: addAddress({ index: 2, ip: "10.1.2.4", prefixLength: 24, broadcast: "10.1.2.255" }),
      order: TABLE_ORDER,
      reads: { local: "10.1.2.4", broadcast: "10.1.2.255" },
    },
    {
      command: "ip addr del 10.1.2.4/24 dev veth0",
      sent: "280000001500050001000000000000000218000002000000080002000a010204080001000a010204",
      ours: deleteAddress({ index: 2, ip: "10.1.2.4", prefixLength: 24 }),
      reads: { local: "10.1.2.4" },
    },
    {
      command: "ip addr add fd00::1/64 dev veth0 nodad",
      sent: "400000001400050601000000000000000a4002000200000014000200fd00000000000000000000000000000114000100fd000000000000000000000000000001",
      ours: addAddress({ index: 2, ip: "fd00::1", prefixLength: 64, flags: IFA_F_NODAD }),
      differences: [
        {
          reason: "we send flags in the attribute that has room for all of them, ip(8) in the byte where they fit",
          theirs: "header 0a40020002000000",
          ours: "header 0a40000002000000",
        },
        { reason: "the same", ours: "8 02000000" },
      ],
      reads: { family: 10, flags8: IFA_F_NODAD, local: "fd00::1", address: "fd00::1" },
    },
    {
      command: "ip addr del fd00::1/64 dev veth0",
      sent: "400000001500050001000000000000000a4000000200000014000200fd00000000000000000000000000000114000100fd000000000000000000000000000001",
      ours: deleteAddress({ index: 2, ip: "fd00::1", prefixLength: 64, flags: IFA_F_NODAD }),
      reads: { family: 10, local: "fd00::1" },
    },
  ],
};

const routes: Layout = {
  name: "route",
  header: 12,
  nested: { "8": 0 },
  wire: routeMessage,
  captured: [
    {
      command: "ip route add 10.9.0.0/16 via 10.1.2.1",
      sent: "2c00000018000506010000000000000002100000fe03000100000000080001000a090000080005000a010201",
      ours: addRoute({ destination: "10.9.0.0/16", gateway: "10.1.2.1" }),
      reads: { family: 2, destinationLength: 16, destination: "10.9.0.0", gateway: "10.1.2.1", table8: 254, type: 1 },
    },
    {
      command: "ip route add 10.9.0.0/16 via 10.1.2.1 dev veth0",
      sent: "3400000018000506010000000000000002100000fe03000100000000080001000a090000080005000a0102010800040002000000",
      ours: addRoute({ destination: "10.9.0.0/16", gateway: "10.1.2.1", outputIndex: 2 }),
      reads: { gateway: "10.1.2.1", outputIndex: 2, scope: 0 },
    },
    {
      command: "ip route add 10.10.0.0/16 dev veth0",
      sent: "2c00000018000506010000000000000002100000fe03fd0100000000080001000a0a00000800040002000000",
      ours: addRoute({ destination: "10.10.0.0/16", outputIndex: 2 }),
      reads: { destination: "10.10.0.0", outputIndex: 2, scope: 253 },
    },
    {
      command: "ip route add 10.11.0.0/16 via 192.0.2.1 dev veth0 onlink",
      sent: "3400000018000506010000000000000002100000fe03000104000000080001000a0b000008000500c00002010800040002000000",
      ours: addRoute({ destination: "10.11.0.0/16", gateway: "192.0.2.1", outputIndex: 2, onlink: true }),
      reads: { gateway: "192.0.2.1", flags: 4 },
    },
    {
      command: "ip route add 10.12.0.0/16 via 10.1.2.1 mtu 1300 advmss 1260",
      sent: "4000000018000506010000000000000002100000fe03000100000000080001000a0c0000080005000a01020114000800080002001405000008000800ec040000",
      ours: addRoute({ destination: "10.12.0.0/16", gateway: "10.1.2.1", mtu: 1300, advmss: 1260 }),
      reads: { metrics: { mtu: 1300, advmss: 1260 } },
    },
    {
      command: "ip route add 10.13.0.0/16 via 10.1.2.1 table 1000",
      sent: "34000000180005060100000000000000021000000003000100000000080001000a0d0000080005000a01020108000f00e8030000",
      ours: addRoute({ destination: "10.13.0.0/16", gateway: "10.1.2.1", table: 1000 }),
      differences: [
        {
          reason: "where the table has a number above 255, we write RT_TABLE_COMPAT as the kernel does, ip(8) zero",
          theirs: "header 021000000003000100000000",
          ours: "header 02100000fc03000100000000",
        },
      ],
      reads: { destination: "10.13.0.0", table: 1000 },
    },
    {
      command: "ip route add default via 10.1.2.1 metric 50 src 10.1.2.3",
      sent: "3400000018000506010000000000000002000000fe03000100000000080005000a0102010800060032000000080007000a010203",
      ours: addRoute({ destination: "0.0.0.0/0", gateway: "10.1.2.1", priority: 50, preferredSource: "10.1.2.3" }),
      reads: { destinationLength: 0, gateway: "10.1.2.1", priority: 50, preferredSource: "10.1.2.3" },
    },
    {
      command: "ip route add 10.14.0.0/16 via 10.1.2.1 table 100 proto static",
      sent: "2c000000180005060100000000000000021000006404000100000000080001000a0e0000080005000a010201",
      ours: addRoute({ destination: "10.14.0.0/16", gateway: "10.1.2.1", table: 100, protocol: RTPROT_STATIC }),
      reads: { table8: 100, protocol: RTPROT_STATIC },
    },
    {
      command: "ip route add fd01::/64 dev veth0 metric 7",
      sent: "400000001800050601000000000000000a400000fe0300010000000014000100fd01000000000000000000000000000008000600070000000800040002000000",
      ours: addRoute({ destination: "fd01::/64", outputIndex: 2, priority: 7 }),
      order: TABLE_ORDER,
      reads: { family: 10, destinationLength: 64, destination: "fd01::", outputIndex: 2, priority: 7 },
    },
    {
      command: "ip route replace fd02::/64 via fd00::2 dev veth0 onlink",
      sent: "4c0000001800050501000000000000000a400000fe0300010400000014000100fd02000000000000000000000000000014000500fd0000000000000000000000000000020800040002000000",
      ours: replaceRoute({ destination: "fd02::/64", gateway: "fd00::2", outputIndex: 2, onlink: true }),
      reads: { destination: "fd02::", gateway: "fd00::2", outputIndex: 2, flags: 4 },
    },
    {
      command: "ip route replace 10.9.0.0/16 via 10.1.2.2",
      sent: "2c00000018000505010000000000000002100000fe03000100000000080001000a090000080005000a010202",
      ours: replaceRoute({ destination: "10.9.0.0/16", gateway: "10.1.2.2" }),
      reads: { destination: "10.9.0.0", gateway: "10.1.2.2" },
    },
    {
      command: "ip route del 10.10.0.0/16 dev veth0",
      sent: "2c00000019000500010000000000000002100000fe00ff0000000000080001000a0a00000800040002000000",
      ours: deleteRoute({ destination: "10.10.0.0/16", outputIndex: 2 }),
      differences: [
        {
          reason: EXACT_DELETE,
          theirs: "header 02100000fe00ff0000000000",
          ours: "header 02100000fe03fd0100000000",
        },
      ],
      reads: { destination: "10.10.0.0", outputIndex: 2, scope: 255, protocol: 0, type: 0 },
    },
    {
      command: "ip route del 10.13.0.0/16 table 1000",
      sent: "2c000000190005000100000000000000021000000000ff0000000000080001000a0d000008000f00e8030000",
      ours: deleteRoute({ destination: "10.13.0.0/16", table: 1000, scope: 0 }),
      differences: [
        {
          reason: EXACT_DELETE,
          theirs: "header 021000000000ff0000000000",
          ours: "header 02100000fc03000100000000",
        },
      ],
      reads: { destination: "10.13.0.0", table: 1000 },
    },
    {
      command: "ip route del fd01::/64 dev veth0",
      sent: "380000001900050001000000000000000a400000fe0000000000000014000100fd0100000000000000000000000000000800040002000000",
      ours: deleteRoute({ destination: "fd01::/64", outputIndex: 2 }),
      differences: [
        {
          reason: EXACT_DELETE,
          theirs: "header 0a400000fe00000000000000",
          ours: "header 0a400000fe03000100000000",
        },
      ],
      reads: { family: 10, destination: "fd01::", outputIndex: 2 },
    },
  ],
};

const FDB_ORDER = "bridge(8) writes the link-layer address first, ip(8) and we the destination";

const neighbours: Layout = {
  name: "neighbour",
  header: 12,
  nested: {},
  wire: neighbourMessage,
  captured: [
    {
      command: "ip neigh replace 10.1.2.9 lladdr 02:00:00:00:00:0a dev veth0 nud permanent",
      sent: "300000001c0005050100000000000000020000000200000080000000080001000a0102090a00020002000000000a0000",
      ours: setNeighbour({ index: 2, ip: "10.1.2.9", mac: "02:00:00:00:00:0a" }),
      reads: { family: 2, index: 2, state: 0x80, destination: "10.1.2.9", linkAddress: "02:00:00:00:00:0a" },
    },
    {
      command: "ip neigh replace fd00::9 lladdr 02:00:00:00:00:0b dev veth0 nud permanent",
      sent: "3c0000001c00050501000000000000000a000000020000008000000014000100fd0000000000000000000000000000090a00020002000000000b0000",
      ours: setNeighbour({ index: 2, ip: "fd00::9", mac: "02:00:00:00:00:0b" }),
      reads: { family: 10, destination: "fd00::9", linkAddress: "02:00:00:00:00:0b" },
    },
    {
      command: "ip neigh del 10.1.2.9 dev veth0",
      sent: "240000001d0005000100000000000000020000000200000080000000080001000a010209",
      ours: deleteNeighbour({ index: 2, ip: "10.1.2.9" }),
      differences: [
        {
          reason: "the kernel does not look at the state of an entry that it is to delete",
          theirs: "header 020000000200000080000000",
          ours: "header 020000000200000000000000",
        },
      ],
      reads: { family: 2, index: 2, destination: "10.1.2.9" },
    },
    {
      command: "bridge fdb replace 02:00:00:00:00:0c dev vxlan0 dst 10.1.2.7 self permanent",
      sent: "300000001c00050501000000000000000700000008000000c00002000a00020002000000000c0000080001000a010207",
      ours: setForwarding({ index: 8, mac: "02:00:00:00:00:0c", destination: "10.1.2.7" }),
      order: FDB_ORDER,
      reads: { family: 7, index: 8, state: 0xc0, flags: 2, linkAddress: "02:00:00:00:00:0c", destination: "10.1.2.7" },
    },
    {
      command: "bridge fdb del 02:00:00:00:00:0c dev vxlan0 dst 10.1.2.7 self",
      sent: "300000001d00050001000000000000000700000008000000c00002000a00020002000000000c0000080001000a010207",
      ours: deleteForwarding({ index: 8, mac: "02:00:00:00:00:0c", destination: "10.1.2.7" }),
      order: FDB_ORDER,
      reads: { family: 7, index: 8, flags: 2, linkAddress: "02:00:00:00:00:0c" },
    },
  ],
};

const ANY_ACTION = "ip(8) deletes a rule whatever it does, we only one that looks up a table";

const rules: Layout = {
  name: "rule",
  header: 12,
  nested: {},
  wire: ruleMessage,
  captured: [
    {
      command: "ip rule add priority 100 from 10.1.0.0/16 table 100",
      sent: "2c0000002000050601000000000000000200100064000001000000000800060064000000080002000a010000",
      ours: addRule({ family: 4, priority: 100, from: "10.1.0.0/16", table: 100 }),
      reads: { family: 2, priority: 100, sourceLength: 16, source: "10.1.0.0", table8: 100, action: 1 },
    },
    {
      command: "ip rule add priority 101 fwmark 0x10/0xf0 table 1000",
      sent: "3c000000200005060100000000000000020000000000000100000000080006006500000008000a001000000008001000f000000008000f00e8030000",
      ours: addRule({ family: 4, priority: 101, mark: 0x10, markMask: 0xf0, table: 1000 }),
      reads: { priority: 101, mark: 0x10, markMask: 0xf0, table: 1000 },
    },
    {
      command: "ip rule add priority 102 to 10.2.0.0/16 iif veth0 table 100",
      sent: "380000002000050601000000000000000210000064000001000000000800060066000000080001000a0200000a0003007665746830000000",
      ours: addRule({ family: 4, priority: 102, to: "10.2.0.0/16", inputName: "veth0", table: 100 }),
      reads: { destinationLength: 16, destination: "10.2.0.0", inputName: "veth0" },
    },
    {
      command: "ip -6 rule add priority 103 from fd00::/64 oif veth0 table 100",
      sent: "440000002000050601000000000000000a0040006400000100000000080006006700000014000200fd0000000000000000000000000000000a0011007665746830000000",
      ours: addRule({ family: 6, priority: 103, from: "fd00::/64", outputName: "veth0", table: 100 }),
      reads: { family: 10, sourceLength: 64, source: "fd00::", outputName: "veth0" },
    },
    {
      command: "ip rule del priority 100 from 10.1.0.0/16 table 100",
      sent: "2c0000002100050001000000000000000200100064000000000000000800060064000000080002000a010000",
      ours: deleteRule({ family: 4, priority: 100, from: "10.1.0.0/16", table: 100 }),
      differences: [
        {
          reason: ANY_ACTION,
          theirs: "header 020010006400000000000000",
          ours: "header 020010006400000100000000",
        },
      ],
      reads: { priority: 100, source: "10.1.0.0", action: 0 },
    },
    {
      command: "ip -6 rule del priority 103 from fd00::/64 oif veth0 table 100",
      sent: "440000002100050001000000000000000a0040006400000000000000080006006700000014000200fd0000000000000000000000000000000a0011007665746830000000",
      ours: deleteRule({ family: 6, priority: 103, from: "fd00::/64", outputName: "veth0", table: 100 }),
      differences: [
        {
          reason: ANY_ACTION,
          theirs: "header 0a0040006400000000000000",
          ours: "header 0a0040006400000100000000",
        },
      ],
      reads: { family: 10, priority: 103, outputName: "veth0" },
    },
  ],
};

testCaptured([links, portVlans, addresses, routes, neighbours, rules]);
