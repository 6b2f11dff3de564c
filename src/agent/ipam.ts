/**
 * The cluster's IPAM plugin inside the node's agent, under the names tendril and whereabouts.
 *
 * What may need the store is done by `prepare`, before the call is dispatched: it gives the owner its addresses. The
 * verbs themselves only look at the node's own table, so they do not wait, and DEL works while the store is away.
 */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import { parseCidr } from "../core/cidr.ts";
import { AddressError, NotAvailableError, TryAgainError, VerificationError } from "../core/errors.ts";
import { formatIp, parseIp } from "../core/ip.ts";
import type { Call, Foresight, NetworkCall, NetworkConfig, Plugin } from "../core/plugin.ts";
import type { Result, ResultAddress } from "../core/result.ts";
import type { AddressTable, GivenAddress } from "../ipam/cluster/address-table.ts";
import { parseClusterIpam, resultRoutes } from "../ipam/cluster/configuration.ts";
import { keyOfCall, type OwnerRecord, ownerName, podOf, reservationKey } from "../ipam/cluster/owner.ts";
import { addressInRange, parseWhereabouts, type WhereaboutsRange } from "../ipam/whereabouts-config.ts";
import { closeNetns, openNetnsIfExists } from "../linux/netns.ts";
import { StoreUnavailableError } from "../store/store.ts";
import type { Addresses, AddressRequest } from "./addresses.ts";
import { NoneFreeError } from "./holdings.ts";
import { ensurePool } from "./pools.ts";
import { AddressMovesError } from "./reservations.ts";

export interface ClusterIpamOptions {
  readonly store: ClusterStore;
  readonly addresses: Addresses;
  readonly table: AddressTable;
  readonly bootId: string;
  /** Milliseconds since the boot. */
  readonly uptime: () => number;
  /** Told of addresses that nobody has any more, so that what the kernel remembers of them is flushed. */
  readonly released: (addresses: readonly string[]) => void;
  /** Told of addresses that somebody is about to have. */
  readonly given?: (addresses: readonly string[]) => void;
  /** Does what is noted to be done for an owner, before it is given anything anew. */
  readonly drain?: (owner: string) => void;
  /** Waits before an address that another node hands over, or may offer, is asked for again. */
  readonly pause?: () => Promise<void>;
}

export interface ClusterIpam {
  /** Of type `tendril`. */
  readonly plugin: Plugin;
  /** The same with whereabouts' configuration. */
  readonly whereabouts: Plugin;
  /**
   * Gives the owner of an ADD its addresses, whose `ipam.type` is one of the two, or which has no `ipam`. Throws
   * TryAgainError, AddressError, ConfigError, EnvironmentError.
   */
  prepare(call: Call): Promise<void>;
  /** Takes an owner's addresses back, as DEL does. */
  release(owner: string): void;
}

/** How often an address that another node hands over is asked for before the runtime is to call again. */
const TRIES = 20;
/** How often one is asked for where none is free: in a pool that is not used up other nodes offer some as soon as they can. */
const TRIES_FOR_OFFERS = 4;
const PAUSE_MS = 400;

export function clusterIpam(options: ClusterIpamOptions): ClusterIpam {
  const { addresses, table, released } = options;
  const release = (owner: string) => {
    const given = addresses.release(owner);
    if (given.length > 0) released(given.map(({ address }) => address));
  };
  const shared = {
    check: (call: Call) => check(call, table),
    del: (call: Call) => release(ownerName(keyOfCall(call))),
    gc: (call: NetworkCall) => gc(call, table, release),
    foreseeDel: (call: Call) => foreseeDel(call, table),
  };
  return {
    plugin: {
      ...shared,
      type: "tendril",
      add: (call) => resultOf(call, given(call, table), addresses),
      status: ({ config }) => refuse(addresses, parseClusterIpam(config, new Map()).pool),
      foreseeAdd: (call) => foresee(call, addresses),
    },
    whereabouts: {
      ...shared,
      type: "whereabouts",
      add: (call) => whereaboutsResult(call, given(call, table)),
      status({ config }) {
        for (const { pool } of parseWhereabouts(config, new Map()).ranges) {
          if (addresses.knowsPool(pool) || addresses.problem() !== undefined) refuse(addresses, pool);
        }
      },
    },
    prepare: (call) => prepare(call, options),
    release,
  };
}

async function prepare(call: Call, options: ClusterIpamOptions): Promise<void> {
  const { addresses, table, store, drain, pause = defaultPause } = options;
  const owner = ownerName(keyOfCall(call));
  drain?.(owner);
  const requests = await requestsOf(call, addresses, store);
  table.owners.put(ownerRecord(call, owner, options));
  for (let tries = 1; ; tries++) {
    try {
      const found = await addresses.give(owner, ...requests);
      options.given?.(found.map(({ address }) => address));
      return;
    } catch (error) {
      if (tries < triesAfter(error)) await pause();
      else {
        table.owners.remove(owner);
        throw unavailable(error);
      }
    }
  }
}

function triesAfter(error: unknown): number {
  if (error instanceof AddressMovesError) return TRIES;
  return error instanceof NoneFreeError ? TRIES_FOR_OFFERS : 0;
}

function defaultPause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}

/** A store that is away is a reason to call again. */
function unavailable(error: unknown): unknown {
  if (!(error instanceof StoreUnavailableError)) return error;
  return new TryAgainError(`Cannot give an address: ${error.message}`, {
    cause: error,
    details: "The node's blocks are used up, and the store, out of which it claims more, cannot be reached.",
  });
}

async function requestsOf(call: Call, addresses: Addresses, store: ClusterStore): Promise<AddressRequest[]> {
  const key = reservationKey(call.args);
  if (call.config.ipam?.type === "whereabouts") {
    const { ranges, requested } = parseWhereabouts(call.config, call.args);
    for (const { pool, record, field } of ranges) {
      if (!addresses.knowsPool(pool)) await ensurePool(store, pool, record, `${field}.range`).catch(rethrow);
    }
    return whereaboutsRequests(ranges, requested);
  }
  const { pool, sticky, fixed, requested } = parseClusterIpam(call.config, call.args);
  if (requested.length > 0) return [{ pool, addresses: requested }];
  if (key !== undefined) return [{ pool, reservation: { owner: key, sticky, fixed } }];
  return [fixed.length > 0 ? { pool, addresses: fixed } : { pool }];
}

function rethrow(error: unknown): never {
  throw unavailable(error);
}

function whereaboutsRequests(ranges: readonly WhereaboutsRange[], requested: readonly string[]): AddressRequest[] {
  const wishes = requested.flatMap((address) => parseIp(address) ?? []);
  const served = new Set<string>();
  const requests = ranges.map((range): AddressRequest => {
    const wish = addressInRange(
      range,
      wishes.filter((each) => !served.has(formatIp(each))),
    );
    if (wish === undefined) return { pool: range.pool };
    served.add(formatIp(wish));
    return { pool: range.pool, addresses: [formatIp(wish)] };
  });
  const outside = requested.find((address) => !served.has(address));
  if (outside === undefined) return requests;
  throw new AddressError(`Cannot give ${outside}, which is asked for: it is in no range`);
}

function ownerRecord(call: Call, owner: string, { bootId, uptime }: ClusterIpamOptions): OwnerRecord {
  const pod = podOf(call.args);
  return {
    owner,
    ...keyOfCall(call),
    netns: call.netns ?? null,
    netnsId: call.netns === undefined ? null : (netnsId(call.netns) ?? null),
    bootId,
    podNamespace: pod?.namespace ?? null,
    podName: pod?.name ?? null,
    since: uptime(),
  };
}

/** Which namespace is at a path, or undefined where there is none. */
export function netnsId(path: string): string | undefined {
  const netns = openNetnsIfExists(path);
  if (netns === undefined) return undefined;
  closeNetns(netns);
  return netns.id;
}

function given(call: Call, table: AddressTable): GivenAddress[] {
  const found = table.of(ownerName(keyOfCall(call)));
  if (found.length > 0) return found;
  throw new TryAgainError(`Container "${call.containerId}" interface "${call.ifname}" has no address any more`, {
    details: "This node was given up by the others while the address was on its way.",
  });
}

function resultOf({ config, args }: Call, found: readonly GivenAddress[], addresses: Addresses): Result {
  const ips = found.map(({ address, family }): ResultAddress => {
    const subnet = addresses.subnetOf(address);
    const bits = subnet?.bits ?? (family === 4 ? 32 : 128);
    return { address: `${address}/${bits}`, ...(subnet?.gateway !== undefined && { gateway: subnet.gateway }) };
  });
  const routes = resultRoutes(
    parseClusterIpam(config, args).routes,
    found.map(({ address }) => address),
  );
  return { ips, ...(routes.length > 0 && { routes }) };
}

/** In the order of the ranges, each with its prefix length. */
function whereaboutsResult({ config, args }: Call, found: readonly GivenAddress[]): Result {
  const { ranges, routes } = parseWhereabouts(config, args);
  const rest = [...found];
  const ips = ranges.flatMap((range): ResultAddress[] => {
    const isOf = ({ address }: GivenAddress) =>
      addressInRange(
        range,
        [parseIp(address)].flatMap((ip) => ip ?? []),
      );
    const one = rest.find(({ pool }) => pool === range.pool) ?? rest.find(isOf);
    if (one === undefined) return [];
    rest.splice(rest.indexOf(one), 1);
    return [{ address: `${one.address}/${range.network.bits}`, ...(range.gateway && { gateway: range.gateway }) }];
  });
  return { ips, ...(routes.length > 0 && { routes: [...routes] }) };
}

function foresee(call: Call, addresses: Addresses): Foresight {
  const { pool, requested } = parseClusterIpam(call.config, call.args);
  const found = requested.length > 0 ? requested : addresses.next(pool);
  const given = found.map((address) => ({ address, family: address.includes(":") ? 6 : 4, pool, block: "" }) as const);
  const commands = found.map((address) => `# ${address} of pool "${pool}", out of the node's own blocks`);
  return { result: resultOf(call, given, addresses), commands };
}

function foreseeDel(call: Call, table: AddressTable): string[] {
  return table.of(ownerName(keyOfCall(call))).map(({ address, pool }) => `# ${address} goes back to pool "${pool}"`);
}

function check(call: Call, table: AddressTable): void {
  const { containerId, ifname, config } = call;
  const holder = `container "${containerId}" interface "${ifname}"`;
  const held = new Set(table.of(ownerName(keyOfCall(call))).map(({ address }) => address));
  const findings: string[] = [];
  if (held.size === 0) findings.push(`No address of the cluster is given to ${holder}`);
  const expected = expectedAddresses(config);
  for (const address of held) {
    if (expected.length > 0 && !expected.includes(address)) {
      findings.push(`${address} is given to ${holder} but is not in prevResult`);
    }
  }
  for (const address of expected) {
    const other = held.has(address) ? undefined : table.ownerOf(address);
    if (other !== undefined) findings.push(`${address} is not given to ${holder} but to "${other}"`);
  }
  if (findings.length > 0) throw new VerificationError(findings);
}

/** The addresses that the attachment was given, without their prefix lengths. */
function expectedAddresses(config: NetworkConfig): string[] {
  return (config.prevResult?.ips ?? []).flatMap(({ address }) => {
    const parsed = parseCidr(address);
    return parsed === undefined ? [] : [formatIp(parsed.ip)];
  });
}

/** An empty list releases all of the network; a missing one nothing. */
function gc({ config }: NetworkCall, table: AddressTable, release: (owner: string) => void): void {
  const { name: network, validAttachments } = config;
  if (validAttachments === undefined) return;
  const valid = new Set(validAttachments.map((key) => ownerName({ network, ...key })));
  for (const { owner } of table.owners.list(network)) if (!valid.has(owner)) release(owner);
}

function refuse(addresses: Addresses, pool: string): void {
  const problem = addresses.problem(pool);
  if (problem !== undefined) throw new NotAvailableError(problem.sentence, { details: problem.remedy });
}

/** Whether a configuration's addresses come from here; the plugin `tendril` has them from the cluster without `ipam`. */
export function isClusterIpam({ ipam, type }: NetworkConfig): boolean {
  return ipam === undefined || ipam.type === undefined
    ? type === "tendril"
    : ["tendril", "whereabouts"].includes(ipam.type);
}
