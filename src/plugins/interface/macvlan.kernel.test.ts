import { describe, expect } from "bun:test";
import { hostLocal, V4, V6 } from "../../../test/support/attachment-cases.ts";
import { kernelLink } from "../../../test/support/kernel.ts";
import { needs, program, root } from "../../../test/support/needs.ts";
import { linkOutside } from "../../../test/support/outside.ts";
import { expectAnswer, expectNoAnswer } from "../../../test/support/ping.ts";
import { testHosts } from "../../../test/support/plugin-calls.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { ConfigError } from "../../core/errors.ts";
import { describeLife } from "../test-support/life.ts";
import { serve } from "../test-support/served.ts";
import { macvlan } from "./macvlan.ts";

const hosts = testHosts();
expectNothingLeft();

/** An uplink to nowhere. */
const UPLINK = `ip link add up0 address 02:00:00:00:00:77 type veth peer name far0 address 02:00:00:00:00:78
  ip link set up0 up && ip link set far0 up`;
const damage = {
  command: "ip link set eth0 type macvlan mode vepa",
  finding: '"eth0" is in mode vepa, not bridge',
};
const common = { planner: macvlan, needs: [kernelLink("macvlan")], damage };

describeLife(hosts, {
  ...common,
  title: "macvlan, dual stack",
  given: UPLINK,
  config: (host) => ({ master: "up0", mtu: 1400, bcqueuelen: 1500, ipam: hostLocal(host, V4, V6) }),
  meet: true,
});
describeLife(hosts, {
  ...common,
  title: "macvlan without ipam, on the link of the default route",
  given: `${UPLINK} && ip address add 192.0.2.1/24 dev up0 && ip route add default via 192.0.2.9`,
  config: () => ({}),
  meet: false,
});
describeLife(hosts, {
  ...common,
  title: "macvlan in mode private",
  given: UPLINK,
  config: (host) => ({ master: "up0", mode: "private", ipam: hostLocal(host, V4) }),
  meet: false,
  damage: { ...damage, finding: '"eth0" is in mode vepa, not private' },
});
describeLife(hosts, {
  ...common,
  title: "macvlan on a link of the container",
  givenInside: UPLINK,
  config: (host) => ({ master: "up0", linkInContainer: true, ipam: hostLocal(host, V4) }),
  meet: false,
});

describe("macvlan", () => {
  const test = needs(root, program("ip"), program("ping"), kernelLink("macvlan"));

  /** A host whose uplink leads to another machine. */
  function onWire() {
    const host = hosts.fresh();
    return { host, outside: linkOutside(hosts, host, { outside: ["10.77.0.254/24", "fd77::fe/64"] }) };
  }

  for (const mode of ["bridge", "private", "vepa", "passthru"]) {
    test(`in mode ${mode} is on the master's wire, and reaches ${mode === "bridge" ? "the others" : "no other"}`, () => {
      const { host, outside } = onWire();
      const network = serve(macvlan, host, { master: "up0", mode, ipam: hostLocal(host, V4, V6) });
      const first = hosts.container("c1");
      const result = network.add(first);
      network.check(first, result);
      first.namespace.sh("ping -c 1 -W 10 10.77.0.254 && ping -c 1 -W 10 fd77::fe");
      outside.sh("ping -c 1 -W 10 10.77.0.2 && ping -c 1 -W 10 fd77::2");
      const second = hosts.container("c2");
      if (mode === "passthru") {
        expect(() => network.add(second)).toThrow('its master "up0" is in use otherwise');
      } else {
        network.add(second);
        if (mode === "bridge") expectAnswer(first.namespace, "10.77.0.3");
        else expectNoAnswer(first.namespace, "10.77.0.3");
        network.del(second);
      }
      network.check(first, result);
      network.del(first);
    });
  }

  test("in mode passthru has the master's MAC, or gives it the one that is asked for until it goes", () => {
    const { host, outside } = onWire();
    const [{ address }] = host.netns.json<{ address: string }>("ip -j link show up0") as [{ address: string }];
    const pod = hosts.container("c1");
    const plain = serve(macvlan, host, { master: "up0", mode: "passthru", ipam: hostLocal(host, V4) });
    const result = plain.add(pod);
    expect(result.interfaces?.[0]?.mac).toBe(address);
    plain.check(pod, result);
    plain.del(pod);
    const mac = "02:00:5e:00:53:01";
    const asked = serve(macvlan, host, { master: "up0", mode: "passthru", mac, ipam: hostLocal(host, V4) });
    const second = asked.add(pod);
    expect(second.interfaces?.[0]?.mac).toBe(mac);
    asked.check(pod, second);
    outside.sh("ping -c 1 -W 10 10.77.0.3");
    expect(outside.sh("ip neighbour show 10.77.0.3")).toContain(mac);
    asked.del(pod);
    expect(host.netns.json("ip -j link show up0")).toMatchObject([{ address }]);
  });

  test("tells neighbours of an address that had another MAC", async () => {
    const { host, outside } = onWire();
    const stale = "02:00:00:00:00:99";
    outside.sh(`ip neighbour replace 10.77.0.2 lladdr ${stale} dev up1 nud reachable
      ip neighbour replace fd77::2 lladdr ${stale} dev up1 nud reachable`);
    const pod = hosts.container("c1");
    const network = serve(macvlan, host, { master: "up0", ipam: hostLocal(host, V4, V6) });
    const mac = network.add(pod).interfaces?.[0]?.mac ?? "";
    const deadline = Date.now() + 5_000;
    while (Date.now() < deadline && outside.sh("ip neighbour").includes(stale)) await Bun.sleep(20);
    expect(outside.sh("ip neighbour show 10.77.0.2")).toContain(mac);
    expect(outside.sh("ip neighbour show fd77::2")).toContain(mac);
    network.del(pod);
  });

  test("takes an interface's name that the host has too", () => {
    const { host } = onWire();
    host.netns.sh("ip link add eth0 type veth peer name eth1");
    const pod = hosts.container("c1");
    const network = serve(macvlan, host, { master: "up0", ipam: hostLocal(host, V4) });
    const result = network.add(pod);
    network.check(pod, result);
    pod.namespace.sh("ping -c 1 -W 10 10.77.0.254");
    network.del(pod);
    expect(host.netns.sh("ip -br link")).toContain("eth0@eth1");
  });

  test("takes the default route of IPv4 before that of IPv6, and that of the best priority", () => {
    const host = hosts.fresh();
    host.netns.sh(`for i in 0 1 2; do ip link add up$i type veth peer name far$i; ip link set up$i up; ip link set far$i up; done
      ip -6 route add default dev up0; ip route add default dev up1 metric 9; ip route add default dev up2 metric 5`);
    const pod = hosts.container("c1");
    const network = serve(macvlan, host, {});
    const masters = () => host.netns.sh("ip -o link show type veth").split("\n");
    expect(masters().length).toBeGreaterThan(6);
    for (const [master, more] of [
      ["up2", "ip route del default dev up2"],
      ["up1", "ip route del default dev up1"],
      ["up0", ""],
    ] as const) {
      const [{ ifindex }] = host.netns.json<{ ifindex: number }>(`ip -j link show ${master}`) as [{ ifindex: number }];
      network.add(pod);
      expect(pod.namespace.json("ip -j link show eth0")).toMatchObject([{ link_index: ifindex }]);
      network.del(pod);
      host.netns.sh(more || "ip -6 route del default");
    }
    expect(() => network.add(pod)).toThrow(ConfigError);
    expect(() => network.status()).toThrow("no default route");
  });

  test("does not miss the master that has gone, with which its interface went", () => {
    const { host } = onWire();
    const pod = hosts.container("c1");
    const network = serve(macvlan, host, { master: "up0", ipam: hostLocal(host, V4) });
    const result = network.add(pod);
    host.netns.sh("ip link del up0");
    expect(() => network.check(pod, result)).toThrow('interface "eth0" is not in the container');
    network.del(pod, { prevResult: result });
    network.del(pod, { prevResult: result });
    expect(() => network.add(pod)).toThrow('"master" must name a link');
  });
});
