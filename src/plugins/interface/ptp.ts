/**
 * `ptp`: connects the container to the host by a veth pair that the host routes over.
 *
 * There is no network between the two: the host's end has the gateway's address alone, and the container sends all to
 * it, what is for its own network too.
 * @see https://www.cni.dev/plugins/current/main/ptp/
 */

import { formatCidr, networkOf, parseCidr } from "../../core/cidr.ts";
import { ConfigError } from "../../core/errors.ts";
import { addressBits, alone, familyOf } from "../../core/ip.ts";
import { attachmentMac, hostVethName } from "../../core/names.ts";
import type { AddressResource, Resource, RouteResource, SysctlResource, VethLink } from "../../core/plan.ts";
import type { Facts, Planner } from "../../core/planner.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import type { Dns, ResultAddress } from "../../core/result.ts";
import { boolean, object, withDefault } from "../../core/schema.ts";
import {
  addressTexts,
  dnsOf,
  pairInterfaces,
  planAddresses,
  planForwarding,
  planRoutes,
  planUp,
} from "../container-interface.ts";
import { masqueradeBackend, optionalMtu, requireIpam } from "../interface-fields.ts";
import { planLostMasquerade, planMasquerade } from "../masquerade.ts";

export interface PtpConfig {
  readonly ipMasq: boolean;
  /** In bytes; the kernel's default when absent. */
  readonly mtu: number | undefined;
  readonly dns: Dns | undefined;
}

const fields = object({ ipMasq: withDefault(boolean, false), ipMasqBackend: masqueradeBackend, mtu: optionalMtu });

export const ptp: Planner<PtpConfig> = {
  type: "ptp",
  parse: parsePtpConfig,
  usesIpam: () => true,
  links: () => [],
  plan: planPtp,
  obstacles: () => [],
};

function parsePtpConfig(config: NetworkConfig): PtpConfig {
  const { ipMasq, mtu } = fields(config, "");
  requireIpam(config);
  return { ipMasq, mtu, dns: config.dns };
}

function planPtp(config: PtpConfig, facts: Facts) {
  const { key, ipam, netns } = facts;
  const ips = (ipam?.ips ?? []).map(({ address, gateway }): ResultAddress => ({ address, gateway, interface: 1 }));
  if (facts.adopted === undefined && !facts.recovering) ips.forEach(requireGateway);
  const routes = ipam?.routes ?? [];
  const veth = planVeth(config, facts);
  // Other vendors' plugins test addresses for duplicates.
  const duplicateDetection = facts.adopted === undefined ? undefined : true;
  const resources: Resource[] = [
    ...planForwarding(addressTexts(ips).map(familyOf)),
    veth,
    ...planHostSysctls(veth.name, ips, facts),
    ...planAddresses(key.ifname, ips, { noPrefixRoute: true, duplicateDetection }),
    planUp(key.ifname),
    ...planGatewayRoutes(key.ifname, ips),
    ...planRoutes(key.ifname, ips, routes).map((route) => reachable(route, ips)),
    ...planHostEnd(veth.name, ips, duplicateDetection),
    ...(config.ipMasq ? planMasquerade(key, addressTexts(ips)) : []),
    ...(config.ipMasq && facts.recovering ? planLostMasquerade(key) : []),
  ];
  const result = {
    interfaces: pairInterfaces(veth, netns),
    ips,
    routes,
    dns: dnsOf(config, facts),
  };
  return { resources, result };
}

function requireGateway({ address, gateway }: ResultAddress): void {
  if (gateway !== undefined) return;
  throw new ConfigError("ipam", "must give a gateway with each address, for the host's end of the pair to have", {
    value: address,
  });
}

/** Another vendor's ADD has chosen names of its own. */
function planVeth({ mtu }: PtpConfig, { key, netns, adopted }: Facts): VethLink {
  const interfaces = adopted?.interfaces ?? [];
  const host = interfaces.find(({ sandbox }) => !sandbox);
  const container = interfaces.find(({ name, sandbox }) => name === key.ifname && sandbox === netns);
  return {
    kind: "link",
    where: "host",
    type: "veth",
    name: host?.name ?? hostVethName(key),
    mac: host?.mac ?? attachmentMac("host", key),
    mtu,
    peer: { name: key.ifname, mac: container?.mac ?? attachmentMac("container", key) },
  };
}

/**
 * The container must not be able to give the host routes by router advertisements. And the host's link-local address is
 * used at once: while it was being tested for duplicates the host could not ask for the container's MAC for others.
 */
function planHostSysctls(link: string, ips: readonly ResultAddress[], { adopted }: Facts): SysctlResource[] {
  const isAtOnce = adopted === undefined && ips.some(({ address }) => familyOf(address) === 6);
  const names = isAtOnce ? ["accept_ra", "accept_dad"] : ["accept_ra"];
  return names.map((name) => ({
    kind: "sysctl",
    where: "host",
    link,
    name: `net/ipv6/conf/${link}/${name}`,
    value: "0",
    optional: true,
  }));
}

/** To each gateway over the pair, and to each address's network by its gateway. */
function planGatewayRoutes(link: string, ips: readonly ResultAddress[]): RouteResource[] {
  const routes = new Map<string, RouteResource>();
  const add = (destination: string, preferredSource: string, gateway?: string) => {
    if (routes.has(destination)) return;
    routes.set(destination, { kind: "route", where: "container", link, destination, gateway, preferredSource });
  };
  for (const { address, gateway } of ips) {
    const cidr = parseCidr(address);
    if (cidr === undefined || gateway === undefined) continue;
    add(alone(gateway), addressOf(address));
    // An address that is alone in its network has nobody there to send to.
    if (cidr.bits < addressBits(cidr.ip.family)) add(formatCidr(networkOf(cidr)), addressOf(address), gateway);
  }
  return [...routes.values()];
}

/** A gateway of the network that is not at the pair's other end: nothing but the route itself says where it is. */
function reachable(route: RouteResource, ips: readonly ResultAddress[]): RouteResource {
  const isKnown = route.gateway === undefined || ips.some(({ gateway }) => gateway === route.gateway);
  return isKnown ? route : { ...route, onlink: true };
}

/** Up, with the gateways' addresses, and the routes to the container's. */
function planHostEnd(link: string, ips: readonly ResultAddress[], duplicateDetection: true | undefined): Resource[] {
  const gateways = new Set(ips.flatMap(({ gateway }) => (gateway === undefined ? [] : [alone(gateway)])));
  return [
    { kind: "link-settings", where: "host", link, set: { up: true } },
    ...[...gateways].map(
      (address): AddressResource => ({ kind: "address", where: "host", link, address, duplicateDetection }),
    ),
    ...ips.map(
      ({ address }): RouteResource => ({
        kind: "route",
        where: "host",
        link,
        destination: alone(addressOf(address)),
        // As far as the kernel is concerned the way ends here, so no gateway can be behind it.
        scope: familyOf(address) === 4 ? RT_SCOPE_HOST : undefined,
      }),
    ),
  ];
}

/** @see linux/rtnetlink.h */
const RT_SCOPE_HOST = 254;

function addressOf(address: string): string {
  return address.slice(0, address.indexOf("/"));
}
