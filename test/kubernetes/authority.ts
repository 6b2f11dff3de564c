/** A cluster's certificate authority, by openssl. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { finish, outputOf } from "../support/command.ts";

export interface KeyPair {
  /** Paths of the files, in PEM. */
  readonly cert: string;
  readonly key: string;
}

/** For whom a certificate is, in the names that Kubernetes reads from it. */
export interface Subject {
  readonly user: string;
  readonly group?: string;
  /** Of a server: the addresses and host names by which it is called. */
  readonly addresses?: readonly string[];
  readonly hosts?: readonly string[];
}

export interface Authority {
  /** Path of its certificate. */
  readonly ca: string;
  /** Makes a key and its certificate, as files of this name. */
  issue(name: string, subject: Subject): Promise<KeyPair>;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];

/** Makes an authority whose files lie in the folder. Throws where openssl fails. */
export async function makeAuthority(folder: string): Promise<Authority> {
  // The machine's own configuration would add extensions.
  const config = join(folder, "openssl.cnf");
  writeFileSync(config, "[req]\ndistinguished_name = name\n[name]\n");
  const make = async (name: string, subject: string, args: readonly string[]): Promise<KeyPair> => {
    const pair = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
    const files = ["-config", config, "-keyout", pair.key, "-out", pair.cert, "-subj", subject];
    const command = ["openssl", "req", "-x509", ...NEW_KEY, ...files, ...args];
    await outputOf("authority", command, finish(command));
    return pair;
  };
  const own = [
    "-addext",
    "basicConstraints=critical,CA:TRUE",
    "-addext",
    "keyUsage=critical,keyCertSign,digitalSignature",
  ];
  const ca = await make("ca", "/CN=kubernetes", own);
  return {
    ca: ca.cert,
    issue(name, { user, group, addresses = [], hosts = [] }) {
      const names = [...addresses.map((address) => `IP:${address}`), ...hosts.map((host) => `DNS:${host}`)];
      const extensions = [
        "basicConstraints=critical,CA:FALSE",
        "extendedKeyUsage=clientAuth,serverAuth",
        ...(names.length === 0 ? [] : [`subjectAltName=${names.join(",")}`]),
      ].flatMap((extension) => ["-addext", extension]);
      const subject = `${group === undefined ? "" : `/O=${group}`}/CN=${user}`;
      return make(name, subject, ["-CA", ca.cert, "-CAkey", ca.key, ...extensions]);
    },
  };
}

/** A kubeconfig file's content, in JSON. */
export function kubeconfigOf(server: string, { ca }: Authority, { cert, key }: KeyPair): object {
  const data = (path: string) => readFileSync(path).toString("base64");
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server, "certificate-authority-data": data(ca) } }],
    users: [{ name: "test", user: { "client-certificate-data": data(cert), "client-key-data": data(key) } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  };
}
