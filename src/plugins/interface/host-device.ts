/**
 * `host-device`: moves a device of the host into the container, and back when the container goes.
 *
 * A PCI device whose driver hands it to a program, such as with DPDK, has no interface: then there is nothing to move,
 * and the result alone says which addresses it is to have.
 */

import { ConfigError } from "../../core/errors.ts";
import { spareName } from "../../core/names.ts";
import type { MovedLinkResource, Plan } from "../../core/plan.ts";
import type { DeviceFact, DeviceQuestion, Facts, Planner } from "../../core/planner.ts";
import type { ResultAddress } from "../../core/result.ts";
import { dnsOf, planAddresses, planRoutes, planUp } from "../container-interface.ts";
import { type HostDeviceConfig, parseHostDeviceConfig } from "./host-device-config.ts";

const PCI = "/sys/bus/pci/devices";
const AUXILIARY = "/sys/bus/auxiliary/devices";

/** Drivers that hand a device to a program. */
const USERSPACE_DRIVERS = ["vfio-pci", "uio_pci_generic", "igb_uio"];

export const hostDevice: Planner<HostDeviceConfig> = {
  type: "host-device",
  parse: parseHostDeviceConfig,
  usesIpam: (config) => config.usesIpam,
  links: () => [],
  files: ({ bus }) => (bus === undefined ? [] : [uevent(PCI, bus.id), uevent(AUXILIARY, bus.id)]),
  devices: (config, { ifname = "" }) => [questionOf(config), { where: "container", name: ifname }],
  plan: planHostDevice,
  // That the device is in a container is no reason why it could not be in another one later.
  obstacles: () => [],
};

/** What the kernel tells of a device on a bus. */
function uevent(bus: string, id: string): string {
  return `${bus}/${id}/uevent`;
}

function questionOf({ way, value }: HostDeviceConfig): DeviceQuestion {
  switch (way) {
    case "device":
      return { where: "host", name: value };
    case "hwaddr":
      return { where: "host", mac: value };
    case "kernelpath":
      return { where: "host", folders: [value] };
    case "pciBusID":
      return { where: "host", folders: [`${PCI}/${value}`] };
    case "deviceID":
      return { where: "host", folders: [`${PCI}/${value}`, `${AUXILIARY}/${value}`] };
  }
}

function planHostDevice(config: HostDeviceConfig, facts: Facts): Plan {
  const { key, netns, ipam } = facts;
  const isAdd = facts.adopted === undefined && !facts.recovering;
  const ips = (ipam?.ips ?? []).map(({ address, gateway }): ResultAddress => ({ address, gateway, interface: 0 }));
  const routes = ipam?.routes ?? [];
  const rest = {
    ips: config.usesIpam ? ips : undefined,
    routes: config.usesIpam ? routes : undefined,
    dns: dnsOf(config, facts),
  };
  const link = key.ifname;
  if (isUserspace(config, facts, isAdd)) {
    return { resources: [], result: { interfaces: [{ name: link, sandbox: netns }], ...rest } };
  }
  const moved = isAdd ? planMove(config, facts) : planReturn(config, facts);
  const inside = [...planAddresses(link, ips), planUp(link), ...planRoutes(link, ips, routes)];
  const mac = moved?.before?.mac ?? facts.devices?.[1]?.mac;
  return {
    resources: moved === undefined ? [] : [moved, ...inside],
    result: { interfaces: [{ name: link, mac, sandbox: netns }], ...rest },
  };
}

/** Whether the device has no interface. Throws ConfigError when there is no such device, or nothing drives it. */
function isUserspace({ bus }: HostDeviceConfig, { files }: Facts, isAdd: boolean): boolean {
  if (bus === undefined) return false;
  const pci = files?.get(uevent(PCI, bus.id));
  if (pci === undefined) {
    const isThere = !bus.isPci && files?.get(uevent(AUXILIARY, bus.id)) !== undefined;
    if (isThere || !isAdd) return false;
    const kinds = bus.isPci ? "PCI device" : "PCI or auxiliary device";
    throw new ConfigError(bus.field, `names no ${kinds} of this host`, { value: bus.id });
  }
  const driver = pci
    .split("\n")
    .find((line) => line.startsWith("DRIVER="))
    ?.slice("DRIVER=".length);
  if (driver === undefined && isAdd) {
    throw new ConfigError(bus.field, "names a PCI device that has no driver", { value: bus.id });
  }
  return driver !== undefined && USERSPACE_DRIVERS.includes(driver);
}

/** Throws ConfigError when the device is not in the host. */
function planMove({ field, value }: HostDeviceConfig, { key, devices }: Facts): MovedLinkResource {
  const found = devices?.[0];
  if (found === undefined) throw new ConfigError(field, "names no interface that the host has", { value });
  return { ...lent(found.name, key), permanentMac: found.permanentMac, before: stateOf(found) };
}

function lent(name: string, key: Facts["key"]) {
  return { kind: "moved-link", where: "host", name, to: key.ifname, spare: spareName(key) } as const;
}

function stateOf({ index, mac, mtu, txQueueLength, up, alias, addresses }: DeviceFact): MovedLinkResource["before"] {
  return { index, mac, mtu, txQueueLength, up, alias, addresses };
}

/** The alias says which device of the host it is that another vendor's plugin, or a lost record's ADD, has moved. */
function planReturn({ way, value }: HostDeviceConfig, { key, devices }: Facts): MovedLinkResource | undefined {
  const name = way === "device" ? value : devices?.[1]?.alias;
  return name === undefined ? undefined : lent(name, key);
}
