/**
 * `portmap`: connections to ports of the host go to the container.
 *
 * It comes after the plugin that connects the container, whose addresses it takes from that one's result. How a port is
 * led to the container, and by what it costs no more with a thousand of them, is in host-ports.ts.
 */

import { type Family, familyOf } from "../../core/ip.ts";
import type { NftTableResource, Resource, SysctlResource, TrackedFlows } from "../../core/plan.ts";
import type { About, Facts, Planner } from "../../core/planner.ts";
import type { Result } from "../../core/result.ts";
import { adoptedHostPorts, hostPort, hostPortTable, lostHostPorts, masqueradeMarked } from "./host-ports.ts";
import { type PortMapping, type PortmapConfig, parsePortmapConfig } from "./portmap-config.ts";

export const portmap: Planner<PortmapConfig> = {
  type: "portmap",
  chained: true,
  parse: parsePortmapConfig,
  usesIpam: () => false,
  links: (config, { prevResult }) =>
    config.mappings.length === 0 ? [] : hostInterfaces(prevResult).map((name) => ({ where: "host", name })),
  routes: (config, about) => (isMasqueraded(config) ? addressesOf(about, 4).map(withoutPrefix) : []),
  plan: planPortmap,
  obstacles: () => [],
};

/** A port of the host in one family, and the container's address that it leads to. */
interface Mapped {
  readonly mapping: PortMapping;
  readonly family: Family;
  /** In CIDR notation. */
  readonly address: string;
}

function planPortmap(config: PortmapConfig, facts: Facts) {
  const mapped = mappedPorts(config, facts);
  const result: Result = facts.prevResult ?? {};
  const lost = facts.recovering ? [lostHostPorts(facts.key), adoptedHostPorts(facts.key, [], [])] : [];
  if (mapped.length === 0) return { resources: lost, result };
  const ports = mapped.map(({ mapping, family, address }) => hostPort(facts.key, config, mapping, address, family));
  if (facts.adopted !== undefined) {
    const elements = ports.flatMap(([, ...own]) => own.map(({ element }) => element));
    const families = [...new Set(mapped.map(({ family }) => family))];
    const resources = [...planForgetting("removed", mapped), adoptedHostPorts(facts.key, elements, families)];
    return { resources, result };
  }
  const chains = new Map(ports.map(([chain]) => [chain.chain.name, chain]));
  const masquerade: NftTableResource[] = config.snat ? [masqueradeMarked(config.markBit)] : [];
  const resources: Resource[] = [
    ...planForgetting("removed", mapped),
    hostPortTable(),
    ...masquerade,
    ...chains.values(),
    ...planLoopback(config, facts, mapped),
    ...ports.flatMap(([, ...elements]) => elements),
    ...planForgetting("made", mapped),
    ...lost,
  ];
  return { resources, result };
}

function mappedPorts({ mappings }: PortmapConfig, { key, prevResult }: Facts): Mapped[] {
  const about = { ifname: key.ifname, prevResult };
  return ([4, 6] as const).flatMap((family) => {
    const [address] = addressesOf(about, family);
    if (address === undefined) return [];
    return mappings
      .filter(({ families }) => families.includes(family))
      .map((mapping) => ({ mapping, family, address }));
  });
}

/** The container's first address of a family; one that the result does not tie to an interface is the container's. */
function addressesOf({ ifname, prevResult }: Pick<About, "ifname" | "prevResult">, family: Family): string[] {
  const interfaces = prevResult?.interfaces ?? [];
  const found = prevResult?.ips?.find(({ address, interface: index }) => {
    const link = index === undefined ? undefined : interfaces[index];
    return familyOf(address) === family && (link === undefined || (link.name === ifname && !!link.sandbox));
  });
  return found === undefined ? [] : [found.address];
}

function withoutPrefix(address: string): string {
  return address.slice(0, address.indexOf("/"));
}

function hostInterfaces(result: Result | undefined): string[] {
  return (result?.interfaces ?? []).filter(({ sandbox }) => !sandbox).map(({ name }) => name);
}

function isMasqueraded({ mappings, snat }: PortmapConfig): boolean {
  return snat && mappings.length > 0;
}

/**
 * Lets what comes from 127.0.0.1 leave by the link that leads to the container, and the answers come in by it. What
 * else could come in is dropped by our table.
 */
function planLoopback(config: PortmapConfig, facts: Facts, mapped: readonly Mapped[]): SysctlResource[] {
  const address = mapped.find(({ family }) => family === 4)?.address;
  const link = address === undefined || !isMasqueraded(config) ? undefined : linkTo(address, facts);
  if (link === undefined) return [];
  const sysctl: SysctlResource = {
    kind: "sysctl",
    where: "host",
    link: link.name,
    name: `net/ipv4/conf/${link.name}/route_localnet`,
    value: "1",
  };
  return [link.shared ? { ...sysctl, shared: true } : sysctl];
}

/** The link by which the host sends packets to the container; while an ADD is but foreseen, the one that there will be. */
function linkTo(address: string, { links, routes, prevResult }: Facts): { name: string; shared: boolean } | undefined {
  const [first, second] = hostInterfaces(prevResult);
  if (first !== undefined && ![...links.values()].some((found) => found !== undefined)) {
    return { name: first, shared: second !== undefined };
  }
  const route = routes?.get(withoutPrefix(address));
  // The host's end of a pair is the container's own; whatever else there is may lead to other containers too.
  return route === undefined ? undefined : { name: route.link, shared: route.kind !== "veth" };
}

/** UDP has no end of a connection that the kernel could see: a client that goes on to send would stay with its old way. */
function planForgetting(when: "made" | "removed", mapped: readonly Mapped[]): Resource[] {
  const flows = mapped.flatMap(({ mapping: { protocol, hostPort, hostAddress }, family, address }): TrackedFlows[] => {
    if (protocol !== "udp") return [];
    const flow: TrackedFlows = { family, protocol, port: hostPort };
    const to = hostAddress === undefined ? flow : { ...flow, destination: hostAddress };
    return [when === "made" ? to : { ...to, answeredBy: withoutPrefix(address) }];
  });
  return flows.length === 0 ? [] : [{ kind: "conntrack", where: "host", when, flows }];
}
