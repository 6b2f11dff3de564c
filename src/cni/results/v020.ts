/**
 * Results of versions 0.1.0 and 0.2.0: one address of each family, with the routes of that family; no interfaces.
 * @see https://github.com/containernetworking/cni/blob/spec-v0.2.0/SPEC.md#result
 */

import { ConfigError } from "../../core/errors.ts";
import { type Family, familyOf } from "../../core/ip.ts";
import type { Dns, ResultRoute } from "../../core/result.ts";
import { cidrText, ipText, list, optional, type Schema } from "../../core/schema.ts";
import { dnsJson, omittable, omittableDns, present, presentFields, route } from "./fields.ts";
import { type Address040, type Result040, routeJson } from "./v040.ts";

export interface Address020 {
  ip: string;
  gateway?: string;
  routes?: ResultRoute[];
}

export interface Result020 {
  ip4?: Address020;
  ip6?: Address020;
  dns?: Dns;
}

function address020(family: Family): Schema<Address020> {
  const schema = presentFields<Address020>(() => ({
    ip: cidrText,
    gateway: omittable(ipText),
    routes: optional(list(route)),
  }));
  return (value, field) => {
    const address = schema(value, field);
    if (familyOf(address.ip) !== family) {
      throw new ConfigError(`${field}.ip`, `must be an IPv${family} address`, { value: address.ip });
    }
    return address;
  };
}

/** Checks the JSON of a result. Throws ConfigError. */
export const parseResult020: Schema<Result020> = presentFields<Result020>(() => ({
  ip4: optional(address020(4)),
  ip6: optional(address020(6)),
  dns: omittableDns,
}));

/** The JSON of a result, its keys in the order of the reference's. */
export function result020Json({ ip4, ip6, dns }: Result020, cniVersion: string): object {
  return present({ cniVersion, ip4: addressJson(ip4), ip6: addressJson(ip6), dns: dnsJson(dns) });
}

function addressJson(address: Address020 | undefined): object | undefined {
  if (address === undefined) return undefined;
  return present({ ip: address.ip, gateway: address.gateway, routes: address.routes?.map(routeJson) });
}

/** The same result in the next newer form. */
export function upgrade020({ ip4, ip6, dns }: Result020): Result040 {
  const addresses = [ip4, ip6].filter((address) => address !== undefined);
  return present<Result040>({
    interfaces: undefined,
    ips: addresses.map(({ ip, gateway }) =>
      present<Address040>({ version: familyOf(ip) === 4 ? "4" : "6", interface: undefined, address: ip, gateway }),
    ),
    routes: addresses.flatMap(({ routes }) => routes ?? []),
    dns,
  });
}

/**
 * A newer result in this form: the first address of each family, and of the routes in that family their destinations
 * and gateways. Without any address the result is empty, where the reference fails after its work is done.
 */
export function downgradeTo020({ ips = [], routes = [], dns }: Result040): Result020 {
  const first = (family: Family): Address020 | undefined => {
    const found = ips.find(({ address }) => familyOf(address) === family);
    if (found === undefined) return undefined;
    const own = routes.filter(({ dst }) => familyOf(dst) === family);
    return present<Address020>({
      ip: found.address,
      gateway: found.gateway,
      routes: own.map(({ dst, gw }) => present<ResultRoute>({ ...noRouteSettings, dst, gw })),
    });
  };
  return present<Result020>({ ip4: first(4), ip6: first(6), dns });
}

const noRouteSettings = {
  mtu: undefined,
  advmss: undefined,
  priority: undefined,
  table: undefined,
  scope: undefined,
};
