/** The configuration of `tuning`. @see https://www.cni.dev/plugins/current/meta/tuning/ */

import { ConfigError } from "../../core/errors.ts";
import type { LinkSettings } from "../../core/plan.ts";
import type { Call, NetworkConfig } from "../../core/plugin.ts";
import { boolean, integer, mac, mapOf, object, optional, text, withDefault } from "../../core/schema.ts";

export interface TuningConfig {
  /** Values by the parameters' names as they are configured; see {@link parametersOf}. */
  readonly sysctl: ReadonlyMap<string, string>;
  /** What the interface is to have. */
  readonly settings: TunedSettings;
  /** Where the reference plugin keeps what an interface had before. */
  readonly dataDir: string;
}

export type TunedSettings = Pick<LinkSettings, "mac" | "promisc" | "mtu" | "allmulticast" | "txQueueLength">;

const UINT32_MAX = 0xffffffff;

const sysctl = optional(mapOf(text));
const promisc = optional(boolean);
const mtu = optional(integer(0, 0x7fffffff));
const allmulti = optional(boolean);
const txQLen = optional(integer(0, UINT32_MAX));
const askedMac = optional(macOrNothing);

const fields = object({
  sysctl,
  mac: askedMac,
  promisc,
  mtu,
  allmulti,
  txQLen,
  dataDir: withDefault(text, ""),
  runtimeConfig: optional(object<{ mac: string | undefined }>({ mac: askedMac })),
  args: optional(object({ cni: optional(object({ sysctl, mac: askedMac, promisc, mtu, allmulti, txQLen })) })),
});

/** Where the reference plugin keeps its files unless told otherwise. */
const DEFAULT_DATA_FOLDER = "/run/cni/tuning";

/** Checks the fields. What `args.cni` has goes before what the configuration itself has. Throws ConfigError. */
export function parseTuningConfig(config: NetworkConfig, args: Call["args"]): TuningConfig {
  const raw = fields(config, "");
  const asked = raw.args?.cni;
  const fromArgs = args.get("MAC");
  const fromRuntime = raw.runtimeConfig?.mac || (fromArgs && macOrNothing(fromArgs, "CNI_ARGS MAC"));
  const parsed: TuningConfig = {
    sysctl: new Map([...(raw.sysctl ?? []), ...(asked?.sysctl ?? [])]),
    settings: {
      mac: (asked?.mac ?? (fromRuntime || raw.mac)) || undefined,
      // There is no asking for it to be off.
      promisc: (asked?.promisc ?? raw.promisc) || undefined,
      mtu: (asked?.mtu ?? raw.mtu) || undefined,
      allmulticast: asked?.allmulti ?? raw.allmulti,
      txQueueLength: asked?.txQLen ?? raw.txQLen,
    },
    dataDir: raw.dataDir || DEFAULT_DATA_FOLDER,
  };
  parametersOf(parsed.sysctl, "IFNAME");
  return parsed;
}

/** A kernel parameter that is to be set. */
export interface Parameter {
  /** As it is configured. */
  readonly key: string;
  /** With slashes, the interface's name in its place. */
  readonly name: string;
  readonly value: string;
}

/**
 * The parameters for an interface. In a key dots and slashes both part words, and `IFNAME`, where it stands first,
 * means the interface, whose name may have dots itself. Throws ConfigError.
 */
export function parametersOf(sysctls: TuningConfig["sysctl"], ifname: string): Parameter[] {
  const keys = new Map<string, string>();
  return [...sysctls].map(([key, value]) => {
    const path = key.replaceAll(".", "/").replace("IFNAME", () => ifname);
    const words = path.split("/").filter((word) => word !== "");
    const name = words.join("/");
    if (words[0] !== "net" || words.length < 2) {
      throw new ConfigError("sysctl", 'can only have parameters whose names begin with "net."', { value: key });
    }
    const other = keys.get(name);
    if (other !== undefined) {
      throw new ConfigError("sysctl", `has one parameter twice, as "${other}" and as`, { value: key });
    }
    keys.set(name, key);
    return { key, name, value };
  });
}

/** The empty string asks for nothing, as the runtime may fill the field in without a value. */
function macOrNothing(value: unknown, field: string): string {
  return value === "" ? "" : mac(value, field);
}
