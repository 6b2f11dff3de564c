/**
 * Access by kubeconfig files, as kubectl has it: with a client's certificate, a token, or a program that gives them.
 * @see https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */

import { resolve } from "node:path";
import { ConfigError, UnsupportedFieldError } from "../../core/errors.ts";
import { anything, boolean, list, mapOf, object, optional, type Schema, text, withDefault } from "../../core/schema.ts";
import { readTextIfExists } from "../../linux/file.ts";
import type { Access, AccessSource } from "./access.ts";
import { type Credential, type ExecConfig, execConfig, runCredentialProgram } from "./exec-credential.ts";
import { checked, type KubeconfigEntry, KubeconfigError, readKubeconfig } from "./kubeconfig-files.ts";

export interface KubeconfigOptions {
  /** The current one unless given. */
  readonly context?: string | undefined;
  /** Go over the one that the cluster has. */
  readonly servers?: readonly string[] | undefined;
  /** What messages call that which has named the files; `store` unless given. */
  readonly named?: string | undefined;
}

interface Cluster {
  readonly server: string;
  readonly "certificate-authority": string | undefined;
  readonly "certificate-authority-data": string | undefined;
  readonly "insecure-skip-tls-verify": boolean;
  readonly "tls-server-name": string | undefined;
  readonly "proxy-url": string | undefined;
  readonly extensions: readonly { readonly name: string; readonly extension: unknown }[];
}

interface User {
  readonly "client-certificate": string | undefined;
  readonly "client-certificate-data": string | undefined;
  readonly "client-key": string | undefined;
  readonly "client-key-data": string | undefined;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly exec: ExecConfig | undefined;
  readonly as: string | undefined;
  readonly "as-uid": string | undefined;
  readonly "as-groups": readonly string[];
  readonly "as-user-extra": ReadonlyMap<string, readonly string[]>;
}

const contextFields = object<{ cluster: string; user: string; namespace: string | undefined }>({
  cluster: text,
  user: text,
  namespace: optional(text),
});

const serverUrl: Schema<string> = (value, field) => {
  const given = text(value, field);
  if (!/^https?:\/\/[^/]/.test(given))
    throw new ConfigError(field, "must be a URL such as https://10.0.0.1:6443", { value });
  return given.replace(/\/+$/, "");
};

const proxyUrl: Schema<string> = (value, field) => {
  const given = text(value, field);
  if (/^https?:\/\/[^/]/.test(given)) return given;
  throw new ConfigError(field, "must be a URL such as http://10.0.0.1:3128; SOCKS is not supported", { value });
};

const clusterFields = object<Cluster>({
  server: serverUrl,
  "certificate-authority": optional(text),
  "certificate-authority-data": optional(text),
  "insecure-skip-tls-verify": withDefault(boolean, false),
  "tls-server-name": optional(text),
  "proxy-url": optional(proxyUrl),
  extensions: withDefault(list(object({ name: text, extension: optional(anything) })), []),
});

const userFields = supporting(
  ["auth-provider", "username", "password"],
  object<User>({
    "client-certificate": optional(text),
    "client-certificate-data": optional(text),
    "client-key": optional(text),
    "client-key-data": optional(text),
    token: optional(text),
    tokenFile: optional(text),
    exec: optional(execConfig),
    as: optional(text),
    "as-uid": optional(text),
    "as-groups": withDefault(list(text), []),
    "as-user-extra": withDefault(mapOf(list(text)), new Map()),
  }),
);

/**
 * Reads the context of these files, and the files that it names, each time that it is asked. What a program has given is
 * kept while it holds.
 */
export function kubeconfigAccess(paths: readonly string[], options: KubeconfigOptions = {}): AccessSource {
  const credentials = new Credentials();
  return (isRefused = false) => {
    const { servers, named = "store" } = options;
    const config = readKubeconfig(paths, named);
    const name = options.context ?? config.currentContext;
    if (name === undefined) throw config.lacks("current-context", "is missing: which context is meant?");
    const context = checked(config.entry("context", name), contextFields);
    const clusterEntry = config.entry("cluster", context.cluster);
    const userEntry = config.entry("user", context.user);
    const cluster = checked(clusterEntry, clusterFields);
    const user = checked(userEntry, userFields);
    const ca = pemOf(clusterEntry, cluster, "certificate-authority");
    const given = credentialOf(userEntry, user);
    const found =
      user.exec === undefined || given.token !== undefined
        ? given
        : { ...credentials.of(user.exec, userEntry.folder, infoOf(cluster, ca), isRefused), ...given };
    const { token, cert, key } = found;
    const headers = impersonation(userEntry, user);
    const tls: Access["tls"] = {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(cluster["tls-server-name"] && { serverName: cluster["tls-server-name"] }),
      ...(cluster["insecure-skip-tls-verify"] && { rejectUnauthorized: false as const }),
    };
    return {
      servers: servers ?? [cluster.server],
      tls,
      ...(token !== undefined && { token }),
      ...(Object.keys(headers).length > 0 && { headers }),
      ...(cluster["proxy-url"] && { proxy: cluster["proxy-url"] }),
      ...(context.namespace && { namespace: context.namespace }),
    };
  };
}

/** What a program has given, for as long as it holds. */
class Credentials {
  #kept: { readonly config: string; readonly credential: Credential } | undefined;

  of(exec: ExecConfig, folder: string, cluster: object, isRefused: boolean): Credential {
    const config = JSON.stringify([exec, folder, cluster]);
    const { credential } = this.#kept?.config === config ? this.#kept : {};
    if (credential !== undefined && !isRefused && (credential.expires ?? Infinity) > Date.now()) return credential;
    const fresh = runCredentialProgram(exec, folder, cluster);
    this.#kept = { config, credential: fresh };
    return fresh;
  }
}

/** The entry among a cluster's extensions that is for the programs. */
const EXEC_EXTENSION = "client.authentication.k8s.io/exec";

/** What a program may be told of the cluster. */
function infoOf(cluster: Cluster, ca: string | undefined): object {
  const config = cluster.extensions.find(({ name }) => name === EXEC_EXTENSION)?.extension;
  return {
    server: cluster.server,
    ...(cluster["tls-server-name"] && { "tls-server-name": cluster["tls-server-name"] }),
    ...(cluster["insecure-skip-tls-verify"] && { "insecure-skip-tls-verify": true }),
    ...(ca !== undefined && { "certificate-authority-data": Buffer.from(ca).toString("base64") }),
    ...(cluster["proxy-url"] && { "proxy-url": cluster["proxy-url"] }),
    ...(config !== undefined && { config }),
  };
}

/** That which stands in the file, or in files that it names. */
function credentialOf(entry: KubeconfigEntry, user: User): Credential {
  const cert = pemOf(entry, user, "client-certificate");
  const key = pemOf(entry, user, "client-key");
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? "client-certificate" : "client-key";
    throw wrong(entry, missing, "is missing: a certificate and its key belong together");
  }
  const token = user.tokenFile === undefined ? user.token : readNamed(entry, "tokenFile", user.tokenFile).trim();
  return { ...(token && { token }), ...(cert !== undefined && key !== undefined && { cert, key }) };
}

/** @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation */
function impersonation(entry: KubeconfigEntry, user: User): Record<string, string> {
  const { as, "as-uid": uid, "as-groups": groups, "as-user-extra": extra } = user;
  if (as === undefined) {
    if (uid === undefined && groups.length === 0 && extra.size === 0) return {};
    throw wrong(entry, "as", "is missing: who is it whose groups these are?");
  }
  const several = [["as-groups", groups] as const, ...[...extra].map(([key, values]) => [key, values] as const)];
  const many = several.find(([, values]) => values.length > 1);
  // One name has one value in the runtime's requests; a comma would be part of the value.
  if (many !== undefined) throw wrong(entry, many[0], "has several values, of which only one is supported");
  return {
    "Impersonate-User": as,
    ...(uid !== undefined && { "Impersonate-Uid": uid }),
    ...(groups[0] !== undefined && { "Impersonate-Group": groups[0] }),
    ...Object.fromEntries(
      [...extra].map(([key, [value = ""]]) => [`Impersonate-Extra-${encodeURIComponent(key)}`, value]),
    ),
  };
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

/** The PEM text that the field `<name>-data` holds in base64, or else the file that the field names. */
function pemOf<K extends string>(
  entry: KubeconfigEntry,
  fields: Readonly<Record<K | `${K}-data`, string | undefined>>,
  name: K,
): string | undefined {
  const data = fields[`${name}-data`];
  const path = fields[name];
  if (!data && !path) return undefined;
  if (data && !/^[A-Za-z0-9+/\s]+=*\s*$/.test(data)) throw wrong(entry, `${name}-data`, "is not base64");
  const content = data ? Buffer.from(data, "base64").toString() : readNamed(entry, name, path ?? "");
  if (content.includes("-----BEGIN ")) return content;
  throw wrong(entry, data ? `${name}-data` : name, `has no ${name === "client-key" ? "key" : "certificate"} in PEM`);
}

function readNamed(entry: KubeconfigEntry, name: string, path: string): string {
  const content = readTextIfExists(resolve(entry.folder, path));
  if (content === undefined) throw wrong(entry, name, "names a file that is not there", path);
  return content;
}

function wrong({ file, field }: KubeconfigEntry, name: string, problem: string, value?: string): ConfigError {
  return new KubeconfigError(file, new ConfigError(`${field}.${name}`, problem, value === undefined ? {} : { value }));
}
