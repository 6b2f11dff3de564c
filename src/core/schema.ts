/**
 * Schemas of configurations: a table of fields that turns raw JSON into a checked value, or into one
 * {@link ConfigError} that names the field and shows the value.
 *
 * It follows the reader that the standard plugins use (Go's encoding/json) where users rely on it: unknown fields are
 * left alone, null is the same as absent, and a key matches without regard to case when none matches exactly.
 */

import { type Cidr, formatCidr, networkOf, parseCidr } from "./cidr.ts";
import { ConfigError } from "./errors.ts";
import { formatIp, type Ip, parseIp } from "./ip.ts";
import { formatMac, isUnicastMac, parseMac } from "./mac.ts";
import { interfaceNameProblem } from "./names.ts";

/** Checks one value; `field` is its path from the top, such as `ipam.ranges[0][1].subnet`. */
export type Schema<T> = (value: unknown, field: string) => T;

/** A schema whose field may be absent or null. */
export interface OptionalSchema<T> {
  readonly optional: Schema<T>;
  readonly absent: () => T;
}

type Field<T> = Schema<T> | OptionalSchema<T>;

/** Every field of T; for one that T may lack, a schema of a field that may be absent. */
type Fields<T> = { readonly [K in keyof Required<T>]: Field<T[K & keyof T]> };

/** An object with these fields; others are ignored. */
export function object<T extends object>(fields: { readonly [K in keyof T]-?: Field<T[K]> }): Schema<T>;
export function object<T extends object>(fields: Fields<T>): Schema<T>;
export function object<T extends object>(fields: Readonly<Record<string, Field<unknown>>>): Schema<T> {
  return (value, field) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ConfigError(field === "" ? "configuration" : field, "must be an object", { value });
    }
    const source = value as Record<string, unknown>;
    const result: Record<string, unknown> = {};
    let folded: Map<string, unknown> | undefined;
    for (const key in fields) {
      const schema = fields[key] as Field<unknown>;
      const path = field === "" ? key : `${field}.${key}`;
      let found: unknown;
      if (Object.hasOwn(source, key)) {
        found = source[key];
      } else {
        folded ??= foldKeys(source);
        found = folded.get(key.toLowerCase());
      }
      if (typeof schema === "function") {
        if (found === undefined || found === null) throw new ConfigError(path, "is missing");
        result[key] = schema(found, path);
      } else {
        result[key] = found === undefined || found === null ? schema.absent() : schema.optional(found, path);
      }
    }
    return result as T;
  };
}

/** An object in which a field that is not in the table is an error: in a file written by hand it is a slip. */
export function exactly<T extends object>(fields: { readonly [K in keyof T]-?: Field<T[K]> }): Schema<T> {
  const checked = object<T>(fields);
  return (value, field) => {
    const result = checked(value, field);
    const known = Object.keys(fields);
    for (const key of Object.keys(value as object)) {
      if (known.includes(key)) continue;
      const path = field === "" ? key : `${field}.${key}`;
      throw new ConfigError(path, `is not a field here; there are ${known.join(", ")}`);
    }
    return result;
  };
}

/** Whatever stands there, for somebody else to check. */
export const anything: Schema<unknown> = (value) => value;

/** The values by their keys in lower case; of keys that differ in case alone the first. */
function foldKeys(source: Record<string, unknown>): Map<string, unknown> {
  const folded = new Map<string, unknown>();
  for (const key in source) {
    const lower = key.toLowerCase();
    if (!folded.has(lower)) folded.set(lower, source[key]);
  }
  return folded;
}

/** A field that takes a default when it is absent. */
export function withDefault<T>(schema: Schema<T>, value: T): OptionalSchema<T> {
  return { optional: schema, absent: () => value };
}

/** A field that may be absent. */
export function optional<T>(schema: Schema<T>): OptionalSchema<T | undefined> {
  return { optional: schema, absent: () => undefined };
}

export const boolean: Schema<boolean> = (value, field) => {
  if (typeof value !== "boolean") throw new ConfigError(field, "must be true or false", { value });
  return value;
};

export const text: Schema<string> = (value, field) => {
  if (typeof value !== "string") throw new ConfigError(field, "must be a string", { value });
  return value;
};

/** A whole number within bounds, both included. */
export function integer(min: number, max: number): Schema<number> {
  return (value, field) => {
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
      throw new ConfigError(field, `must be a whole number from ${min} to ${max}`, { value });
    }
    return value;
  };
}

/** One of a few words. */
export function oneOf<const T extends string>(...words: readonly T[]): Schema<T> {
  return (value, field) => {
    if (!words.includes(value as T)) throw new ConfigError(field, `must be one of ${words.join(", ")}`, { value });
    return value as T;
  };
}

export function list<T>(schema: Schema<T>): Schema<T[]> {
  return (value, field) => {
    if (!Array.isArray(value)) throw new ConfigError(field, "must be a list", { value });
    const items: T[] = [];
    for (const item of value) items.push(schema(item, `${field}[${items.length}]`));
    return items;
  };
}

/** An object, of which somebody else has to check what is in it. */
export const anyObject: Schema<Readonly<Record<string, unknown>>> = (value, field) => {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new ConfigError(field, "must be an object", { value });
};

/** An object of any keys whose values are all of one schema. */
export function mapOf<T>(schema: Schema<T>): Schema<ReadonlyMap<string, T>> {
  return (value, field) => {
    const given = Object.entries(anyObject(value, field));
    return new Map(given.map(([key, item]) => [key, schema(item, `${field}.${key}`)]));
  };
}

/** An object of any keys whose values are texts. */
export const words: Schema<Record<string, string>> = (value, field) => Object.fromEntries(mapOf(text)(value, field));

export const interfaceName: Schema<string> = (value, field) => {
  const name = text(value, field);
  const problem = interfaceNameProblem(name);
  if (problem !== undefined) throw new ConfigError(field, `cannot name an interface, it ${problem}`, { value });
  return name;
};

/** A unicast Ethernet address, in canonical text. */
export const mac: Schema<string> = (value, field) => {
  const bytes = parseMac(text(value, field));
  if (bytes === undefined) throw new ConfigError(field, "must be a MAC address such as 02:00:5e:10:00:01", { value });
  if (!isUnicastMac(bytes)) throw new ConfigError(field, "must be a unicast MAC address other than zero", { value });
  return formatMac(bytes);
};

export const ip: Schema<Ip> = (value, field) => {
  const parsed = parseIp(text(value, field));
  if (parsed === undefined) throw new ConfigError(field, "must be an IP address", { value });
  return parsed;
};

/** An address with its prefix length; host bits may be set. */
export const cidr: Schema<Cidr> = (value, field) => {
  const parsed = parseCidr(text(value, field));
  if (parsed === undefined) throw new ConfigError(field, "must be in CIDR notation such as 10.1.0.0/16", { value });
  return parsed;
};

/** An IP address, in canonical text. */
export const ipText: Schema<string> = (value, field) => formatIp(ip(value, field));

/** An address with its prefix length, in canonical text. */
export const cidrText: Schema<string> = (value, field) => formatCidr(cidr(value, field));

/** A network in CIDR notation, in canonical text; host bits are cleared as the kernel would ask for. */
export const networkText: Schema<string> = (value, field) => formatCidr(networkOf(cidr(value, field)));
