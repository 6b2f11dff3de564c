/**
 * `firewall`: lets a container's forwarded packets pass where the host drops what it does not know, and keeps bridges
 * apart.
 *
 * Each address is an element of one set, so a packet costs a lookup however many containers there are. What our chain
 * accepts a later chain of somebody else's may still drop, such as that of iptables by its policy: accepted packets
 * carry a mark through the hook, by which those chains can let them pass.
 * @see https://www.cni.dev/plugins/current/meta/firewall/
 */

import { ACCEPTED_MARK, MARK_ACCEPTED, UNMARK_ACCEPTED, verdict } from "../../core/accepted-mark.ts";
import { BRIDGE, INET } from "../../core/cluster-tables.ts";
import { ConfigError } from "../../core/errors.ts";
import { type Family, familyOf } from "../../core/ip.ts";
import { type AttachmentKey, ownerComment } from "../../core/names.ts";
import type { NftElement, NftRule, NftSet, NftStatement } from "../../core/nftables.ts";
import type { NftElementResource, NftTableResource, Resource } from "../../core/plan.ts";
import type { Facts, Planner } from "../../core/planner.ts";
import { type FirewallConfig, type IngressPolicy, parseFirewallConfig } from "./firewall-config.ts";

export const firewall: Planner<FirewallConfig> = {
  type: "firewall",
  chained: true,
  parse: parseFirewallConfig,
  usesIpam: () => false,
  links: () => [],
  plan: planFirewall,
  obstacles: () => [],
};

function planFirewall(config: FirewallConfig, facts: Facts) {
  const { key, prevResult, adopted, recovering } = facts;
  const result = prevResult ?? {};
  const addresses = (result.ips ?? []).map(({ address }) => address.slice(0, address.lastIndexOf("/")));
  if (adopted !== undefined) {
    return { resources: [...addresses.map((address) => planAdopted(key, address)), lostPorts(key)], result };
  }
  const resources: Resource[] = [
    forwardPart(),
    ...planAdminChain(config.adminChain),
    ...(config.passIptables ? planIptables(config.adminChain, addresses) : []),
    ...planIngress(config.ingressPolicy, facts),
    ...addresses.map((address) => accepted(key, address)),
    ...(recovering ? planLost(key) : []),
  ];
  return { resources, result };
}

/** Bridges whose containers have an ingress policy. */
const GUARDED: NftSet = { ...INET, name: "guarded_bridges", key: ["ifname"] };
/** Pairs of one bridge with itself, for bridges whose containers may reach each other. */
const SAME_BRIDGE: NftSet = { ...INET, name: "same_bridge", key: ["ifname", "ifname"] };
/** The like for bridges whose containers may not. */
const ISOLATED: NftSet = { ...INET, name: "isolated_bridges", key: ["ifname", "ifname"] };
/** Ports that exchange frames with the host alone. */
const ISOLATED_PORTS: NftSet = { ...BRIDGE, name: "isolated_ports", key: ["ifname"] };

function addressSet(family: Family): NftSet {
  return { ...INET, name: `firewall_ipv${family}`, key: [family === 4 ? "ipv4_addr" : "ipv6_addr"] };
}

const ADMIN = "firewall-admin";

function forwardPart(): NftTableResource {
  const rule = (chain: string, ...statements: readonly NftStatement[]): NftRule => ({ ...INET, chain, statements });
  const forward = (...statements: readonly NftStatement[]) => rule("forward", ...statements);
  const inSet = (key: "ip saddr" | "ip6 saddr" | "ip daddr" | "ip6 daddr"): NftStatement => ({
    kind: "match",
    key,
    value: { set: addressSet(key.startsWith("ip6") ? 6 : 4).name },
  });
  const replies: NftStatement = { kind: "match", key: "ct state", value: ["established", "related"] };
  const redirected: NftStatement = { kind: "match", key: "ct status", value: ["dnat"] };
  const bridges = ["iifname", "oifname"] as const;
  return {
    kind: "nft-table",
    where: "host",
    shared: true,
    table: { family: INET.family, name: INET.table },
    sets: [addressSet(4), addressSet(6), GUARDED, SAME_BRIDGE, ISOLATED],
    chains: [
      { chain: { ...INET, name: ADMIN }, rules: [], open: true },
      {
        // Where the mark has served: behind iptables and firewalld, so that it means nothing to anybody else.
        chain: {
          ...INET,
          name: "forward-passed",
          base: { type: "filter", hook: "forward", priority: "filter + 20", policy: "accept" },
        },
        rules: [rule("forward-passed", UNMARK_ACCEPTED)],
      },
      {
        chain: {
          ...INET,
          name: "forward",
          base: { type: "filter", hook: "forward", priority: "filter - 10", policy: "accept" },
        },
        rules: [
          // An accept ends the chain, so what is not accepted loses the mark again at its end.
          forward(MARK_ACCEPTED),
          forward(verdict({ jump: ADMIN })),
          forward(inSet("ip daddr"), replies, verdict("accept")),
          forward(inSet("ip6 daddr"), replies, verdict("accept")),
          forward({ kind: "match", key: bridges, value: { set: ISOLATED.name } }, verdict("drop")),
          forward(
            { kind: "match", key: "iifname", value: { set: GUARDED.name } },
            { kind: "match", key: "oifname", value: { set: GUARDED.name } },
            { kind: "match", key: bridges, operator: "!=", value: { set: SAME_BRIDGE.name } },
            verdict("drop"),
          ),
          forward(inSet("ip saddr"), verdict("accept")),
          forward(inSet("ip6 saddr"), verdict("accept")),
          // Host ports and Services: who has asked for them wants them reached.
          forward(inSet("ip daddr"), redirected, verdict("accept")),
          forward(inSet("ip6 daddr"), redirected, verdict("accept")),
          forward(UNMARK_ACCEPTED),
        ],
      },
    ],
  };
}

function planAdminChain(name: string): Resource[] {
  const place = { where: "host", shared: true } as const;
  return [
    { ...place, kind: "nft-admin-chain", chain: { ...INET, name } },
    {
      ...place,
      kind: "nft-rule",
      rule: { ...INET, chain: ADMIN, statements: [verdict({ jump: name })], comment: name },
    },
  ];
}

function planIptables(adminChain: string, addresses: readonly string[]): Resource[] {
  const families = new Set(addresses.map((address) => (familyOf(address) === 4 ? "ip" : "ip6")));
  return [...families].map((family) => ({
    kind: "nft-iptables",
    where: "host",
    shared: true,
    family,
    mark: ACCEPTED_MARK,
    adminChain,
  }));
}

/** What we have made for an address, or the reference plugin before a change-over. */
function planAdopted(key: AttachmentKey, address: string): Resource {
  const family = familyOf(address) === 4 ? "ip" : "ip6";
  const { element } = accepted(key, address);
  return { kind: "nft-accepted", where: "host", element, family, chain: "CNI-FORWARD", address };
}

/** The policy is the bridge's, as in the reference plugin: also other networks' containers on it come under it. */
function planIngress(policy: IngressPolicy, { key, prevResult, recovering }: Facts): Resource[] {
  if (policy === "open" || recovering) return [];
  const [bridge, port] = (prevResult?.interfaces ?? []).filter(({ sandbox }) => !sandbox).map(({ name }) => name);
  if (bridge === undefined) {
    throw new ConfigError("ingressPolicy", "needs a bridge, and the plugin before has made no interface on the host", {
      value: policy,
    });
  }
  const ofBridge = (set: NftSet, ...tuple: NftElement["key"]): NftElementResource => ({
    kind: "nft-element",
    where: "host",
    shared: true,
    element: { set, key: tuple },
  });
  const pair = ofBridge(policy === "isolated" ? ISOLATED : SAME_BRIDGE, bridge, bridge);
  // The pair first: a guarded bridge without one is isolated.
  const guarded = [pair, ofBridge(GUARDED, bridge)];
  if (policy === "same-bridge" || port === undefined) return guarded;
  return [...guarded, isolationPart(), element(key, ISOLATED_PORTS, port)];
}

/** What stays on the bridge does not come to the hook `forward` of IP, unless the module br_netfilter sends it there. */
function isolationPart(): NftTableResource {
  const drop = (key: "iifname" | "oifname"): NftRule => ({
    ...BRIDGE,
    chain: "forward",
    statements: [{ kind: "match", key, value: { set: ISOLATED_PORTS.name } }, verdict("drop")],
  });
  return {
    kind: "nft-table",
    where: "host",
    shared: true,
    table: { family: BRIDGE.family, name: BRIDGE.table },
    sets: [ISOLATED_PORTS],
    chains: [
      {
        chain: {
          ...BRIDGE,
          name: "forward",
          base: { type: "filter", hook: "forward", priority: "filter", policy: "accept" },
        },
        rules: [drop("iifname"), drop("oifname")],
      },
    ],
  };
}

function accepted(key: AttachmentKey, address: string): NftElementResource {
  return element(key, addressSet(familyOf(address)), address);
}

function element(key: AttachmentKey, set: NftSet, value: string): NftElementResource {
  return { kind: "nft-element", where: "host", element: { set, key: [value], comment: ownerComment(key) } };
}

/** The elements of an attachment whose addresses are not known. */
function planLost(key: AttachmentKey): Resource[] {
  return [
    { kind: "nft-owned", where: "host", sets: [addressSet(4), addressSet(6)], comment: ownerComment(key) },
    lostPorts(key),
  ];
}

function lostPorts(key: AttachmentKey): Resource {
  return { kind: "nft-owned", where: "host", sets: [ISOLATED_PORTS], comment: ownerComment(key) };
}
