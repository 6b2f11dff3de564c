/** podman with its CNI backend: containers on our bridge, on a host of their own. */

import { expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { testCgroup } from "../support/cgroups.ts";
import { type TestHost, testHost } from "../support/host.ts";
import { needs, program, root } from "../support/needs.ts";
import { cniBackend, podman, preparePodman, runContainer } from "../support/podman.ts";
import { built, staticBusybox } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

const runs = [root, built, program("podman"), program("runc"), staticBusybox, program("ip"), cniBackend];
const test = needs(...runs);

const theHost = testHost();
const cgroup = testCgroup();
expectNothingLeft();

const ROOTFS = "/run/rootfs";

/** A host with the networks and a folder of busybox as root of containers. */
async function preparedHost(): Promise<TestHost> {
  const host = await theHost();
  if (existsSync(`${host.root}${ROOTFS}`)) return host;
  const bridge = (name: string, subnet: string) => ({
    type: "bridge",
    bridge: name,
    isGateway: true,
    isDefaultGateway: name === "front0",
    ipam: { type: "host-local", ranges: [[{ subnet }]], ...(name === "front0" ? {} : { routes: [] }) },
  });
  const networks = { front: [bridge("front0", "10.90.0.0/24")], back: [bridge("back0", "10.91.0.0/24")] };
  preparePodman(
    host,
    Object.entries(networks).map(([name, plugins]) => ({ cniVersion: "1.0.0", name, plugins })),
  );
  return host;
}

/** The output of busybox in a container. */
function inside(host: TestHost, name: string, ...command: readonly string[]): string {
  return podman(host, "exec", name, "/bin/busybox", ...command);
}

interface NetworkSettings {
  readonly Networks: Readonly<Record<string, { readonly IPAddress: string; readonly MacAddress: string }>>;
}

function networksOf(host: TestHost, name: string): NetworkSettings["Networks"] {
  const settings = JSON.parse(
    podman(host, "inspect", "--format", "{{json .NetworkSettings}}", name),
  ) as NetworkSettings;
  return settings.Networks;
}

/** What the networks hold on the host. */
function held(host: TestHost): string[] {
  const links = host.json<{ ifname: string }>(["ip", "-j", "link", "show", "type", "veth"]);
  const leases = ["front", "back"].flatMap((network) => namesIn(host, `/var/lib/cni/networks/${network}`));
  return [
    ...links.map(({ ifname }) => ifname),
    ...leases.filter((name) => name.startsWith("10.")),
    ...namesIn(host, "/var/lib/cni/results"),
    ...["front", "back"].flatMap((network) => namesIn(host, `/run/tendril/attachments/${network}`)),
    ...namesIn(host, "/run/netns"),
  ];
}

function namesIn({ root }: TestHost, folder: string): string[] {
  return existsSync(`${root}${folder}`) ? readdirSync(`${root}${folder}`) : [];
}

const LINK = 1;
const LEASE = 1;
const CACHED_RESULT = 1;
const RECORD = 1;
const NAMESPACE = 1;

test("a container of podman has its address on our bridge, reaches the gateway, and leaves nothing", async () => {
  const host = await preparedHost();
  runContainer(host, cgroup, "web", "--network", "front");
  const { front } = networksOf(host, "web");
  expect(front?.IPAddress).toMatch(/^10\.90\.0\./);
  const eth0 = inside(host, "web", "ip", "address", "show", "eth0");
  expect(eth0).toContain(`inet ${front?.IPAddress}/24`);
  expect(eth0).toContain(`link/ether ${front?.MacAddress}`);
  expect(inside(host, "web", "ip", "route")).toContain("default via 10.90.0.1 dev eth0");
  expect(inside(host, "web", "ping", "-c1", "-W2", "10.90.0.1")).toContain(" 0% packet loss");
  expect(held(host)).toHaveLength(LINK + LEASE + CACHED_RESULT + RECORD + NAMESPACE);
  podman(host, "rm", "--force", "--time", "0", "web");
  expect(held(host)).toEqual([]);
});

test("podman connects a running container to a second network and disconnects it", async () => {
  const host = await preparedHost();
  runContainer(host, cgroup, "both", "--network", "front", "--ip", "10.90.0.77", "--mac-address", "02:00:00:00:00:77");
  expect(networksOf(host, "both").front).toMatchObject({ IPAddress: "10.90.0.77", MacAddress: "02:00:00:00:00:77" });
  podman(host, "network", "connect", "back", "both");
  const second = inside(host, "both", "ip", "address", "show", "eth1");
  expect(second).toContain(`inet ${networksOf(host, "both").back?.IPAddress}/24`);
  expect(inside(host, "both", "ping", "-c1", "-W2", "10.91.0.1")).toContain(" 0% packet loss");
  podman(host, "network", "disconnect", "back", "both");
  expect(inside(host, "both", "ip", "link")).not.toContain("eth1");
  expect(held(host)).toHaveLength(LINK + LEASE + CACHED_RESULT + RECORD + NAMESPACE);
  podman(host, "rm", "--force", "--time", "0", "both");
  expect(held(host)).toEqual([]);
});
