/**
 * Networks as the runtime finds them on disk: lists of plugins in `.conflist` files, single plugins in `.conf` and
 * `.json` files, and further plugins of a list in a folder named after the network.
 * @see https://www.cni.dev/docs/spec/#section-1-network-configuration-format
 */

import { extname, join } from "node:path";
import { ConfigError, FileError, IncompatibleVersionError, TendrilError } from "../../core/errors.ts";
import { boolean, list, object, optional, type Schema, text, withDefault } from "../../core/schema.ts";
import { readTextIfExists } from "../../linux/file.ts";
import { anyObject, decodeObject, type JsonObject, networkName, pluginType } from "../configuration.ts";
import { type CniVersion, checkVersion, compareVersions, isVersion, OLDEST_VERSION } from "../versions.ts";
import { fileNames } from "./folder.ts";

/** Where runtimes look unless told otherwise. */
export const DEFAULT_NETWORK_FOLDER = "/etc/cni/net.d";

/** One plugin of a network. */
export interface ChainedPlugin {
  readonly type: string;
  /** The capabilities that it takes from the runtime. */
  readonly capabilities: readonly string[];
  /** Its configuration as it stands in the file. */
  readonly config: JsonObject;
}

export interface Network {
  readonly name: string;
  readonly cniVersion: CniVersion;
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  /** In the order of ADD; never empty. */
  readonly plugins: readonly ChainedPlugin[];
  /** The list as text, for the result cache. */
  readonly source: string;
}

/**
 * The network of a name in a folder. Lists come before single plugins, then the order of file names counts. Throws
 * FileError when there is none, and ConfigError or IncompatibleVersionError when it cannot be used.
 */
export function loadNetwork(folder: string, name: string): Network {
  const others: string[] = [];
  const broken: { file: string; error: TendrilError }[] = [];
  for (const file of configurationFiles(folder)) {
    const candidate = readCandidate(folder, file);
    if (candidate instanceof TendrilError) broken.push({ file, error: candidate });
    else if (candidate.name !== name) others.push(candidate.name);
    else return candidate.load();
  }
  throw notFound(folder, name, others, broken);
}

/** A file that may have the network. */
interface Candidate {
  readonly name: string;
  readonly load: () => Network;
}

/** What a file has, or why it cannot be read: a broken file must not keep the others' networks from working. */
function readCandidate(folder: string, file: string): Candidate | TendrilError {
  try {
    return extname(file) === ".conflist" ? readList(folder, file) : readSingle(folder, file);
  } catch (error) {
    if (error instanceof TendrilError) return error;
    throw error;
  }
}

function notFound(
  folder: string,
  name: string,
  others: readonly string[],
  broken: readonly { file: string; error: TendrilError }[],
): TendrilError {
  const details = [
    others.length > 0 ? `Networks there: ${[...new Set(others)].join(", ")}` : "No network is configured there",
    ...broken.map(({ file, error }) => `"${file}" cannot be used: ${error.message}`),
  ].join(". ");
  return new FileError(`Cannot find network "${name}" in "${folder}"`, { details, cause: broken[0]?.error });
}

/** The names of files that may be configurations, lists first. Throws FileError. */
function configurationFiles(folder: string): string[] {
  const names = fileNames(folder);
  return [
    ...names.filter((name) => extname(name) === ".conflist"),
    ...names.filter((name) => extname(name) === ".conf" || extname(name) === ".json"),
  ];
}

function readFile(path: string): string {
  const text = readTextIfExists(path);
  if (text === undefined) throw new FileError(`Cannot read "${path}": ENOENT`);
  return text;
}

function readList(folder: string, file: string): Candidate {
  const path = join(folder, file);
  const source = readFile(path);
  const raw = decodeObject(source, `"${path}"`);
  const name = nameOf(raw);
  return { name, load: () => parseList(raw, source, () => readMorePlugins(join(folder, name))) };
}

/** A file with a single plugin, as the list that it stands for. */
function readSingle(folder: string, file: string): Candidate {
  const path = join(folder, file);
  const raw = decodeObject(readFile(path), `"${path}"`);
  pluginFields(raw, "");
  const name = nameOf(raw);
  const asList = { cniVersion: raw.cniVersion ?? "", name, plugins: [raw] };
  return { name, load: () => parseList(asList, JSON.stringify(asList), () => []) };
}

function nameOf(raw: JsonObject): string {
  return object<{ name: string }>({ name: networkName })(raw, "").name;
}

/** True or false, also as text. */
const looseBoolean: Schema<boolean> = (value, field) => {
  if (typeof value === "boolean") return value;
  const word = typeof value === "string" ? value.toLowerCase() : "";
  if (word === "true" || word === "false") return word === "true";
  throw new ConfigError(field, "must be true or false", { value });
};

/** Capabilities with whether they are wanted. */
const capabilities: Schema<string[]> = (value, field) =>
  Object.entries(anyObject(value, field))
    .filter(([name, wanted]) => boolean(wanted, `${field}.${name}`))
    .map(([name]) => name);

const pluginFields = object<{ type: string; capabilities: string[] }>({
  type: pluginType,
  capabilities: withDefault(capabilities, []),
});

const chainedPlugin: Schema<ChainedPlugin> = (value, field) => ({
  ...pluginFields(value, field),
  config: value as JsonObject,
});

const listFields = object<{
  cniVersion: string | undefined;
  cniVersions: string[];
  disableCheck: boolean;
  disableGC: boolean;
  loadOnlyInlinedPlugins: boolean;
  plugins: ChainedPlugin[] | undefined;
}>({
  cniVersion: optional(text),
  cniVersions: withDefault(list(text), []),
  disableCheck: withDefault(looseBoolean, false),
  disableGC: withDefault(looseBoolean, false),
  loadOnlyInlinedPlugins: withDefault(looseBoolean, false),
  plugins: optional(list(chainedPlugin)),
});

/**
 * Checks a list of plugins; `more` reads those that the network's own folder adds, unless the list says that it is all.
 * Throws ConfigError, IncompatibleVersionError, and what `more` throws.
 */
export function parseList(raw: JsonObject, source: string, more: () => readonly ChainedPlugin[]): Network {
  const name = nameOf(raw);
  const { cniVersion, cniVersions, disableCheck, disableGC, loadOnlyInlinedPlugins, plugins } = listFields(raw, "");
  if (plugins === undefined && loadOnlyInlinedPlugins) {
    throw new ConfigError("plugins", "is missing, and loadOnlyInlinedPlugins is true");
  }
  if (plugins?.length === 0) throw new ConfigError("plugins", "must not be empty", { value: plugins });
  const all = [...(plugins ?? []), ...(loadOnlyInlinedPlugins ? [] : more())];
  if (all.length === 0) throw new ConfigError("plugins", `is missing, and no folder "${name}" has any`);
  return { name, cniVersion: newestOf(cniVersion, cniVersions), disableCheck, disableGC, plugins: all, source };
}

/** The newest of the versions that a list is written for and that are known here. */
function newestOf(cniVersion: string | undefined, cniVersions: readonly string[]): CniVersion {
  if (cniVersions.length === 0) return checkVersion(cniVersion || OLDEST_VERSION);
  const known = [...cniVersions, cniVersion ?? ""].filter(isVersion).sort(compareVersions);
  const newest = known.at(-1);
  if (newest !== undefined) return newest;
  throw new IncompatibleVersionError(`None of the versions of the configuration is known: ${cniVersions.join(", ")}`);
}

/** The plugins of the `.conf` files in a folder. Throws FileError, DecodeError, ConfigError. */
function readMorePlugins(folder: string): ChainedPlugin[] {
  const files = fileNames(folder).filter((name) => extname(name) === ".conf");
  return files.map((file) => {
    const path = join(folder, file);
    return chainedPlugin(decodeObject(readFile(path), `"${path}"`), "");
  });
}
