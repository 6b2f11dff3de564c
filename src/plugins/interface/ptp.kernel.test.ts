import { describe, expect } from "bun:test";
import { hostLocal, V4, V6 } from "../../../test/support/attachment-cases.ts";
import { needs, program, root } from "../../../test/support/needs.ts";
import { linkOutside } from "../../../test/support/outside.ts";
import { testHosts } from "../../../test/support/plugin-calls.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { describeLife } from "../test-support/life.ts";
import { serve } from "../test-support/served.ts";
import { ptp } from "./ptp.ts";

const hosts = testHosts();
expectNothingLeft();

const damage = {
  command: "ip route del 10.77.0.0/24",
  finding: "route 10.77.0.0/24 via 10.77.0.1 dev eth0 is missing",
};
describeLife(hosts, {
  title: "ptp, dual stack",
  planner: ptp,
  config: (host) => ({ mtu: 1400, ipam: hostLocal(host, V4, V6) }),
  meet: true,
  damage,
});
describeLife(hosts, {
  title: "ptp with ipMasq",
  planner: ptp,
  config: (host) => ({
    ipMasq: true,
    ipam: { ...hostLocal(host, V4, V6), routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] },
  }),
  needs: [program("nft")],
  meet: true,
  damage,
});

describe("ptp", () => {
  const test = needs(root, program("ip"), program("ping"));

  test("routes between container and host in both directions, for addresses of several networks", () => {
    const host = hosts.fresh();
    const pod = hosts.container("c1");
    host.netns.sh(
      "ip link set lo up && ip address add 198.51.100.1/32 dev lo && ip address add 2001:db8::1/128 dev lo",
    );
    const network = serve(ptp, host, {
      ipam: {
        type: "static",
        addresses: [
          { address: "10.77.0.9/24", gateway: "10.77.0.1" },
          { address: "10.78.0.9/24", gateway: "10.78.0.1" },
          { address: "10.79.0.9/32", gateway: "10.77.0.1" },
          { address: "fd77::9/64", gateway: "fd77::1" },
        ],
        routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }, { dst: "10.80.0.0/16", gw: "10.77.0.77" }],
      },
    });
    const result = network.add(pod);
    network.check(pod, result);
    for (const address of ["10.77.0.1", "10.78.0.1", "198.51.100.1", "fd77::1", "2001:db8::1"]) {
      pod.namespace.sh(`ping -c 1 -W 10 ${address}`);
    }
    for (const address of ["10.77.0.9", "10.78.0.9", "10.79.0.9", "fd77::9"])
      host.netns.sh(`ping -c 1 -W 10 ${address}`);
    // All of its own network is behind the gateway too.
    expect(pod.namespace.json("ip -j route get 10.77.0.200")).toMatchObject([{ gateway: "10.77.0.1" }]);
    network.del(pod);
  });

  test("forwards to a container that nobody has heard of, from outside", () => {
    const host = hosts.fresh();
    const outside = linkOutside(hosts, host, {
      host: ["192.0.2.1/24", "2001:db8::1/64"],
      outside: ["192.0.2.2/24", "2001:db8::2/64"],
    });
    outside.sh("ip route add 10.77.0.0/24 via 192.0.2.1 && ip -6 route add fd77::/64 via 2001:db8::1");
    const pod = hosts.container("c1");
    const network = serve(ptp, host, {
      ipam: { ...hostLocal(host, V4, V6), routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] },
    });
    const [end] = network.add(pod).interfaces ?? [];
    outside.sh("ping -c 1 -W 10 fd77::2 && ping -c 1 -W 10 10.77.0.2");
    // The host asks for the container's MAC from its link-local address, which no test for duplicates holds up.
    const addresses = host.netns.sh(`ip -6 -o address show dev ${end?.name}`);
    expect(addresses).toContain("fe80::");
    expect(addresses).not.toContain("tentative");
    network.del(pod);
  });
});
