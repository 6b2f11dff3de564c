/** The configuration of `portmap`. @see https://www.cni.dev/plugins/current/meta/portmap/ */

import { ConfigError } from "../../core/errors.ts";
import { type Family, formatIp } from "../../core/ip.ts";
import type { NftMatch } from "../../core/nftables.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import {
  boolean,
  integer,
  ip,
  list,
  object,
  oneOf,
  optional,
  type Schema,
  text,
  withDefault,
} from "../../core/schema.ts";
import { type ConditionLanguage, languageOf, parseConditions } from "./portmap-conditions.ts";

const MAPPED_PROTOCOLS = ["tcp", "udp", "sctp"] as const;

export type MappedProtocol = (typeof MAPPED_PROTOCOLS)[number];

/** One port of the host and where it leads. */
export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: MappedProtocol;
  /** The families in which it is meant. */
  readonly families: readonly Family[];
  /** The only address of the host on which the port is taken; all of them without it. */
  readonly hostAddress: string | undefined;
}

export interface PortmapConfig {
  readonly mappings: readonly PortMapping[];
  /** Masquerade what could not be answered otherwise: connections from the container's own network, and by loopback. */
  readonly snat: boolean;
  /** Masquerade all connections to the ports. */
  readonly masqAll: boolean;
  /** The bit of a packet's mark that says that it is to be masqueraded. */
  readonly markBit: number;
  /** What a connection has to be like to be sent to the container. */
  readonly conditions: { readonly [F in Family]: readonly NftMatch[] };
}

/** Kubernetes uses bits 14 and 15, Calico 20 to 31. */
export const DEFAULT_MARK_BIT = 13;

interface RawMapping {
  hostPort: number;
  containerPort: number;
  protocol: MappedProtocol;
  hostIP: { readonly family: Family; readonly address: string | undefined } | undefined;
}

const port = integer(1, 65535);

/** In capitals too, as iptables(8) takes it. */
const protocol: Schema<MappedProtocol> = (value, field) =>
  oneOf(...MAPPED_PROTOCOLS)(typeof value === "string" ? value.toLowerCase() : value, field);

/** The empty string is the same as nothing, the unspecified address any of its family. */
const hostIp: Schema<RawMapping["hostIP"]> = (value, field) => {
  if (value === "") return undefined;
  const parsed = ip(value, field);
  return { family: parsed.family, address: parsed.value === 0n ? undefined : formatIp(parsed) };
};

const mapping = object<RawMapping>({
  hostPort: port,
  containerPort: port,
  protocol,
  hostIP: optional(hostIp),
});

const fields = object({
  backend: optional(oneOf("iptables", "nftables")),
  snat: withDefault(boolean, true),
  masqAll: withDefault(boolean, false),
  markMasqBit: optional(integer(0, 31)),
  externalSetMarkChain: optional(text),
  conditionsV4: withDefault(list(text), []),
  conditionsV6: withDefault(list(text), []),
  runtimeConfig: optional(object({ portMappings: withDefault(list(mapping), []) })),
});

/** Checks the fields and how they go together. Throws ConfigError. */
export function parsePortmapConfig(config: NetworkConfig): PortmapConfig {
  const raw = fields(config, "");
  const { backend, markMasqBit, externalSetMarkChain: chain } = raw;
  if (chain !== undefined && markMasqBit !== undefined) {
    throw new ConfigError("externalSetMarkChain", 'cannot be used together with "markMasqBit"', { value: chain });
  }
  if (chain !== undefined && backend === "nftables") {
    throw new ConfigError("externalSetMarkChain", "is for the backend iptables only", { value: chain });
  }
  for (const field of ["conditionsV4", "conditionsV6"] as const) requireLanguage(field, raw[field], backend);
  return {
    mappings: withoutRepetitions((raw.runtimeConfig?.portMappings ?? []).map(meaningOf)),
    snat: raw.snat,
    masqAll: raw.masqAll,
    markBit: markMasqBit ?? DEFAULT_MARK_BIT,
    conditions: {
      4: parseConditions("conditionsV4", raw.conditionsV4, 4),
      6: parseConditions("conditionsV6", raw.conditionsV6, 6),
    },
  };
}

/** A backend that is named says how conditions are written; without one they may be written in either way. */
function requireLanguage(field: string, words: readonly string[], backend: ConditionLanguage | undefined): void {
  const language = languageOf(words);
  if (backend === undefined || language === undefined || language === backend) return;
  throw new ConfigError(field, `is written for the backend ${language}, and "backend" is ${backend}`, { value: words });
}

function meaningOf({ hostIP, ...rest }: RawMapping): PortMapping {
  return { ...rest, families: hostIP === undefined ? [4, 6] : [hostIP.family], hostAddress: hostIP?.address };
}

/** What is given twice counts once. Throws ConfigError for a host port that would lead to two places. */
function withoutRepetitions(mappings: readonly PortMapping[]): PortMapping[] {
  const seen = new Map<string, number>();
  return mappings.flatMap((mapping, i) => {
    const { hostAddress, protocol, hostPort, containerPort } = mapping;
    const families = mapping.families.filter((family) => {
      const key = `${hostAddress ?? family} ${protocol} ${hostPort}`;
      const other = seen.get(key);
      seen.set(key, containerPort);
      if (other === undefined || other === containerPort) return other === undefined;
      const problem = `leads to two places: ${protocol} ports ${other} and ${containerPort} of the container`;
      throw new ConfigError(`runtimeConfig.portMappings[${i}].hostPort`, problem, { value: hostPort });
    });
    return families.length === 0 ? [] : [{ ...mapping, families }];
  });
}
