/** The control plane of a test cluster on a machine of its own. */

import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Family, familyOf } from "../../src/core/ip.ts";
import { type Authority, kubeconfigOf, makeAuthority } from "./authority.ts";
import { ofFamilies, PODS, SERVICES } from "./fabric.ts";
import type { Machine } from "./machine.ts";
import { until } from "./until.ts";

/** Where it listens, besides 127.0.0.1 of its machine. */
const PORT = 6443;

export interface ControlPlane {
  readonly machine: Machine;
  readonly authority: Authority;
  /** The apiserver's address as a URL. */
  readonly server: string;
  /** Where its etcd is reached from the nodes, as HOST:PORT. */
  readonly etcd: string;
  /** Of a user who may do everything, for what speaks to the apiserver itself. */
  readonly token: string;
  /** Path of that user's kubeconfig. */
  readonly kubeconfig: string;
  /** A kubeconfig for somebody. */
  kubeconfigFor(name: string, user: string, group?: string): Promise<object>;
  startEtcd(): Promise<void>;
  startApiserver(): Promise<void>;
  startControllerManager(): Promise<void>;
  startScheduler(): Promise<void>;
}

export interface ControlPlaneOptions {
  readonly machine: Machine;
  /** The machine's addresses. */
  readonly addresses: readonly string[];
  readonly families: readonly Family[];
  /** The folder of the programs. */
  readonly programs: string;
  /** Where the certificates are put. */
  readonly folder: string;
  /** Whether nodes are given a part of the pods' networks in `spec.podCIDRs`. */
  readonly allocateNodeCidrs: boolean;
  /** More arguments of the programs. */
  readonly flags?: Readonly<Record<string, readonly string[]>>;
}

/** Makes the certificates. Nothing runs yet. */
export async function makeControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { machine, addresses, families, programs, folder, flags = {} } = options;
  mkdirSync(folder, { recursive: true });
  const authority = await makeAuthority(folder);
  const server = `https://${urlHost(addresses[0] ?? "")}:${PORT}`;
  const etcd = `${urlHost(addresses[0] ?? "")}:2379`;
  const services = ofFamilies(SERVICES, families);
  const own = ofFamilies(["127.0.0.1", "::1"], families);
  const firstServices = services.map((prefix) => prefix.replace(/0?\/.*/, "1"));
  const hosts = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  const [serving, accounts, admin, manager, scheduler] = await Promise.all([
    authority.issue("apiserver", { user: "apiserver", addresses: [...addresses, ...own, ...firstServices], hosts }),
    authority.issue("service-accounts", { user: "service-accounts" }),
    authority.issue("admin", { user: "admin", group: "system:masters" }),
    authority.issue("controller-manager", { user: "system:kube-controller-manager" }),
    authority.issue("scheduler", { user: "system:kube-scheduler" }),
  ]);
  const token = randomBytes(16).toString("hex");
  const path = (name: string) => join(folder, name);
  writeFileSync(path("tokens.csv"), `${token},admin,admin,"system:masters"\n`);
  for (const [name, pair] of Object.entries({ admin, manager, scheduler })) {
    writeFileSync(path(`${name}.kubeconfig`), JSON.stringify(kubeconfigOf(server, authority, pair)));
  }
  const start = (name: string, args: Readonly<Record<string, string>>) => {
    const given = Object.entries(args).map(([flag, value]) => `--${flag}=${value}`);
    return machine.start(name, [name === "etcd" ? "etcd" : join(programs, name), ...given, ...(flags[name] ?? [])]);
  };
  return {
    machine,
    authority,
    server,
    etcd,
    token,
    kubeconfig: path("admin.kubeconfig"),
    async kubeconfigFor(name, user, group) {
      const subject = { user, ...(group === undefined ? {} : { group }) };
      return kubeconfigOf(server, authority, await authority.issue(name, subject));
    },
    async startEtcd() {
      await start("etcd", {
        "data-dir": "/var/lib/etcd",
        "unsafe-no-fsync": "true",
        "listen-client-urls": `http://127.0.0.1:2379,http://${etcd}`,
        "advertise-client-urls": `http://${etcd}`,
        "listen-peer-urls": "http://127.0.0.1:2380",
      });
    },
    async startApiserver() {
      await start("kube-apiserver", {
        "etcd-servers": "http://127.0.0.1:2379",
        "secure-port": String(PORT),
        "advertise-address": addresses[0] ?? "",
        "cert-dir": "/var/lib/apiserver",
        "tls-cert-file": serving.cert,
        "tls-private-key-file": serving.key,
        "client-ca-file": authority.ca,
        "token-auth-file": path("tokens.csv"),
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": accounts.cert,
        "service-account-signing-key-file": accounts.key,
        "service-cluster-ip-range": services.join(","),
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        "kubelet-preferred-address-types": "InternalIP",
      });
      const ask = [join(programs, "kubectl"), "--kubeconfig", path("admin.kubeconfig"), "get", "--raw", "/readyz"];
      await until("kube-apiserver is ready", async () => (await machine.run(ask)).exitCode === 0, {
        isPossible: () => machine.isRunning("kube-apiserver"),
        details: () => machine.log("kube-apiserver"),
      });
    },
    async startControllerManager() {
      const masks = ofFamilies(["node-cidr-mask-size-ipv4=24", "node-cidr-mask-size-ipv6=64"], families);
      await start("kube-controller-manager", {
        kubeconfig: path("manager.kubeconfig"),
        "service-account-private-key-file": accounts.key,
        "root-ca-file": authority.ca,
        "use-service-account-credentials": "true",
        "leader-elect": "false",
        // As given it takes five seconds to ask for the accounts of all its controllers.
        "kube-api-qps": "200",
        "kube-api-burst": "400",
        "flex-volume-plugin-dir": "/var/lib/volume-plugins",
        "allocate-node-cidrs": String(options.allocateNodeCidrs),
        ...(options.allocateNodeCidrs
          ? Object.fromEntries([
              ["cluster-cidr", ofFamilies(PODS, families).join(",")],
              ["service-cluster-ip-range", services.join(",")],
              ...(families.length > 1 ? masks : []).map((mask) => mask.split("=")),
            ])
          : {}),
      });
    },
    async startScheduler() {
      await start("kube-scheduler", { kubeconfig: path("scheduler.kubeconfig"), "leader-elect": "false" });
    },
  };
}

/** An address as a URL has it. */
export function urlHost(address: string): string {
  return familyOf(address) === 6 ? `[${address}]` : address;
}
