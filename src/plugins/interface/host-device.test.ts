import { describe, expect, test } from "bun:test";
import type { DeviceFact, Facts } from "../../core/planner.ts";
import type { Result } from "../../core/result.ts";
import { configError, KEY, linkFact, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { hostDevice } from "./host-device.ts";

const device: DeviceFact = {
  ...linkFact({ mac: "02:00:00:00:00:01", addresses: ["192.0.2.9/24"] }),
  name: "ens0",
  index: 7,
  alias: "uplink",
  permanentMac: "02:00:00:00:00:02",
};
const dual: Result = {
  ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }, { address: "fd00::5/64" }],
  routes: [{ dst: "0.0.0.0/0" }],
  dns: { domain: "ipam.example" },
};
const ipam = { ipam: { type: "host-local" } };

const plan = (fields: Record<string, unknown>, facts: Partial<Facts> = {}) =>
  planWith(hostDevice, fields, { devices: [device, undefined], files: new Map(), ...facts });

describe("the plan", () => {
  test("moves the device under the interface's name, and knows what it had", () => {
    const { resources, result } = plan({ device: "ens0" });
    expect(resources[0]).toEqual({
      kind: "moved-link",
      where: "host",
      name: "ens0",
      to: "eth0",
      spare: expect.stringMatching(/^dev[a-z2-7]{11}$/),
      permanentMac: "02:00:00:00:00:02",
      before: {
        index: 7,
        mac: device.mac,
        mtu: 1500,
        txQueueLength: 1000,
        up: true,
        alias: "uplink",
        addresses: ["192.0.2.9/24"],
      },
    });
    expect(resources.slice(1)).toEqual([
      { kind: "link-settings", where: "container", link: "eth0", set: { up: true } },
    ]);
    expect(result).toEqual({ interfaces: [{ name: "eth0", mac: device.mac, sandbox: NETNS }] });
  });

  test("has the addresses and routes of the IPAM plugin, all of the one interface", () => {
    const made = plan({ device: "ens0", ...ipam }, { ipam: dual });
    expect(ofKind(made, "address").map(({ address, link }) => [link, address])).toEqual([
      ["eth0", "10.1.0.5/16"],
      ["eth0", "fd00::5/64"],
    ]);
    expect(ofKind(made, "route")).toMatchObject([{ destination: "0.0.0.0/0", gateway: "10.1.0.1" }]);
    expect(made.result).toEqual({
      interfaces: [{ name: "eth0", mac: device.mac, sandbox: NETNS }],
      ips: [
        { address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 0 },
        { address: "fd00::5/64", interface: 0 },
      ],
      routes: [{ dst: "0.0.0.0/0" }],
      dns: { domain: "ipam.example" },
    });
    expect(JSON.parse(JSON.stringify(made.resources))).toEqual(made.resources);
  });

  test("needs the device to be there", () => {
    for (const fields of [{ device: "ens0" }, { hwaddr: "02:00:00:00:00:01" }, { kernelpath: "/sys/devices/x" }]) {
      const error = configError(() => plan(fields, { devices: [undefined, undefined] }));
      const [[field, value] = ["", ""]] = Object.entries(fields);
      expect(error.field).toBe(field);
      expect(error.message).toContain(JSON.stringify(value));
    }
  });
});

describe("what the plan depends on", () => {
  const about = { containerId: "c1", ifname: "eth0", prevResult: undefined };
  const questions = (fields: Record<string, unknown>) => hostDevice.devices?.(parseWith(hostDevice, fields), about);
  const inside = { where: "container", name: "eth0" } as const;

  test("is the device by the first way of naming it that is configured", () => {
    const all = {
      device: "ens0",
      hwaddr: "02:00:00:00:00:01",
      kernelpath: "/sys/devices/pci0/x",
      pciBusID: "0000:03:00.0",
    };
    const without = (...names: string[]) => questions({ ...all, ...Object.fromEntries(names.map((n) => [n, ""])) });
    expect(without()).toEqual([{ where: "host", name: "ens0" }, inside]);
    expect(without("device")).toEqual([{ where: "host", mac: "02:00:00:00:00:01" }, inside]);
    expect(without("device", "hwaddr")).toEqual([{ where: "host", folders: ["/sys/devices/pci0/x"] }, inside]);
    expect(without("device", "hwaddr", "kernelpath")).toEqual([
      { where: "host", folders: ["/sys/bus/pci/devices/0000:03:00.0"] },
      inside,
    ]);
  });

  test("is for a device that the runtime gives on either bus", () => {
    expect(questions({ pciBusID: "0000:04:00.0", runtimeConfig: { deviceID: "0000:03:00.0" } })?.[0]).toEqual({
      where: "host",
      folders: ["/sys/bus/pci/devices/0000:03:00.0", "/sys/bus/auxiliary/devices/0000:03:00.0"],
    });
  });

  test("is the driver only of what is on a bus", () => {
    const files = (fields: Record<string, unknown>) => hostDevice.files?.(parseWith(hostDevice, fields), about);
    expect(files({ device: "ens0" })).toEqual([]);
    expect(files({ device: "ens0", pciBusID: "0000:03:00.0" })).toContain("/sys/bus/pci/devices/0000:03:00.0/uevent");
  });

  test("is nothing that STATUS could fail for", () => {
    expect(hostDevice.obstacles(parseWith(hostDevice, { device: "ens0" }), new Map())).toEqual([]);
  });
});

describe("a device on a bus", () => {
  const pci = "/sys/bus/pci/devices/0000:03:00.0/uevent";
  const auxiliary = "/sys/bus/auxiliary/devices/0000:03:00.0/uevent";
  const driven = (driver: string) => new Map([[pci, `MODALIAS=x\nDRIVER=${driver}\n`]]);
  const given = { runtimeConfig: { deviceID: "0000:03:00.0" } };
  const configured = { pciBusID: "0000:03:00.0" };

  test("that a program drives is not moved, and has addresses all the same", () => {
    for (const driver of ["vfio-pci", "uio_pci_generic", "igb_uio"]) {
      for (const fields of [given, configured]) {
        const facts = { files: driven(driver), devices: [undefined, undefined], ipam: dual };
        const { resources, result } = plan({ ...fields, ...ipam }, facts);
        expect(resources).toEqual([]);
        expect(result).toMatchObject({
          interfaces: [{ name: "eth0", sandbox: NETNS }],
          ips: [{ address: "10.1.0.5/16", interface: 0 }, { address: "fd00::5/64" }],
        });
        expect(result.interfaces?.[0]).not.toHaveProperty("mac");
      }
    }
  });

  test("that the kernel drives is moved", () => {
    for (const fields of [given, configured]) {
      expect(plan(fields, { files: driven("e1000e") }).resources[0]).toMatchObject({ kind: "moved-link" });
    }
    expect(plan(given, { files: new Map([[auxiliary, "DRIVER=mlx5_core.sf\n"]]) }).resources).toHaveLength(2);
  });

  test("that is not there, or that nothing drives, is an error, but for DEL", () => {
    const missing = new Map([[pci, undefined]]);
    expect(configError(() => plan(configured, { files: missing })).message).toContain(
      '"pciBusID" names no PCI device of this host: "0000:03:00.0"',
    );
    expect(configError(() => plan(given, { files: missing })).message).toContain(
      '"runtimeConfig.deviceID" names no PCI or auxiliary device of this host: "0000:03:00.0"',
    );
    const idle = new Map([[pci, "MODALIAS=x\n"]]);
    expect(configError(() => plan(configured, { files: idle })).message).toContain("has no driver");
    for (const files of [missing, idle]) {
      expect(plan(configured, { files, devices: [undefined, undefined], recovering: true }).resources).toEqual([]);
    }
  });
});

describe("after another vendor's ADD, or without a record", () => {
  const inside = { ...device, name: "eth0", alias: "ens7" };

  test("the alias says which device it is", () => {
    for (const facts of [{ adopted: dual }, { recovering: true }]) {
      const { resources } = plan({ hwaddr: device.mac }, { ...facts, devices: [undefined, inside] });
      expect(resources[0]).toEqual({
        kind: "moved-link",
        where: "host",
        name: "ens7",
        to: "eth0",
        spare: expect.any(String),
      });
    }
  });

  test("or the configuration does; else there is nothing to bring back", () => {
    const none = { recovering: true, devices: [undefined, undefined] };
    expect(plan({ device: "ens0" }, none).resources[0]).toMatchObject({ name: "ens0" });
    expect(plan({ hwaddr: device.mac }, none).resources).toEqual([]);
  });
});

describe("a wrong field is named with its value", () => {
  const wrong: [fields: Record<string, unknown>, field: string, value?: string][] = [
    [{}, "device"],
    [{ device: "", hwaddr: null, kernelpath: "", pciBusID: "", runtimeConfig: { deviceID: "" } }, "device"],
    [{ device: 7 }, "device", "7"],
    [{ device: "a/b" }, "device", '"a/b"'],
    [{ device: "a name that is too long" }, "device", '"a name that is too long"'],
    [{ hwaddr: 7 }, "hwaddr", "7"],
    [{ hwaddr: "02:00:00:00:00" }, "hwaddr", '"02:00:00:00:00"'],
    [{ hwaddr: "02:00:00:00:00:zz" }, "hwaddr", '"02:00:00:00:00:zz"'],
    [{ kernelpath: 7 }, "kernelpath", "7"],
    [{ kernelpath: "/sys/class/net/ens0" }, "kernelpath", '"/sys/class/net/ens0"'],
    [{ kernelpath: "devices/x" }, "kernelpath", '"devices/x"'],
    [{ kernelpath: "/sys/devices/../../etc" }, "kernelpath", '"/sys/devices/../../etc"'],
    [{ pciBusID: 7 }, "pciBusID", "7"],
    [{ pciBusID: "../../x" }, "pciBusID", '"../../x"'],
    [{ pciBusID: ".." }, "pciBusID", '".."'],
    [{ runtimeConfig: "x" }, "runtimeConfig", '"x"'],
    [{ runtimeConfig: { deviceID: 7 } }, "runtimeConfig.deviceID", "7"],
    [{ runtimeConfig: { deviceID: "a/b" } }, "runtimeConfig.deviceID", '"a/b"'],
  ];
  for (const [fields, field, value = ""] of wrong) {
    test(JSON.stringify(fields), () => {
      const error = configError(() => parseWith(hostDevice, fields));
      expect(error.field).toBe(field);
      expect(error.message).toContain(value);
    });
  }

  test("addresses of other hardware than Ethernet are taken", () => {
    const infiniband = Array.from({ length: 20 }, (_, i) => (i + 1).toString(16).padStart(2, "0")).join(":");
    expect(parseWith(hostDevice, { hwaddr: infiniband.toUpperCase() })).toMatchObject({
      way: "hwaddr",
      value: infiniband,
    });
  });
});

test("the spare name is a function of the attachment", () => {
  const spare = (ifname: string) =>
    ofKind(plan({ device: "ens0" }, { key: { ...KEY, ifname } }), "moved-link")[0]?.spare;
  expect(spare("eth0")).toBe(spare("eth0") as string);
  expect(spare("eth0")).not.toBe(spare("net1"));
});
