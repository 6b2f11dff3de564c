/**
 * Multus' way: a pod with three networks by three ADDs of the reference library, one after the other, and taken down in
 * whatever order.
 */

import { describe, expect } from "bun:test";
import { held } from "../support/held.ts";
import { type TestHost, testHost } from "../support/host.ts";
import { needs, program, root } from "../support/needs.ts";
import { built, cnitool, hasCnitool, ourPlugins, tendril } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

const runs = [root, built, program("ip"), program("nft"), program("ping")];
const theHost = testHost();
expectNothingLeft();

const NETWORKS = "/run/networks";
/** Made by the test itself. */
const GIVEN = ["up0", "up1"];

/** The pod's own network, and two more: on the node's LAN, and to the node alone. */
const networks = {
  eth0: {
    name: "pods",
    plugins: [
      {
        type: "bridge",
        bridge: "pods0",
        isDefaultGateway: true,
        ipMasq: true,
        ipam: { type: "host-local", ranges: [[{ subnet: "10.81.0.0/24" }], [{ subnet: "fd81::/64" }]] },
      },
      { type: "firewall", ingressPolicy: "open" },
      { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.log_martians": "1" } },
    ],
  },
  net1: {
    name: "lan",
    plugins: [
      {
        type: "macvlan",
        master: "up0",
        mode: "bridge",
        ipam: { type: "host-local", ranges: [[{ subnet: "10.82.0.0/24" }]] },
      },
    ],
  },
  net2: {
    name: "node",
    plugins: [
      {
        type: "ptp",
        ipMasq: true,
        ipam: { type: "host-local", ranges: [[{ subnet: "10.83.0.0/24" }]], routes: [{ dst: "10.84.0.0/16" }] },
      },
      { type: "bandwidth", ingressRate: 80_000_000, ingressBurst: 8_000_000 },
    ],
  },
};

type Interface = keyof typeof networks;
const interfaces = Object.keys(networks) as Interface[];
const orders = interfaces.flatMap((first) =>
  interfaces
    .filter((each) => each !== first)
    .map((second) => [first, second, interfaces.find((each) => each !== first && each !== second) as Interface]),
);

async function prepared(): Promise<TestHost> {
  const host = await theHost();
  if (host.run(["ip", "link", "show", "up0"]).exitCode === 0) return host;
  host.sh("ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up");
  for (const { name, plugins } of Object.values(networks)) {
    host.write(`${NETWORKS}/${name}.conflist`, { cniVersion: "1.1.0", name, plugins });
  }
  return host;
}

interface Result {
  readonly interfaces: readonly { readonly name: string; readonly sandbox?: string }[];
  readonly ips: readonly { readonly address: string; readonly gateway?: string; readonly interface: number }[];
}

for (const [name, runtime, need] of [
  ["cnitool", cnitool, hasCnitool],
  ["tendril", tendril, built],
] as const) {
  describe(`with ${name}`, () => {
    const test = needs(...runs, need);

    const call = (host: TestHost, verb: string, ifname: Interface, netns: string) =>
      host.output([runtime, verb, networks[ifname].name, netns], {
        env: { NETCONFPATH: NETWORKS, CNI_PATH: ourPlugins, CNI_IFNAME: ifname },
      });

    for (const order of orders) {
      test(`three networks are taken down in the order ${order.join(", ")}`, async () => {
        const host = await prepared();
        const pods = ["a", "b"].map((pod) => host.netns(`${name}-${order.join("-")}-${pod}`));
        const [first = "", second = ""] = pods;
        const addresses = new Map<Interface, string>();
        for (const netns of pods) {
          for (const ifname of interfaces) {
            const { ips, interfaces: made } = JSON.parse(call(host, "add", ifname, netns)) as Result;
            expect(ips.every((ip) => made[ip.interface]?.name === ifname)).toBe(true);
            addresses.set(ifname, ips[0]?.address.split("/")[0] ?? "");
          }
        }
        const reaches = (ifname: Interface) =>
          host.run(["nsenter", `--net=${first}`, "ping", "-c1", "-W2", addresses.get(ifname) ?? ""]).exitCode === 0;
        for (const ifname of interfaces) call(host, "check", ifname, first);
        const made = held(host, GIVEN).join("\n");
        for (const { name } of Object.values(networks)) expect(made).toContain(`/attachments/${name}/`);

        const left = [...order];
        for (const gone of order) {
          // The second pod has all of them to the end: it answers on those that the first one still has.
          for (const ifname of left) expect({ ifname, reached: reaches(ifname) }).toEqual({ ifname, reached: true });
          call(host, "del", gone, first);
          left.splice(left.indexOf(gone), 1);
          const links = host.output(["nsenter", `--net=${first}`, "ip", "-o", "link"]);
          expect(interfaces.filter((ifname) => links.includes(` ${ifname}@`)).sort()).toEqual([...left].sort());
          for (const ifname of left) call(host, "check", ifname, first);
          for (const ifname of interfaces) call(host, "check", ifname, second);
        }
        for (const ifname of order) call(host, "del", ifname, second);
        expect(held(host, GIVEN)).toEqual([]);
        for (const netns of pods) host.sh(`ip netns delete ${netns.replace("/run/netns/", "")}`);
      });
    }
  });
}
