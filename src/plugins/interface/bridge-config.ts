/** The configuration of `bridge`. @see https://www.cni.dev/plugins/current/main/bridge/ */

import { ConfigError } from "../../core/errors.ts";
import { interfaceNameProblem } from "../../core/names.ts";
import type { Call, NetworkConfig } from "../../core/plugin.ts";
import type { Dns } from "../../core/result.ts";
import { boolean, integer, interfaceName, list, object, optional, withDefault } from "../../core/schema.ts";
import { askedMac, askedMacFields, hasIpam, masqueradeBackend, optionalMtu } from "../interface-fields.ts";

export interface BridgeConfig {
  readonly bridge: string;
  readonly isGateway: boolean;
  readonly isDefaultGateway: boolean;
  readonly forceAddress: boolean;
  readonly ipMasq: boolean;
  /** In bytes; the kernel's default when absent. */
  readonly mtu: number | undefined;
  readonly hairpinMode: boolean;
  readonly promiscMode: boolean;
  /** The port's own VLAN; 0 without one. */
  readonly vlan: number;
  /** VLANs that pass the port tagged, in order. */
  readonly vlanTrunk: readonly number[];
  readonly preserveDefaultVlan: boolean;
  readonly macSpoofCheck: boolean;
  readonly enableDad: boolean;
  readonly disableContainerInterface: boolean;
  readonly portIsolation: boolean;
  /** The MAC that the runtime asks for. */
  readonly mac: string | undefined;
  readonly usesIpam: boolean;
  readonly dns: Dns | undefined;
}

interface RawTrunk {
  minID: number | undefined;
  maxID: number | undefined;
  id: number | undefined;
}

const vlanId = integer(1, 4094);
const trunk = object<RawTrunk>({ minID: optional(vlanId), maxID: optional(vlanId), id: optional(vlanId) });
const off = withDefault(boolean, false);

const fields = object({
  bridge: withDefault(interfaceName, "cni0"),
  isGateway: off,
  isDefaultGateway: off,
  forceAddress: off,
  ipMasq: off,
  ipMasqBackend: masqueradeBackend,
  mtu: optionalMtu,
  hairpinMode: off,
  promiscMode: off,
  vlan: withDefault(integer(0, 4094), 0),
  vlanTrunk: withDefault(list(trunk), []),
  preserveDefaultVlan: off,
  macspoofchk: off,
  enabledad: off,
  disableContainerInterface: off,
  portIsolation: off,
  ...askedMacFields,
});

/** Checks the fields and how they go together. Throws ConfigError. */
export function parseBridgeConfig(config: NetworkConfig, args: Call["args"]): BridgeConfig {
  const raw = fields(config, "");
  const parsed: BridgeConfig = {
    bridge: raw.bridge,
    isGateway: raw.isGateway || raw.isDefaultGateway,
    isDefaultGateway: raw.isDefaultGateway,
    forceAddress: raw.forceAddress,
    ipMasq: raw.ipMasq,
    mtu: raw.mtu,
    hairpinMode: raw.hairpinMode,
    promiscMode: raw.promiscMode,
    vlan: raw.vlan,
    vlanTrunk: vlansOf(raw.vlanTrunk),
    preserveDefaultVlan: raw.preserveDefaultVlan,
    macSpoofCheck: raw.macspoofchk,
    enableDad: raw.enabledad,
    disableContainerInterface: raw.disableContainerInterface,
    portIsolation: raw.portIsolation,
    mac: askedMac(raw, args),
    usesIpam: hasIpam(config),
    dns: config.dns,
  };
  if (parsed.usesIpam && parsed.disableContainerInterface) {
    throw new ConfigError("disableContainerInterface", 'cannot be used together with "ipam"', { value: true });
  }
  if (parsed.hairpinMode && parsed.promiscMode) {
    throw new ConfigError("hairpinMode", 'cannot be used together with "promiscMode"', { value: true });
  }
  if (parsed.vlan !== 0 && parsed.isGateway) {
    const problem = interfaceNameProblem(`${parsed.bridge}.${parsed.vlan}`);
    if (problem !== undefined) {
      const value = `${parsed.bridge}.${parsed.vlan}`;
      throw new ConfigError("bridge", `and "vlan" make the gateway's interface name, which ${problem}`, { value });
    }
  }
  return parsed;
}

function vlansOf(entries: readonly RawTrunk[]): number[] {
  const vlans = new Set<number>();
  for (const [i, { minID, maxID, id }] of entries.entries()) {
    if ((minID === undefined) !== (maxID === undefined)) {
      const missing = minID === undefined ? "minID" : "maxID";
      throw new ConfigError(`vlanTrunk[${i}].${missing}`, "is missing: minID and maxID go together");
    }
    if (minID !== undefined && maxID !== undefined) {
      if (maxID < minID) {
        throw new ConfigError(`vlanTrunk[${i}].maxID`, `must not be less than minID ${minID}`, { value: maxID });
      }
      for (let vlan = minID; vlan <= maxID; vlan++) vlans.add(vlan);
    }
    if (id !== undefined) vlans.add(id);
  }
  return [...vlans].sort((a, b) => a - b);
}
