/**
 * The cache of results, in the files of the reference library (libcni), so that each of the two can remove what the
 * other has added.
 * @see https://github.com/containernetworking/cni/blob/main/libcni/api.go cachedInfo
 */

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { ConfigError, TendrilError } from "../../core/errors.ts";
import type { Result } from "../../core/result.ts";
import { list, object, oneOf, type Schema, text, withDefault } from "../../core/schema.ts";
import { fileError, readTextIfExists, removeFileIfExists, writeFileAtomic } from "../../linux/file.ts";
import { anyObject, decodeObject, type JsonObject } from "../configuration.ts";
import { parseResult, resultJson } from "../results/result.ts";
import type { Attachment } from "./attachment.ts";
import { fileNames } from "./folder.ts";
import type { Network } from "./network.ts";

/** Where libcni keeps its cache unless told otherwise. */
export const DEFAULT_CACHE_FOLDER = "/var/lib/cni";

const KIND = "cniCacheV1";

type CacheKey = Pick<Attachment, "containerId" | "ifname">;

function cachePath(folder: string, network: string, { containerId, ifname }: CacheKey): string {
  return join(folder, "results", `${network}-${containerId}-${ifname}`);
}

/** Keeps the result of an ADD, and what it was called with. Throws FileError. */
export function writeCache(folder: string, network: Network, attachment: Attachment, result: Result): void {
  const { containerId, ifname, netns, args, capabilityArgs } = attachment;
  const path = cachePath(folder, network.name, attachment);
  // libcni keeps the folder from others, for results and arguments are nobody else's business.
  makeFolder(dirname(path));
  writeFileAtomic(
    path,
    JSON.stringify({
      kind: KIND,
      containerId,
      config: Buffer.from(network.source).toString("base64"),
      ifName: ifname,
      networkName: network.name,
      ...(netns === "" ? {} : { netns }),
      ...(args.length === 0 ? {} : { cniArgs: args }),
      ...(Object.keys(capabilityArgs).length === 0 ? {} : { capabilityArgs }),
      result: resultJson(result, network.cniVersion),
    }),
  );
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileError("make folder", folder, error);
  }
}

/** The result that an ADD left, or undefined without one. Throws FileError, DecodeError, ConfigError. */
export function readCachedResult(folder: string, network: Network, key: CacheKey): Result | undefined {
  const path = cachePath(folder, network.name, key);
  const json = readTextIfExists(path);
  if (json === undefined) return undefined;
  const cached = decodeObject(json, `the cached result "${path}"`);
  // Before version 0.7 libcni kept the result alone.
  const result = cached.kind === KIND ? cached.result : cached;
  return parseResult(result, network.cniVersion, "result");
}

/** Throws FileError. */
export function removeCache(folder: string, network: string, key: CacheKey): void {
  removeFileIfExists(cachePath(folder, network, key));
}

const pair: Schema<readonly [string, string]> = (value, field) => {
  const [key, argument, ...rest] = list(text)(value, field);
  if (key === undefined || argument === undefined || rest.length > 0) {
    throw new ConfigError(field, "must be a pair", { value });
  }
  return [key, argument];
};

const cachedFields = object<{
  kind: typeof KIND;
  containerId: string;
  ifName: string;
  networkName: string;
  netns: string;
  cniArgs: (readonly [string, string])[];
  capabilityArgs: JsonObject;
}>({
  kind: oneOf(KIND),
  containerId: text,
  ifName: text,
  networkName: text,
  netns: withDefault(text, ""),
  cniArgs: withDefault(list(pair), []),
  capabilityArgs: withDefault(anyObject, {}),
});

/** The attachments to a network that are in the cache; a file that cannot be read is told to `warn`. Throws FileError. */
export function listCached(folder: string, network: string, warn: (sentence: string) => void): Attachment[] {
  const results = join(folder, "results");
  return fileNames(results)
    .filter((name) => name.startsWith(`${network}-`))
    .flatMap((name) => {
      const path = join(results, name);
      try {
        const json = readTextIfExists(path);
        // Somebody else's DEL may have come in between.
        if (json === undefined) return [];
        const cached = cachedFields(decodeObject(json, `the cached result "${path}"`), "");
        const { containerId, netns, cniArgs, capabilityArgs } = cached;
        if (cached.networkName !== network) return [];
        return [{ containerId, ifname: cached.ifName, netns, args: cniArgs, capabilityArgs }];
      } catch (error) {
        if (!(error instanceof TendrilError)) throw error;
        warn(`The cached result "${path}" is passed over: ${error.message}`);
        return [];
      }
    });
}
