import { describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { hostLocal, V4, V6 } from "../../../test/support/attachment-cases.ts";
import { expectSameState } from "../../../test/support/kills.ts";
import { type Need, needs, program, root } from "../../../test/support/needs.ts";
import { stateOf } from "../../../test/support/network-state.ts";
import { testHosts } from "../../../test/support/plugin-calls.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { ConfigError, KernelError, KernelFeatureError, VerificationError } from "../../core/errors.ts";
import { inNetns } from "../../linux/netns.ts";
import { createTap } from "../../linux/tun.ts";
import { describeLife } from "../test-support/life.ts";
import { type Fields, serve } from "../test-support/served.ts";
import { tap } from "./tap.ts";

const hosts = testHosts();
expectNothingLeft();

const device: Need = () => (existsSync("/dev/net/tun") ? undefined : "there is no /dev/net/tun");
const selinux = existsSync("/sys/fs/selinux/enforce");
const test = needs(root, program("ip"), device);

describeLife(hosts, {
  title: "tap, dual stack",
  planner: tap,
  config: (host) => ({ mtu: 1400, ipam: hostLocal(host, V4, V6) }),
  needs: [device],
  meet: false,
  damage: { command: "ip link set eth0 mtu 1300", finding: '"eth0" has MTU 1300, not 1400' },
});
describeLife(hosts, {
  title: "tap of many queues, a user and a group, at a bridge of the container",
  planner: tap,
  givenInside: "ip link add br0 address 02:00:5e:00:53:0b type bridge",
  config: () => ({ multiQueue: true, owner: 1000, group: 1001, bridge: "br0", mac: "02:00:5e:00:53:01" }),
  needs: [device],
  meet: false,
  damage: { command: "ip link set eth0 nomaster", finding: '"eth0" is not a port of "br0"' },
});

interface Printed {
  readonly linkinfo: { readonly info_kind: string; readonly info_data: object };
}

describe("tap", () => {
  const attach = (fields: Fields, givenInside?: string) => {
    const host = hosts.fresh();
    const pod = hosts.container("c1");
    if (givenInside !== undefined) pod.namespace.sh(givenInside);
    const network = serve(tap, host, fields);
    return { host, pod, network, state: () => stateOf(host, [pod.namespace]) };
  };

  test("is a TAP device that stays, and up", () => {
    const { pod, network } = attach({ mac: "02:00:5e:00:53:01", mtu: 1300, owner: 0, group: 7 });
    const result = network.add(pod);
    expect(result.interfaces).toEqual([{ name: "eth0", mac: "02:00:5e:00:53:01", sandbox: pod.netns }]);
    expect(pod.namespace.json<Printed>("ip -d -j link show eth0")).toMatchObject([
      {
        address: "02:00:5e:00:53:01",
        mtu: 1300,
        flags: expect.arrayContaining(["UP"]),
        linkinfo: {
          info_kind: "tun",
          info_data: { type: "tap", pi: false, persist: true, user: "root", group: expect.any(String) },
        },
      },
    ]);
    network.check(pod, result);
    network.del(pod);
  });

  test("has the queues that are asked for, each of which a program can open", () => {
    for (const multiQueue of [false, true]) {
      const { pod, network } = attach({ multiQueue });
      const result = network.add(pod);
      const [{ linkinfo } = { linkinfo: {} }] = pod.namespace.json<Printed>("ip -d -j link show eth0");
      expect(linkinfo).toMatchObject({ info_data: { multi_queue: multiQueue } });
      network.check(pod, result);
      network.del(pod);
    }
  });

  test("says at CHECK in what it is another device", () => {
    const damages: readonly [fields: Fields, command: string, finding: string][] = [
      [{ owner: 1000 }, "ip tuntap add dev eth0 mode tap", '"eth0" has owner none, not 1000'],
      [{}, "ip tuntap add dev eth0 mode tap group 5", '"eth0" has group 5, not none'],
      [{}, "ip tuntap add dev eth0 mode tap multi_queue", '"eth0" has many queues'],
      [{}, "ip tuntap add dev eth0 mode tun", '"eth0" is no TAP device'],
      [{}, "ip link add eth0 type bridge", '"eth0" in the container is of kind bridge, not tun'],
    ];
    for (const [fields, command, finding] of damages) {
      const { pod, network } = attach(fields);
      const result = network.add(pod);
      pod.namespace.sh(`ip link delete eth0 && ${command}`);
      expect(() => network.check(pod, result)).toThrow(VerificationError);
      expect(() => network.check(pod, result)).toThrow(finding);
      network.del(pod);
    }
  });

  test("that cannot be is refused, and nothing is left", async () => {
    const refusals: readonly [fields: Fields, error: typeof KernelError | typeof ConfigError, words: string][] = [
      [{ bridge: "br0" }, ConfigError, '"bridge" names no link that the container has: "br0"'],
      [{ bridge: "lo" }, KernelError, 'of tap "eth0": EOPNOTSUPP'],
      [{ mtu: 65535, mac: "02:00:5e:00:53:01" }, KernelError, 'mtu 65535 of tap "eth0": EINVAL (mtu greater'],
    ];
    for (const [fields, error, words] of refusals) {
      const { pod, network, state } = attach(fields);
      const before = await state();
      expect(() => network.add(pod)).toThrow(error);
      expect(() => network.add(pod)).toThrow(words);
      expectSameState("a refused ADD", await state(), before);
    }
  });

  needs(root, program("ip"), device, () => (selinux ? "SELinux is enabled here" : undefined))(
    "with an SELinux context where there is no SELinux is an error that says so, and nothing is left",
    async () => {
      const { pod, network, state } = attach({ selinuxContext: "system_u:system_r:container_t:s0" });
      const before = await state();
      expect(() => network.add(pod)).toThrow(KernelFeatureError);
      expect(() => network.add(pod)).toThrow('SELinux context "system_u:system_r:container_t:s0"');
      expectSameState("a refused ADD", await state(), before);
    },
  );
});

test("a TAP device is not taken for one that is to be made", () => {
  const { netns, sh, json } = hosts.container("c1").namespace;
  inNetns(netns, () => createTap({ name: "tap0" }));
  expect(() => inNetns(netns, () => createTap({ name: "tap0" }))).toThrow("EBUSY");
  sh("ip link add br0 type bridge");
  expect(() => inNetns(netns, () => createTap({ name: "br0" }))).toThrow("EBUSY");
  expect(json<Printed>("ip -d -j link show tap0")).toMatchObject([{ linkinfo: { info_data: { persist: true } } }]);
});

needs(
  root,
  program("ip"),
  device,
)("the command that makes one under another context makes the same", () => {
  const { netns, json } = hosts.container("c1").namespace;
  const options = JSON.stringify({ name: "tap0", multiQueue: true, owner: 7 });
  const main = `${import.meta.dir}/../../main.ts`;
  const run = () => inNetns(netns, () => Bun.spawnSync([process.execPath, main, "make-tap", options], { env: {} }));
  expect(run()).toMatchObject({ exitCode: 0 });
  expect(json<Printed>("ip -d -j link show tap0")).toMatchObject([
    { linkinfo: { info_data: { type: "tap", persist: true, multi_queue: true, user: expect.any(String) } } },
  ]);
  const again = run();
  expect({ status: again.exitCode, said: again.stderr.toString() }).toEqual({
    status: 1,
    said: expect.stringContaining("EBUSY"),
  });
});
