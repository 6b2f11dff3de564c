/**
 * Host ports as containerd and podman ask for them, on the chain that they are used in, and on a host that forwards
 * nothing it does not know: answering from outside, from the host, from a neighbour and from the container itself.
 */

import { afterAll, describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { inNetns, type Netns } from "../../src/linux/netns.ts";
import { testCgroup } from "../support/cgroups.ts";
import { containerdVersions, startContainerd } from "../support/containerd.ts";
import { dropForwarded, expectRates, fivePlugins, RATE } from "../support/five-plugins.ts";
import { held } from "../support/held.ts";
import { type TestHost, testHost } from "../support/host.ts";
import { kernelLink } from "../support/kernel.ts";
import { needs, program, root } from "../support/needs.ts";
import { cniBackend, podman, preparePodman, runContainer } from "../support/podman.ts";
import { built, ourPlugins, staticBusybox } from "../support/programs.ts";
import { makeSite, NODE_ADDRESS, OUTSIDE_ADDRESS, type Site } from "../support/site.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { answering, askTcp, askUdp, type Closable } from "../support/traffic.ts";

const programs = ["runc", "ip", "nft", "tc", "iptables"].map(program);
const runs = [root, built, ...programs, staticBusybox, kernelLink("ifb")];
const NETWORK = "ported";
/** The node's link to somebody outside. */
const GIVEN = ["up0"];

/** @see PortMapping in the CRI's definition */
const TCP = 0;
const UDP = 1;

/** A host with somebody outside, and what is open at its end. */
function testSite(): { readonly open: Closable[]; prepare(): Promise<{ host: TestHost; site: Site }> } {
  const open: Closable[] = [];
  // What is open is closed before the host ends.
  afterAll(() => {
    for (const each of open.splice(0)) each.close();
  });
  const theHost = testHost();
  return {
    open,
    async prepare() {
      const host = await theHost();
      dropForwarded(host);
      const site = makeSite(host);
      open.push(site);
      return { host, site };
    },
  };
}

/** Demands that the container `web` with these ports answers to all; TCP 8080 and 8081, UDP 5353. */
async function expectAnswers({ node, outside }: Site, others: readonly { readonly netns: Netns }[]): Promise<void> {
  expect(await askTcp(outside, NODE_ADDRESS, 8080)).toBe(`web ${OUTSIDE_ADDRESS}`);
  expect(await askTcp(outside, NODE_ADDRESS, 8081)).toBe(`web ${OUTSIDE_ADDRESS}`);
  expect(await askUdp(outside, NODE_ADDRESS, 5353)).toBe(`web ${OUTSIDE_ADDRESS}`);
  for (const from of [node, ...others]) expect(await askTcp(from, NODE_ADDRESS, 8080)).toStartWith("web ");
  expect(await askTcp(node, "127.0.0.1", 8080)).toStartWith("web ");
  // This port is taken on one address only.
  expect(await askTcp(node, "127.0.0.1", 8081)).toBe("ECONNREFUSED");
}

function expectTuned(netns: Netns): void {
  const parameter = inNetns(netns, () => readFileSync("/proc/sys/net/ipv4/conf/eth0/log_martians", "utf8"));
  expect(parameter).toBe("1\n");
}

for (const type of ["bridge", "ptp"] as const) {
  for (const version of containerdVersions) {
    describe(`${version.title}, on ${type}`, () => {
      const test = needs(...runs, version.need);
      const { open, prepare } = testSite();
      const cgroup = testCgroup();

      test("leads host ports to sandboxes, from wherever, and back to nobody", async () => {
        const { host, site } = await prepare();
        const plugins = fivePlugins({ interface: type });
        const network = { cniVersion: version.asksStatus ? "1.1.0" : "1.0.0", name: NETWORK, plugins };
        const { cri, startPod, stopPod } = await startContainerd(host, {
          version,
          plugins: ourPlugins,
          network,
          cgroup,
        });
        open.push(cri);
        const web = await site.ofContainer(() =>
          startPod("web", {
            portMappings: [
              { protocol: TCP, containerPort: 80, hostPort: 8080 },
              { protocol: TCP, containerPort: 80, hostPort: 8081, hostIp: NODE_ADDRESS },
              { protocol: UDP, containerPort: 53, hostPort: 5353 },
              // One without a host port is none that the plugin hears of.
              { protocol: TCP, containerPort: 9, hostPort: 0 },
            ],
            annotations: ["ingress", "egress"].map((way) => ({ key: `kubernetes.io/${way}-bandwidth`, value: "10M" })),
          }),
        );
        expectRates(host);
        expectTuned(web.netns);
        const client = await site.ofContainer(() => startPod("client"));
        open.push(await answering(web, "web", { tcp: [80], udp: [53] }));
        await expectAnswers(site, [client, web]);
        expect(await askTcp(client, web.started.addresses[0] ?? "", 80)).toStartWith("web ");

        const before = held(host, GIVEN);
        const other = startPod("other", { portMappings: [{ protocol: TCP, containerPort: 80, hostPort: 8080 }] });
        const refusal = await other.then(
          () => "none",
          (error: Error) => error.message,
        );
        expect(refusal).toContain(`host port 8080/tcp is taken by container "${web.started.sandbox}"`);
        expect(held(host, GIVEN)).toEqual(before);
        for (const { started } of [web, client]) await stopPod(started);
        expect(held(host, GIVEN)).toEqual([]);
        expect(await askTcp(site.node, NODE_ADDRESS, 8080)).toBe("ECONNREFUSED");
      }, 120_000);
    });
  }

  describe(`podman, on ${type}`, () => {
    const test = needs(...runs, program("podman"), cniBackend);
    const { open, prepare } = testSite();
    const cgroup = testCgroup();

    test("leads published ports to containers, from wherever, and back to nobody", async () => {
      const { host, site } = await prepare();
      const rates = { ingressRate: RATE, ingressBurst: RATE, egressRate: RATE, egressBurst: RATE };
      preparePodman(host, [{ cniVersion: "1.0.0", name: NETWORK, plugins: fivePlugins({ interface: type, rates }) }]);
      const ports = ["8080:80", `${NODE_ADDRESS}:8081:80`, "5353:53/udp"].flatMap((port) => ["--publish", port]);
      const first = await site.ofContainer(async () =>
        runContainer(host, cgroup, "web", "--network", NETWORK, ...ports),
      );
      expectRates(host);
      expectTuned(first.netns);
      const server = await answering(first, "web", { tcp: [80], udp: [53] });
      await expectAnswers(site, [first]);
      server.close();
      const again = await site.ofContainer(async () => podman(host, "restart", "--time", "0", "web"));
      open.push(await answering(again, "web", { tcp: [80], udp: [53] }));
      await expectAnswers(site, [again]);
      podman(host, "rm", "--force", "--time", "0", "web");
      expect(held(host, GIVEN)).toEqual([]);
      expect(await askTcp(site.node, NODE_ADDRESS, 8080)).toBe("ECONNREFUSED");
    }, 60_000);
  });
}

expectNothingLeft();
