/**
 * Kubeconfig files put together as kubectl does it: of entries of one name, and of the current context, that of the first
 * file counts.
 * @see https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
 */

import { dirname } from "node:path";
import { parse } from "yaml";
import { ConfigError } from "../../core/errors.ts";
import { anything, list, object, optional, type Schema, text } from "../../core/schema.ts";
import { readTextIfExists } from "../../linux/file.ts";

/** Something is wrong with a kubeconfig: which file, which field. */
export class KubeconfigError extends ConfigError {
  constructor(file: string, { field, problem, details, cause }: ConfigError) {
    super(field, problem, { cause, ...(details !== undefined && { details }) });
    this.message = `Kubeconfig "${file}": "${field}" ${problem}`;
  }
}

/** An entry of one of the three lists. Its neighbours may be of a kind that is not supported, so it is not checked yet. */
export interface KubeconfigEntry {
  readonly file: string;
  /** Of the file, which relative paths start from. */
  readonly folder: string;
  /** Such as `clusters[0].cluster`. */
  readonly field: string;
  readonly content: unknown;
}

type Kind = "context" | "cluster" | "user";

export interface Kubeconfig {
  readonly currentContext: string | undefined;
  /** The entry of a name. Throws KubeconfigError when there is none. */
  readonly entry: (kind: Kind, name: string) => KubeconfigEntry;
  /** An error about what none of the files has. */
  readonly lacks: (field: string, problem: string, more?: Lack) => KubeconfigError;
}

interface Lack {
  readonly value?: string;
  readonly details?: string;
}

interface File {
  readonly path: string;
  readonly currentContext: string | undefined;
  readonly entries: ReadonlyMap<string, KubeconfigEntry>;
}

const KINDS = ["context", "cluster", "user"] as const;

const fields = object({
  "current-context": optional(text),
  contexts: optional(anything),
  clusters: optional(anything),
  users: optional(anything),
});

/**
 * Reads them; of several those are passed over that are not there, as kubectl does with those of KUBECONFIG. `named` is what
 * messages call that which has named them. Throws KubeconfigError, and ConfigError when there is none of them.
 */
export function readKubeconfig(paths: readonly string[], named: string): Kubeconfig {
  const files = paths.flatMap((path) => readFile(path) ?? []);
  if (files.length === 0) {
    throw new ConfigError(named, "names a kubeconfig that is not there", { value: paths.join(":") });
  }
  const shown = files.map(({ path }) => path).join(":");
  const lacks: Kubeconfig["lacks"] = (field, problem, more = {}) =>
    new KubeconfigError(shown, new ConfigError(field, problem, more));
  return {
    currentContext: files.map(({ currentContext }) => currentContext).find(Boolean),
    lacks,
    entry(kind, name) {
      const found = files.map(({ entries }) => entries.get(keyOf(kind, name))).find((entry) => entry !== undefined);
      if (found !== undefined) return found;
      const names = new Set(
        files.flatMap(({ entries }) => [...entries.keys()]).filter((key) => key.startsWith(keyOf(kind, ""))),
      );
      const known = [...names].map((key) => key.slice(keyOf(kind, "").length)).join(", ");
      const details = known === "" ? {} : { details: `There are ${known}.` };
      throw lacks(`${kind}s`, "has none of this name", { value: name, ...details });
    },
  };
}

function keyOf(kind: Kind, name: string): string {
  return `${kind}/${name}`;
}

function readFile(path: string): File | undefined {
  const source = readTextIfExists(path);
  if (source === undefined) return undefined;
  return inFile(path, () => {
    const config = fields(parseYaml(source) ?? {}, "");
    const entries = new Map<string, KubeconfigEntry>();
    for (const kind of KINDS) {
      const listed = list(object({ name: text, [kind]: optional(anything) }))(config[`${kind}s`] ?? [], `${kind}s`);
      for (const [i, { name, [kind]: content }] of listed.entries()) {
        const key = keyOf(kind, String(name));
        if (entries.has(key)) throw new ConfigError(`${kind}s`, "has two of this name", { value: name });
        entries.set(key, {
          file: path,
          folder: dirname(path),
          field: `${kind}s[${i}].${kind}`,
          content: content ?? {},
        });
      }
    }
    return { path, currentContext: config["current-context"], entries };
  });
}

function parseYaml(source: string): unknown {
  try {
    return parse(source);
  } catch (error) {
    throw new ConfigError("content", "is not YAML", { cause: error });
  }
}

/** Names the file in what is thrown about one of its fields. Throws KubeconfigError. */
export function inFile<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ConfigError && !(error instanceof KubeconfigError)) throw new KubeconfigError(path, error);
    throw error;
  }
}

/** An entry's content by its schema. Throws KubeconfigError. */
export function checked<T>({ file, field, content }: KubeconfigEntry, schema: Schema<T>): T {
  return inFile(file, () => schema(content, field));
}
