/**
 * Access by a kubeconfig file, as kubectl has it: with a client's certificate or a token.
 * @see https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */

import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { ConfigError, UnsupportedFieldError } from "../../core/errors.ts";
import { anything, boolean, list, object, optional, type Schema, text, withDefault } from "../../core/schema.ts";
import { readTextIfExists } from "../../linux/file.ts";
import type { Access, AccessSource } from "./access.ts";

export interface KubeconfigOptions {
  /** The file's current one unless given. */
  readonly context?: string | undefined;
  /** Go over the one that the file names. */
  readonly servers?: readonly string[] | undefined;
}

interface Kubeconfig {
  readonly "current-context": string | undefined;
  readonly contexts: unknown;
  readonly clusters: unknown;
  readonly users: unknown;
}

interface Cluster {
  readonly server: string;
  readonly "certificate-authority": string | undefined;
  readonly "certificate-authority-data": string | undefined;
  readonly "insecure-skip-tls-verify": boolean;
}

interface User {
  readonly "client-certificate": string | undefined;
  readonly "client-certificate-data": string | undefined;
  readonly "client-key": string | undefined;
  readonly "client-key-data": string | undefined;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
}

const kubeconfig = object<Kubeconfig>({
  "current-context": optional(text),
  contexts: optional(anything),
  clusters: optional(anything),
  users: optional(anything),
});

const contextFields = object({ cluster: text, user: text });

const serverUrl: Schema<string> = (value, field) => {
  const given = text(value, field);
  if (!/^https?:\/\/[^/]/.test(given))
    throw new ConfigError(field, "must be a URL such as https://10.0.0.1:6443", { value });
  return given.replace(/\/+$/, "");
};

const clusterFields = supporting(
  ["proxy-url", "tls-server-name"],
  object<Cluster>({
    server: serverUrl,
    "certificate-authority": optional(text),
    "certificate-authority-data": optional(text),
    "insecure-skip-tls-verify": withDefault(boolean, false),
  }),
);

const userFields = supporting(
  ["exec", "auth-provider", "username", "password", "as"],
  object<User>({
    "client-certificate": optional(text),
    "client-certificate-data": optional(text),
    "client-key": optional(text),
    "client-key-data": optional(text),
    token: optional(text),
    tokenFile: optional(text),
  }),
);

/** Reads the file's context, and the files that it names, each time that it is asked. */
export function kubeconfigAccess(path: string, { context, servers }: KubeconfigOptions = {}): AccessSource {
  return () => {
    const config = readKubeconfig(path);
    const name = context ?? config["current-context"];
    if (name === undefined) throw new ConfigError("current-context", `is missing in "${path}"`);
    const chosen = entryNamed("context", name, config.contexts, contextFields);
    const cluster = entryNamed("cluster", chosen.cluster, config.clusters, clusterFields);
    const user = entryNamed("user", chosen.user, config.users, userFields);
    const folder = dirname(path);
    const ca = contentOf(folder, cluster, "certificate-authority");
    const cert = contentOf(folder, user, "client-certificate");
    const key = contentOf(folder, user, "client-key");
    const token = user.tokenFile === undefined ? user.token : readNamed(folder, "tokenFile", user.tokenFile).trim();
    const tls: Access["tls"] = {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(cluster["insecure-skip-tls-verify"] && { rejectUnauthorized: false as const }),
    };
    return { servers: servers ?? [cluster.server], tls, ...(token !== undefined && { token }) };
  };
}

function readKubeconfig(path: string): Kubeconfig {
  const source = readTextIfExists(path);
  if (source === undefined) throw new ConfigError("store", "names a kubeconfig that is not there", { value: path });
  try {
    return kubeconfig(parse(source), "");
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError("store", "names a kubeconfig that is not YAML", { value: path, cause: error });
  }
}

/** The entry of a list that has a name, checked; its neighbours may be of a kind that is not supported. */
function entryNamed<T>(kind: string, name: string, entries: unknown, schema: Schema<T>): T {
  const found = list(object({ name: text, [kind]: optional(anything) }))(entries ?? [], `${kind}s`);
  const index = found.findIndex((entry) => entry.name === name);
  if (index < 0) throw new ConfigError(`${kind}s`, "has none of this name", { value: name });
  return schema((found[index] as Record<string, unknown>)[kind] ?? {}, `${kind}s[${index}].${kind}`);
}

/** The schema, for an object without these fields: passed over in silence they would mislead. */
function supporting<T>(unsupported: readonly string[], schema: Schema<T>): Schema<T> {
  return (value, field) => {
    const result = schema(value, field);
    const found = unsupported.find((name) => name in (value as object));
    if (found !== undefined) throw new UnsupportedFieldError(`${field}.${found}`, "is not supported");
    return result;
  };
}

/** What the field `<name>-data` holds in base64, or else the file that the field names. */
function contentOf<K extends string>(
  folder: string,
  fields: Readonly<Record<K | `${K}-data`, string | undefined>>,
  name: K,
): string | undefined {
  const data = fields[`${name}-data`];
  if (data !== undefined) return Buffer.from(data, "base64").toString();
  const path = fields[name];
  return path === undefined ? undefined : readNamed(folder, name, path);
}

function readNamed(folder: string, field: string, path: string): string {
  const content = readTextIfExists(resolve(folder, path));
  if (content === undefined) throw new ConfigError(field, "names a file that is not there", { value: path });
  return content;
}
