import { describe, expect } from "bun:test";
import { hostLocal, V4, V6 } from "../../../test/support/attachment-cases.ts";
import { kernelLink } from "../../../test/support/kernel.ts";
import { needs, program, root } from "../../../test/support/needs.ts";
import { stateOf } from "../../../test/support/network-state.ts";
import { linkOutside } from "../../../test/support/outside.ts";
import { testHosts } from "../../../test/support/plugin-calls.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { ConflictError, TryAgainError } from "../../core/errors.ts";
import { serve } from "../test-support/served.ts";
import { vlan } from "./vlan.ts";

const hosts = testHosts();
expectNothingLeft();

/** An uplink to nowhere. */
const UPLINK = `ip link add up0 address 02:00:00:00:00:77 type veth peer name far0 address 02:00:00:00:00:78
  ip link set up0 up && ip link set far0 up`;

describe("vlan", () => {
  const test = needs(root, program("ip"), program("ping"), kernelLink("vlan"));

  test("is in its VLAN of the master's wire, and goes without a trace", async () => {
    const host = hosts.fresh();
    const pod = hosts.container("c1");
    const outside = linkOutside(hosts, host, {});
    outside.sh(`ip link add link up1 name up1.5 type vlan id 5 && ip link set up1.5 up
      ip address add 10.77.0.254/24 dev up1.5 && ip address add fd77::fe/64 dev up1.5 nodad`);
    const before = await stateOf(host, [pod.namespace]);
    const network = serve(vlan, host, { master: "up0", vlanId: 5, mtu: 1400, ipam: hostLocal(host, V4, V6) });
    const result = network.add(pod);
    network.check(pod, result);
    pod.namespace.sh("ping -c 1 -W 10 10.77.0.254 && ping -c 1 -W 10 fd77::fe");
    const other = serve(vlan, host, { name: "other", master: "up0", vlanId: 6, ipam: hostLocal(host, V4) });
    expect(() => other.check(pod, result)).toThrow('"eth0" is in VLAN 5, not 6');
    network.del(pod, { prevResult: result });
    network.del(pod, { prevResult: result });
    network.gc();
    expect(await stateOf(host, [pod.namespace])).toEqual(before);
  });

  test("is one container's; another one's ADD is refused and leaves nothing", async () => {
    const host = hosts.fresh();
    host.netns.sh(UPLINK);
    const [first, second] = [hosts.container("c1"), hosts.container("c2")];
    const network = serve(vlan, host, { master: "up0", vlanId: 5, ipam: hostLocal(host, V4) });
    const result = network.add(first);
    const before = await stateOf(host, [first.namespace, second.namespace]);
    expect(() => network.add(second)).toThrow(ConflictError);
    expect(() => network.add(second)).toThrow('"up0" has a link of VLAN 5 already');
    expect(await stateOf(host, [first.namespace, second.namespace])).toEqual(before);
    network.check(first, result);
    network.del(first, { netns: null });
    network.add(second);
    network.del(second);
  });

  test("waits for a master that is down", async () => {
    const host = hosts.fresh();
    host.netns.sh("ip link add up0 type veth peer name far0");
    const pod = hosts.container("c1");
    const network = serve(vlan, host, { master: "up0", vlanId: 5, ipam: hostLocal(host, V4) });
    const before = await stateOf(host, [pod.namespace]);
    expect(() => network.add(pod)).toThrow(TryAgainError);
    expect(await stateOf(host, [pod.namespace])).toEqual(before);
    expect(() => network.status()).toThrow('Master "up0" is down');
    host.netns.sh("ip link set up0 up");
    network.status();
    network.add(pod);
    network.del(pod);
  });

  test("on a link of the container", () => {
    const host = hosts.fresh();
    const pod = hosts.container("c1");
    pod.namespace.sh(UPLINK);
    const network = serve(vlan, host, { master: "up0", vlanId: 5, linkInContainer: true, ipam: hostLocal(host, V4) });
    const result = network.add(pod);
    network.check(pod, result);
    expect(pod.namespace.json("ip -j link show eth0")).toMatchObject([{ link: "up0" }]);
    network.del(pod);
  });
});
