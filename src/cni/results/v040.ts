/**
 * Results of versions 0.3.0 to 0.4.0: each address tells its family, an interface has a name, a MAC address and a
 * sandbox. The newer fields of routes pass, as the reference lets them.
 * @see https://github.com/containernetworking/cni/blob/spec-v0.4.0/SPEC.md#result
 */

import { ConfigError } from "../../core/errors.ts";
import { familyOf } from "../../core/ip.ts";
import type { Dns, Result, ResultRoute } from "../../core/result.ts";
import { cidrText, ipText, list, object, oneOf, optional, type Schema, text } from "../../core/schema.ts";
import { dnsJson, index, nonEmptyText, omittable, omittableDns, present, presentFields, route } from "./fields.ts";

export interface Interface040 {
  name: string;
  mac?: string;
  sandbox?: string;
}

export interface Address040 {
  version: "4" | "6";
  interface?: number;
  address: string;
  gateway?: string;
}

export interface Result040 {
  interfaces?: Interface040[];
  ips?: Address040[];
  routes?: ResultRoute[];
  dns?: Dns;
}

const interface040: Schema<Interface040> = presentFields<Interface040>(() => ({
  name: nonEmptyText,
  mac: optional(text),
  sandbox: optional(text),
}));

const rawAddress = object<{
  version: "4" | "6" | undefined;
  interface: number | undefined;
  address: string;
  gateway: string | undefined;
}>({
  version: omittable(oneOf("4", "6")),
  interface: optional(index),
  address: cidrText,
  gateway: omittable(ipText),
});

/** The family can be told by the address, so `version` may be missing, but must not say otherwise. */
const address040: Schema<Address040> = (value, field) => {
  const raw = rawAddress(value, field);
  const version = versionOf(raw.address);
  if (raw.version !== undefined && raw.version !== version) {
    throw new ConfigError(`${field}.version`, `must be "${version}" for ${raw.address}`, { value: raw.version });
  }
  return present<Address040>({ ...raw, version });
};

function versionOf(address: string): "4" | "6" {
  return familyOf(address) === 4 ? "4" : "6";
}

/** Checks the JSON of a result. Throws ConfigError. */
export const parseResult040: Schema<Result040> = presentFields<Result040>(() => ({
  interfaces: optional(list(interface040)),
  ips: optional(list(address040)),
  routes: optional(list(route)),
  dns: omittableDns,
}));

/** The JSON of a result, its keys in the order of the reference's. */
export function result040Json(result: Result040, cniVersion: string): object {
  return present({
    cniVersion,
    interfaces: result.interfaces?.map(({ name, mac, sandbox }) => present({ name, mac, sandbox })),
    ips: result.ips?.map((ip) =>
      present({ version: ip.version, interface: ip.interface, address: ip.address, gateway: ip.gateway }),
    ),
    routes: result.routes?.map(routeJson),
    dns: dnsJson(result.dns),
  });
}

/** The JSON of a route, its keys in the order of the reference's. */
export function routeJson({ dst, gw, mtu, advmss, priority, table, scope }: ResultRoute): object {
  return present({
    dst,
    gw,
    mtu: mtu || undefined,
    advmss: advmss || undefined,
    priority: priority || undefined,
    table,
    scope,
  });
}

/** The same result in the next newer form. */
export function upgrade040(result: Result040): Result {
  return present<Result>({
    interfaces: result.interfaces,
    ips: result.ips?.map(({ version: _, ...ip }) => ip),
    routes: result.routes,
    dns: result.dns,
  });
}

/** A newer result in this form; an interface's mtu, socket and PCI device are lost. */
export function downgradeTo040(result: Result): Result040 {
  return present<Result040>({
    interfaces: result.interfaces?.map(({ name, mac, sandbox }) => present<Interface040>({ name, mac, sandbox })),
    ips: result.ips?.map((ip) => ({ version: versionOf(ip.address), ...ip })),
    routes: result.routes,
    dns: result.dns,
  });
}
