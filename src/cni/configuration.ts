/**
 * From standard input to a network configuration: the fields that all plugins share are checked here, a plugin's own
 * are left as they are for its schema.
 * @see https://www.cni.dev/docs/spec/#section-1-network-configuration-format
 */

import { ConfigError, DecodeError } from "../core/errors.ts";
import type { NetworkConfig, ValidAttachment } from "../core/plugin.ts";
import type { Dns, Result } from "../core/result.ts";
import { interfaceName, list, object, optional, type Schema, text, withDefault } from "../core/schema.ts";
import { identifierProblem, type Verb } from "./environment.ts";
import { omittableDns } from "./results/fields.ts";
import { parseResult } from "./results/result.ts";
import { type CniVersion, checkVersion, OLDEST_VERSION } from "./versions.ts";

export type JsonObject = { readonly [field: string]: unknown };

/** Parses the text of a JSON object; `what` names it in the message. Throws DecodeError. */
export function decodeObject(json: string, what: string): JsonObject {
  const value = decodeJson(json, what);
  if (isObject(value)) return value;
  throw new DecodeError(`Cannot read ${what}: it must be a JSON object: ${shorten(json.trim())}`);
}

function decodeJson(json: string, what: string): unknown {
  if (json.trim() === "") throw new DecodeError(`Cannot read ${what}: it is empty`);
  try {
    return JSON.parse(json);
  } catch (error) {
    // A SyntaxError, or a RangeError where it is nested too deeply.
    const reason = error instanceof Error ? error.message : String(error);
    throw new DecodeError(`Cannot read ${what}: it is not JSON: ${shorten(json.trim())}`, {
      cause: error,
      details: reason,
    });
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shorten(json: string): string {
  return JSON.stringify(json.length > 100 ? `${json.slice(0, 100)}...` : json);
}

const versionField = object<{ cniVersion: string }>({ cniVersion: withDefault(text, OLDEST_VERSION) });

/** The version that a configuration is written in. Throws ConfigError, IncompatibleVersionError. */
export function parseVersion(raw: JsonObject): CniVersion {
  const { cniVersion } = versionField(raw, "");
  return checkVersion(cniVersion === "" ? OLDEST_VERSION : cniVersion);
}

export const networkName: Schema<string> = (value, field) => {
  const name = text(value, field);
  const problem = name === "" ? "is missing" : identifierProblem(name);
  if (problem !== undefined) throw new ConfigError(field, problem, { value });
  return name;
};

/** The type of a plugin, which is the name of its executable. */
export const pluginType: Schema<string> = (value, field) => {
  const type = text(value, field);
  if (type === "") throw new ConfigError(field, "is missing", { value });
  if (type.includes("/") || type.includes("\0") || type === "." || type === "..") {
    throw new ConfigError(field, "must be the name of an executable, without a folder", { value });
  }
  return type;
};

/** An object with whatever fields. */
export const anyObject: Schema<JsonObject> = (value, field) => {
  if (!isObject(value)) throw new ConfigError(field, "must be an object", { value });
  return value;
};

const anything: Schema<unknown> = (value) => value;

/** An IPAM section that is empty, or has an empty type alone, is none. */
const ipam: Schema<NetworkConfig["ipam"]> = (value, field) => {
  const { type: _, ...others } = anyObject(value, field);
  const { type } = object<{ type: string }>({ type: withDefault(text, "") })(value, field);
  if (type === "" && Object.keys(others).length === 0) return undefined;
  return { ...others, type: pluginType(type, `${field}.type`) };
};

const args: Schema<NonNullable<NetworkConfig["args"]>> = (value, field) => {
  const found = anyObject(value, field);
  object<{ cni: JsonObject | undefined }>({ cni: optional(anyObject) })(found, field);
  return found as NonNullable<NetworkConfig["args"]>;
};

const containerId: Schema<string> = (value, field) => {
  const id = text(value, field);
  const problem = identifierProblem(id);
  if (problem !== undefined) throw new ConfigError(field, problem, { value });
  return id;
};

const validAttachments: Schema<ValidAttachment[]> = list((value, field) => {
  const attachment = object<{ containerID: string; ifname: string }>({
    containerID: containerId,
    ifname: interfaceName,
  })(value, field);
  return { containerId: attachment.containerID, ifname: attachment.ifname };
});

/** The key of the specification, and the one of its first text, which libcni sets beside it. */
export const VALID_ATTACHMENTS = "cni.dev/valid-attachments";
export const OLDER_VALID_ATTACHMENTS = "cni.dev/attachments";

const gcFields = object<
  Record<typeof VALID_ATTACHMENTS | typeof OLDER_VALID_ATTACHMENTS, ValidAttachment[] | undefined>
>({
  [VALID_ATTACHMENTS]: optional(validAttachments),
  [OLDER_VALID_ATTACHMENTS]: optional(validAttachments),
});

interface CommonFields {
  name: string;
  type: string;
  ipam: NetworkConfig["ipam"];
  dns: Dns | undefined;
  runtimeConfig: JsonObject | undefined;
  args: NetworkConfig["args"];
  prevResult: unknown;
}

const commonFields = object<CommonFields>({
  name: networkName,
  type: pluginType,
  ipam: optional(ipam),
  dns: omittableDns,
  runtimeConfig: optional(anyObject),
  args: optional(args),
  prevResult: optional(anything),
});

/** In lower case, because keys match without regard to it. The last one is no field of a configuration but our name. */
const CHECKED = [
  "cniversion",
  "name",
  "type",
  "ipam",
  "dns",
  "runtimeconfig",
  "args",
  "prevresult",
  "validattachments",
];

/**
 * Checks the common fields of a configuration. DEL goes on without a `prevResult` that cannot be read, because it has
 * to succeed, and tells `warn`. Throws ConfigError.
 */
export function parseConfiguration(
  raw: JsonObject,
  cniVersion: CniVersion,
  verb: Verb,
  warn: (sentence: string) => void,
): NetworkConfig {
  const { prevResult, ...common } = commonFields(raw, "");
  const config: Record<string, unknown> = { ...raw };
  for (const key in raw) if (CHECKED.includes(key.toLowerCase())) delete config[key];
  const checked: Record<string, unknown> = {
    cniVersion,
    ...common,
    prevResult: parsePrevResult(prevResult, cniVersion, verb, warn),
    validAttachments: verb === "GC" ? parseValidAttachments(raw) : undefined,
  };
  for (const key in checked) if (checked[key] !== undefined) config[key] = checked[key];
  return config as unknown as NetworkConfig;
}

function parsePrevResult(
  value: unknown,
  cniVersion: CniVersion,
  verb: Verb,
  warn: (sentence: string) => void,
): Result | undefined {
  if (value === undefined) return undefined;
  try {
    return parseResult(value, cniVersion, "prevResult");
  } catch (error) {
    if (verb !== "DEL" || !(error instanceof ConfigError)) throw error;
    warn(`${error.message}; DEL goes on without it`);
    return undefined;
  }
}

/** The attachments that are alive, or undefined where the runtime did not say: null is no list, so nothing is released. */
function parseValidAttachments(raw: JsonObject): readonly ValidAttachment[] | undefined {
  const found = gcFields(raw, "");
  return found[VALID_ATTACHMENTS] ?? found[OLDER_VALID_ATTACHMENTS];
}
