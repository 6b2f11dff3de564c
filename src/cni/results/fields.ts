/**
 * What results of all versions have in common: the schemas of their parts, and what is left out of their JSON.
 *
 * Parts that are absent, empty or zero are left out as the reference's are, but the numbers for which zero has a
 * meaning of its own: an interface's index, a route's table and scope.
 */

import { ConfigError } from "../../core/errors.ts";
import type { Dns, ResultInterface, ResultRoute } from "../../core/result.ts";
import {
  cidrText,
  integer,
  ipText,
  list,
  type OptionalSchema,
  object,
  optional,
  type Schema,
  text,
} from "../../core/schema.ts";

const UINT32_MAX = 0xffffffff;

const uint32 = integer(0, UINT32_MAX);

/** An index into a list. */
export const index: Schema<number> = uint32;

export const nonEmptyText: Schema<string> = (value, field) => {
  const found = text(value, field);
  if (found === "") throw new ConfigError(field, "must not be empty", { value });
  return found;
};

/** A field that may also be absent by being empty or zero. */
export function omittable<T>(schema: Schema<T>): OptionalSchema<T | undefined> {
  return {
    optional: (value, field) => (value === "" || value === 0 ? undefined : schema(value, field)),
    absent: () => undefined,
  };
}

/** The fields of a value, each of which may be undefined. */
type Loose<T> = { [K in keyof Required<T>]: Required<T>[K] | undefined };

/** A value without those of its fields that are undefined, empty text or empty lists. */
export function present<T extends object>(fields: Loose<T>): T {
  const result: Partial<Loose<T>> = {};
  for (const key in fields) if (isPresent(fields[key])) result[key] = fields[key];
  return result as T;
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0);
}

/**
 * The schema of an object, of whose fields those are kept that are present. It is made at its first use, for a process
 * meets one version of results, or none at all.
 */
export function presentFields<T extends object>(fields: () => Parameters<typeof object<Loose<T>>>[0]): Schema<T> {
  let schema: Schema<Loose<T>> | undefined;
  return (value, field) => {
    schema ??= object<Loose<T>>(fields());
    return present<T>(schema(value, field));
  };
}

export const dns: Schema<Dns> = presentFields<Dns>(() => ({
  nameservers: optional(list(text)),
  domain: optional(text),
  search: optional(list(text)),
  options: optional(list(text)),
}));

/** DNS settings that may be absent, or be there without a single one of them. */
export const omittableDns: OptionalSchema<Dns | undefined> = {
  optional: (value, field) => {
    const settings = dns(value, field);
    return Object.keys(settings).length > 0 ? settings : undefined;
  },
  absent: () => undefined,
};

export const route: Schema<ResultRoute> = presentFields<ResultRoute>(() => ({
  dst: cidrText,
  gw: omittable(ipText),
  mtu: omittable(uint32),
  advmss: omittable(uint32),
  priority: omittable(uint32),
  table: optional(uint32),
  scope: optional(uint32),
}));

export const newestInterface: Schema<ResultInterface> = presentFields<ResultInterface>(() => ({
  name: nonEmptyText,
  mac: optional(text),
  mtu: omittable(uint32),
  sandbox: optional(text),
  socketPath: optional(text),
  pciID: optional(text),
}));

/** The JSON of DNS settings; an empty object where there are none. */
export function dnsJson(settings: Dns | undefined): Dns {
  const { nameservers, domain, search, options } = settings ?? {};
  return present<Dns>({ nameservers, domain, search, options });
}
