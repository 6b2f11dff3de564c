/** containerd, as the kubelet drives it by the CRI: sandboxes on our bridge, on a host of their own. */

import { afterAll, describe, expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { testCgroup } from "../support/cgroups.ts";
import { type Containerd, containerdVersions, startContainerd } from "../support/containerd.ts";
import { type TestHost, testHost } from "../support/host.ts";
import { needs, program, root } from "../support/needs.ts";
import { built, ourPlugins, staticBusybox } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

const NETWORK = "pods";
const OBSTACLE = "the-bridge";

const network = {
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

/** What the network holds on the host. */
function held(host: TestHost): string[] {
  const links = host.json<{ ifname: string }>(["ip", "-j", "link", "show", "type", "veth"]);
  return [
    ...links.map(({ ifname }) => ifname),
    ...namesIn(host, `/var/lib/cni/networks/${NETWORK}`).filter((name) => /^(10\.|fd00)/.test(name)),
    ...namesIn(host, "/var/lib/cni/results"),
    ...namesIn(host, `/run/tendril/attachments/${NETWORK}`),
    ...namesIn(host, "/run/tendril/attachments/cni-loopback"),
    ...namesIn(host, "/run/netns"),
  ];
}

function namesIn({ root }: TestHost, folder: string): string[] {
  return existsSync(`${root}${folder}`) ? readdirSync(`${root}${folder}`) : [];
}

for (const version of containerdVersions) {
  describe(version.title, () => {
    const test = needs(root, built, version.need, program("runc"), staticBusybox, program("ip"));
    let started: Promise<Containerd> | undefined;
    afterAll(async () => {
      (await started)?.cri.close();
    });
    const theHost = testHost();
    const cgroup = testCgroup();
    // STATUS came with 1.1.0, which containerd 1 does not know.
    const versioned = { cniVersion: version.asksStatus ? "1.1.0" : "1.0.0", ...network };

    /** containerd, running and ready, with the image and our network. */
    function containerd(): Promise<Containerd> {
      const start = async () =>
        startContainerd(await theHost(), { version, plugins: ourPlugins, network: versioned, cgroup });
      started ??= start();
      return started;
    }

    test("two sandboxes talk to each other, and nothing is left of them", async () => {
      const { host, startPod, stopPod, inside } = await containerd();
      const [web, client] = await Promise.all([startPod("web"), startPod("client")]);
      expect(new Set([...web.addresses, ...client.addresses]).size).toBe(4);
      expect(web.addresses).toEqual([expect.stringMatching(/^10\.88\.0\./), expect.stringMatching(/^fd00:88::/)]);
      // Two of each: links, leases of both families, cached results and records of two networks, namespaces.
      expect(held(host)).toHaveLength(2 * (1 + 2 + 2 + 2 + 1));

      for (const address of web.addresses) {
        expect(await inside(client, `ping -c1 -W2 ${address}`)).toContain(" 0% packet loss");
      }
      const [address = ""] = web.addresses;
      await inside(web, "nc -l -p 80 -e echo hello >/dev/null 2>&1 &");
      const ask = `for i in 1 2 3 4 5 6 7 8 9; do nc -w2 ${address} 80 && exit; sleep 0.1; done`;
      expect(await inside(client, ask)).toBe("hello\n");
      const lo = await inside(web, "ip address show lo");
      expect(lo).toContain("inet 127.0.0.1/8");
      expect(lo).toContain("LOOPBACK,UP");

      for (const pod of [web, client]) await stopPod(pod);
      expect(held(host)).toEqual([]);
    });

    test("a sandbox whose network namespace has gone is removed without anything left", async () => {
      const { host, cri, ctr, until, startPod } = await containerd();
      const { sandbox, container } = await startPod("lost");
      for (const task of [container, sandbox]) ctr("tasks", "kill", "--signal", "KILL", task);
      host.sh("for name in $(ls /run/netns); do ip netns delete $name; done");
      // The kubelet calls again too when the runtime is still busy with the container's end.
      await until("the sandbox is stopped", async () => {
        await cri.stopSandbox({ id: sandbox });
        return true;
      });
      await cri.removeSandbox({ id: sandbox });
      expect(held(host)).toEqual([]);
    });

    if (version.asksStatus) {
      test("what STATUS finds in the way of pods makes the network not ready, until it is gone", async () => {
        const { host, networkProblem } = await containerd();
        host.sh(`ip link delete pods0; ip link add pods0 type veth peer name ${OBSTACLE}`);
        const problem = await networkProblem();
        expect(problem).toContain("NetworkReady");
        expect(problem).toContain(`"pods0"`);
        host.sh(`ip link delete ${OBSTACLE}`);
        expect(await networkProblem()).toBeUndefined();
      });
    }
  });
}

expectNothingLeft();
