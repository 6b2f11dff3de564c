/** What the doctor looks at, read from the kernel and from files. Nothing here judges. */

import { DecodeError } from "../core/errors.ts";
import type { Family } from "../core/ip.ts";
import type { NetworkFile } from "../core/network-files.ts";
import { namesIn, readTextIfExists } from "../linux/file.ts";
import { AF_INET6 } from "../linux/libc.ts";
import { statIfThere } from "../linux/libc-file.ts";
import { IFA_F_PERMANENT, listAddresses } from "../linux/netlink/rtnetlink/address.ts";
import { type KernelLink, listLinks } from "../linux/netlink/rtnetlink/link/link.ts";
import { listRoutes, RT_SCOPE_UNIVERSE, RTPROT_RA } from "../linux/netlink/rtnetlink/route.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from "../linux/netlink/socket.ts";
import { networkFilesIn } from "../linux/network-folder.ts";
import { readRuleset } from "../linux/nftables/ruleset.ts";
import { readSysctl } from "../linux/sysctl.ts";
import { type DroppingChain, droppingChains } from "./dropping-chains.ts";

export interface DoctorFacts {
  /** Whether the kernel forwards; undefined where it does not speak the family. */
  readonly forwarding: { readonly ipv4: boolean | undefined; readonly ipv6: boolean | undefined };
  readonly links: readonly LinkFact[];
  readonly defaultRoutes: readonly DefaultRoute[];
  /** Frames of bridges that go through the rules for packets; undefined without the module br_netfilter. */
  readonly bridgeFrames: { readonly ipv4: boolean; readonly ipv6: boolean } | undefined;
  /** The tables of iptables' older kind that the kernel has. */
  readonly legacyTables: readonly { readonly family: Family; readonly tables: readonly string[] }[];
  /** Chains of others that drop what is forwarded and what they do not know; undefined when it cannot be told. */
  readonly droppingChains: readonly DroppingChain[] | undefined;
  /** Connections that the kernel keeps track of, and how many it can; undefined where it does not. */
  readonly connections: { readonly count: number; readonly max: number } | undefined;
  readonly networks: { readonly folder: string; readonly files: readonly NetworkFile[] };
  /** Paths of files of zero bytes where a result or a lease should be. */
  readonly emptyFiles: readonly string[];
  readonly agent: AgentFact | undefined;
  /** What says that there should be an agent; undefined when nothing does. */
  readonly agentExpectedBy: string | undefined;
  /** Of this program. */
  readonly version: string;
}

export interface LinkFact {
  readonly name: string;
  /** As ip-link(8) names it; absent for hardware. */
  readonly kind?: string;
  readonly mtu: number;
  /** Name of the bridge that it is a port of. */
  readonly master?: string;
  /** How IPv4 looks at the source of what comes in: 0 not at all, 1 strictly, 2 loosely. */
  readonly reversePathFilter?: number;
  /** Whether the kernel takes routers' advertisements here: 0 never, 1 as long as it does not forward, 2 always. */
  readonly acceptsAdvertisements?: number;
  /** Whether what comes in by it is forwarded, in IPv6. */
  readonly forwardsIpv6?: boolean;
  /** Has addresses that end by themselves or a default route of a router's advertisement. */
  readonly isAdvertised?: true;
}

export interface DefaultRoute {
  readonly family: Family;
  readonly link: string;
  readonly gateway?: string;
  readonly metric: number;
}

export interface AgentFact {
  readonly version: string;
  readonly ready: boolean;
  readonly problems: readonly string[];
  readonly mode: string;
  /** Of pods, in bytes. */
  readonly mtu: number | undefined;
  readonly families: readonly Family[];
}

/** Where files lie, and what others have found out. */
export interface DoctorPlaces {
  readonly networkFolder: string;
  /** Of results, as libcni keeps them. */
  readonly cacheFolder: string;
  /** Of the leases of host-local: a folder for each network. */
  readonly leaseFolder: string;
  readonly agent: AgentFact | undefined;
  readonly agentConfig: string;
  readonly version: string;
}

/** Looks at the network namespace that this thread is in. Throws KernelError, FileError. */
export function gatherFacts(places: DoctorPlaces): DoctorFacts {
  const route = new NetlinkSocket(NETLINK_ROUTE);
  try {
    const links = listLinks(route);
    const advertised = advertisedLinks(route);
    const networks = { folder: places.networkFolder, files: networkFilesIn(places.networkFolder) };
    return {
      forwarding: { ipv4: flag("net/ipv4/ip_forward"), ipv6: flag("net/ipv6/conf/all/forwarding") },
      links: links.map((link) => linkFact(link, links, advertised)),
      defaultRoutes: defaultRoutes(route, links),
      bridgeFrames: bridgeFrames(),
      legacyTables: legacyTables(),
      droppingChains: readDroppingChains(),
      connections: connections(),
      networks,
      emptyFiles: [...emptyResults(places.cacheFolder), ...emptyLeases(places.leaseFolder)],
      agent: places.agent,
      agentExpectedBy: expectedBy(places.agentConfig, networks),
      version: places.version,
    };
  } finally {
    route.close();
  }
}

function flag(name: string): boolean | undefined {
  const value = readSysctl(name);
  return value === undefined ? undefined : value !== "0";
}

function numberOf(name: string): number | undefined {
  const value = readSysctl(name);
  return value === undefined ? undefined : Number(value);
}

/** Indexes of the links that have something of a router's advertisement. */
function advertisedLinks(socket: NetlinkSocket): ReadonlySet<number | undefined> {
  const addresses = listAddresses(socket).filter(
    ({ family, scope, flags, flags8 }) =>
      family === AF_INET6 && scope === RT_SCOPE_UNIVERSE && ((flags ?? flags8) & IFA_F_PERMANENT) === 0,
  );
  const routes = listRoutes(socket).filter(
    ({ destinationLength, protocol }) => destinationLength === 0 && protocol === RTPROT_RA,
  );
  return new Set([...addresses.map(({ index }) => index), ...routes.map(({ outputIndex }) => outputIndex)]);
}

function linkFact(
  { name, index, info, mtu, master }: KernelLink,
  links: readonly KernelLink[],
  advertised: ReadonlySet<number | undefined>,
): LinkFact {
  // The kernel takes the stricter of the two. @see Documentation/networking/ip-sysctl.rst
  const filters = [numberOf("net/ipv4/conf/all/rp_filter"), numberOf(`net/ipv4/conf/${name}/rp_filter`)];
  const known = filters.filter((filter) => filter !== undefined);
  const bridge = links.find((link) => link.index === master)?.name;
  const acceptsAdvertisements = numberOf(`net/ipv6/conf/${name}/accept_ra`);
  const forwardsIpv6 = flag(`net/ipv6/conf/${name}/forwarding`);
  return {
    name,
    mtu: mtu ?? 0,
    ...(info?.kind !== undefined && { kind: info.kind }),
    ...(bridge !== undefined && { master: bridge }),
    ...(known.length > 0 && { reversePathFilter: Math.max(...known) }),
    ...(acceptsAdvertisements !== undefined && { acceptsAdvertisements }),
    ...(forwardsIpv6 !== undefined && { forwardsIpv6 }),
    ...(advertised.has(index) && { isAdvertised: true as const }),
  };
}

function defaultRoutes(socket: NetlinkSocket, links: readonly KernelLink[]): DefaultRoute[] {
  return listRoutes(socket)
    .filter(({ destinationLength }) => destinationLength === 0)
    .map(({ family, outputIndex, gateway, priority }) => ({
      family: family === AF_INET6 ? 6 : 4,
      link: links.find(({ index }) => index === outputIndex)?.name ?? "",
      metric: priority ?? 0,
      ...(gateway !== undefined && { gateway }),
    }));
}

function bridgeFrames(): DoctorFacts["bridgeFrames"] {
  const ipv4 = flag("net/bridge/bridge-nf-call-iptables");
  const ipv6 = flag("net/bridge/bridge-nf-call-ip6tables");
  return ipv4 === undefined ? undefined : { ipv4, ipv6: ipv6 ?? false };
}

/** The names that the kernel lists once something has used a table. */
function legacyTables(): DoctorFacts["legacyTables"] {
  const files = [
    [4, "ip_tables_names"],
    [6, "ip6_tables_names"],
  ] as const;
  return files.flatMap(([family, file]) => {
    const names = readTextIfExists(`/proc/thread-self/net/${file}`)?.split("\n").filter(Boolean) ?? [];
    return names.length === 0 ? [] : [{ family, tables: names.sort() }];
  });
}

/** Undefined where there are rules that are not understood. */
function readDroppingChains(): readonly DroppingChain[] | undefined {
  const socket = new NetlinkSocket(NETLINK_NETFILTER);
  try {
    return droppingChains(readRuleset(socket));
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  } finally {
    socket.close();
  }
}

function connections(): DoctorFacts["connections"] {
  const count = numberOf("net/netfilter/nf_conntrack_count");
  const max = numberOf("net/netfilter/nf_conntrack_max");
  return count === undefined || max === undefined || max === 0 ? undefined : { count, max };
}

function emptyResults(cacheFolder: string): string[] {
  return emptyIn(`${cacheFolder}/results`);
}

function emptyLeases(leaseFolder: string): string[] {
  return namesIn(leaseFolder).flatMap((network) => emptyIn(`${leaseFolder}/${network}`));
}

/** But for locks, which are empty by design. */
function emptyIn(folder: string): string[] {
  const status = statIfThere(folder);
  if (status?.kind !== "folder") return [];
  return namesIn(folder)
    .filter((name) => name !== "lock")
    .map((name) => `${folder}/${name}`)
    .filter((path) => {
      const file = statIfThere(path);
      return file?.kind === "file" && file.size === 0;
    });
}

function expectedBy(agentConfig: string, { folder, files }: DoctorFacts["networks"]): string | undefined {
  if (statIfThere(agentConfig) !== undefined) return agentConfig;
  const ours = files.find(({ isOurs }) => isOurs);
  return ours && `${folder}/${ours.name}`;
}
