/**
 * Host ports in nf_tables: connections to a port of the host go to a container instead.
 *
 * For each family there are two pairs of maps, one for ports of a given address of the host and one for ports of all its
 * addresses. Of a pair the first map leads from a port to a chain, which decides whether and how a connection is sent on,
 * and which all containers of a network with the same settings share; the second one leads to the container. So a
 * connection costs a few lookups however many ports there are, and an ADD changes elements, not rules; connections that
 * are under way cost nothing.
 *
 * What could not be answered otherwise is masqueraded: its packets are marked before they are sent on, while it still
 * shows where they were going, and the mark is looked at when they leave.
 * @see https://www.cni.dev/plugins/current/meta/portmap/
 */

import { formatCidr, networkOf, parseCidr } from "../../core/cidr.ts";
import type { Family } from "../../core/ip.ts";
import { type AttachmentKey, formatHash, hash64, ownerComment } from "../../core/names.ts";
import type { NftElement, NftKey, NftMatch, NftRule, NftSet, NftStatement, NftTuple } from "../../core/nftables.ts";
import type {
  NftAdoptedPortsResource,
  NftChainResource,
  NftElementResource,
  NftOwnedResource,
  NftTableResource,
} from "../../core/plan.ts";
import { DEFAULT_MARK_BIT, type PortMapping, type PortmapConfig } from "./portmap-config.ts";

const TABLE = { family: "inet", table: "tendril" } as const;

/** Whether a port is one of a given address of the host or of all its addresses. */
type Scope = "address" | "any";

const FAMILIES: readonly Family[] = [4, 6];
/** The more specific one comes first, as with sockets that are bound to an address. */
const SCOPES: readonly Scope[] = ["address", "any"];

const SOURCE: { readonly [F in Family]: NftKey } = { 4: "ip saddr", 6: "ip6 saddr" };
const DESTINATION: { readonly [F in Family]: NftKey } = { 4: "ip daddr", 6: "ip6 daddr" };
const NAT_FAMILY = { 4: "ip", 6: "ip6" } as const;
const ADDRESS_TYPE = { 4: "ipv4_addr", 6: "ipv6_addr" } as const;

/** What of the configuration the rules depend on. */
export type HostPortSettings = Pick<PortmapConfig, "snat" | "masqAll" | "markBit" | "conditions">;

/** The maps, and the chains by which packets come to them. */
export function hostPortTable(): NftTableResource {
  const chain = (name: string, rules: readonly (readonly NftStatement[])[]) => ({
    chain: { ...TABLE, name },
    rules: rules.map((statements) => rule(name, ...statements)),
  });
  const local: NftMatch = { kind: "match", key: "fib daddr type", value: "local" };
  const lookUp = (family: Family): NftStatement => ({ kind: "verdict", verdict: { goto: lookupChain(family) } });
  const ipv4: NftMatch = { kind: "match", key: "meta nfproto", value: "ipv4" };
  const ipv6: NftMatch = { kind: "match", key: "meta nfproto", value: "ipv6" };
  const prerouting = chain("hostport_prerouting", [
    // With route_localnet the kernel lets neighbours reach what listens on the loopback interface only.
    [
      { kind: "match", key: "ip daddr", value: "127.0.0.0/8" },
      { kind: "match", key: "iifname", operator: "!=", value: "lo" },
      { kind: "verdict", verdict: "drop" },
    ],
    [ipv4, local, lookUp(4)],
    [ipv6, local, lookUp(6)],
  ]);
  const output = chain("hostport_output", [
    [ipv4, local, lookUp(4)],
    // The kernel has no way for an answer to ::1 to come in from outside, so such connections stay in the host.
    [{ kind: "match", key: "ip6 daddr", operator: "!=", value: "::1" }, local, lookUp(6)],
  ]);
  return {
    kind: "nft-table",
    where: "host",
    shared: true,
    table: { family: TABLE.family, name: TABLE.table },
    sets: allMaps(),
    chains: [
      ...FAMILIES.map((family) =>
        chain(
          lookupChain(family),
          SCOPES.map((scope) => [{ kind: "vmap", key: lookupKey(family, scope), map: chainMap(family, scope).name }]),
        ),
      ),
      {
        ...output,
        chain: { ...output.chain, base: { type: "nat", hook: "output", priority: -100, policy: "accept" } },
      },
      {
        ...prerouting,
        chain: { ...prerouting.chain, base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" } },
      },
    ],
  };
}

function lookupChain(family: Family): string {
  return `hostport_ipv${family}`;
}

function lookupKey(family: Family, scope: Scope): readonly NftKey[] {
  return scope === "any" ? ["meta l4proto", "th dport"] : [DESTINATION[family], "meta l4proto", "th dport"];
}

function mapKey(family: Family, scope: Scope): NftSet["key"] {
  return scope === "any" ? ["inet_proto", "inet_service"] : [ADDRESS_TYPE[family], "inet_proto", "inet_service"];
}

/** From ports to the chains that decide on their connections. */
function chainMap(family: Family, scope: Scope): NftSet {
  return { ...TABLE, name: `hostport_${scope}_ipv${family}`, key: mapKey(family, scope), data: "verdict" };
}

/** From ports to addresses and ports of containers. */
function targetMap(family: Family, scope: Scope): NftSet {
  const data = [ADDRESS_TYPE[family], "inet_service"] as const;
  return { ...TABLE, name: `hostport_${scope}_target_ipv${family}`, key: mapKey(family, scope), data };
}

function allMaps(): NftSet[] {
  return FAMILIES.flatMap((family) => SCOPES.flatMap((scope) => [chainMap(family, scope), targetMap(family, scope)]));
}

/** Masquerades what bears the mark. */
export function masqueradeMarked(bit: number): NftTableResource {
  const name = `hostport_masquerade_${bit}`;
  const mark = 2 ** bit;
  return {
    kind: "nft-table",
    where: "host",
    shared: true,
    table: { family: TABLE.family, name: TABLE.table },
    sets: [],
    chains: [
      {
        chain: {
          ...TABLE,
          name,
          base: { type: "nat", hook: "postrouting", priority: "srcnat", policy: "accept" },
        },
        rules: [
          rule(
            name,
            { kind: "match", key: "meta mark", mask: mark, value: mark },
            { kind: "match", key: "ct status", value: "dnat" },
            { kind: "masquerade", flags: ["fully-random"] },
          ),
        ],
      },
    ],
  };
}

/** What leads one port of the host to the container: its network's chain, and the elements of both maps. */
export function hostPort(
  key: AttachmentKey,
  settings: HostPortSettings,
  { protocol, hostPort: port, hostAddress, containerPort }: PortMapping,
  /** The container's, in CIDR notation. */
  address: string,
  family: Family,
): [NftChainResource, NftElementResource, NftElementResource] {
  const scope: Scope = hostAddress === undefined ? "any" : "address";
  const chain = networkChain(settings, address, family, scope);
  const tuple: NftTuple = hostAddress === undefined ? [protocol, port] : [hostAddress, protocol, port];
  const shared = { key: tuple, comment: ownerComment(key) };
  const exclusive = `host port ${port}/${protocol}${hostAddress === undefined ? "" : ` of address ${hostAddress}`}`;
  const data = [address.slice(0, address.indexOf("/")), containerPort];
  return [
    chain,
    // The target first: it is what the port is taken by, and nothing leads to it before the other one is there.
    { kind: "nft-element", where: "host", exclusive, element: { set: targetMap(family, scope), ...shared, data } },
    {
      kind: "nft-element",
      where: "host",
      exclusive,
      element: { set: chainMap(family, scope), ...shared, verdict: { jump: chain.chain.name } },
    },
  ];
}

/**
 * Sends connections to the containers of one network, those that meet its conditions; others come back from it. First
 * those are marked that would else be answered directly, by a neighbour on the same link, or not at all, because the
 * source is the container itself or the loopback interface.
 */
function networkChain(settings: HostPortSettings, address: string, family: Family, scope: Scope): NftChainResource {
  const { snat, masqAll, markBit } = settings;
  const conditions = settings.conditions[family];
  const cidr = parseCidr(address);
  const network = cidr === undefined ? address : formatCidr(networkOf(cidr));
  const name = chainName(settings, network, family, scope);
  const mark: NftStatement = { kind: "set", key: "meta mark", value: { key: "meta mark", or: 2 ** markBit } };
  const from = (value: string): NftStatement => ({ kind: "match", key: SOURCE[family], value });
  const marked: NftStatement[][] = masqAll
    ? [[mark]]
    : [[from(network), mark], ...(family === 4 ? [[from("127.0.0.0/8"), mark]] : [])];
  const map = { key: lookupKey(family, scope), name: targetMap(family, scope).name, ports: true };
  return {
    kind: "nft-chain",
    where: "host",
    shared: true,
    chain: { ...TABLE, name },
    rules: [...(snat ? marked : []), [{ kind: "dnat", family: NAT_FAMILY[family], map } as const]].map((statements) =>
      rule(name, ...conditions, ...statements),
    ),
  };
}

/** Names what the chain's rules depend on: the network, and by a hash what is not the default. */
function chainName(
  { snat, masqAll, markBit, conditions }: HostPortSettings,
  network: string,
  family: Family,
  scope: Scope,
): string {
  const other = [
    ...(snat ? [] : ["no snat"]),
    ...(masqAll ? ["masqAll"] : []),
    ...(markBit === DEFAULT_MARK_BIT ? [] : [markBit]),
    ...conditions[family],
  ];
  const suffix = other.length === 0 ? "" : `-${formatHash(hash64(JSON.stringify(other)))}`;
  return `hostport-${scope}-${network.replace("/", "-").replaceAll(":", "_")}${suffix}`;
}

/** What an ADD of which there is no record has led to the container: one of ours, or one by the reference plugin. */
export function adoptedHostPorts(
  { network, containerId }: AttachmentKey,
  elements: readonly NftElement[],
  families: readonly Family[],
): NftAdoptedPortsResource {
  const hash = new Bun.CryptoHasher("sha512").update(`${network}${containerId}`).digest("hex");
  return {
    kind: "nft-adopted-ports",
    where: "host",
    elements,
    families: families.map((family) => NAT_FAMILY[family]),
    // As that plugin names it, in as many characters as iptables has for a name.
    chain: `CNI-DN-${hash}`.slice(0, 28),
    containerId,
  };
}

/** The elements of an attachment whose ports are not known. */
export function lostHostPorts(key: AttachmentKey): NftOwnedResource {
  return { kind: "nft-owned", where: "host", sets: allMaps(), comment: ownerComment(key) };
}

function rule(chain: string, ...statements: readonly NftStatement[]): NftRule {
  return { ...TABLE, chain, statements };
}
