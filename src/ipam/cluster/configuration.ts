/** The configuration of the IPAM plugin tendril, whose addresses are the cluster's. */

import { poolName } from "../../core/cluster.ts";
import { ConfigError } from "../../core/errors.ts";
import { type Family, familyOf, formatIp } from "../../core/ip.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import type { ResultRoute } from "../../core/result.ts";
import { routes } from "../../core/route.ts";
import { boolean, ipText, list, object, optional, type Schema, withDefault } from "../../core/schema.ts";
import { type RequestedAddress, requestedByArgs, requestedInArgs, requestedIps, uniqueRequests } from "../requested.ts";

const DEFAULT_POOL = "default";

export interface ClusterIpamConfiguration {
  readonly pool: string;
  /** Whether the pod keeps its address wherever it runs. */
  readonly sticky: boolean;
  /** Addresses that are kept for the pod, on whichever node it runs, for as long as it exists. */
  readonly fixed: readonly string[];
  /** The default route of each family where the configuration names none. */
  readonly routes: readonly ResultRoute[] | undefined;
  /** Canonical text, one of a family at most. */
  readonly requested: readonly string[];
}

interface Fields {
  ipam: { pool: string; sticky: boolean; addresses: string[]; routes: ResultRoute[] | undefined } | undefined;
  runtimeConfig: { ips: RequestedAddress[] } | undefined;
  args: { cni: { ips: RequestedAddress[] } | undefined } | undefined;
}

const fields: Schema<Fields> = object<Fields>({
  ipam: optional(
    object<NonNullable<Fields["ipam"]>>({
      pool: withDefault(poolName, DEFAULT_POOL),
      sticky: withDefault(boolean, false),
      addresses: withDefault(list(ipText), []),
      routes: optional(routes),
    }),
  ),
  runtimeConfig: optional(object<{ ips: RequestedAddress[] }>({ ips: requestedIps })),
  args: requestedInArgs,
});

/** Reads the whole configuration and the `IP` of CNI_ARGS. Throws ConfigError, or EnvironmentError for CNI_ARGS. */
export function parseClusterIpam(config: NetworkConfig, args: ReadonlyMap<string, string>): ClusterIpamConfiguration {
  const { ipam, runtimeConfig, args: configArgs } = fields(config, "");
  return {
    pool: ipam?.pool ?? DEFAULT_POOL,
    sticky: ipam?.sticky ?? false,
    fixed: ipam?.addresses ?? [],
    routes: ipam?.routes,
    requested: oneOfFamily([...requestedByArgs(args), ...(configArgs?.cni?.ips ?? []), ...(runtimeConfig?.ips ?? [])]),
  };
}

/** The text of what is asked for. Throws ConfigError for a second one of a family. */
export function oneOfFamily(requested: readonly RequestedAddress[]): string[] {
  const seen = new Map<Family, RequestedAddress>();
  for (const request of uniqueRequests(requested)) {
    const first = seen.get(request.ip.family);
    if (first !== undefined) {
      throw new ConfigError(
        request.source.replaceAll('"', ""),
        `asks for a second address beside ${formatIp(first.ip)}`,
        {
          value: formatIp(request.ip),
        },
      );
    }
    seen.set(request.ip.family, request);
  }
  return [...seen.values()].map(({ ip }) => formatIp(ip));
}

/** The routes of a result: those that are configured, or a default route of each family that there is an address of. */
export function resultRoutes(
  configured: readonly ResultRoute[] | undefined,
  addresses: readonly string[],
): ResultRoute[] {
  if (configured !== undefined) return [...configured];
  const families = new Set(addresses.map((address) => familyOf(address)));
  return [...families].sort().map((family) => ({ dst: family === 4 ? "0.0.0.0/0" : "::/0" }));
}
