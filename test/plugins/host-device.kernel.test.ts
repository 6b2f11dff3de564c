/** How `host-device` finds a device in sysfs: in the kernel's own, and on buses as machines with such devices have them. */

import { beforeAll, describe, expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { goPlugin } from "../support/attachment-cases.ts";
import { needs, root } from "../support/needs.ts";
import {
  type Config,
  call,
  expectBuilt,
  type Host,
  PLUGINS,
  type PluginCall,
  testHosts,
} from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();

const CONFIG = 7;
const GO = process.env.TENDRIL_PEER_PLUGINS ?? "";
const MAC = "02:00:5e:00:53:0a";

/** Runs what follows with the host's own sysfs, or with these buses in it. */
const withSysfs = ["unshare", "--mount", "sh", "-c", 'mount -t sysfs none /sys && exec "$@"', "sh"];
const withBuses = (folder: string) => [
  ...["unshare", "--mount", "sh", "-c"],
  `mount --bind ${folder} /sys/bus && exec "$@"`,
  "sh",
];

interface Device {
  readonly bus: "pci" | "auxiliary";
  readonly id: string;
  readonly driver?: string;
  /** The folder of its interface below its own, and the interface. */
  readonly net?: string;
}

const devices: readonly Device[] = [
  { bus: "pci", id: "0000:03:00.0", driver: "e1000e", net: "net/ens0" },
  { bus: "pci", id: "0000:04:00.0", driver: "virtio-pci", net: "virtio3/net/ens0" },
  { bus: "pci", id: "0000:05:00.0", driver: "vfio-pci" },
  { bus: "pci", id: "0000:06:00.0", driver: "e1000e" },
  { bus: "pci", id: "0000:07:00.0" },
  { bus: "auxiliary", id: "mlx5_core.sf.4", driver: "mlx5_core.sf", net: "net/ens0" },
];

/** A folder as /sys/bus has it, with what the plugins read of a device. */
function busesOf(host: Host): string {
  const folder = host.path("bus");
  for (const { bus, id, driver, net } of devices) {
    const own = `${folder}/${bus}/devices/${id}`;
    mkdirSync(`${own}/${net ?? ""}`, { recursive: true });
    writeFileSync(`${own}/uevent`, `${driver === undefined ? "" : `DRIVER=${driver}\n`}MODALIAS=x\n`);
    if (driver !== undefined) {
      // The link to its driver, by which the reference plugin knows that.
      mkdirSync(`${folder}/${bus}/drivers/${driver}`, { recursive: true });
      host.netns.sh(`ln -sf ${folder}/${bus}/drivers/${driver} ${own}/driver`);
    }
  }
  return folder;
}

function stage(path: string) {
  const host = hosts.fresh();
  host.netns.sh(`ip link add ens0 address ${MAC} type veth peer name wire0`);
  const container = hosts.container("c1");
  const run = (verb: PluginCall["verb"], fields: Record<string, unknown>, prefix: readonly string[]) => {
    const config: Config = { cniVersion: "1.1.0", name: "net", type: "host-device", ...fields };
    return call(host, { verb, container, config, prefix, path: [path, PLUGINS] });
  };
  const inHost = () => host.netns.sh("ip -br link").includes("ens0");
  const inContainer = () => container.namespace.sh("ip -br link").includes("eth0");
  return { host, container, run, inHost, inContainer, buses: withBuses(busesOf(host)) };
}

const static9 = { ipam: { type: "static", addresses: [{ address: "10.77.0.9/24" }] } };

for (const [whose, path, needed] of [
  ["ours", PLUGINS, []],
  ["the Go plugin", GO, [goPlugin("host-device"), goPlugin("static")]],
] as const) {
  const test = needs(root, ...needed);
  describe.concurrent(`${whose} moves the device`, () => {
    for (const [title, fields] of [
      ["of a PCI address", { pciBusID: "0000:03:00.0" }],
      ["of a PCI address, by virtio", { pciBusID: "0000:04:00.0" }],
      ["of a PCI device that the runtime gives", { runtimeConfig: { deviceID: "0000:03:00.0" } }],
      [
        "of a PCI device that the runtime gives, before the configuration's",
        { pciBusID: "0000:06:00.0", runtimeConfig: { deviceID: "0000:03:00.0" } },
      ],
      ["of an auxiliary device that the runtime gives", { runtimeConfig: { deviceID: "mlx5_core.sf.4" } }],
    ] as const) {
      test(title, async () => {
        const { container, run, inHost, inContainer, buses } = stage(path);
        const { status, answer } = await run("ADD", fields, buses);
        expect({ status, answer }).toEqual({
          status: 0,
          answer: { cniVersion: "1.1.0", interfaces: [{ name: "eth0", mac: MAC, sandbox: container.netns }] },
        });
        expect([inHost(), inContainer()]).toEqual([false, true]);
        expect((await run("DEL", fields, buses)).status).toBe(0);
        expect([inHost(), inContainer()]).toEqual([true, false]);
      });
    }

    test("of a path in sysfs", async () => {
      const { container, run, inHost, inContainer } = stage(path);
      // The first in the folder of all that have no hardware.
      const fields = { kernelpath: "/sys/devices/virtual" };
      const { status, answer } = await run("ADD", fields, withSysfs);
      expect({ status, answer }).toEqual({
        status: 0,
        answer: { cniVersion: "1.1.0", interfaces: [{ name: "eth0", mac: MAC, sandbox: container.netns }] },
      });
      expect([inHost(), inContainer()]).toEqual([false, true]);
      expect((await run("DEL", fields, withSysfs)).status).toBe(0);
      expect([inHost(), inContainer()]).toEqual([true, false]);
    });
  });

  describe.concurrent(`${whose} moves nothing where a program drives the device`, () => {
    for (const fields of [{ pciBusID: "0000:05:00.0" }, { runtimeConfig: { deviceID: "0000:05:00.0" } }]) {
      for (const ipam of [{}, static9]) {
        test(JSON.stringify({ ...fields, ...ipam }), async () => {
          const { container, run, inHost, inContainer, buses } = stage(path);
          const { status, answer } = await run("ADD", { ...fields, ...ipam }, buses);
          expect(status).toBe(0);
          expect(answer).toMatchObject({ interfaces: [{ name: "eth0", sandbox: container.netns }] });
          expect((answer as { ips?: unknown }).ips).toEqual(
            "ipam" in ipam ? [{ address: "10.77.0.9/24", interface: 0 }] : undefined,
          );
          expect([inHost(), inContainer()]).toEqual([true, false]);
          const check = await run("CHECK", { ...fields, ...ipam, prevResult: answer }, buses);
          expect(check.status).toBe(0);
          expect((await run("DEL", { ...fields, ...ipam }, buses)).status).toBe(0);
        });
      }
    }
  });

  describe.concurrent(`${whose} refuses`, () => {
    for (const [title, fields, word] of [
      ["a PCI address that there is none of", { pciBusID: "0000:09:00.0" }, "names no PCI device"],
      ["a PCI device without a driver", { pciBusID: "0000:07:00.0" }, "has no driver"],
      ["a PCI device without an interface", { pciBusID: "0000:06:00.0" }, "names no interface"],
      ["a device on no bus", { runtimeConfig: { deviceID: "x.1" } }, "names no PCI or auxiliary device"],
      ["a path without an interface", { kernelpath: "/sys/devices/there/is/none" }, "names no interface"],
    ] as const) {
      test(title, async () => {
        const { run, inHost, buses } = stage(path);
        const { status, answer } = await run("ADD", fields, buses);
        expect(status).toBe(1);
        if (whose === "ours") expect(answer).toMatchObject({ code: CONFIG, msg: expect.stringContaining(word) });
        expect(inHost()).toBe(true);
      });
    }
  });
}
