/** Addresses that an attachment asks for, by whichever of the ways that runtimes and people have. */

import { parseCidr } from "../core/cidr.ts";
import { ConfigError, EnvironmentError } from "../core/errors.ts";
import { formatIp, type Ip, parseIp } from "../core/ip.ts";
import { list, object, optional, type Schema, text, withDefault } from "../core/schema.ts";

/** An address that the attachment asks for. */
export interface RequestedAddress {
  readonly ip: Ip;
  /** Where it was asked for, for messages. */
  readonly source: string;
}

/** An address, with or without a prefix length, which is the subnet's in any case. */
const requestedIp: Schema<RequestedAddress> = (value, field) => {
  const parsed = parseRequested(text(value, field));
  if (parsed === undefined) throw new ConfigError(field, "must be an IP address", { value });
  return { ip: parsed, source: `"${field}"` };
};

function parseRequested(value: string): Ip | undefined {
  return value.includes("/") ? parseCidr(value)?.ip : parseIp(value);
}

/** The field `ips` of `runtimeConfig` and of `args.cni`. */
export const requestedIps = withDefault(list(requestedIp), []);

/** The `args` of a configuration, as far as they ask for addresses. */
export const requestedInArgs = optional(
  object<{ cni: { ips: RequestedAddress[] } | undefined }>({
    cni: optional(object<{ ips: RequestedAddress[] }>({ ips: requestedIps })),
  }),
);

/** What `IP` in CNI_ARGS asks for. Throws EnvironmentError. */
export function requestedByArgs(args: ReadonlyMap<string, string>): RequestedAddress[] {
  const value = args.get("IP");
  if (value === undefined || value === "") return [];
  const parsed = parseRequested(value);
  if (parsed === undefined) {
    throw new EnvironmentError(`Invalid CNI_ARGS: "IP" must be an IP address: ${JSON.stringify(value)}`);
  }
  return [{ ip: parsed, source: '"IP" of CNI_ARGS' }];
}

/** The same address may be asked for by several ways; it is one wish. */
export function uniqueRequests(requested: readonly RequestedAddress[]): RequestedAddress[] {
  const seen = new Set<string>();
  const wishes: RequestedAddress[] = [];
  for (const wish of requested) {
    const address = formatIp(wish.ip);
    if (!seen.has(address)) wishes.push(wish);
    seen.add(address);
  }
  return wishes;
}
