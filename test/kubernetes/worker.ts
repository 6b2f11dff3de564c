/** A node of a test cluster: containerd, kubelet and kube-proxy on a machine of their own. */

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Family } from "../../src/core/ip.ts";
import type { ControlPlane } from "./control-plane.ts";
import { ofFamilies, PODS, SERVICES } from "./fabric.ts";
import { PAUSE } from "./images.ts";
import type { Machine } from "./machine.ts";
import { until } from "./until.ts";

export interface WorkerOptions {
  readonly machine: Machine;
  readonly control: ControlPlane;
  /** The node's addresses. */
  readonly addresses: readonly string[];
  readonly families: readonly Family[];
  /** The folder of Kubernetes' programs. */
  readonly programs: string;
  readonly kubeProxyMode: "nftables" | "iptables";
  /** The folder of containerd's programs where it is not the distribution's. */
  readonly containerd?: string | undefined;
  /** More fields of the kubelet's configuration, such as `maxPods`. */
  readonly kubelet?: Readonly<Record<string, unknown>> | undefined;
  /** Taints that it registers with, such as `example.com/key=value:NoSchedule`. */
  readonly taints?: readonly string[] | undefined;
}

export interface Worker extends Pick<Machine, "name" | "run" | "output" | "write"> {
  readonly machine: Machine;
  readonly addresses: readonly string[];
  /** Starts what has been stopped or killed. */
  startContainerd(): Promise<void>;
  startKubelet(): Promise<void>;
  startKubeProxy(): Promise<void>;
  /** What containerd says of its version. */
  containerdVersion(): Promise<string>;
  /** Imports an image archive. */
  importImages(path: string): Promise<void>;
}

const SOCKET = "/run/containerd/containerd.sock";
const KUBELET_HEALTH = "http://127.0.0.1:10248/healthz";
const KUBELET_KUBECONFIG = "/etc/kubernetes/kubelet.kubeconfig";
const PROXY_KUBECONFIG = "/etc/kubernetes/kube-proxy.kubeconfig";

/** The service that cluster DNS has in every cluster: the tenth address of the first network of services. */
export function dnsAddress(families: readonly Family[]): string {
  return ofFamilies(SERVICES, families)[0]?.replace(/0?\/.*/, families[0] === 4 ? "10" : "a") ?? "";
}

/** Writes the configurations. Nothing runs yet. */
export async function makeWorker(options: WorkerOptions): Promise<Worker> {
  const { machine, control, programs, containerd } = options;
  const { name } = machine;
  const [kubelet, proxy] = await Promise.all([
    control.kubeconfigFor(`kubelet-${name}`, `system:node:${name}`, "system:nodes"),
    control.kubeconfigFor(`kube-proxy-${name}`, "system:kube-proxy"),
  ]);
  machine.write("/etc/containerd/config.toml", CONTAINERD);
  machine.write("/etc/kubernetes/kubelet.json", kubeletConfig(options));
  machine.write(KUBELET_KUBECONFIG, kubelet);
  machine.write("/etc/kubernetes/kube-proxy.json", kubeProxyConfig(options));
  machine.write(PROXY_KUBECONFIG, proxy);
  // Names that the cluster does not know are known to nobody here.
  machine.write("/etc/resolv.conf", "");
  const path = [...(containerd === undefined ? [] : [containerd]), "/usr/local/sbin:/usr/local/bin"];
  const env = { PATH: [...path, "/usr/sbin:/usr/bin:/sbin:/bin"].join(":") };
  const ctr = (...args: readonly string[]) => machine.output(["ctr", "--namespace", "k8s.io", ...args], { env });
  return {
    machine,
    name,
    addresses: options.addresses,
    run: machine.run,
    output: machine.output,
    write: machine.write,
    async startContainerd() {
      // A killed one has left its socket.
      rmSync(`${machine.root}${SOCKET}`, { force: true });
      await machine.start("containerd", ["containerd", "--log-level", "warn"], env);
      await until("containerd listens", () => existsSync(`${machine.root}${SOCKET}`), {
        isPossible: () => machine.isRunning("containerd"),
        details: () => machine.log("containerd"),
      });
    },
    containerdVersion: () => machine.output(["containerd", "--version"], { env }),
    async startKubelet() {
      const start = () =>
        machine.start("kubelet", [
          join(programs, "kubelet"),
          ...["--config", "/etc/kubernetes/kubelet.json", "--kubeconfig", KUBELET_KUBECONFIG],
          ...["--hostname-override", name, "--node-ip", options.addresses.join(",")],
          ...(options.taints === undefined ? [] : ["--register-with-taints", options.taints.join(",")]),
        ]);
      await start();
      const isWell = async () => {
        // It ends where the container runtime listens and is not ready yet; an init system starts it again.
        if (!machine.isRunning("kubelet")) await start();
        return (await machine.run(["curl", "--silent", "--fail", KUBELET_HEALTH])).exitCode === 0;
      };
      await until(`the kubelet of ${name} is well`, isWell, { details: () => machine.log("kubelet") });
    },
    async startKubeProxy() {
      await machine.start("kube-proxy", [join(programs, "kube-proxy"), "--config", "/etc/kubernetes/kube-proxy.json"]);
    },
    async importImages(archive) {
      await ctr("images", "import", archive);
    },
  };
}

/** In the form of 1.x, which 2.x takes too. */
const CONTAINERD = `
version = 2
disabled_plugins = ["io.containerd.internal.v1.opt"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
`;

/** What a node in namespaces lacks, the kubelet forgives under `KubeletInUserNamespace`. */
function kubeletConfig({ control, families, kubelet = {} }: WorkerOptions): object {
  return {
    kind: "KubeletConfiguration",
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    containerRuntimeEndpoint: `unix://${SOCKET}`,
    clusterDNS: [dnsAddress(families)],
    clusterDomain: "cluster.local",
    authentication: {
      anonymous: { enabled: true },
      webhook: { enabled: false },
      x509: { clientCAFile: control.authority.ca },
    },
    authorization: { mode: "AlwaysAllow" },
    featureGates: { KubeletInUserNamespace: true },
    cgroupDriver: "cgroupfs",
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    failCgroupV1: false,
    localStorageCapacityIsolation: false,
    oomScoreAdj: 0,
    serializeImagePulls: false,
    volumePluginDir: "/var/lib/kubelet/volume-plugins",
    // The disk is the machine's, and how full it is says nothing of the node.
    evictionHard: { "memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%" },
    imageGCHighThresholdPercent: 100,
    ...kubelet,
  };
}

function kubeProxyConfig({ machine, families, kubeProxyMode }: WorkerOptions): object {
  return {
    kind: "KubeProxyConfiguration",
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    clientConnection: { kubeconfig: PROXY_KUBECONFIG },
    mode: kubeProxyMode,
    hostnameOverride: machine.name,
    clusterCIDR: ofFamilies(PODS, families).join(","),
    // That of connections is the whole machine's.
    conntrack: { maxPerCore: 0 },
    oomScoreAdj: 0,
  };
}
