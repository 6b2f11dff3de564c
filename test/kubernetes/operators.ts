/** Operators of a test cluster at a machine that is no node: each with kubeconfigs, and the commands that they run there. */

import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Finished, outputOf, PATH } from "../support/command.ts";
import { tendril } from "../support/programs.ts";
import { kubernetesPrograms } from "./built.ts";
import type { Cluster } from "./cluster.ts";

/** The member of the fabric beyond the router. */
const MACHINE = "outside";

export interface Operator {
  /** Runs a command of ours to its end. */
  tendril(...args: readonly string[]): Promise<Finished>;
  /** What one prints that must succeed. */
  output(...args: readonly string[]): Promise<string>;
  /** The same by `kubectl tendril`. */
  kubectlTendril(...args: readonly string[]): Promise<string>;
  /** The command that is run, for one that goes on. */
  command(...args: readonly string[]): readonly string[];
}

/** With KUBECONFIG as it is given. */
export function operator({ at }: Cluster, kubeconfig: string): Operator {
  // This machine may have been a node of others.
  const env = { KUBECONFIG: kubeconfig, HOME: "/nonexistent", TENDRIL_RUN_DIR: "/nonexistent" };
  const run = (...args: readonly string[]) => at(MACHINE, [tendril, ...args], { env });
  const withPlugin = { ...env, PATH: `${dirname(tendril)}:${PATH}` };
  const kubectl = join(kubernetesPrograms, "kubectl");
  return {
    tendril: run,
    output: (...args) => outputOf("tendril", args, run(...args)),
    kubectlTendril: (...args) =>
      outputOf("kubectl tendril", args, at(MACHINE, [kubectl, "tendril", ...args], { env: withPlugin })),
    command: (...args) => ["env", `KUBECONFIG=${kubeconfig}`, tendril, ...args],
  };
}

/** The kubeconfig of a user with a certificate, as a file. */
export async function withCertificate(
  { control }: Cluster,
  folder: string,
  user: string,
  group?: string,
): Promise<string> {
  const path = join(folder, user);
  writeFileSync(path, JSON.stringify(await control.kubeconfigFor(user, user, group)));
  return path;
}

/**
 * Two kubeconfigs, to be merged, with the contexts "file", whose token is in a file, "program", whose token comes of a
 * program, "stranger", whose token is nobody's, and "foreign" and "misnamed", which take the API server for another one.
 */
export function withToken({ control }: Cluster, folder: string, token: string, foreign: string): string {
  const [clusters, users] = [join(folder, "clusters", "config"), join(folder, "users", "config")];
  for (const path of [clusters, users]) mkdirSync(dirname(path), { recursive: true });
  copyFileSync(control.authority.ca, join(folder, "clusters", "ca.crt"));
  copyFileSync(foreign, join(folder, "clusters", "foreign.crt"));
  writeFileSync(join(folder, "users", "token"), `${token}\n`);
  const apiVersion = "client.authentication.k8s.io/v1";
  const credential = JSON.stringify({ apiVersion, kind: "ExecCredential", status: { token } });
  writeFileSync(join(folder, "users", "credential"), `#!/bin/sh\necho '${credential}'\n`);
  chmodSync(join(folder, "users", "credential"), 0o755);
  const { server } = control;
  writeFileSync(
    clusters,
    JSON.stringify({
      clusters: [
        {
          name: "test",
          cluster: { server, "certificate-authority": "ca.crt", "tls-server-name": "kubernetes.default" },
        },
        { name: "foreign", cluster: { server, "certificate-authority": "foreign.crt" } },
        {
          name: "misnamed",
          cluster: { server, "certificate-authority": "ca.crt", "tls-server-name": "other.example" },
        },
      ],
    }),
  );
  writeFileSync(
    users,
    JSON.stringify({
      "current-context": "file",
      contexts: [
        { name: "file", context: { cluster: "test", user: "file", namespace: "default" } },
        { name: "program", context: { cluster: "test", user: "program" } },
        { name: "stranger", context: { cluster: "test", user: "stranger" } },
        { name: "foreign", context: { cluster: "foreign", user: "file" } },
        { name: "misnamed", context: { cluster: "misnamed", user: "file" } },
      ],
      users: [
        { name: "file", user: { tokenFile: "token" } },
        { name: "program", user: { exec: { apiVersion, command: "./credential", interactiveMode: "Never" } } },
        { name: "stranger", user: { token: "nobody's" } },
      ],
    }),
  );
  return `${users}:${clusters}`;
}
