/**
 * Configurations as operators of Calico have them, with our bridge or ptp in the place of its interface plugin: loaded,
 * run and taken down by the reference library and by ours.
 */

import { afterAll, describe, expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { expectRates } from "../support/five-plugins.ts";
import { held } from "../support/held.ts";
import { type TestHost, testHost } from "../support/host.ts";
import { needs, program, root } from "../support/needs.ts";
import { built, cnitool, hasCnitool, ourPlugins, tendril } from "../support/programs.ts";
import { makeSite, NODE_ADDRESS, OUTSIDE_ADDRESS, type Site } from "../support/site.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { answering, askTcp } from "../support/traffic.ts";

const runs = [root, built, program("ip"), program("nft"), program("tc")];
const NETWORKS = "/run/networks";
const GIVEN = ["up0"];

const DATA_DIR = "/run/my-orchestrator/container-ipam-state";

/** The IPAM section of Calico's documentation for host-local, with a set of ranges for each family. */
const ipam = {
  type: "host-local",
  ranges: [
    [
      { subnet: "10.10.0.0/16", rangeStart: "10.10.1.20", rangeEnd: "10.10.3.50", gateway: "10.10.0.254" },
      { subnet: "172.16.5.0/24" },
    ],
    [{ subnet: "3ffe:ffff:0:1ff::/64", rangeStart: "3ffe:ffff:0:1ff::10", rangeEnd: "3ffe:ffff:0:1ff::20" }],
  ],
  routes: [{ dst: "0.0.0.0/0" }, { dst: "192.168.0.0/16", gw: "10.10.5.1" }, { dst: "3ffe:ffff:0:1ff::1/64" }],
  dataDir: DATA_DIR,
};

/** Fields that are for Calico's own plugin, and are of no meaning to ours. */
const calicos = {
  log_level: "info",
  log_file_path: "/var/log/calico/cni/cni.log",
  datastore_type: "kubernetes",
  nodename: "node1",
  mtu: 1440,
  policy: { type: "k8s" },
  kubernetes: { kubeconfig: "/etc/cni/net.d/calico-kubeconfig" },
  container_settings: { allow_ip_forwarding: false },
};

const plugins = (own: object) => [
  { ...calicos, ...own, ipam },
  { type: "portmap", snat: true, capabilities: { portMappings: true } },
  { type: "bandwidth", capabilities: { bandwidth: true } },
];

const CAP_ARGS = {
  portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
  bandwidth: { ingressRate: 10_000_000, ingressBurst: 10_000_000, egressRate: 10_000_000, egressBurst: 10_000_000 },
};

let site: Site | undefined;
afterAll(() => {
  site?.close();
});
const theHost = testHost();
expectNothingLeft();

const networks: Readonly<Record<string, readonly object[]>> = {
  bridge: plugins({ type: "bridge", bridge: "k8s0", isGateway: true, hairpinMode: true }),
  ptp: plugins({ type: "ptp" }),
};

/** The addresses that are leased. */
function leasesOf({ root: top }: TestHost, network: string): string[] {
  const folder = `${top}${DATA_DIR}/${network}`;
  return existsSync(folder) ? readdirSync(folder).filter((name) => /^[0-9a-f]+[.:]/.test(name)) : [];
}

for (const [runtime, need] of [
  [cnitool, hasCnitool],
  [tendril, built],
] as const) {
  for (const [type, list] of Object.entries(networks)) {
    describe(`${type} by ${runtime === tendril ? "tendril" : "cnitool"}`, () => {
      const test = needs(...runs, need);

      test("k8s-pod-network is attached with all of its addresses, routes, ports and rates, and detached", async () => {
        const host = await theHost();
        site ??= makeSite(host);
        const network = "k8s-pod-network";
        host.write(`${NETWORKS}/10-calico.conflist`, { name: network, cniVersion: "0.3.1", plugins: list });
        const pod = await site.ofContainer(async () => {
          host.sh("ip netns add pod");
        });
        const env = { NETCONFPATH: NETWORKS, CNI_PATH: ourPlugins, CAP_ARGS: JSON.stringify(CAP_ARGS) };
        const result = JSON.parse(host.output([runtime, "add", network, "/run/netns/pod"], { env })) as {
          ips: { address: string }[];
        };
        const [v4 = "", v6 = ""] = result.ips.map(({ address }) => address);
        expect(v4).toMatch(/^10\.10\.[123]\.[0-9]+\/16$/);
        expect(v6).toMatch(/^3ffe:ffff:0:1ff::(1[0-9a-f]|20)\/64$/);
        const addresses = [v4, v6].map((address) => address.replace(/\/.*/, ""));
        expect(leasesOf(host, network).sort()).toEqual([...addresses].sort());

        const inside = (command: string) => host.sh(`nsenter --net=/run/netns/pod ${command}`);
        expect(inside("ip route")).toMatch(/^default via 10\.10\.0\.254 dev eth0/m);
        expect(inside("ip route")).toMatch(/^192\.168\.0\.0\/16 via 10\.10\.5\.1 dev eth0/m);
        expect(inside("ip -6 route")).toMatch(/^3ffe:ffff:0:1ff::\/64 /m);
        expect(inside("ip link show eth0")).toContain("mtu 1440");
        expectRates(host);
        const server = await answering(pod, "web", { tcp: [80] });
        expect(await askTcp(site.outside, NODE_ADDRESS, 8080)).toBe(`web ${OUTSIDE_ADDRESS}`);
        for (const address of addresses) expect(await askTcp(site.node, address, 80)).toStartWith("web ");
        server.close();

        host.output([runtime, "del", network, "/run/netns/pod"], { env });
        host.sh("ip netns delete pod");
        expect(held(host, GIVEN)).toEqual([]);
        expect(leasesOf(host, network)).toEqual([]);
      });
    });
  }
}

needs(...runs)("a file with one plugin, as the reference's documentation has it", async () => {
  const host = await theHost();
  host.write(`${NETWORKS}/20-myptp.conf`, {
    cniVersion: "0.4.0",
    name: "myptp",
    type: "ptp",
    ipMasq: true,
    ipam: { type: "host-local", subnet: "172.16.29.0/24", routes: [{ dst: "0.0.0.0/0" }] },
  });
  const netns = host.netns("single");
  const env = { NETCONFPATH: NETWORKS, CNI_PATH: ourPlugins };
  for (const runtime of [tendril, ...(cnitool === "" ? [] : [cnitool])]) {
    const { ips } = JSON.parse(host.output([runtime, "add", "myptp", netns], { env }));
    expect(ips[0]).toMatchObject({ gateway: "172.16.29.1", version: "4" });
    host.output([runtime, "check", "myptp", netns], { env });
    host.output([runtime, "del", "myptp", netns], { env });
    expect(held(host, GIVEN)).toEqual([]);
  }
});
