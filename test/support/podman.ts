/** podman with its CNI backend, on a test host. */

import type { TestHost } from "./host.ts";
import type { Need } from "./needs.ts";
import { ourPlugins, peerPlugins } from "./programs.ts";

const NETWORKS = "/run/networks";
const ROOTFS = "/run/rootfs";
const CONFIG_FILE = "/run/containers.conf";
const CONFIG = `
[containers]
default_ulimits = []
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
[network]
network_backend = "cni"
cni_plugin_dirs = ["${ourPlugins}", "${peerPlugins || "/none"}"]
network_config_dir = "${NETWORKS}"
`;
const PODMAN = ["podman", "--root", "/run/storage", "--runroot", "/run/runroot", "--tmpdir", "/run/podman"];

/** Versions from 5 on, and some packages of earlier ones, are built without it. */
export const cniBackend: Need = () => {
  const script = `mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && cat >${CONFIG_FILE} && exec "$@"`;
  const info = [...PODMAN, "info", "--format", "{{.Host.NetworkBackend}}"];
  const { stdout, stderr } = Bun.spawnSync(["unshare", "--mount", "sh", "-c", script, "sh", ...info], {
    env: { ...process.env, CONTAINERS_CONF: CONFIG_FILE },
    stdin: Buffer.from(CONFIG),
  });
  return stdout.toString().trim() === "cni" ? undefined : `this podman has no CNI backend: ${stderr.toString().trim()}`;
};

/** A chain of plugins by the name of its network. */
export interface PodmanNetwork {
  readonly name: string;
  readonly [field: string]: unknown;
}

/** Gives a host the networks and a folder of busybox as root of containers. */
export function preparePodman(host: TestHost, networks: readonly PodmanNetwork[]): void {
  host.write(CONFIG_FILE, CONFIG);
  host.sh(`mkdir -p ${ROOTFS}/bin ${ROOTFS}/etc && cp $(command -v busybox) ${ROOTFS}/bin/busybox`);
  for (const network of networks) host.write(`${NETWORKS}/${network.name}.conflist`, network);
}

export function podman(host: TestHost, ...args: readonly string[]): string {
  return host.output([...PODMAN, ...args], { env: { CONTAINERS_CONF: CONFIG_FILE, HOME: "/run" } }).trim();
}

/** Starts a container that does nothing, in a control group below the parent. */
export function runContainer(host: TestHost, cgroup: string, name: string, ...options: readonly string[]): void {
  const group = ["--cgroup-parent", `/${cgroup}`];
  const command = ["--rootfs", ROOTFS, "/bin/busybox", "sleep", "1000"];
  podman(host, "run", "--detach", "--name", name, ...group, ...options, ...command);
}

/** Runs a shell command in a container, whose applets are busybox's, and does not wait for its end. */
export function startInside(host: TestHost, name: string, command: string): void {
  podman(host, "exec", "--detach", name, "/bin/busybox", "sh", "-c", command);
}
