/**
 * The kinds of resources that the kernel holds, by name. Those that nearly every plan has are at hand; the others are
 * loaded when a plan has one.
 */

import { late } from "../core/late.ts";
import type { ResourceKindName, ResourceOf } from "../core/plan.ts";
import { address } from "./address.ts";
import { link } from "./link/index.ts";
import { linkSettings } from "./link-settings.ts";
import type { ResourceKind } from "./resource.ts";
import { route } from "./route.ts";
import { sysctl } from "./sysctl.ts";

const neighbour = late(
  [],
  () => import("./neighbour.ts"),
  () => require("./neighbour.ts"),
);
const forwarding = late(
  [],
  () => import("./forwarding.ts"),
  () => require("./forwarding.ts"),
);
const movedLink = late(
  ["host-device"],
  () => import("./moved-link.ts"),
  () => require("./moved-link.ts"),
);
const absentRoute = late(
  ["sbr", "vrf"],
  () => import("./absent-route.ts"),
  () => require("./absent-route.ts"),
);
const vrfPort = late(
  ["vrf"],
  () => import("./vrf-port.ts"),
  () => require("./vrf-port.ts"),
);
const rule = late(
  ["sbr"],
  () => import("./rule.ts"),
  () => require("./rule.ts"),
);
const portVlans = late(
  ["vlan"],
  () => import("./port-vlans.ts"),
  () => require("./port-vlans.ts"),
);
const nft = late(
  ["ipMasq", "macspoofchk", "portmap", "firewall"],
  () => import("./nft.ts"),
  () => require("./nft.ts"),
);
const conntrack = late(
  ["udp"],
  () => import("./conntrack.ts"),
  () => require("./conntrack.ts"),
);
const trafficControl = late(
  ["bandwidth"],
  () => import("./traffic-control.ts"),
  () => require("./traffic-control.ts"),
);
const nftAdminChain = late(
  ["firewall"],
  () => import("./nft-admin-chain.ts"),
  () => require("./nft-admin-chain.ts"),
);
const nftIptables = late(
  ["firewall"],
  () => import("./nft-iptables.ts"),
  () => require("./nft-iptables.ts"),
);
const nftAccepted = late(
  [],
  () => import("./nft-accepted.ts"),
  () => require("./nft-accepted.ts"),
);
const nftAdoptedPorts = late(
  [],
  () => import("./nft-adopted-ports.ts"),
  () => require("./nft-adopted-ports.ts"),
);

/** All but leases, which IPAM plugins hold. */
export type KernelKinds = { readonly [K in Exclude<ResourceKindName, "lease">]: ResourceKind<ResourceOf<K>> };

export const kernelKinds: KernelKinds = {
  link,
  "link-settings": linkSettings,
  address,
  route,
  sysctl,
  get neighbour() {
    return neighbour().neighbour;
  },
  get forwarding() {
    return forwarding().forwarding;
  },
  get "moved-link"() {
    return movedLink().movedLink;
  },
  get "absent-route"() {
    return absentRoute().absentRoute;
  },
  get "vrf-port"() {
    return vrfPort().vrfPort;
  },
  get rule() {
    return rule().rule;
  },
  get "port-vlans"() {
    return portVlans().portVlans;
  },
  get qdisc() {
    return trafficControl().qdisc;
  },
  get filter() {
    return trafficControl().filter;
  },
  get "nft-table"() {
    return nft().nftTable;
  },
  get "nft-chain"() {
    return nft().nftChain;
  },
  get "nft-admin-chain"() {
    return nftAdminChain().nftAdminChain;
  },
  get "nft-iptables"() {
    return nftIptables().nftIptables;
  },
  get "nft-accepted"() {
    return nftAccepted().nftAccepted;
  },
  get "nft-adopted-ports"() {
    return nftAdoptedPorts().nftAdoptedPorts;
  },
  get "nft-rule"() {
    return nft().nftRule;
  },
  get "nft-element"() {
    return nft().nftElement;
  },
  get "nft-owned"() {
    return nft().nftOwned;
  },
  get conntrack() {
    return conntrack().conntrack;
  },
};
