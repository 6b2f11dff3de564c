/**
 * Results to and from the JSON of any version of the specification. Everything else in Tendril knows the newest form
 * only; each version's file converts to and from its neighbour.
 */

import { ConfigError } from "../../core/errors.ts";
import type { Result } from "../../core/result.ts";
import { type CniVersion, compareVersions, isVersion } from "../versions.ts";
import { downgradeTo020, parseResult020, result020Json, upgrade020 } from "./v020.ts";
import { downgradeTo040, parseResult040, result040Json, upgrade040 } from "./v040.ts";
import { parseResult100, result100Json } from "./v100.ts";

interface Format {
  readonly since: CniVersion;
  readonly parse: (value: unknown, field: string) => Result;
  readonly json: (result: Result, cniVersion: string) => object;
}

/** Newest first. */
const formats: readonly Format[] = [
  { since: "1.0.0", parse: parseResult100, json: result100Json },
  {
    since: "0.3.0",
    parse: (value, field) => upgrade040(parseResult040(value, field)),
    json: (result, version) => result040Json(downgradeTo040(result), version),
  },
  {
    since: "0.1.0",
    parse: (value, field) => upgrade040(upgrade020(parseResult020(value, field))),
    json: (result, version) => result020Json(downgradeTo020(downgradeTo040(result)), version),
  },
];

function formatOf(version: CniVersion): Format {
  for (const format of formats) if (compareVersions(version, format.since) >= 0) return format;
  throw new RangeError(`No form of results is as old as "${version}"`);
}

/**
 * Checks the JSON of a result. It may tell its own version; where it does not it is in that of its configuration.
 * Throws ConfigError, whose field begins with `field`.
 */
export function parseResult(value: unknown, configVersion: CniVersion, field: string): Result {
  return formatOf(versionOf(value, configVersion, field)).parse(value, field);
}

function versionOf(value: unknown, configVersion: CniVersion, field: string): CniVersion {
  const version = (value as { cniVersion?: unknown } | null | undefined)?.cniVersion ?? "";
  if (version === "") return configVersion;
  if (typeof version === "string" && isVersion(version)) return version;
  throw new ConfigError(`${field}.cniVersion`, "is not a version of the CNI specification that is known here", {
    value: version,
  });
}

/** A result as the JSON value of a version. */
export function resultJson(result: Result, version: CniVersion): object {
  return formatOf(version).json(result, version);
}

/** A result as the text that a plugin prints. */
export function formatResult(result: Result, version: CniVersion): string {
  return JSON.stringify(resultJson(result, version), undefined, 4);
}
