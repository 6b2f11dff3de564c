/** containerd on a test host, as the kubelet drives it by the CRI. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { busyboxImage } from "./busybox-image.ts";
import { type Cri, connectCri, type SandboxConfig } from "./cri.ts";
import type { TestHost } from "./host.ts";
import type { Need } from "./needs.ts";

/** The folder of containerd 2, which is no package of the distribution; empty where there is none. */
const CONTAINERD_2 = process.env.TENDRIL_CONTAINERD_2 ?? "";

/** The versions to test with: the distribution's and a newer one. */
export interface ContainerdVersion {
  readonly title: string;
  /** The folder of its programs; that of the distribution's is on PATH anyway. */
  readonly folder?: string;
  readonly need: Need;
  /** Whether it asks plugins for STATUS. */
  readonly asksStatus: boolean;
}

export const containerdVersions: readonly ContainerdVersion[] = [
  {
    title: "the distribution's containerd",
    need: () => (Bun.which("containerd") === null ? `no program "containerd" on PATH` : undefined),
    asksStatus: false,
  },
  {
    title: "containerd 2",
    folder: CONTAINERD_2,
    need: () => (existsSync(join(CONTAINERD_2, "ctr")) ? undefined : "TENDRIL_CONTAINERD_2 names no folder of it"),
    asksStatus: true,
  },
];

const IMAGE = "docker.io/library/tendril-test:1";
const SOCKET = "/run/containerd.sock";
const LOG = "/run/containerd.log";

export interface Containerd {
  readonly host: TestHost;
  readonly cri: Cri;
  /** What its own client prints. */
  ctr(...args: readonly string[]): string;
  /** A sandbox with one container of busybox. */
  startPod(name: string, more?: Partial<SandboxConfig>): Promise<Pod>;
  /** The shell command's output in a pod. */
  inside(pod: Pod, command: string): Promise<string>;
  stopPod(pod: Pod): Promise<void>;
  /** What it says of its network when that is not ready. */
  networkProblem(): Promise<string | undefined>;
  /** Waits until something is so. */
  until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void>;
}

export interface Pod {
  readonly sandbox: string;
  readonly container: string;
  readonly addresses: readonly string[];
}

export interface ContainerdOptions {
  readonly version: ContainerdVersion;
  /** The folder of the plugins. */
  readonly plugins: string;
  /** The network that it finds in its folder of configurations. */
  readonly network: { readonly name: string; readonly [field: string]: unknown };
  /** The parent of all control groups. */
  readonly cgroup: string;
}

/** Starts it, with the image, and waits until its network is ready. */
export async function startContainerd(host: TestHost, options: ContainerdOptions): Promise<Containerd> {
  const { version, plugins, network, cgroup } = options;
  // What one of another version has left.
  host.sh(`rm -rf ${SOCKET} ${LOG} /var/lib/containerd /run/containerd /run/networks`);
  host.write("/run/config.toml", configOf(plugins));
  host.write(`/run/networks/10-${network.name}.conflist`, network);
  const path = [...(version.folder === undefined ? [] : [version.folder]), "/usr/local/sbin:/usr/local/bin"];
  const env = { PATH: [...path, "/usr/sbin:/usr/bin:/sbin:/bin"].join(":") };
  host.start(["containerd", "--config", "/run/config.toml", "--log-level", "warn"], LOG, { env });
  const until: Containerd["until"] = (what, isSo) => waitUntil(what, isSo, () => host.read(LOG));
  await until("containerd listens", () => existsSync(`${host.root}${SOCKET}`));
  const cri = connectCri(`${host.root}${SOCKET}`);
  const networkProblem = async () => {
    const { conditions } = (await cri.status({})).status;
    const wrong = conditions.find(({ status }) => !status);
    return wrong && `${wrong.type}: ${wrong.reason}: ${wrong.message}`;
  };
  await until("the network is ready", async () => (await networkProblem()) === undefined);
  await Bun.write(`${host.root}/run/image.tar`, await busyboxImage(IMAGE, Bun.which("busybox") ?? ""));
  const ctr: Containerd["ctr"] = (...args) =>
    host.output(["ctr", "--address", SOCKET, "--namespace", "k8s.io", ...args], { env });
  ctr("images", "import", "/run/image.tar");
  return {
    host,
    cri,
    ctr,
    until,
    networkProblem,
    startPod: (name, more) => startPod(cri, { ...sandboxOf(name, cgroup), ...more }),
    async inside({ container }, command) {
      const done = await cri.exec({ container, command: ["sh", "-c", command], timeout: 20 });
      return `${done.stdout ?? ""}${done.stderr ?? ""}`;
    },
    async stopPod({ sandbox }) {
      await cri.stopSandbox({ id: sandbox });
      // It calls DEL once more, then without the namespace's path.
      await cri.removeSandbox({ id: sandbox });
    },
  };
}

/** In the form of 1.x, which 2.x takes too. */
function configOf(plugins: string): string {
  return `
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "${SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${plugins}"
    conf_dir = "/run/networks"
`;
}

function sandboxOf(name: string, cgroup: string): SandboxConfig {
  return {
    metadata: { name, uid: `uid-${name}`, namespace: "default" },
    hostname: name,
    logDirectory: "/run/logs",
    linux: { cgroupParent: `/${cgroup}` },
  };
}

async function startPod(cri: Cri, config: SandboxConfig): Promise<Pod> {
  const { id: sandbox } = await cri.runSandbox({ config });
  const { network } = (await cri.sandboxStatus({ id: sandbox })).status;
  const { id: container } = await cri.createContainer({
    sandbox,
    config: { metadata: { name: "main" }, image: { image: IMAGE }, command: ["/bin/sleep", "1000000"], linux: {} },
    sandboxConfig: config,
  });
  await cri.startContainer({ id: container });
  return { sandbox, container, addresses: [network?.ip ?? "", ...(network?.additionalIps ?? []).map(({ ip }) => ip)] };
}

async function waitUntil(what: string, isSo: () => boolean | Promise<boolean>, log: () => string): Promise<void> {
  let last: unknown;
  for (let i = 0; i < 200; i++) {
    try {
      if (await isSo()) return;
    } catch (error) {
      last = error;
    }
    await Bun.sleep(100);
  }
  throw new Error(`Waited 20 s until ${what}: ${log()}`, { cause: last });
}
