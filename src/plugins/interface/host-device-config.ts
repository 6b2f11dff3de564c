/** The configuration of `host-device`. @see https://www.cni.dev/plugins/current/main/host-device/ */

import { ConfigError } from "../../core/errors.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import type { Dns } from "../../core/result.ts";
import { interfaceName, object, optional, type Schema, text } from "../../core/schema.ts";
import { hasIpam } from "../interface-fields.ts";

/** How the device is named; of several ways the first counts, in this order, as for the reference plugin. */
const WAYS = ["device", "hwaddr", "kernelpath", "deviceID", "pciBusID"] as const;

export interface HostDeviceConfig {
  readonly way: (typeof WAYS)[number];
  /** The field that names the device, as the configuration has it, and what it says. */
  readonly field: string;
  readonly value: string;
  /** The device on a bus whose driver decides whether there is an interface at all. */
  readonly bus: { readonly field: string; readonly id: string; readonly isPci: boolean } | undefined;
  readonly usesIpam: boolean;
  readonly dns: Dns | undefined;
}

/** The empty string names nothing, as the runtime may fill the field in without a value. */
function orNothing(schema: Schema<string>) {
  return optional<string | undefined>((value, field) => (value === "" ? undefined : schema(value, field)));
}

/** A link's address: six bytes of Ethernet, eight, or the twenty of InfiniBand; in lower case, parted by colons. */
const hardwareAddress: Schema<string> = (value, field) => {
  const words = text(value, field).toLowerCase().replaceAll("-", ":").split(":");
  if (![6, 8, 20].includes(words.length) || !words.every((word) => /^[0-9a-f]{2}$/.test(word))) {
    throw new ConfigError(field, "must be a MAC address such as 02:00:5e:10:00:01", { value });
  }
  return words.join(":");
};

const DEVICES = "/sys/devices/";

const kernelPath: Schema<string> = (value, field) => {
  const path = text(value, field);
  if (path.startsWith(DEVICES) && !path.split("/").includes("..")) return path;
  throw new ConfigError(field, `must be a path below ${DEVICES}`, { value });
};

const busId: Schema<string> = (value, field) => {
  const id = text(value, field);
  if (!id.includes("/") && id !== "." && id !== "..") return id;
  throw new ConfigError(field, "must be the name of a device on its bus, such as 0000:03:00.0", { value });
};

const fields = object({
  device: orNothing(interfaceName),
  hwaddr: orNothing(hardwareAddress),
  kernelpath: orNothing(kernelPath),
  pciBusID: orNothing(busId),
  runtimeConfig: optional(object<{ deviceID: string | undefined }>({ deviceID: orNothing(busId) })),
});

/** Checks the fields. Throws ConfigError. */
export function parseHostDeviceConfig(config: NetworkConfig): HostDeviceConfig {
  const { runtimeConfig, ...raw } = fields(config, "");
  const deviceID = runtimeConfig?.deviceID;
  const names: Readonly<Record<string, string | undefined>> = { ...raw, deviceID };
  const way = WAYS.find((each) => names[each] !== undefined);
  const value = way && names[way];
  if (way === undefined || value === undefined) {
    throw new ConfigError("device", 'is missing, and so are "hwaddr", "kernelpath" and "pciBusID"');
  }
  return {
    way,
    field: fieldOf(way),
    value,
    bus: busOf(deviceID, raw.pciBusID),
    usesIpam: hasIpam(config),
    dns: config.dns,
  };
}

function busOf(deviceID: string | undefined, pciBusID: string | undefined): HostDeviceConfig["bus"] {
  if (deviceID !== undefined) return { field: fieldOf("deviceID"), id: deviceID, isPci: false };
  if (pciBusID !== undefined) return { field: "pciBusID", id: pciBusID, isPci: true };
  return undefined;
}

function fieldOf(way: HostDeviceConfig["way"]): string {
  return way === "deviceID" ? "runtimeConfig.deviceID" : way;
}
