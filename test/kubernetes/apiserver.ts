/** A kube-apiserver with its etcd on the loopback, and nothing else of a cluster. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EtcdServer, freePort, startEtcd } from "../support/etcd.ts";
import { type Authority, kubeconfigOf, makeAuthority } from "./authority.ts";
import { kubernetesPrograms } from "./built.ts";
import { until } from "./until.ts";

export interface ApiServer {
  readonly url: string;
  readonly port: number;
  /** For files of the test's. It goes with the server. */
  readonly folder: string;
  readonly authority: Authority;
  readonly etcd: string;
  /** Path of the kubeconfig of somebody who may do everything, by a client's certificate. */
  readonly kubeconfig: string;
  /** Of the same; the server knows it from the beginning. */
  readonly token: string;
  /** What kubectl prints, given an object or a list of them on its standard input. Throws with what it said. */
  kubectl(args: readonly string[], input?: object): Promise<string>;
  pid(): number;
  /** Ends the server's process; etcd goes on. */
  stop(): Promise<void>;
  /** Starts it again and waits until it is ready. */
  start(): Promise<void>;
  dispose(): Promise<void>;
}

export interface ApiServerOptions {
  /** The address it listens on; 127.0.0.1 unless given. */
  readonly address?: string;
  /** More arguments. */
  readonly flags?: readonly string[];
}

/** Starts both and waits until they are ready. Throws with what the server has said. */
export async function startApiServer({ address = "127.0.0.1", flags = [] }: ApiServerOptions = {}): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), "tendril-apiserver-"));
  const path = (name: string) => join(folder, name);
  const etcd: EtcdServer = await startEtcd({ folder });
  const authority = await makeAuthority(folder);
  const [serving, accounts, admin] = await Promise.all([
    authority.issue("apiserver", { user: "apiserver", addresses: [...new Set(["127.0.0.1", address])] }),
    authority.issue("service-accounts", { user: "service-accounts" }),
    authority.issue("admin", { user: "admin", group: "system:masters" }),
  ]);
  const port = freePort();
  const url = `https://${address}:${port}`;
  const kubeconfig = path("admin.kubeconfig");
  const token = crypto.randomUUID();
  writeFileSync(kubeconfig, JSON.stringify(kubeconfigOf(url, authority, admin)));
  writeFileSync(path("tokens.csv"), `${token},admin,admin,"system:masters"\n`);
  const command = [
    join(kubernetesPrograms, "kube-apiserver"),
    ...["--etcd-servers", etcd.endpoint, "--bind-address", address, "--advertise-address", address],
    ...["--secure-port", String(port), "--cert-dir", folder, "--token-auth-file", path("tokens.csv")],
    ...["--tls-cert-file", serving.cert, "--tls-private-key-file", serving.key, "--client-ca-file", authority.ca],
    ...["--service-account-issuer", "https://kubernetes.default.svc", "--service-cluster-ip-range", "10.96.0.0/12"],
    ...["--service-account-key-file", accounts.cert, "--service-account-signing-key-file", accounts.key],
    ...["--authorization-mode", "Node,RBAC", "--endpoint-reconciler-type", "none"],
    ...flags,
  ];
  const log = Bun.file(path("apiserver.log"));
  const kubectl: ApiServer["kubectl"] = async (args, input) => {
    const cache = ["--cache-dir", path("kubectl-cache")];
    const child = Bun.spawn([join(kubernetesPrograms, "kubectl"), "--kubeconfig", kubeconfig, ...cache, ...args], {
      stdin: new Blob([input === undefined ? "" : JSON.stringify(input)]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    if ((await child.exited) !== 0) throw new Error(`kubectl ${args.join(" ")}: ${errors}`);
    return out;
  };
  let child: Bun.Subprocess | undefined;
  const server: ApiServer = {
    ...{ url, port, folder, authority, etcd: etcd.endpoint, kubeconfig, token, kubectl },
    pid: () => child?.pid ?? 0,
    async stop() {
      child?.kill("SIGKILL");
      await child?.exited;
    },
    async start() {
      child = Bun.spawn(command, { stdout: log, stderr: log, cwd: folder });
      const isReady = async () => (await kubectl(["get", "--raw", "/readyz"])) === "ok";
      await until("kube-apiserver is ready", isReady, { details: () => log.text() });
    },
    async dispose() {
      await server.stop();
      await etcd.kill();
      rmSync(folder, { recursive: true });
    },
  };
  try {
    await server.start();
  } catch (error) {
    await server.dispose();
    throw error;
  }
  return server;
}

/** A custom resource whose `spec` is whatever is written there, and nothing is known of. */
export function anyResource(group: string, plural: string, kind: string): object {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Cluster",
      names: { plural, singular: plural, kind, listKind: `${kind}List` },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: { spec: { "x-kubernetes-preserve-unknown-fields": true } },
            },
          },
        },
      ],
    },
  };
}
