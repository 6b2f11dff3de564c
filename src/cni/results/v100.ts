/**
 * Results of versions 1.0.0 and 1.1.0, which are the form that all of Tendril uses.
 *
 * The specification added the mtu of interfaces and routes, `socketPath`, `pciID` and others with 1.1.0; the reference
 * has one form for both and lets them pass in 1.0.0 too, and so it is here.
 * @see https://www.cni.dev/docs/spec/#add-success
 */

import type { Result, ResultAddress, ResultInterface, ResultRoute } from "../../core/result.ts";
import { cidrText, ipText, list, optional, type Schema } from "../../core/schema.ts";
import { dnsJson, index, newestInterface, omittable, omittableDns, present, presentFields, route } from "./fields.ts";

const address: Schema<ResultAddress> = presentFields<ResultAddress>(() => ({
  address: cidrText,
  gateway: omittable(ipText),
  interface: optional(index),
}));

/** Checks the JSON of a result. Throws ConfigError. */
export const parseResult100: Schema<Result> = presentFields<Result>(() => ({
  interfaces: optional(list(newestInterface)),
  ips: optional(list(address)),
  routes: optional(list(route)),
  dns: omittableDns,
}));

/** The JSON of a result, its keys in alphabetical order as the reference prints this version. */
export function result100Json(result: Result, cniVersion: string): object {
  const settings = dnsJson(result.dns);
  return present({
    cniVersion,
    dns: Object.keys(settings).length > 0 ? settings : undefined,
    interfaces: result.interfaces?.map(interfaceJson),
    ips: result.ips?.map((ip) => present({ address: ip.address, gateway: ip.gateway, interface: ip.interface })),
    routes: result.routes?.map(sortedRouteJson),
  });
}

function interfaceJson({ mac, mtu, name, pciID, sandbox, socketPath }: ResultInterface): object {
  return present({ mac, mtu: mtu || undefined, name, pciID, sandbox, socketPath });
}

function sortedRouteJson({ advmss, dst, gw, mtu, priority, scope, table }: ResultRoute): object {
  return present({
    advmss: advmss || undefined,
    dst,
    gw,
    mtu: mtu || undefined,
    priority: priority || undefined,
    scope,
    table,
  });
}
