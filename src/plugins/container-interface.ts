/** The container's interface with what the IPAM plugin gave: what all interface plugins do alike. */

import { type Family, familyOf } from "../core/ip.ts";
import type {
  AddressResource,
  LinkSettingsResource,
  Resource,
  RouteResource,
  SysctlResource,
  VethLink,
} from "../core/plan.ts";
import type { Facts } from "../core/planner.ts";
import type { NetworkConfig } from "../core/plugin.ts";
import type { Dns, ResultAddress, ResultInterface, ResultRoute } from "../core/result.ts";

export interface AddressOptions {
  /** Tell neighbours that still know an address by the MAC of its last owner, when the link comes up. */
  readonly announce?: readonly Family[];
  /** Parameters of the link for IPv6, where it has such addresses. */
  readonly ipv6?: Readonly<Record<string, string>>;
  readonly duplicateDetection?: boolean;
  readonly noPrefixRoute?: true;
}

/** The addresses, with the kernel parameters that they need before the link comes up. */
export function planAddresses(link: string, ips: readonly ResultAddress[], options: AddressOptions = {}): Resource[] {
  const { announce = [], ipv6 = {}, duplicateDetection, noPrefixRoute } = options;
  const conf = (family: "ipv4" | "ipv6", name: string, value: string, of = link): SysctlResource => ({
    kind: "sysctl",
    where: "container",
    link: of === link ? link : undefined,
    name: `net/${family}/conf/${of}/${name}`,
    value,
    optional: true,
  });
  const families = ips.map(({ address }) => familyOf(address));
  return [
    ...(families.includes(4) && announce.includes(4) ? [conf("ipv4", "arp_notify", "1")] : []),
    ...(families.includes(6)
      ? [
          conf("ipv6", "disable_ipv6", "0", "lo"),
          conf("ipv6", "disable_ipv6", "0"),
          conf("ipv6", "keep_addr_on_down", "1"),
          ...(announce.includes(6) ? [conf("ipv6", "ndisc_notify", "1")] : []),
          ...Object.entries(ipv6).map(([name, value]) => conf("ipv6", name, value)),
        ]
      : []),
    ...ips.map(
      ({ address }): AddressResource => ({
        kind: "address",
        where: "container",
        link,
        address,
        duplicateDetection: duplicateDetection ? true : undefined,
        noPrefixRoute,
      }),
    ),
  ];
}

export function planUp(link: string): LinkSettingsResource {
  return { kind: "link-settings", where: "container", link, set: { up: true } };
}

/** The routes; one without a gateway takes the first of the addresses of its family that has one. */
export function planRoutes(
  link: string,
  ips: readonly ResultAddress[],
  routes: readonly ResultRoute[],
): RouteResource[] {
  const gatewayOf = (family: Family) => ips.find(({ gateway }) => gateway && familyOf(gateway) === family)?.gateway;
  return routes.map(({ dst, gw, ...rest }): RouteResource => {
    const gateway = gw ?? gatewayOf(familyOf(dst));
    return { kind: "route", where: "container", link, destination: dst, gateway, ...rest };
  });
}

/** Both ends of a veth pair as the runtime is told of them. */
export function pairInterfaces({ name, mac, peer }: VethLink, netns: string): ResultInterface[] {
  return [
    { name, mac },
    { name: peer.name, mac: peer.mac, sandbox: netns },
  ];
}

/** The host forwards in these families. */
export function planForwarding(families: readonly Family[]): SysctlResource[] {
  const forward = (name: string): SysctlResource => ({ kind: "sysctl", where: "host", shared: true, name, value: "1" });
  return [
    ...(families.includes(4) ? [forward("net/ipv4/ip_forward")] : []),
    ...(families.includes(6) ? [forward("net/ipv6/conf/all/forwarding")] : []),
  ];
}

/** The configuration's DNS settings where it has any, else those of the IPAM plugin. */
export function dnsOf({ dns }: Pick<NetworkConfig, "dns">, { ipam }: Facts): Dns | undefined {
  return dns !== undefined && Object.values(dns).some((value) => value !== undefined) ? dns : ipam?.dns;
}

export function addressTexts(ips: readonly ResultAddress[]): string[] {
  return ips.map(({ address }) => address);
}
