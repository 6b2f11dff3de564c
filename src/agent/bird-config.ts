/**
 * BIRD's configuration, from what is known of the cluster.
 *
 * BIRD has the pods' networks in its tables and nothing else of the host's, but for what it must know to resolve a next
 * hop behind a router. The node's own networks are static routes that are told to others and never written into the
 * kernel: there the pods' own routes stand, some of them for the very same address. Routes that BIRD does write carry its
 * protocol number (12, `bird`) and a metric above that of all others, so that of two ways to one address the host's is
 * taken.
 * @see https://bird.network.cz/?get_doc&v=20
 */

import { type Cidr, cidrContains, formatCidr, networkOf, parseCidr } from "../core/cidr.ts";
import { ConfigError } from "../core/errors.ts";
import { addressBits, compareIp, type Family, familyOf, formatIp } from "../core/ip.ts";
import { formatHash, hash64 } from "../core/names.ts";
import { IPIP_LINK, type LocalNode, type Peer } from "../modes/mode.ts";
import { addressOf, prefixesOf, sharedLink, tunnelAddress } from "../modes/reach.ts";
import type { BgpPeer, BgpSettings } from "./bird-settings.ts";

/** Another node, as BGP sees it. */
export interface BgpNode extends Pick<Peer, "name" | "addresses"> {
  /** This node's own when absent. */
  readonly as?: number;
  readonly routeReflector?: boolean;
}

export interface BirdInput {
  readonly local: LocalNode;
  readonly settings: BgpSettings;
  /** The other nodes. */
  readonly nodes: readonly BgpNode[];
  /** The networks of all pools: what lies in none of them is neither told nor learnt. */
  readonly pools: readonly string[];
  /** What this node tells the others of: its blocks, and single addresses of others' that its pods have. */
  readonly prefixes: readonly string[];
}

/** Seconds that others, and this node's own kernel, keep what they know of a BIRD that is restarting. */
const RESTART_TIME = 120;
/** Seconds after its start for which BIRD waits for its neighbours before it takes old routes out of the kernel. */
const RECOVERY_TIME = 30;
/** Of the routes that BIRD writes into the kernel; above the kernel's own 1024 for IPv6. */
export const BIRD_METRIC = 2048;

/**
 * The text of the configuration; `log` is the path of the file that BIRD writes its log to. Throws ConfigError for a router
 * of a family that the node has no address of.
 */
export function birdConfig(input: BirdInput, log: string): string {
  const families = ([4, 6] as const).filter((family) => input.pools.some((pool) => familyOf(pool) === family));
  const sessions = nodeSessions(input, families);
  const scene: Scene = { ...input, families };
  const hasBfd = input.settings.bfd || input.settings.peers.some(({ bfd }) => bfd);
  return [
    "# Written by tendril agent, which writes it anew when the cluster changes.",
    `log ${quote(log)} 1048576 ${quote(`${log}.1`)} { info, remote, warning, error, auth, fatal, bug };`,
    `router id ${routerId(input.local)};`,
    'timeformat protocol "%s";',
    `graceful restart wait ${RECOVERY_TIME};`,
    "protocol device { }",
    directProtocol(scene),
    ...(hasBfd ? ["protocol bfd { }"] : []),
    ...families.flatMap((family) => familyPart(scene, family)),
    ...sessions.map((session) => nodeProtocol(scene, session)),
    ...input.settings.peers.map((peer) => peerProtocol(scene, peer)),
    "",
  ].join("\n");
}

interface Scene extends BirdInput {
  /** Of the pods. */
  readonly families: readonly Family[];
}

/** With another node. */
interface Session {
  readonly node: BgpNode;
  /** The family of its addresses. */
  readonly family: Family;
  readonly from: string;
  readonly to: string;
  /** Whether they share a link. */
  readonly near: boolean;
  /** The families of the routes that it carries. */
  readonly carries: readonly Family[];
}

/** With all other nodes; where there are route reflectors, with those alone, unless the node is one itself. */
function nodeSessions({ local, settings, nodes }: BirdInput, families: readonly Family[]): Session[] {
  const reflectors = nodes.filter(({ routeReflector }) => routeReflector);
  const partners = settings.routeReflector || reflectors.length === 0 ? nodes : reflectors;
  return [...partners]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((node) => {
      const pairs = ([4, 6] as const).filter((family) => addressOf(local, family) && addressOf(node, family));
      return pairs.flatMap((family): Session[] => {
        // A session carries its own family, and IPv4 by next hops of IPv6 where there is no other for it.
        const carries = families.filter((one) => one === family || (one === 4 && !pairs.includes(4)));
        const { from, to, near } = endsOf(node, local, family);
        return carries.length === 0 ? [] : [{ node, family, from, to, near, carries }];
      });
    });
}

function endsOf(node: BgpNode, local: LocalNode, family: Family): Pick<Session, "from" | "to" | "near"> {
  const shared = sharedLink(node, local, family);
  if (shared !== undefined) return { from: ownAddressTo(local, shared.gateway), to: shared.gateway, near: true };
  return { from: addressOf(local, family) ?? "", to: addressOf(node, family) ?? "", near: false };
}

/** The node's address on the link that the other one is on; else its first one of the family. */
function ownAddressTo(local: LocalNode, other: string): string {
  const ip = parseCidr(`${other}/${addressBits(familyOf(other))}`)?.ip;
  const own = ownNetworks(local).find((cidr) => ip !== undefined && cidrContains(cidr, ip));
  return own === undefined ? (addressOf(local, familyOf(other)) ?? "") : formatIp(own.ip);
}

function ownNetworks({ uplinks }: LocalNode): Cidr[] {
  return uplinks.flatMap(({ addresses }) => addresses).flatMap((text) => parseCidr(text) ?? []);
}

/** The node's IPv4 address, or where it has none 32 bits of its name's hash. */
function routerId(local: LocalNode): string {
  const [high] = hash64(`router\0${local.name}`);
  return addressOf(local, 4) ?? formatIp({ family: 4, value: BigInt(high || 1) });
}

/** The networks of the links, by which BIRD resolves next hops; they are told to nobody. */
function directProtocol({ local }: Scene): string {
  const links = local.uplinks.map(({ name }) => quote(name)).join(", ");
  return `protocol direct { ipv4; ipv6;${links === "" ? "" : ` interface ${links};`} }`;
}

/** What one family of pods needs: the pools, the filters, the kernel and the node's own networks. */
function familyPart(scene: Scene, family: Family): string[] {
  const { pools, prefixes, settings, local } = scene;
  const ours = pools.filter((pool) => familyOf(pool) === family).sort();
  const isTunnelled = settings.tunnel === "ipip" && family === 4;
  const source = tunnelAddress(local, family);
  const toKernel = [
    "if source != RTS_BGP || dest != RTD_UNICAST then reject;",
    ...(isTunnelled && source ? [`if ifname = ${quote(IPIP_LINK)} then krt_prefsrc = ${source};`] : []),
    "accept;",
  ];
  const longest = addressBits(family);
  const sets = ours.map((pool) => `${pool}{${pool.slice(pool.indexOf("/") + 1)},${longest}}`).join(", ");
  // A next hop behind a router is found by the routes that the host has. They are there whether or not a node is behind
  // one now: the kernel's routes would go and come again when the first one joins.
  const needsHost = !isTunnelled;
  const kernel = [
    needsHost ? `import where net !~ PODS${family}` : "import none",
    `export filter { ${toKernel.join(" ")} }`,
  ].join("; ");
  return [
    `define PODS${family} = [ ${sets} ];`,
    isTunnelled ? tunnelFilter(local) : `filter pods${family} { if net ~ PODS${family} then accept; reject; }`,
    `protocol kernel kernel${family} { ipv${family} { ${kernel}; };${needsHost ? " learn;" : ""}` +
      ` metric ${BIRD_METRIC};${settings.gracefulRestart ? " graceful restart;" : ""} scan time 20; }`,
    `protocol static own${family} {`,
    `  ipv${family};`,
    ...sorted(prefixesOf({ prefixes }, family)).map((prefix) => `  route ${prefix} blackhole;`),
    "}",
  ];
}

/** Routes of nodes on other links lead into the tunnel: its gateway is the node's address, whatever leads there. */
function tunnelFilter(local: LocalNode): string {
  const near = ownNetworks(local).filter(({ ip }) => ip.family === 4);
  // BIRD tests an address against one network at a time.
  const isNear = sorted(near.map((cidr) => formatCidr(networkOf(cidr)))).map((network) => `bgp_next_hop ~ ${network}`);
  return [
    "filter pods4 {",
    "  if net !~ PODS4 then reject;",
    ...(isNear.length === 0 ? [] : [`  if ${isNear.join(" || ")} then accept;`]),
    `  ifname = ${quote(IPIP_LINK)};`,
    "  onlink = true;",
    "  gw = bgp_next_hop;",
    "  accept;",
    "}",
  ].join("\n");
}

function sorted(networks: readonly string[]): string[] {
  const cidrs = [...new Set(networks)].flatMap((text) => parseCidr(text) ?? []);
  return cidrs.sort((a, b) => compareIp(a.ip, b.ip) || a.bits - b.bits).map(formatCidr);
}

function nodeProtocol(scene: Scene, { node, family, from, to, near, carries }: Session): string {
  const { settings, local, nodes } = scene;
  const { as = settings.as } = node;
  const reflects = settings.routeReflector && as === settings.as;
  // Whom a reflector tells of may be elsewhere than the reflector is.
  const isDirect = near && !settings.routeReflector && !nodes.some(({ routeReflector }) => routeReflector);
  const isClient = reflects && !node.routeReflector;
  const channel = (one: Family): string => {
    const what = [
      `import filter pods${one}`,
      // A reflector passes on what it has learnt; everybody else tells of itself alone.
      reflects
        ? `export where net ~ PODS${one} && (proto = "own${one}" || source = RTS_BGP)`
        : `export where proto = "own${one}"`,
      `gateway ${isDirect ? "direct" : "recursive"}`,
      ...(one === family ? [] : ["extended next hop on"]),
    ];
    return `  ipv${one} { ${what.map((word) => `${word};`).join(" ")} };`;
  };
  return protocol(`${shortName(node.name)}:${family}`, [
    `local ${from} as ${settings.as};`,
    `neighbor ${to} as ${as};`,
    near ? "direct;" : "multihop;",
    ...common(settings, settings.password, settings.bfd),
    ...(isClient ? ["rr client;", `rr cluster id ${settings.clusterId ?? routerId(local)};`] : []),
    ...carries.map(channel),
  ]);
}

/** A router of the fabric learns of this node's pods alone, and of nothing that we have learnt. */
function peerProtocol({ settings, local, families }: Scene, peer: BgpPeer): string {
  const family = familyOf(peer.address);
  const carried = families.filter((one) => one === family);
  const own = ownAddressTo(local, peer.address);
  if (own === "") {
    throw new ConfigError("bgp.peers", `has a router of IPv${family}, and the node has no such address`, {
      value: peer.address,
    });
  }
  return protocol(`router:${peer.address}`, [
    `local ${own} as ${settings.as};`,
    `neighbor ${peer.address} port ${peer.port} as ${peer.as};`,
    peer.multihop === undefined ? "direct;" : `multihop ${peer.multihop};`,
    ...common(settings, peer.password, peer.bfd),
    ...carried.map(
      (one) => `  ipv${one} { import filter pods${one}; export where proto = "own${one}"; next hop self; };`,
    ),
  ]);
}

function common({ gracefulRestart }: BgpSettings, password: string | undefined, bfd: boolean): string[] {
  return [
    ...(password === undefined ? [] : [`password ${quote(password)};`]),
    gracefulRestart ? `graceful restart on; graceful restart time ${RESTART_TIME};` : "graceful restart off;",
    ...(bfd ? [gracefulRestart ? "bfd graceful;" : "bfd on;"] : []),
    "connect delay time 1; connect retry time 5; error wait time 1, 30;",
  ];
}

function protocol(name: string, lines: readonly string[]): string {
  return [`protocol bgp '${name}' {`, ...lines.map((line) => `  ${line.trim()}`), "}"].join("\n");
}

/** A BIRD name has 64 characters at most. */
const LONGEST_NAME = 50;

function shortName(name: string): string {
  if (name.length <= LONGEST_NAME && /^[\w.-]+$/.test(name)) return name;
  return `${name.replaceAll(/[^\w.-]/g, "-").slice(0, LONGEST_NAME - 17)}-${formatHash(hash64(name))}`;
}

/** The name by which BIRD, and so its status, has the session with a node over a family. */
export function sessionName(node: string, family: Family): string {
  return `${shortName(node)}:${family}`;
}

function quote(text: string): string {
  return `"${text}"`;
}
