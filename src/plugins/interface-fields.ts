/** Fields of a configuration that several interface plugins have, each read in one way. */

import { ConfigError } from "../core/errors.ts";
import type { Call, NetworkConfig } from "../core/plugin.ts";
import {
  integer,
  mac,
  type OptionalSchema,
  object,
  oneOf,
  optional,
  type Schema,
  withDefault,
} from "../core/schema.ts";

const bytes = integer(0, 65535);

/** An MTU in bytes; undefined for 0, which leaves it to the kernel. */
const mtu: Schema<number | undefined> = (value, field) => {
  const size = bytes(value, field);
  if (size === 0) return undefined;
  if (size < 68) throw new ConfigError(field, "must be at least 68, the least that IPv4 works with, or 0", { value });
  return size;
};

export const optionalMtu = optional(mtu);

/** Both words mean our one nf_tables table: nothing here needs iptables. */
export const masqueradeBackend = optional(oneOf("iptables", "nftables"));

/** One of a few words, of which one is meant when the field is absent or empty. */
export function wordOrDefault<T>(schema: Schema<T>, word: T): OptionalSchema<T> {
  return withDefault((value, field) => (value === "" ? word : schema(value, field)), word);
}

/** A MAC, or the empty string that asks for nothing, as the runtime may fill the field in without a value. */
export const macOrNothing: Schema<string | undefined> = (value, field) =>
  value === "" ? undefined : mac(value, field);

const asked = object<{ mac: string | undefined }>({ mac: optional(macOrNothing) });

/** Where a runtime puts the MAC that it asks for. */
export const askedMacFields = {
  runtimeConfig: optional(asked),
  args: optional(object({ cni: optional(asked) })),
};

interface AskedMac {
  readonly runtimeConfig: { readonly mac: string | undefined } | undefined;
  readonly args: { readonly cni: { readonly mac: string | undefined } | undefined } | undefined;
}

/** The MAC that the runtime asks for: the first that is given. Throws ConfigError for a wrong one in CNI_ARGS. */
export function askedMac({ runtimeConfig, args: { cni } = { cni: undefined } }: AskedMac, args: Call["args"]) {
  const fromArgs = args.get("MAC");
  return (
    runtimeConfig?.mac ?? cni?.mac ?? (fromArgs === undefined ? undefined : macOrNothing(fromArgs, "CNI_ARGS MAC"))
  );
}

/** Whether the configuration names an IPAM plugin. */
export function hasIpam({ ipam }: NetworkConfig): boolean {
  return ipam !== undefined && ipam.type !== "";
}

/** For a plugin that has nothing to do without addresses. Throws ConfigError. */
export function requireIpam(config: NetworkConfig): void {
  if (!hasIpam(config)) throw new ConfigError("ipam", `is missing: ${config.type} needs addresses`);
}
