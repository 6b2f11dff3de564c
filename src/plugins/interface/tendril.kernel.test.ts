import { describe, expect } from "bun:test";
import { rmSync } from "node:fs";
import { hostLocal, V4, V6 } from "../../../test/support/attachment-cases.ts";
import { kernelLink } from "../../../test/support/kernel.ts";
import { expectSameState } from "../../../test/support/kills.ts";
import type { TestNetns } from "../../../test/support/namespaces.ts";
import { needs, program, root } from "../../../test/support/needs.ts";
import { stateOf } from "../../../test/support/network-state.ts";
import { linkOutside } from "../../../test/support/outside.ts";
import { testHosts } from "../../../test/support/plugin-calls.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { answering, askTcp, askUdp } from "../../../test/support/traffic.ts";
import { VerificationError } from "../../core/errors.ts";
import { describeLife } from "../test-support/life.ts";
import { serve } from "../test-support/served.ts";
import { clusterPlanner } from "./tendril.ts";

const hosts = testHosts();
expectNothingLeft();

const tendril = clusterPlanner("tendril");

describeLife(hosts, {
  title: "tendril, dual stack",
  planner: tendril,
  config: (host) => ({ mtu: 1400, ipam: hostLocal(host, V4, V6) }),
  meet: true,
  damage: {
    command: "ip neighbour del 169.254.1.1 dev eth0",
    finding: 'neighbour 169.254.1.1 on "eth0" is missing',
  },
});
describeLife(hosts, {
  title: "tendril with ipMasq",
  planner: tendril,
  config: (host) => ({ ipMasq: true, ipam: hostLocal(host, V4, V6) }),
  needs: [program("nft")],
  meet: true,
  damage: { command: "ip route del default", finding: "route 0.0.0.0/0 via 169.254.1.1 dev eth0 is missing" },
});
describeLife(hosts, {
  title: "tendril with limited rates",
  planner: tendril,
  config: (host) => ({
    runtimeConfig: {
      bandwidth: { ingressRate: 1e8, ingressBurst: 1e7, egressRate: 1e8, egressBurst: 1e7 },
    },
    ipam: hostLocal(host, V4),
  }),
  needs: [kernelLink("ifb")],
  meet: true,
  damage: { command: "ip route del 169.254.1.1", finding: "route 169.254.1.1/32 dev eth0 is missing" },
});

describe("tendril", () => {
  const test = needs(root, program("ip"), program("ping"));

  const portMappings = ["tcp", "udp"].map((protocol) => ({ hostPort: 8080, containerPort: 80, protocol }));

  const reach = ({ sh }: Pick<TestNetns, "sh">, address: string, more = "") => sh(`ping -c 1 -w 10 ${more} ${address}`);

  /** A pod of a node, whose `up0` leads outside. */
  function stage(fields: Record<string, unknown> = {}) {
    const host = hosts.fresh();
    host.netns.sh("ip link set lo up");
    const outside = linkOutside(hosts, host, {
      host: ["192.0.2.1/24", "2001:db8::1/64"],
      outside: ["192.0.2.2/24", "2001:db8::2/64"],
    });
    outside.sh("ip route add 10.77.0.0/24 via 192.0.2.1 && ip -6 route add fd77::/64 via 2001:db8::1");
    const network = serve(tendril, host, { ipam: hostLocal(host, V4, V6), ...fields });
    const pod = hosts.container("c1");
    const result = network.add(pod);
    return { host, outside, network, pod, result };
  }

  for (const [how, fields] of [
    ["by a routed pair", {}],
    ["by a bridge", { bridge: "br0" }],
  ] as const) {
    describe(how, () => {
      test("reaches node and outside, and is reached from there, in both families", () => {
        const { host, outside, network, pod, result } = stage(fields);
        network.check(pod, result);
        for (const address of ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"]) {
          reach(pod.namespace, address);
        }
        for (const from of [host.netns, outside]) for (const address of ["10.77.0.2", "fd77::2"]) reach(from, address);
        network.del(pod);
      });

      test("does not get out with another address than its own, and goes on with that", () => {
        const { outside, network, pod } = stage(fields);
        outside.sh("ip route add 198.51.100.0/24 via 192.0.2.1 && ip -6 route add 2001:db8:1::/64 via 2001:db8::1");
        pod.namespace.sh("ip address add 198.51.100.9/32 dev eth0 && ip address add 2001:db8:1::9/128 dev eth0 nodad");
        // Another pod's address of the same network, too.
        pod.namespace.sh("ip address add 10.77.0.9/32 dev eth0");
        const counted = () =>
          outside.json<{ stats64: { rx: { packets: number } } }>("ip -s -j link show up1")[0]?.stats64.rx.packets;
        reach(pod.namespace, "192.0.2.2", "-I 10.77.0.2");
        reach(pod.namespace, "2001:db8::2", "-I fd77::2");
        const before = counted() ?? 0;
        for (const [from, to] of [
          ["198.51.100.9", "192.0.2.2"],
          ["10.77.0.9", "192.0.2.2"],
          ["2001:db8:1::9", "2001:db8::2"],
        ]) {
          expect(() => pod.namespace.sh(`ping -c 2 -i 0.1 -W 0.5 -I ${from} ${to}`)).toThrow();
        }
        // Neighbour discovery is all that may have come meanwhile.
        expect((counted() ?? 0) - before).toBeLessThan(3);
        reach(pod.namespace, "192.0.2.2", "-I 10.77.0.2");
        network.del(pod);
      });

      test("reaches itself and others by a port of the host", async () => {
        const { outside, host, network, pod } = stage({ ...fields, runtimeConfig: { portMappings } });
        const other = hosts.container("c2");
        const server = await answering(pod.namespace, "web", { tcp: [80], udp: [80] });
        const client = serve(tendril, host, { ipam: hostLocal(host, V4, V6), ...fields });
        client.add(other);
        try {
          expect(await askTcp(outside, "192.0.2.1", 8080)).toBe("web 192.0.2.2");
          expect(await askUdp(outside, "2001:db8::1", 8080)).toBe("web 2001:db8::2");
          for (const address of ["192.0.2.1", "2001:db8::1"]) {
            expect(await askTcp(pod.namespace, address, 8080)).toStartWith("web ");
            expect(await askTcp(other.namespace, address, 8080)).toStartWith("web ");
            expect(await askTcp(host.netns, address, 8080)).toStartWith("web ");
          }
        } finally {
          server.close();
        }
        client.del(other);
        network.del(pod);
      });
    });
  }

  test("on a bridge goes without a trace, alone and as the last, and CHECK sees what is wrong", async () => {
    const host = hosts.fresh();
    const [first, second] = [hosts.container("c1"), hosts.container("c2")];
    const state = () => stateOf(host, [first.namespace, second.namespace]);
    const network = serve(tendril, host, { bridge: "br0", ipam: hostLocal(host, V4, V6) });
    const before = await state();
    const [result, other] = [network.add(first), network.add(second)] as const;
    reach(first.namespace, "fd77::3");
    second.namespace.sh("ip link set eth0 down");
    network.check(first, result);
    expect(() => network.check(second, other)).toThrow(VerificationError);
    network.del(first, { prevResult: result });
    network.del(first);
    rmSync(`${host.runFolder}/attachments`, { recursive: true });
    network.del(second);
    network.gc();
    expectSameState("DELs, GC", await state(), before);
  });

  test("goes on when it has forgotten the gateway's MAC", () => {
    const { host, network, pod } = stage();
    // The node answers for an address that it would send to by another link.
    host.netns.sh("ip route add default via 192.0.2.2");
    pod.namespace.sh("ip neighbour flush dev eth0 nud permanent");
    for (const address of ["192.0.2.2", "2001:db8::2"]) reach(pod.namespace, address);
    network.del(pod);
  });

  test("sees the node under an address of the node's, not under the gateway's", async () => {
    const { host, network, pod } = stage();
    const server = await answering(pod.namespace, "web", { tcp: [80] });
    try {
      expect(await askTcp(host.netns, "10.77.0.2", 80)).toBe("web 192.0.2.1");
      expect(await askTcp(host.netns, "fd77::2", 80)).toBe("web 2001:db8::1");
    } finally {
      server.close();
    }
    network.del(pod);
  });

  test("with ipMasq leaves under the host's address, and meets its neighbours under its own", async () => {
    const { host, outside, network, pod } = stage({ ipMasq: true });
    const other = hosts.container("c2");
    network.add(other, { args: {} });
    const far = await answering(outside, "far", { tcp: [80] });
    const near = await answering(other.namespace, "near", { tcp: [80] });
    try {
      expect(await askTcp(pod.namespace, "192.0.2.2", 80)).toBe("far 192.0.2.1");
      expect(await askTcp(pod.namespace, "10.77.0.3", 80)).toBe("near 10.77.0.2");
      expect(await askTcp(pod.namespace, "fd77::3", 80)).toBe("near fd77::2");
    } finally {
      far.close();
      near.close();
    }
    expect(host.netns.sh("nft list chains inet").match(/chain masquerade-/g)).toHaveLength(2);
    network.del(other);
    network.del(pod);
  });
});
