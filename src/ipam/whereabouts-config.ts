/**
 * The configuration of whereabouts, and the pools that its ranges become.
 *
 * Addresses are unique in the cluster over all its ranges, however these overlap, because their pools are cut on one grid:
 * blocks of the same place have the same name, and a block's document is there once. A range that is smaller than a block,
 * or does not end with one, has the rest of the block excluded.
 * @see https://github.com/k8snetworkplumbingwg/whereabouts/blob/master/doc/extended-configuration.md
 */

import {
  type Cidr,
  cidrContains,
  formatCidr,
  lastAddress,
  networkAddress,
  networkOf,
  parseCidr,
} from "../core/cidr.ts";
import { DOCUMENT_VERSION, type PoolRecord } from "../core/cluster.ts";
import { ConfigError } from "../core/errors.ts";
import { addressBits, type Family, formatIp, type Ip, parseIp } from "../core/ip.ts";
import { formatHash, hash64 } from "../core/names.ts";
import type { NetworkConfig } from "../core/plugin.ts";
import type { ResultRoute } from "../core/result.ts";
import { routes } from "../core/route.ts";
import { boolean, ip, list, object, optional, type Schema, text, withDefault } from "../core/schema.ts";
import { blockName, usableAddresses } from "./cluster/blocks.ts";
import { oneOfFamily } from "./cluster/configuration.ts";
import { type RequestedAddress, requestedByArgs, requestedInArgs, requestedIps } from "./requested.ts";
import { spans } from "./spans.ts";

/** The grid: small, so that many nodes have a part of a small range. */
export const WHEREABOUTS_BLOCK_BITS = { ipv4: 28, ipv6: 124 } as const;

/** One range: an attachment gets one address of each. */
export interface WhereaboutsRange {
  /** Its path in the configuration. */
  readonly field: string;
  /** The network, whose prefix length the addresses have. */
  readonly network: Cidr;
  readonly first: bigint;
  readonly last: bigint;
  readonly gateway: string | undefined;
  /** The name of its pool. */
  readonly pool: string;
  /** The pool, as it is made at the first use. */
  readonly record: PoolRecord;
}

export interface WhereaboutsConfiguration {
  readonly ranges: readonly WhereaboutsRange[];
  readonly routes: readonly ResultRoute[];
  /** Canonical text, one of a family at most. */
  readonly requested: readonly string[];
}

interface RangeFields {
  range: string;
  range_start: Ip | undefined;
  range_end: Ip | undefined;
  exclude: string[];
}

interface Fields {
  ipam: Omit<RangeFields, "range"> & {
    range: string | undefined;
    ipRanges: RangeFields[];
    gateway: Ip | undefined;
    routes: ResultRoute[];
    network_name: string;
    enable_overlapping_ranges: boolean;
  };
  runtimeConfig: { ips: RequestedAddress[] } | undefined;
  args: { cni: { ips: RequestedAddress[] } | undefined } | undefined;
}

/** An absent address may be written as empty text. */
const ipOrEmpty: Schema<Ip | undefined> = (value, field) => (value === "" ? undefined : ip(value, field));

const bounds = {
  range_start: optional(ipOrEmpty),
  range_end: optional(ipOrEmpty),
  exclude: withDefault(list(text), []),
};

const fields: Schema<Fields> = object<Fields>({
  ipam: object<Fields["ipam"]>({
    range: optional(text),
    ...bounds,
    ipRanges: withDefault(list(object<RangeFields>({ range: text, ...bounds })), []),
    gateway: optional(ipOrEmpty),
    routes: withDefault(routes, []),
    network_name: withDefault(text, ""),
    enable_overlapping_ranges: withDefault(boolean, true),
  }),
  runtimeConfig: optional(object<{ ips: RequestedAddress[] }>({ ips: requestedIps })),
  args: requestedInArgs,
});

/** Reads the whole configuration and the `IP` of CNI_ARGS. Throws ConfigError, or EnvironmentError for CNI_ARGS. */
export function parseWhereabouts(config: NetworkConfig, args: ReadonlyMap<string, string>): WhereaboutsConfiguration {
  const { ipam, runtimeConfig, args: configArgs } = fields(config, "");
  const { range, range_start, range_end, exclude, ipRanges, network_name, gateway } = ipam;
  const single = range === undefined || range === "" ? [] : [{ range, range_start, range_end, exclude }];
  const ranges = [
    ...single.map((one) => makeRange(one, "ipam", network_name, gateway)),
    ...ipRanges.map((one, i) => makeRange(one, `ipam.ipRanges[${i}]`, network_name, gateway)),
  ];
  if (ranges.length === 0) throw new ConfigError("ipam.range", "is missing");
  for (const [i, one] of ranges.entries()) {
    const same = ranges.findIndex(({ pool }) => pool === one.pool);
    if (same < i) throw new ConfigError(`${one.field}.range`, `is the same as that of "${ranges[same]?.field}"`);
  }
  const wishes = [...requestedByArgs(args), ...(configArgs?.cni?.ips ?? []), ...(runtimeConfig?.ips ?? [])];
  return { ranges, routes: ipam.routes, requested: oneOfFamily(wishes) };
}

function makeRange(raw: RangeFields, field: string, networkName: string, gateway: Ip | undefined): WhereaboutsRange {
  const { network, start, end } = parseRange(raw, `${field}.range`);
  const { family } = network.ip;
  const isWhole = network.bits > addressBits(family) - 2;
  const [lowest, highest] = [networkAddress(network).value, lastAddress(network).value];
  const first = start?.value ?? (isWhole ? lowest : lowest + 1n);
  const last = end?.value ?? (isWhole ? highest : highest - 1n);
  for (const [name, bound] of [["range_start", start] as const, ["range_end", end] as const]) {
    if (bound !== undefined && !cidrContains(network, bound)) {
      throw new ConfigError(`${field}.${name}`, `is not in ${formatCidr(network)}`, { value: formatIp(bound) });
    }
  }
  if (first > last) {
    throw new ConfigError(`${field}.range_end`, `comes before ${formatIp({ family, value: first })}`, {
      value: formatIp({ family, value: last }),
    });
  }
  const excluded = raw.exclude.map((one, i) => parseExclude(one, `${field}.exclude[${i}]`));
  const own = gateway !== undefined && gateway.family === family ? formatIp(gateway) : undefined;
  if (own !== undefined) excluded.push(`${own}/${addressBits(family)}`);
  const grid = family === 4 ? WHEREABOUTS_BLOCK_BITS.ipv4 : WHEREABOUTS_BLOCK_BITS.ipv6;
  const whole = networkOf({ ip: network.ip, bits: Math.min(network.bits, grid) });
  const record: PoolRecord = {
    version: DOCUMENT_VERSION,
    cidrs: [formatCidr(whole)],
    blockBits: WHEREABOUTS_BLOCK_BITS,
    nodeSelector: {},
    excluded: [...outside(whole, first, last), ...excluded],
    masquerade: false,
    routed: false,
  };
  checkNotEmpty(record, network, `${field}.range`);
  return { field, network, first, last, gateway: own, pool: poolName(record, networkName, network), record };
}

/** `network`, or `first-last/bits`. */
function parseRange(raw: RangeFields, field: string): { network: Cidr; start: Ip | undefined; end: Ip | undefined } {
  const dash = raw.range.indexOf("-");
  const network = parseCidr(raw.range.slice(dash + 1));
  const start = dash < 0 ? undefined : parseIp(raw.range.slice(0, dash));
  if (network === undefined || (dash >= 0 && start?.family !== network.ip.family)) {
    throw new ConfigError(field, "must be such as 192.168.2.0/24 or 192.168.2.10-192.168.2.20/24", {
      value: raw.range,
    });
  }
  if (dash < 0) return { network: networkOf(network), start: raw.range_start, end: raw.range_end };
  return { network: networkOf(network), start: raw.range_start ?? start, end: raw.range_end ?? network.ip };
}

/** A network, or one address. */
function parseExclude(value: string, field: string): string {
  const network = parseCidr(value);
  if (network !== undefined) return formatCidr(networkOf(network));
  const address = parseIp(value);
  if (address === undefined) throw new ConfigError(field, "must be a network or an address", { value });
  return `${formatIp(address)}/${addressBits(address.family)}`;
}

/** What of the pool's network lies before and behind the range. */
function outside(whole: Cidr, first: bigint, last: bigint): string[] {
  const { family } = whole.ip;
  const [lowest, highest] = [networkAddress(whole).value, lastAddress(whole).value];
  return [...spans(family, lowest, first - 1n), ...spans(family, last + 1n, highest)].map(formatCidr);
}

/** A small range may have nothing left; of a large one that is not looked for. */
function checkNotEmpty(record: PoolRecord, network: Cidr, field: string): void {
  const hosts = addressBits(network.ip.family) - network.bits;
  if (hosts > 8 || usableAddresses(record, networkOf(network)).length > 0) return;
  throw new ConfigError(field, "has no address that a pod could have", { value: formatCidr(network) });
}

/** Ranges of the same name, network and exclusions are one pool, whichever node made it. */
function poolName({ cidrs, excluded }: PoolRecord, networkName: string, network: Cidr): string {
  const hash = formatHash(hash64(JSON.stringify([networkName, formatCidr(network), cidrs, excluded])));
  return `whereabouts.${blockName(network)}.${hash.slice(0, 8)}`;
}

/** The address of a range among those that were given. */
export function addressInRange({ network, first, last }: WhereaboutsRange, addresses: readonly Ip[]): Ip | undefined {
  return addresses.find((each) => cidrContains(network, each) && first <= each.value && each.value <= last);
}

/** The family of a range. */
export function familyOfRange({ network }: WhereaboutsRange): Family {
  return network.ip.family;
}
