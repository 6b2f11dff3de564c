import { describe, expect } from "bun:test";
import { hostLocal, V4, V6 } from "../../../test/support/attachment-cases.ts";
import { kernelLink } from "../../../test/support/kernel.ts";
import { needs, program, root } from "../../../test/support/needs.ts";
import { linkOutside } from "../../../test/support/outside.ts";
import { testHosts } from "../../../test/support/plugin-calls.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { describeLife } from "../test-support/life.ts";
import { serve } from "../test-support/served.ts";
import { ipvlan } from "./ipvlan.ts";

const hosts = testHosts();
expectNothingLeft();

/** An uplink to nowhere. */
const UPLINK = `ip link add up0 address 02:00:00:00:00:77 type veth peer name far0 address 02:00:00:00:00:78
  ip link set up0 up && ip link set far0 up`;

describeLife(hosts, {
  title: "ipvlan",
  planner: ipvlan,
  needs: [kernelLink("ipvlan")],
  given: UPLINK,
  config: (host) => ({ master: "up0", mtu: 1400, ipam: hostLocal(host, V4, V6) }),
  meet: true,
  damage: { command: "ip link set eth0 type ipvlan mode l3", finding: '"eth0" is in mode l3, not l2' },
});

describe("ipvlan", () => {
  const test = needs(root, program("ip"), program("ping"), kernelLink("ipvlan"));

  for (const mode of ["l2", "l3", "l3s"]) {
    test(`in mode ${mode} reaches its neighbour and the outside`, () => {
      const host = hosts.fresh();
      const outside = linkOutside(hosts, host, {
        host: mode === "l2" ? [] : ["10.77.0.1/24"],
        outside: ["10.77.0.254/24"],
      });
      // In modes l3 and l3s nobody answers for the container's addresses; the other machine is told.
      const [{ address }] = host.netns.json<{ address: string }>("ip -j link show up0") as [{ address: string }];
      if (mode !== "l2") outside.sh(`ip neighbour replace 10.77.0.2 lladdr ${address} dev up1 nud permanent`);
      const network = serve(ipvlan, host, { master: "up0", mode, ipam: hostLocal(host, V4) });
      const [first, second] = [hosts.container("c1"), hosts.container("c2")];
      const result = network.add(first);
      expect(result.interfaces?.[0]?.mac).toBe(address);
      network.check(first, result);
      network.add(second);
      first.namespace.sh("ping -c 1 -W 10 10.77.0.3");
      first.namespace.sh("ping -c 1 -W 10 10.77.0.254");
      network.del(first);
      network.del(second);
    });
  }

  test("chained takes master and addresses from the result of the plugin before", () => {
    const host = hosts.fresh();
    host.netns.sh(UPLINK);
    const pod = hosts.container("c1");
    const network = serve(ipvlan, host, { linkInContainer: false });
    const prevResult = { interfaces: [{ name: "up0" }], ips: [{ address: "10.77.0.9/24" }] };
    const result = network.add(pod, { prevResult });
    expect(result.ips).toEqual([{ address: "10.77.0.9/24", interface: 0 }]);
    network.check(pod, result);
    expect(pod.namespace.sh("ip -br address show eth0")).toContain("10.77.0.9/24");
    network.del(pod, { prevResult: result });
    expect(pod.namespace.sh("ip -br link")).not.toContain("eth0");
  });

  test("on a link of the container", () => {
    const host = hosts.fresh();
    const pod = hosts.container("c1");
    pod.namespace.sh(UPLINK);
    const network = serve(ipvlan, host, { master: "up0", linkInContainer: true, ipam: hostLocal(host, V4) });
    const result = network.add(pod);
    network.check(pod, result);
    expect(pod.namespace.json("ip -j link show eth0")).toMatchObject([{ link: "up0" }]);
    network.del(pod);
  });
});
