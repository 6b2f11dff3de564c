/** Host ports as containerd and podman ask for them, on the chain that they are used in: answering from outside. */

import { afterAll, describe, expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { testCgroup } from "../support/cgroups.ts";
import { type Containerd, containerdVersions, startContainerd } from "../support/containerd.ts";
import { type TestHost, testHost } from "../support/host.ts";
import { kernelLink } from "../support/kernel.ts";
import { needs, program, root } from "../support/needs.ts";
import { cniBackend, podman, preparePodman, runContainer, startInside } from "../support/podman.ts";
import { built, ourPlugins, staticBusybox } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

const NETWORK = "ported";
const HOST_V4 = "192.0.2.1";
const OUTSIDE_V4 = "192.0.2.9";

const chain = [
  {
    type: "bridge",
    bridge: "ported0",
    isDefaultGateway: true,
    ipMasq: true,
    hairpinMode: true,
    ipam: { type: "host-local", ranges: [[{ subnet: "10.89.0.0/24" }], [{ subnet: "fd00:89::/64" }]] },
  },
  { type: "portmap", capabilities: { portMappings: true } },
  { type: "bandwidth", capabilities: { bandwidth: true } },
  { type: "firewall" },
  { type: "tuning", sysctl: { "net.core.somaxconn": "500" } },
];

/** Gives the host an uplink, with somebody at its other end, and has it drop what nobody accepts. */
function linkOutside(host: TestHost): void {
  host.netns("outside");
  host.sh(`ip link add up0 type veth peer name up1 netns outside
    ip link set up0 up; ip address add ${HOST_V4}/24 dev up0
    ip -n outside link set up1 up; ip -n outside address add ${OUTSIDE_V4}/24 dev up1`);
}

/** What is answered at a port, asked for by a shell command of somebody's, at once or after some time. */
function ask(host: TestHost, from: "outside" | "host", address: string, port: number, tries = 50): string {
  const enter = from === "outside" ? "nsenter --net=/run/netns/outside " : "";
  const once = `${enter}busybox nc -w 2 ${address} ${port} </dev/null`;
  return host.sh(`for i in $(seq ${tries}); do ${once} 2>/dev/null && exit; sleep 0.1; done`);
}

/** Whoever connects to a container's port 80 gets this answer, one after the other. */
const SERVE = "while /bin/busybox nc -l -p 80 -e /bin/busybox echo hello; do :; done";
const HELLO = "hello\n";

function namesIn({ root: top }: TestHost, folder: string): string[] {
  return existsSync(`${top}${folder}`) ? readdirSync(`${top}${folder}`) : [];
}

/** What the network holds on the host. */
function held(host: TestHost): string[] {
  const links = host.json<{ ifname: string }>(["ip", "-j", "link", "show"]);
  const rules = host.run(["nft", "list", "table", "inet", "tendril"]).stdout;
  return [
    ...links.map(({ ifname }) => ifname).filter((name) => /^(veth|bwp)/.test(name)),
    ...namesIn(host, `/var/lib/cni/networks/${NETWORK}`).filter((name) => /^(10\.|fd00)/.test(name)),
    ...namesIn(host, `/run/tendril/attachments/${NETWORK}`),
    ...(rules.match(new RegExp(`^.* comment "${NETWORK} .*$`, "gm")) ?? []),
  ];
}

const runs = [root, built, program("runc"), staticBusybox, program("ip"), program("nft"), kernelLink("ifb")];
const cgroup = testCgroup();

for (const version of containerdVersions) {
  describe(version.title, () => {
    const test = needs(...runs, version.need);
    let started: Containerd | undefined;
    afterAll(() => started?.cri.close());
    const theHost = testHost();

    test("leads host ports to sandboxes, from outside and from the host, and back to nobody", async () => {
      const host = await theHost();
      linkOutside(host);
      const network = { cniVersion: version.asksStatus ? "1.1.0" : "1.0.0", name: NETWORK, plugins: chain };
      started = await startContainerd(host, { version, plugins: ourPlugins, network, cgroup });
      const { startPod, stopPod, inside } = started;
      const TCP = 0;
      const web = await startPod("web", {
        portMappings: [
          { protocol: TCP, containerPort: 80, hostPort: 8080 },
          { protocol: TCP, containerPort: 80, hostPort: 8081, hostIp: HOST_V4 },
          // One without a host port is none that the plugin hears of.
          { protocol: TCP, containerPort: 9, hostPort: 0 },
        ],
      });
      await inside(web, `(${SERVE}) >/dev/null 2>&1 &`);
      expect(ask(host, "outside", HOST_V4, 8080)).toBe(HELLO);
      expect(ask(host, "outside", HOST_V4, 8081)).toBe(HELLO);
      expect(ask(host, "host", "127.0.0.1", 8080)).toBe(HELLO);
      expect(await inside(web, `nc -w 2 ${HOST_V4} 8080 </dev/null`)).toBe(HELLO);
      const before = held(host);
      const other = startPod("other", { portMappings: [{ protocol: TCP, containerPort: 80, hostPort: 8080 }] });
      const refusal = await other.then(
        () => "none",
        (error: Error) => error.message,
      );
      expect(refusal).toContain(`host port 8080/tcp is taken by container "${web.sandbox}"`);
      expect(held(host)).toEqual(before);
      await stopPod(web);
      expect(held(host)).toEqual([]);
      expect(ask(host, "outside", HOST_V4, 8080, 1)).toBe("");
    }, 120_000);
  });
}

describe("podman", () => {
  const theHost = testHost();
  const test = needs(...runs, program("podman"), cniBackend);

  test("leads published ports to containers, from outside and from the host, and back to nobody", async () => {
    const host = await theHost();
    linkOutside(host);
    preparePodman(host, [{ cniVersion: "1.0.0", name: NETWORK, plugins: chain }]);
    const ports = ["--publish", "8080:80", "--publish", `${HOST_V4}:8081:80`];
    runContainer(host, cgroup, "web", "--network", NETWORK, ...ports);
    startInside(host, "web", SERVE);
    expect(ask(host, "outside", HOST_V4, 8080)).toBe(HELLO);
    expect(ask(host, "outside", HOST_V4, 8081)).toBe(HELLO);
    expect(ask(host, "host", "127.0.0.1", 8080)).toBe(HELLO);
    podman(host, "restart", "--time", "0", "web");
    startInside(host, "web", SERVE);
    expect(ask(host, "outside", HOST_V4, 8080)).toBe(HELLO);
    podman(host, "rm", "--force", "--time", "0", "web");
    expect(held(host)).toEqual([]);
    expect(ask(host, "outside", HOST_V4, 8080, 1)).toBe("");
  }, 60_000);
});

expectNothingLeft();
