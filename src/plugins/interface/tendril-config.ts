/**
 * The configuration of the cluster's plugin, under whichever of its names.
 *
 * What it has in common with the agent's own (`mode`, `subnet`) the agent compares; here only its form is checked, so that
 * one file can serve both.
 */

import { MODES, type ModeName } from "../../core/cluster.ts";
import type { Call, NetworkConfig } from "../../core/plugin.ts";
import type { Dns } from "../../core/result.ts";
import { boolean, interfaceName, object, oneOf, optional, withDefault } from "../../core/schema.ts";
import { type BandwidthConfig, parseBandwidthConfig } from "../chained/bandwidth-config.ts";
import { type PortmapConfig, parsePortmapConfig } from "../chained/portmap-config.ts";
import { askedMac, askedMacFields, optionalMtu } from "../interface-fields.ts";
import { type BridgeConfig, parseBridgeConfig } from "./bridge-config.ts";

export interface TendrilConfig {
  /** Whether pods leave the host under its address, for a host that is in no cluster: there the agent sees to it. */
  readonly ipMasq: boolean;
  /** Whether the pod's default routes lead by this interface; no for one that leads to some networks only. */
  readonly defaultRoute: boolean;
  /** In bytes; the kernel's default when absent. */
  readonly mtu: number | undefined;
  /** The MAC that the runtime asks for. */
  readonly mac: string | undefined;
  /** Undefined for a pair that the host routes over. */
  readonly bridge: BridgeConfig | undefined;
  readonly hostPorts: PortmapConfig;
  readonly bandwidth: BandwidthConfig;
  readonly dns: Dns | undefined;
}

/** A configuration may name the empty mode, which is the same as none. */
const mode = optional<ModeName | undefined>((value, field) =>
  value === "" ? undefined : oneOf(...MODES)(value, field),
);

const fields = object({
  mode,
  bridge: optional(interfaceName),
  ipMasq: withDefault(boolean, false),
  defaultRoute: withDefault(boolean, true),
  mtu: optionalMtu,
  ...askedMacFields,
});

/** Checks the fields and how they go together. Throws ConfigError. */
export function parseTendrilConfig(config: NetworkConfig, args: Call["args"]): TendrilConfig {
  const raw = fields(config, "");
  return {
    ipMasq: raw.ipMasq,
    defaultRoute: raw.defaultRoute,
    mtu: raw.mtu,
    mac: askedMac(raw, args),
    bridge: raw.bridge === undefined ? undefined : bridgeConfig(config, args, raw.defaultRoute),
    hostPorts: parsePortmapConfig(config),
    bandwidth: parseBandwidthConfig(config),
    dns: config.dns,
  };
}

/** A pod reaches itself by a Service of its own, and sends from no other MAC than its own. */
function bridgeConfig(config: NetworkConfig, args: Call["args"], isDefaultGateway: boolean): BridgeConfig {
  const bridge = parseBridgeConfig(config, args);
  return { ...bridge, isGateway: true, isDefaultGateway, hairpinMode: true, macSpoofCheck: true, usesIpam: true };
}
