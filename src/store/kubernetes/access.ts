/**
 * How an API server is reached and who asks it, from what every pod is given or from a kubeconfig file.
 *
 * Certificates and tokens are renewed in their files, and servers move: what is read here is read again from time to
 * time, and whenever a server does not know or does not answer us.
 * @see https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
 */

import { ConfigError } from "../../core/errors.ts";
import { readTextIfExists } from "../../linux/file.ts";

export interface Access {
  /** URLs of API servers of one cluster, without a slash at the end; tried in turn. */
  readonly servers: readonly string[];
  readonly tls: {
    /** PEM texts. */
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly rejectUnauthorized?: false;
    /** That the server's certificate is for; the URL's host unless given. */
    readonly serverName?: string;
  };
  readonly token?: string;
  /** Of each request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** URL of a proxy; else the environment's variables for proxies count. */
  readonly proxy?: string;
  /** Where things lie that are named without a namespace; `default` unless given. */
  readonly namespace?: string;
}

/**
 * Reads it as it is now; `isRefused` says that what it gave before is not taken any more. Throws ConfigError, FileError for a
 * file that cannot be read, and TendrilError for a program that gives no credentials.
 */
export type AccessSource = (isRefused?: boolean) => Access;

/** What every pod with a service account finds. */
const ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The cluster that this process runs in as a pod; `servers` go over the one that its environment names. */
export function podAccess(
  env: Readonly<Record<string, string | undefined>>,
  servers?: readonly string[],
  folder: string = ACCOUNT_FOLDER,
): AccessSource {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  const own = host && port ? [`https://${host.includes(":") ? `[${host}]` : host}:${port}`] : [];
  return () => {
    const token = readTextIfExists(`${folder}/token`)?.trim();
    const ca = readTextIfExists(`${folder}/ca.crt`);
    const found = servers ?? own;
    if (found.length === 0 || !token) {
      throw new ConfigError(
        "store",
        "means the cluster that this process is a pod of, or that kubectl speaks to, but there is none",
        {
          details: "A kubeconfig file is named by kubernetes:/PATH, by KUBECONFIG, or is ~/.kube/config.",
        },
      );
    }
    return { servers: found, tls: ca === undefined ? {} : { ca }, token };
  };
}
