import { afterAll, describe, expect } from "bun:test";
import { rmSync } from "node:fs";
import { hostLocal, V4, V6 } from "../../../test/support/attachment-cases.ts";
import { expectSameState } from "../../../test/support/kills.ts";
import { OWN_PREFIX } from "../../../test/support/namespaces.ts";
import { needs, program, root } from "../../../test/support/needs.ts";
import { stateOf } from "../../../test/support/network-state.ts";
import { type Host, testHosts } from "../../../test/support/plugin-calls.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { ConfigError, ConflictError, KernelError, VerificationError } from "../../core/errors.ts";
import { closeNetns, createNamedNetns, deleteNamedNetns } from "../../linux/netns.ts";
import { type Fields, serve } from "../test-support/served.ts";
import { hostDevice } from "./host-device.ts";

const hosts = testHosts();
expectNothingLeft();
const test = needs(root, program("ip"), program("ping"));

const MAC = "02:00:5e:00:53:0a";

/** All that a device can have in the host. */
const SETTINGS = [
  "ip link set ens0 mtu 1400 txqueuelen 77 alias 'uplink of rack 7' up",
  "ip address add 192.0.2.9/24 brd + dev ens0 && ip address add 2001:db8::9/64 dev ens0 nodad",
].join(" && ");

/** A device that has it, and what is at its other end. */
const DEVICE = [
  `ip link add ens0 address ${MAC} type veth peer name wire0 address 02:00:5e:00:53:0b`,
  "ip link set wire0 mtu 1400 up && ip address add 10.77.0.1/24 dev wire0 && ip address add fd77::1/64 dev wire0 nodad",
  SETTINGS,
].join(" && ");

function stage(fields: (host: Host) => Fields = () => ({ device: "ens0" })) {
  const host = hosts.fresh();
  host.netns.sh(DEVICE);
  const [first, second] = [hosts.container("c1"), hosts.container("c2")];
  const network = serve(hostDevice, host, fields(host));
  const state = () => stateOf(host, [first.namespace, second.namespace]);
  return { host, first, second, network, state };
}

const dual = (host: Host): Fields => ({ device: "ens0", ipam: hostLocal(host, V4, V6) });

describe("a device", () => {
  for (const [title, fields] of [
    ["by its name", { device: "ens0" }],
    ["by its MAC", { hwaddr: "02-00-5E-00-53-0A" }],
    ["by name before MAC", { device: "ens0", hwaddr: "02:00:5e:00:53:0b" }],
  ] as const) {
    test(`${title} is in the container, and afterwards in the host as it was`, async () => {
      const { first, network, state } = stage((host) => ({ ...fields, ipam: hostLocal(host, V4, V6) }));
      const before = await state();
      const result = network.add(first);
      expect(result.interfaces).toEqual([{ name: "eth0", mac: MAC, sandbox: first.netns }]);
      expect(result.ips).toMatchObject([{ interface: 0 }, { interface: 0 }]);
      network.check(first, result);
      first.namespace.sh("ping -c 1 -W 10 10.77.0.1 && ping -c 1 -W 10 fd77::1");
      expect(first.namespace.json("ip -j link show eth0")).toMatchObject([{ mtu: 1400, ifalias: "ens0" }]);
      network.del(first, { prevResult: result });
      expectSameState("DEL", await state(), before);
      network.del(first, { prevResult: result });
      expectSameState("a second DEL", await state(), before);
      network.check(first, network.add(first));
      network.gc();
      expectSameState("GC", await state(), before);
    });
  }

  test("without addresses comes up all the same", async () => {
    const { first, network, state } = stage();
    const before = await state();
    const result = network.add(first);
    expect(result).toEqual({ interfaces: [{ name: "eth0", mac: MAC, sandbox: first.netns }] });
    expect(first.namespace.json("ip -j link show eth0")).toMatchObject([{ operstate: "UP" }]);
    network.check(first, result);
    network.del(first);
    expectSameState("DEL", await state(), before);
  });

  test("keeps its name where the container's interface has the same", async () => {
    const { host, network, state } = stage();
    const before = await state();
    const third = hosts.container("c3", "ens0");
    network.check(third, network.add(third));
    expect(third.namespace.json("ip -j link show ens0")).toMatchObject([{ operstate: "UP" }]);
    network.del(third);
    expect(host.netns.json("ip -j link show ens0")).toHaveLength(1);
    expectSameState("DEL", await state(), before);
  });

  test("is one container's at a time", async () => {
    const { first, second, network, state } = stage(dual);
    const before = await state();
    network.add(first);
    const attached = await state();
    expect(() => network.add(second)).toThrow(ConfigError);
    expect(() => network.add(second)).toThrow('"device" names no interface that the host has: "ens0"');
    expect(() => network.add(first)).toThrow(ConflictError);
    expectSameState("refused ADDs", await state(), attached);
    network.del(first);
    network.check(second, network.add(second));
    network.del(second);
    expectSameState("DEL of both", await state(), before);
  });

  test("whose MAC and settings have been changed meanwhile has its own again", async () => {
    const { first, network, state } = stage();
    const before = await state();
    network.add(first);
    first.namespace.sh(
      "ip link set eth0 down && ip link set eth0 address 02:00:00:00:00:99 mtu 1300 txqueuelen 5 name x0",
    );
    network.del(first);
    expectSameState("DEL", await state(), before);
  });

  test("whose alias has been taken away is found by its index and MAC", async () => {
    const { first, network, state } = stage();
    const before = await state();
    network.add(first);
    first.namespace.sh("ip link set eth0 alias ''");
    network.del(first);
    expectSameState("DEL", await state(), before);
  });

  test("whose index another link has in the container is moved, and found by its alias", async () => {
    const { host, first, network, state } = stage();
    const before = await state();
    const [{ ifindex } = { ifindex: 0 }] = host.netns.json<{ ifindex: number }>("ip -j link show ens0");
    first.namespace.sh(`ip link add taken0 index ${ifindex} type bridge`);
    network.check(first, network.add(first));
    network.del(first);
    first.namespace.sh("ip link delete taken0");
    expectSameState("DEL", await state(), before);
  });
});

describe("DEL", () => {
  test("works without the namespace's path, without a record, and with neither record nor result", async () => {
    const { host, first, network, state } = stage(dual);
    const before = await state();
    network.add(first);
    network.del(first, { netns: null });
    expectSameState("DEL without a path", await state(), before);
    for (const given of [true, false]) {
      const result = network.add(first);
      rmSync(`${host.runFolder}/attachments`, { recursive: true });
      network.check(first, result);
      network.del(first, given ? { prevResult: result } : {});
      // What the device had before only the record knew.
      expect(host.netns.json("ip -j link show ens0")).toMatchObject([{ address: MAC, operstate: "DOWN" }]);
      host.netns.sh(SETTINGS);
      expectSameState("DEL without record, and what it had by hand", await state(), before);
    }
  });

  test("of a virtual device that has died with its namespace succeeds", async () => {
    for (const end of ["del", "gc"] as const) {
      const { host, first, network } = stage(dual);
      const name = `${OWN_PREFIX}device-${end}`;
      const netns = createNamedNetns(name);
      const doomed = { id: "c3", ifname: "eth0", netns: netns.path };
      try {
        network.add(doomed);
      } finally {
        closeNetns(netns);
        deleteNamedNetns(name);
      }
      if (end === "del") network.del(doomed);
      else network.gc(first);
      expect(await stateOf(host)).not.toContain("attachments");
      expect((await stateOf(host)).filter((line) => line.startsWith("file"))).toEqual([]);
    }
  });

  test("brings the device to safety under a spare name where another link has its own, and says so until it has gone", async () => {
    const { host, first, network, state } = stage(dual);
    const before = await state();
    network.add(first);
    host.netns.sh("ip link add ens0 type bridge");
    const inTheWay = /^Cannot give device "dev[a-z2-7]{11}" its name "ens0" back: another link has it$/;
    expect(() => network.del(first)).toThrow(inTheWay);
    expect(host.netns.json(`ip -j link show`)).toContainEqual(
      expect.objectContaining({ ifname: expect.stringMatching(/^dev/), ifalias: "ens0", address: MAC }),
    );
    expect(() => network.del(first)).toThrow(inTheWay);
    expect(() => network.gc()).toThrow(inTheWay);
    host.netns.sh("ip link delete ens0");
    network.del(first);
    expectSameState("DEL without what was in the way", await state(), before);
  });
});

describe("CHECK says", () => {
  for (const [what, command, finding] of [
    ["that the device is gone", "ip link set eth0 name x0", 'device "ens0" is not in the container as "eth0"'],
    ["that it is another one", "ip link set eth0 alias x", '"eth0" in the container is not device "ens0" of the host'],
    ["that its MAC is another", "ip link set eth0 address 02:00:00:00:00:99", '"eth0" has MAC 02:00:00:00:00:99'],
    ["that it is down", "ip link set eth0 down", 'link "eth0" is down'],
  ] as const) {
    test(what, async () => {
      const { first, network, state } = stage();
      const before = await state();
      const result = network.add(first);
      first.namespace.sh(command);
      expect(() => network.check(first, result)).toThrow(VerificationError);
      expect(() => network.check(first, result)).toThrow(finding);
      network.del(first);
      expectSameState("DEL", await state(), before);
    });
  }
});

describe("an ADD that fails leaves the device as it was", () => {
  test("when the container has the interface already", async () => {
    const { first, network, state } = stage(dual);
    first.namespace.sh("ip link add eth0 type veth peer name other");
    const before = await state();
    expect(() => network.add(first)).toThrow(ConflictError);
    expect(() => network.add(first)).toThrow('interface "eth0" already exists there');
    expectSameState("a failed ADD", await state(), before);
  });

  test("when a route is refused", async () => {
    const routes = [{ dst: "10.9.0.0/16", gw: "172.31.0.1" }];
    const { first, network, state } = stage((host) => ({
      device: "ens0",
      ipam: { ...hostLocal(host, V4, V6), routes },
    }));
    const before = await state();
    expect(() => network.add(first)).toThrow("ENETUNREACH");
    expectSameState("a failed ADD", await state(), before);
  });

  test("when it cannot be moved", async () => {
    const { host, first, state } = stage();
    host.netns.sh("ip link add br0 type bridge");
    const before = await state();
    const network = serve(hostDevice, host, { device: "br0" });
    expect(() => network.add(first)).toThrow(KernelError);
    expect(() => network.add(first)).toThrow('Cannot move link "br0" into the container as "eth0": EINVAL');
    expectSameState("a failed ADD", await state(), before);
  });

  test("when there is none", async () => {
    const { host, first, state } = stage();
    const before = await state();
    for (const fields of [{ device: "there-is-none" }, { hwaddr: "02:00:00:00:00:99" }]) {
      expect(() => serve(hostDevice, host, fields).add(first)).toThrow(ConfigError);
    }
    expectSameState("a failed ADD", await state(), before);
  });
});

test("what it would do is said without doing it", async () => {
  const { first, network, state } = stage(dual);
  const before = await state();
  const foreseen = network.foreseeAdd(first);
  expectSameState("foresight", await state(), before);
  expect(network.add(first)).toEqual(foreseen?.result as object);
  network.del(first);
  expectSameState("DEL", await state(), before);
});

afterAll(() => Bun.gc(true));
