/** The configuration of `bandwidth`. @see https://www.cni.dev/plugins/current/meta/bandwidth/ */

import { ConfigError } from "../../core/errors.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import { integer, object, optional } from "../../core/schema.ts";

export interface BandwidthConfig {
  readonly network: string;
  /** What the container receives; undefined where it is not limited. */
  readonly ingress: Rate | undefined;
  /** What it sends. */
  readonly egress: Rate | undefined;
}

export interface Rate {
  /** In bytes a second. */
  readonly rate: number;
  /** In bytes. */
  readonly burst: number;
}

interface RawBandwidth {
  ingressRate: number | undefined;
  ingressBurst: number | undefined;
  egressRate: number | undefined;
  egressBurst: number | undefined;
}

/** In bits a second; numbers above are not read exactly. */
const rate = integer(0, Number.MAX_SAFE_INTEGER);
/** In bits; the kernel counts bytes, in 32 bits, of which the reference plugin leaves out the last. */
const burst = integer(0, 8 * 0xffffffff - 1);
const rates = {
  ingressRate: optional(rate),
  ingressBurst: optional(burst),
  egressRate: optional(rate),
  egressBurst: optional(burst),
};

const fields = object({
  ...rates,
  runtimeConfig: optional(object({ bandwidth: optional(object(rates)) })),
});

/** Checks the fields and how they go together. The runtime's values count where the configuration has none. Throws ConfigError. */
export function parseBandwidthConfig(config: NetworkConfig): BandwidthConfig {
  const { runtimeConfig, ...own } = fields(config, "");
  const isOwn = Object.values(own).some((value) => value !== undefined);
  const raw = isOwn ? own : runtimeConfig?.bandwidth;
  const prefix = isOwn ? "" : "runtimeConfig.bandwidth.";
  return {
    network: config.name,
    ingress: raw && pairOf(raw, "ingress", prefix),
    egress: raw && pairOf(raw, "egress", prefix),
  };
}

/** A rate and its burst, which go together. */
function pairOf(raw: RawBandwidth, direction: "ingress" | "egress", prefix: string): Rate | undefined {
  const rateName = `${direction}Rate` as const;
  const burstName = `${direction}Burst` as const;
  const { [rateName]: bits = 0, [burstName]: burstBits = 0 } = raw;
  if (bits === 0 && burstBits === 0) return undefined;
  if (bits === 0) throw new ConfigError(`${prefix}${rateName}`, `is missing: it goes together with "${burstName}"`);
  if (burstBits === 0)
    throw new ConfigError(`${prefix}${burstName}`, `is missing: it goes together with "${rateName}"`);
  if (bits < 8) {
    throw new ConfigError(`${prefix}${rateName}`, "must be at least 8 bits a second, or 0 for no limit", {
      value: bits,
    });
  }
  return { rate: Math.floor(bits / 8), burst: Math.floor(burstBits / 8) };
}
