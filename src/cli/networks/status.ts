/**
 * What a pod's networks have come to be, for the annotation that tells it.
 * @see https://github.com/k8snetworkplumbingwg/multi-net-spec/tree/master/v1.3, section 5
 */

import { parseCidr } from "../../core/cidr.ts";
import { formatIp } from "../../core/ip.ts";
import type { Result } from "../../core/result.ts";

/** One element of the annotation's list. */
export interface NetworkStatus {
  readonly name: string;
  readonly interface: string;
  readonly ips: readonly string[];
  readonly mac?: string;
  readonly default?: true;
  readonly dns: object;
  readonly gateway?: readonly string[];
}

/** `isDefault` is that of the cluster's network. */
export function networkStatus(name: string, ifname: string, result: Result, isDefault: boolean): NetworkStatus {
  const interfaces = result.interfaces ?? [];
  const own = interfaces.findIndex(({ name: each, sandbox }) => each === ifname && sandbox);
  const mac = interfaces[own]?.mac;
  const ips = (result.ips ?? []).filter((ip) => ip.interface === undefined || ip.interface === own || own < 0);
  const gateways = (result.routes ?? []).flatMap(({ dst, gw }) => (/\/0$/.test(dst) && gw !== undefined ? [gw] : []));
  return {
    name,
    interface: ifname,
    ips: ips.map(({ address }) => bare(address)),
    ...(mac !== undefined && { mac }),
    ...(isDefault && { default: true }),
    dns: result.dns ?? {},
    ...(!isDefault && gateways.length > 0 && { gateway: gateways }),
  };
}

function bare(address: string): string {
  const parsed = parseCidr(address);
  return parsed === undefined ? address : formatIp(parsed.ip);
}
