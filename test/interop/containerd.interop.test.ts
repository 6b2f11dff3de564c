/** containerd, as the kubelet drives it by the CRI: sandboxes on our bridge, on a host of their own. */

import { afterAll, expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { busyboxImage } from "../support/busybox-image.ts";
import { testCgroup } from "../support/cgroups.ts";
import { type Cri, connectCri, type SandboxConfig } from "../support/cri.ts";
import { type TestHost, testHost } from "../support/host.ts";
import { needs, program, root } from "../support/needs.ts";
import { built, ourPlugins, staticBusybox } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

const test = needs(root, built, program("containerd"), program("runc"), staticBusybox, program("ip"));

afterAll(async () => {
  (await started)?.cri.close();
});
const theHost = testHost();
const cgroup = testCgroup();
expectNothingLeft();

const IMAGE = "docker.io/library/tendril-test:1";
const NETWORK = "pods";
const SOCKET = "/run/containerd.sock";
const LOG = "/run/containerd.log";
const NETWORKS = "/run/networks";

const CONFIG = `
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
    bin_dir = "${ourPlugins}"
    conf_dir = "${NETWORKS}"
`;

const conflist = {
  cniVersion: "1.0.0",
  name: NETWORK,
  plugins: [
    {
      type: "bridge",
      bridge: "pods0",
      isDefaultGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: { type: "host-local", ranges: [[{ subnet: "10.88.0.0/24" }], [{ subnet: "fd00:88::/64" }]] },
    },
  ],
};

interface Containerd {
  readonly host: TestHost;
  readonly cri: Cri;
}

let started: Promise<Containerd> | undefined;

/** containerd, running and ready, with the image and our network. */
function containerd(): Promise<Containerd> {
  started ??= start();
  return started;
}

async function start(): Promise<Containerd> {
  const host = await theHost();
  host.write("/run/config.toml", CONFIG);
  host.write(`${NETWORKS}/10-pods.conflist`, conflist);
  host.start(["containerd", "--config", "/run/config.toml", "--log-level", "warn"], LOG);
  await until("containerd listens", host, () => existsSync(`${host.root}${SOCKET}`));
  const cri = connectCri(`${host.root}${SOCKET}`);
  await until("the network is ready", host, async () => {
    const { conditions } = (await cri.status({})).status;
    return conditions.every(({ status }) => status);
  });
  await Bun.write(`${host.root}/run/image.tar`, await busyboxImage(IMAGE, Bun.which("busybox") ?? ""));
  ctr(host, "images", "import", "/run/image.tar");
  return { host, cri };
}

function ctr(host: TestHost, ...args: readonly string[]): void {
  host.output(["ctr", "--address", SOCKET, "--namespace", "k8s.io", ...args]);
}

async function until(what: string, host: TestHost, isSo: () => boolean | Promise<boolean>): Promise<void> {
  let last: unknown;
  for (let i = 0; i < 100; i++) {
    try {
      if (await isSo()) return;
    } catch (error) {
      last = error;
    }
    await Bun.sleep(100);
  }
  throw new Error(`Waited 10 s until ${what}: ${host.read(LOG)}`, { cause: last });
}

function sandboxOf(name: string): SandboxConfig {
  return {
    metadata: { name, uid: `uid-${name}`, namespace: "default" },
    hostname: name,
    logDirectory: "/run/logs",
    linux: { cgroupParent: `/${cgroup}` },
  };
}

/** What the network holds on the host. */
function held(host: TestHost): string[] {
  const links = host.json<{ ifname: string }>(["ip", "-j", "link", "show", "type", "veth"]);
  const leases = `/var/lib/cni/networks/${NETWORK}`;
  return [
    ...links.map(({ ifname }) => ifname),
    ...namesIn(host, leases).filter((name) => /^(10\.|fd00)/.test(name)),
    ...namesIn(host, "/var/lib/cni/results"),
    ...namesIn(host, `/run/tendril/attachments/${NETWORK}`),
    ...namesIn(host, "/run/tendril/attachments/cni-loopback"),
    ...namesIn(host, "/run/netns"),
  ];
}

function namesIn({ root }: TestHost, folder: string): string[] {
  return existsSync(`${root}${folder}`) ? readdirSync(`${root}${folder}`) : [];
}

test("two sandboxes of containerd talk to each other, and nothing is left of them", async () => {
  const { host, cri } = await containerd();
  const [web, client] = await Promise.all([startPod(cri, "web"), startPod(cri, "client")]);
  expect(new Set([...web.addresses, ...client.addresses]).size).toBe(4);
  expect(web.addresses).toEqual([expect.stringMatching(/^10\.88\.0\./), expect.stringMatching(/^fd00:88::/)]);
  // Two of each: links, leases of both families, cached results and records of two networks, namespaces.
  expect(held(host)).toHaveLength(2 * (1 + 2 + 2 + 2 + 1));

  for (const address of web.addresses) {
    const ping = await cri.exec({ container: client.container, command: ["ping", "-c1", "-W2", address], timeout: 5 });
    expect({ address, ...ping }).toMatchObject({ stdout: expect.stringContaining(" 0% packet loss") });
  }
  const [address = ""] = web.addresses;
  const server = ["sh", "-c", "nc -l -p 80 -e echo hello >/dev/null 2>&1 &"];
  await cri.exec({ container: web.container, command: server, timeout: 5 });
  const hello = await cri.exec({
    container: client.container,
    command: ["sh", "-c", `for i in 1 2 3 4 5 6 7 8 9; do nc -w2 ${address} 80 && exit; sleep 0.1; done`],
    timeout: 10,
  });
  expect(hello).toMatchObject({ stdout: "hello\n" });
  const lo = await cri.exec({ container: web.container, command: ["ip", "address", "show", "lo"], timeout: 5 });
  expect(lo.stdout).toContain("inet 127.0.0.1/8");
  expect(lo.stdout).toContain("LOOPBACK,UP");

  for (const { sandbox } of [web, client]) {
    await cri.stopSandbox({ id: sandbox });
    // containerd calls DEL once more, then without the namespace's path.
    await cri.removeSandbox({ id: sandbox });
  }
  expect(held(host)).toEqual([]);
});

test("a sandbox whose network namespace has gone is removed without anything left", async () => {
  const { host, cri } = await containerd();
  const { sandbox, container } = await startPod(cri, "lost");
  for (const task of [container, sandbox]) ctr(host, "tasks", "kill", "--signal", "KILL", task);
  host.sh("for name in $(ls /run/netns); do ip netns delete $name; done");
  // The kubelet calls again too when the runtime is still busy with the container's end.
  await until("the sandbox is stopped", host, async () => {
    await cri.stopSandbox({ id: sandbox });
    return true;
  });
  await cri.removeSandbox({ id: sandbox });
  expect(held(host)).toEqual([]);
});

interface Pod {
  readonly sandbox: string;
  readonly container: string;
  readonly addresses: readonly string[];
}

/** A sandbox with one container. */
async function startPod(cri: Cri, name: string): Promise<Pod> {
  const config = sandboxOf(name);
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
