/**
 * Stores by their address, such as `dir:/var/lib/tendril/store`, `etcd://10.0.0.1:2379,10.0.0.2:2379`, or `kubernetes:` for
 * the cluster that this process is a pod of, or that kubectl speaks to, and `kubernetes:/PATH` for that of a kubeconfig.
 */

import { ConfigError } from "../core/errors.ts";
import { object, optional, type Schema, text } from "../core/schema.ts";
import { ensureFolder, fileError, readTextIfExists } from "../linux/file.ts";
import { DirectoryStore } from "./directory/directory-store.ts";
import type { EtcdOptions } from "./etcd/client.ts";
import { EtcdStore } from "./etcd/etcd-store.ts";
import { type AccessSource, podAccess } from "./kubernetes/access.ts";
import { kubeconfigAccess } from "./kubernetes/kubeconfig.ts";
import { KubernetesStore } from "./kubernetes/kubernetes-store.ts";
import type { Store } from "./store.ts";

/** What an address does not say. */
export interface StoreOptions extends EtcdStoreOptions, KubernetesStoreOptions {}

/** Paths of files in PEM, and of one with nothing but the password. */
interface EtcdStoreOptions {
  readonly prefix?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly user?: string;
  readonly passwordFile?: string;
}

interface KubernetesStoreOptions {
  /** URLs of API servers, parted by commas, in the place of the one that is known else. */
  readonly server?: string;
  /** Of the kubeconfig. */
  readonly context?: string;
  /** Where heartbeats lie. */
  readonly namespace?: string;
}

/** The options by the schemes of the addresses that they go with. */
const OPTIONS = {
  dir: [],
  etcd: ["prefix", "ca", "cert", "key", "user", "passwordFile"],
  kubernetes: ["server", "context", "namespace"],
} as const satisfies Readonly<Record<string, readonly (keyof StoreOptions)[]>>;

const fields = object<StoreOptions>({
  prefix: optional(text),
  ca: optional(text),
  cert: optional(text),
  key: optional(text),
  user: optional(text),
  passwordFile: optional(text),
  server: optional(text),
  context: optional(text),
  namespace: optional(text),
});

/** The field `storeOptions` of a configuration. */
export const storeOptions: Schema<StoreOptions> = (value, field) => {
  const options = fields(value, field);
  const unknown = Object.keys(value as object).find((name) => !(name in options));
  if (unknown !== undefined) throw new ConfigError(`${field}.${unknown}`, "is no option of a store");
  return Object.fromEntries(Object.entries(options).filter(([, option]) => option !== undefined));
};

export interface Opening {
  /** Makes a directory store's folder where it is missing. */
  readonly make?: boolean;
  /** What the address is called in messages; `store` unless given. */
  readonly field?: string;
}

/**
 * Opens a store without asking it anything. Throws ConfigError for an address or an option that cannot be used, and
 * FileError for a folder that cannot be made.
 */
export function openStore(url: string, options: StoreOptions = {}, { make, field = "store" }: Opening = {}): Store {
  const [scheme = "", rest = ""] = splitAtColon(url);
  switch (scheme) {
    case "dir":
      refuseOthers("dir", options);
      return openDirectory(rest, { make, field, url });
    case "etcd":
    case "etcds":
      refuseOthers("etcd", options);
      return openEtcd(scheme, rest, options, { field, url });
    case "kubernetes":
      refuseOthers("kubernetes", options);
      return openKubernetes(rest, options, { field, url });
    default:
      throw new ConfigError(
        field,
        "must be dir:/FOLDER, etcd://HOST:PORT, etcds://HOST:PORT, kubernetes: or kubernetes:/KUBECONFIG",
        { value: url },
      );
  }
}

/** Refuses options that go with other addresses. */
function refuseOthers(kind: keyof typeof OPTIONS, options: StoreOptions): void {
  for (const [of, names] of Object.entries(OPTIONS)) {
    const needless = names.find((name) => of !== kind && options[name] !== undefined);
    if (needless !== undefined) throw new ConfigError(`storeOptions.${needless}`, `is for ${of} alone`);
  }
}

function splitAtColon(url: string): string[] {
  const colon = url.indexOf(":");
  return colon < 0 ? [url] : [url.slice(0, colon), url.slice(colon + 1)];
}

interface Address {
  readonly field: string;
  readonly url: string;
  readonly make?: boolean | undefined;
}

function openDirectory(rest: string, { field, url, make }: Address): Store {
  const folder = pathOf(rest).replace(/(?<=.)\/+$/, "");
  if (!folder.startsWith("/")) throw new ConfigError(field, "must name a folder by its whole path", { value: url });
  if (make) makeFolder(folder);
  return new DirectoryStore(folder);
}

/** Two slashes before a path are as good as none. */
function pathOf(rest: string): string {
  return rest.replace(/^\/\/(?=\/)/, "");
}

function makeFolder(folder: string): void {
  try {
    ensureFolder(folder);
  } catch (error) {
    throw fileError("make folder", folder, error);
  }
}

function openEtcd(scheme: "etcd" | "etcds", rest: string, options: StoreOptions, { field, url }: Address): Store {
  const { prefix, ca, cert, key, user, passwordFile } = options;
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? "cert" : "key";
    throw new ConfigError(`storeOptions.${missing}`, "is missing: a certificate and its key belong together");
  }
  if ((user === undefined) !== (passwordFile === undefined)) {
    const missing = user === undefined ? "user" : "passwordFile";
    throw new ConfigError(`storeOptions.${missing}`, "is missing: a user and a password belong together");
  }
  if (prefix !== undefined && !/^\/[^\s]*[^\s/]$/.test(prefix)) {
    throw new ConfigError("storeOptions.prefix", "must begin with a slash and not end with one", { value: prefix });
  }
  const isSecure = scheme === "etcds" || ca !== undefined || cert !== undefined;
  const tls = {
    ...(ca !== undefined && { ca: readOption("ca", ca) }),
    ...(cert !== undefined && { cert: readOption("cert", cert) }),
    ...(key !== undefined && { key: readOption("key", key) }),
  };
  const etcd: EtcdOptions = {
    endpoints: endpointsOf(rest, field, url).map((host) => `${isSecure ? "https" : "http"}://${host}`),
    ...(isSecure && { tls }),
    ...(user !== undefined && { user: { name: user, password: passwordOf(passwordFile ?? "") } }),
  };
  return new EtcdStore({ ...etcd, ...(prefix !== undefined && { prefix }) });
}

function openKubernetes(rest: string, options: StoreOptions, address: Address): Store {
  const { namespace } = options;
  return new KubernetesStore({
    source: accessOf(rest, options, address),
    ...(namespace !== undefined && { namespace }),
  });
}

/**
 * How the API server is reached that an address such as `kubernetes:` means, which is what a store has, too. Throws
 * ConfigError for another address, and for options that cannot be used.
 */
export function kubernetesAccess(url: string, options: StoreOptions, field: string): AccessSource {
  const [scheme, rest = ""] = splitAtColon(url);
  if (scheme === "kubernetes") return accessOf(rest, options, { field, url });
  throw new ConfigError(field, "must be kubernetes: or kubernetes:/KUBECONFIG", { value: url });
}

function accessOf(rest: string, { server, context }: KubernetesStoreOptions, { field, url }: Address): AccessSource {
  const servers = server?.split(",");
  for (const one of servers ?? []) {
    if (/^https?:\/\/[^/,]+$/.test(one)) continue;
    throw new ConfigError("storeOptions.server", "must be URLs such as https://10.0.0.1:6443", { value: server });
  }
  const path = pathOf(rest);
  if (path !== "" && !path.startsWith("/")) {
    throw new ConfigError(field, "must name a kubeconfig by its whole path, or none in a pod", { value: url });
  }
  const files = path === "" ? ownKubeconfigs(process.env) : [path];
  if (files.length === 0) {
    if (context !== undefined) throw new ConfigError("storeOptions.context", "is for a kubeconfig alone");
    return podAccess(process.env, servers);
  }
  return kubeconfigAccess(files, { context, servers, named: path === "" ? "KUBECONFIG" : field });
}

/** The kubeconfigs that kubectl would take: none in a pod that names none, and where there is none. */
export function ownKubeconfigs(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const { KUBERNETES_SERVICE_HOST, KUBECONFIG, HOME } = env;
  const named = KUBECONFIG?.split(":").filter((path) => path !== "") ?? [];
  if (named.length > 0 || KUBERNETES_SERVICE_HOST) return named;
  const path = HOME ? `${HOME}/.kube/config` : undefined;
  return path === undefined || readTextIfExists(path) === undefined ? [] : [path];
}

/** Hosts with their ports, parted by commas. An IPv6 address is in brackets. */
function endpointsOf(rest: string, field: string, url: string): string[] {
  const hosts = rest.replace(/^\/\//, "").replace(/\/$/, "").split(",");
  for (const host of hosts) {
    const port = Number(/^(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})$/.exec(host)?.[1]);
    if (port > 0 && port < 65536) continue;
    throw new ConfigError(field, "must name etcd's endpoints as HOST:PORT, parted by commas", { value: url });
  }
  return hosts;
}

function readOption(name: keyof StoreOptions, path: string): string {
  const content = readTextIfExists(path);
  if (content !== undefined) return content;
  throw new ConfigError(`storeOptions.${name}`, "names a file that is not there", { value: path });
}

function passwordOf(path: string): string {
  return readOption("passwordFile", path).replace(/\r?\n$/, "");
}
