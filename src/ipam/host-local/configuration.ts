/** The configuration of host-local. @see https://www.cni.dev/plugins/current/ipam/host-local/ */

import type { Cidr } from "../../core/cidr.ts";
import { ConfigError } from "../../core/errors.ts";
import type { Ip } from "../../core/ip.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import type { ResultRoute } from "../../core/result.ts";
import { routes } from "../../core/route.ts";
import { cidr, ip, list, object, optional, type Schema, text, withDefault } from "../../core/schema.ts";
import { checkOnePerFamily } from "../one-per-family.ts";
import { type RequestedAddress, requestedByArgs, requestedInArgs, requestedIps, uniqueRequests } from "../requested.ts";
import { checkSetsApart, makeRange, makeRangeSet, type RangeFields, type RangeSet } from "./range.ts";

const DEFAULT_DATA_DIR = "/var/lib/cni/networks";

export interface HostLocalConfiguration {
  readonly network: string;
  /** The folder that holds the network's leases. */
  readonly directory: string;
  /** An attachment gets one address of each. The index of a set names its `last_reserved_ip` file. */
  readonly sets: readonly RangeSet[];
  readonly routes: readonly ResultRoute[];
  readonly resolvConf: string | undefined;
  readonly requested: readonly RequestedAddress[];
}

/** An absent address may be written as empty text, as Go's net.IP reads it. */
const ipOrEmpty: Schema<Ip | undefined> = (value, field) => (value === "" ? undefined : ip(value, field));

const rangeFields = {
  rangeStart: optional(ipOrEmpty),
  rangeEnd: optional(ipOrEmpty),
  gateway: optional(ipOrEmpty),
};

const range = object<RangeFields>({ subnet: cidr, ...rangeFields });
const ranges = list((value, field) => makeRange(range(value, field), field));
const rangeSets = list((value, field) => makeRangeSet(ranges(value, field), field));

interface Fields {
  ipam: {
    subnet: Cidr | undefined;
    rangeStart: Ip | undefined;
    rangeEnd: Ip | undefined;
    gateway: Ip | undefined;
    ranges: RangeSet[];
    routes: ResultRoute[];
    dataDir: string;
    resolvConf: string | undefined;
  };
  runtimeConfig: { ipRanges: RangeSet[]; ips: RequestedAddress[] } | undefined;
  args: { cni: { ips: RequestedAddress[] } | undefined } | undefined;
}

const fields: Schema<Fields> = object<Fields>({
  ipam: object<Fields["ipam"]>({
    subnet: optional(cidr),
    ...rangeFields,
    ranges: withDefault(rangeSets, []),
    routes: withDefault(routes, []),
    dataDir: withDefault(text, ""),
    resolvConf: optional(text),
  }),
  runtimeConfig: optional(
    object<{ ipRanges: RangeSet[]; ips: RequestedAddress[] }>({
      ipRanges: withDefault(rangeSets, []),
      ips: requestedIps,
    }),
  ),
  args: requestedInArgs,
});

/**
 * Reads the whole configuration and the `IP` of CNI_ARGS, as ADD and CHECK need it.
 *
 * Range sets stand in the reference's order, for their indexes name files: those of the runtime, the old style's
 * single range, then `ranges`. Throws ConfigError, or EnvironmentError for CNI_ARGS.
 */
export function parseConfiguration(config: NetworkConfig, args: ReadonlyMap<string, string>): HostLocalConfiguration {
  const { ipam, runtimeConfig, args: configArgs } = fields(config, "");
  const sets = [...(runtimeConfig?.ipRanges ?? []), ...oldStyleSet(ipam), ...ipam.ranges];
  if (sets.length === 0) {
    throw new ConfigError((ipam.rangeStart ?? ipam.rangeEnd) ? "ipam.subnet" : "ipam.ranges", "is missing", {
      details: 'Give "ipam.ranges": [[{"subnet": "10.1.0.0/16"}]], or "ipam.subnet" for a single one.',
    });
  }
  checkOnePerFamily(config.cniVersion, sets);
  checkSetsApart(sets);
  const fromEnvironment = requestedByArgs(args);
  return {
    network: config.name,
    directory: leaseDirectory(config.name, ipam.dataDir),
    sets,
    routes: ipam.routes,
    resolvConf: ipam.resolvConf === "" ? undefined : ipam.resolvConf,
    requested: uniqueRequests([...fromEnvironment, ...(configArgs?.cni?.ips ?? []), ...(runtimeConfig?.ips ?? [])]),
  };
}

function oldStyleSet(ipam: Fields["ipam"]): RangeSet[] {
  if (ipam.subnet === undefined) return [];
  return [makeRangeSet([makeRange({ ...ipam, subnet: ipam.subnet }, "ipam")], "ipam.subnet")];
}

const location: Schema<{ ipam: { dataDir: string } }> = object({
  ipam: object({ dataDir: withDefault(text, "") }),
});

/**
 * The folder of the network's leases: all that DEL and GC need, so they work although the ranges have changed since,
 * or have become invalid. Throws ConfigError.
 */
export function parseLeaseDirectory(config: NetworkConfig): string {
  return leaseDirectory(config.name, location(config, "").ipam.dataDir);
}

function leaseDirectory(network: string, dataDir: string): string {
  if (network === "" || network === "." || network === ".." || network.includes("/")) {
    throw new ConfigError("name", "must be usable as the name of a folder", { value: network });
  }
  return `${dataDir === "" ? DEFAULT_DATA_DIR : dataDir}/${network}`;
}
