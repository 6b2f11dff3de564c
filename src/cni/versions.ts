/**
 * The versions of the CNI specification, oldest first, and what came with which.
 * @see https://www.cni.dev/docs/spec/
 */

import { IncompatibleVersionError } from "../core/errors.ts";
import type { Verb } from "./environment.ts";

export const versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

export type CniVersion = (typeof versions)[number];

/** What a configuration without a version is written in. */
export const OLDEST_VERSION: CniVersion = "0.1.0";
export const NEWEST_VERSION: CniVersion = "1.1.0";

/** The version that brought each verb. VERSION itself is answered whatever the version. */
const SINCE: Readonly<Record<Verb, CniVersion>> = {
  ADD: "0.1.0",
  DEL: "0.1.0",
  VERSION: "0.1.0",
  CHECK: "0.4.0",
  GC: "1.1.0",
  STATUS: "1.1.0",
};

export function isVersion(version: string): version is CniVersion {
  return (versions as readonly string[]).includes(version);
}

/** Below zero, zero or above it as `a` is older than, the same as or newer than `b`. */
export function compareVersions(a: CniVersion, b: CniVersion): number {
  return versions.indexOf(a) - versions.indexOf(b);
}

/** Whether configurations of a version may be called with a verb. */
export function versionHasVerb(version: CniVersion, verb: Verb): boolean {
  return compareVersions(version, SINCE[verb]) >= 0;
}

/** Throws IncompatibleVersionError unless this program speaks the version. The details are worded as the reference's. */
export function checkVersion(version: string): CniVersion {
  if (isVersion(version)) return version;
  const shown = JSON.stringify(version);
  throw new IncompatibleVersionError(`Incompatible CNI versions: the configuration has "cniVersion": ${shown}`, {
    details: `config is ${shown}, plugin supports [${versions.map((each) => `"${each}"`).join(" ")}]`,
  });
}

/** Throws IncompatibleVersionError when the verb came after the version. */
export function checkVerb(version: CniVersion, verb: Verb): void {
  if (versionHasVerb(version, verb)) return;
  throw new IncompatibleVersionError(`The configuration's cniVersion does not allow ${verb}: "${version}"`, {
    details: `${verb} came with CNI specification ${SINCE[verb]}`,
  });
}

/**
 * What VERSION answers, in the version of its input: the one part of the answer that depends on it. Whatever else is
 * wrong with the input, the versions are told.
 * @see https://www.cni.dev/docs/spec/#version-success
 */
export function formatVersions(input = ""): string {
  return `${JSON.stringify({ cniVersion: versionOfInput(input), supportedVersions: versions })}\n`;
}

function versionOfInput(input: string): string {
  try {
    const { cniVersion } = JSON.parse(input) as { cniVersion?: unknown };
    return typeof cniVersion === "string" && cniVersion !== "" ? cniVersion : NEWEST_VERSION;
  } catch {
    return NEWEST_VERSION;
  }
}
