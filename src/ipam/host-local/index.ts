/**
 * The IPAM plugin host-local: addresses out of ranges, leased by files on this host.
 * @see https://www.cni.dev/plugins/current/ipam/host-local/
 */

import { parseCidr } from "../../core/cidr.ts";
import { AddressError, ConflictError, VerificationError } from "../../core/errors.ts";
import { formatIp, type Ip, parseIp } from "../../core/ip.ts";
import type { Call, Foresight, NetworkCall, Plugin } from "../../core/plugin.ts";
import type { Dns, Result, ResultAddress } from "../../core/result.ts";
import type { RequestedAddress } from "../requested.ts";
import { type Choice, nextFree } from "./allocator.ts";
import { type Machine, thisMachine } from "./boot.ts";
import { type HostLocalConfiguration, parseConfiguration, parseLeaseDirectory } from "./configuration.ts";
import { collectGarbage } from "./garbage.ts";
import { describeHolder, leaseContent, legacyContent } from "./lease.ts";
import { readLeases } from "./lease-files.ts";
import { countLeasable, formatRangeSet, isLeasable, type RangeSet, rangeOf } from "./range.ts";
import { readResolvConf } from "./resolv-conf.ts";
import { checkAvailable } from "./status.ts";
import {
  addressesOf,
  emptyLeases,
  hasStore,
  holderOf,
  isFree,
  lastReserved,
  peekStore,
  release,
  removeLeftOvers,
  type Store,
  take,
  withStore,
} from "./store.ts";

export const hostLocal: Plugin = makeHostLocal(thisMachine);

/** The plugin on a machine; another than this one is for tests of what a reboot does. */
export function makeHostLocal(machine: Machine): Plugin {
  return {
    type: "host-local",
    add: (call) => add(call, machine),
    check: (call) => check(call, machine),
    del: (call) => del(call, machine),
    gc: (call) => gc(call, machine),
    status: (call) => checkAvailable(call, machine),
    foreseeAdd,
    foreseeDel,
  };
}

function add(call: Call, machine: Machine): Result {
  const configuration = parseConfiguration(call.config, call.args);
  const dns = configuration.resolvConf === undefined ? {} : readResolvConf(configuration.resolvConf);
  const wishes = assignWishes(configuration);
  const choices = withStore(configuration.directory, machine, call.warn, (store) => {
    checkNotHeld(store, call, configuration);
    // All are chosen before one is written, so a failure leaves nothing to release.
    const chosen: Choice[] = [];
    for (const set of configuration.sets) chosen.push(choose(store, set, chosen.length, wishes.get(set)));
    take(store, leaseContent(call.containerId, call.ifname), chosen);
    return chosen;
  });
  return resultOf(configuration, choices, dns);
}

function foreseeDel(call: Call): string[] {
  const directory = parseLeaseDirectory(call.config);
  if (!hasStore(directory)) return [];
  const content = leaseContent(call.containerId, call.ifname);
  return readLeases(directory)
    .filter((lease) => lease.content === content)
    .map(({ address }) => `rm ${directory}/${address}`);
}

function resultOf({ routes }: HostLocalConfiguration, choices: readonly Choice[], dns: Dns): Result {
  const ips: ResultAddress[] = [];
  for (const { address, range } of choices) {
    ips.push({ address: `${address}/${range.subnet.bits}`, gateway: formatIp(range.gateway) });
  }
  const result: Result = { ips };
  if (routes.length > 0) result.routes = [...routes];
  if (Object.keys(dns).length > 0) result.dns = dns;
  return result;
}

/** What ADD would lease now: read without the lock and without changing anything, so another ADD may be quicker. */
function foreseeAdd(call: Call): Foresight {
  const configuration = parseConfiguration(call.config, call.args);
  const { directory, sets, resolvConf } = configuration;
  const dns = resolvConf === undefined ? {} : readResolvConf(resolvConf);
  const wishes = assignWishes(configuration);
  const store = peekStore(directory, call.warn);
  const choices = sets.map((set, i) => choose(store, set, i, wishes.get(set)));
  const commands = choices.map(
    ({ address }) => `printf '${call.containerId}\\r\\n${call.ifname}' > ${directory}/${address}`,
  );
  return { result: resultOf(configuration, choices, dns), commands: [`mkdir -p ${directory}`, ...commands] };
}

/** Finds the range set of each requested address. Throws AddressError when one cannot be served, whatever is leased. */
function assignWishes({ sets, requested }: HostLocalConfiguration): Map<RangeSet, RequestedAddress> {
  const wishes = new Map<RangeSet, RequestedAddress>();
  for (const wish of requested) {
    const set = setOf(sets, wish.ip);
    const subject = `Cannot lease ${formatIp(wish.ip)}, which ${wish.source} asks for`;
    if (set === undefined) {
      const all = sets.map((each) => formatRangeSet(each)).join("; ");
      throw new AddressError(`${subject}: it is in no range`, { details: `The ranges are ${all}.` });
    }
    if (!isLeasable(set, wish.ip)) throw new AddressError(`${subject}: it is the gateway of "${set.field}"`);
    const other = wishes.get(set);
    if (other !== undefined) {
      const asked = `${formatIp(other.ip)} (${other.source})`;
      throw new AddressError(`${subject}: ${asked} is in the same range set "${set.field}", which yields one address`);
    }
    wishes.set(set, wish);
  }
  return wishes;
}

/**
 * Throws ConflictError when the attachment holds an address of a range set already. The specification forbids a
 * second ADD without a DEL between, and to answer it with the old address would hide that the container has two owners.
 * @see https://www.cni.dev/docs/spec/#add-add-container-to-network-or-apply-modifications
 */
function checkNotHeld(store: Store, call: Call, { network, sets }: HostLocalConfiguration): void {
  for (const address of addressesOf(store, call.containerId, call.ifname, { certain: false })) {
    const ip = parseIp(address);
    const set = ip && setOf(sets, ip);
    if (set === undefined) continue;
    throw new ConflictError(
      `Cannot lease an address of "${set.field}" to container "${call.containerId}" interface "${call.ifname}": ` +
        `it holds ${address} in network "${network}" already`,
      { details: `Call DEL for it first. The lease is in "${store.directory}".` },
    );
  }
}

function setOf(sets: readonly RangeSet[], ip: Ip): RangeSet | undefined {
  for (const set of sets) if (rangeOf(set, ip) !== undefined) return set;
  return undefined;
}

function choose(store: Store, set: RangeSet, setIndex: number, wish: RequestedAddress | undefined): Choice {
  if (wish !== undefined) return chooseRequested(store, set, wish);
  const last = lastReserved(store, setIndex);
  const cursor = last === undefined ? undefined : parseIp(last);
  const choice = nextFree(set, cursor, (address) => isFree(store, address));
  if (choice !== undefined) return choice;
  const empty = emptyLeases(store);
  const reclaimed = nextFree(set, cursor, (address) => empty.has(address));
  if (reclaimed !== undefined) return reclaimed;
  throw new AddressError(
    `No address is left in "${set.field}" (${formatRangeSet(set)}): ` +
      `all ${countLeasable(set)} are leased in "${store.directory}"`,
    { details: "Remove containers, call GC to release what dead ones hold, or configure a larger range." },
  );
}

function chooseRequested(store: Store, set: RangeSet, wish: RequestedAddress): Choice {
  const address = formatIp(wish.ip);
  const range = rangeOf(set, wish.ip);
  if (range !== undefined && isFree(store, address)) return { address, range };
  const holder = describeHolder(holderOf(store, address) ?? "");
  throw new AddressError(`Cannot lease ${address}, which ${wish.source} asks for: it is leased to ${holder}`, {
    details: `The lease is in "${store.directory}".`,
  });
}

function check(call: Call, machine: Machine): void {
  const { directory, sets, network } = parseConfiguration(call.config, new Map());
  const holder = `container "${call.containerId}" interface "${call.ifname}"`;
  const nothing = `No address of network "${network}" is leased to ${holder} in "${directory}"`;
  if (!hasStore(directory)) throw new VerificationError([nothing]);
  withStore(directory, machine, call.warn, (store) => {
    const held = new Set(addressesOf(store, call.containerId, call.ifname, { certain: true }));
    const findings: string[] = [];
    const expected = resultAddresses(call);
    for (const address of expected) {
      const ip = parseIp(address);
      // Another plugin of the chain may have added addresses of its own.
      if (held.has(address) || ip === undefined || !sets.some((set) => isLeasable(set, ip))) continue;
      const found = holderOf(store, address);
      findings.push(
        found === undefined
          ? `${address} is not leased: "${directory}/${address}" is missing`
          : `${address} is not leased to ${holder} but to ${describeHolder(found)}`,
      );
    }
    const byName = leaseContent(call.containerId, call.ifname);
    for (const address of held) {
      // A legacy lease may be that of another interface of the container.
      if (expected.length === 0 || expected.includes(address) || holderOf(store, address) !== byName) continue;
      findings.push(`${address} is leased to ${holder} but is not in prevResult`);
    }
    if (held.size === 0 && findings.length === 0) findings.push(nothing);
    if (findings.length > 0) throw new VerificationError(findings);
  });
}

/** The addresses that the attachment was given, without their prefix lengths. */
function resultAddresses(call: Call): string[] {
  return (call.config.prevResult?.ips ?? []).flatMap(({ address }) => {
    const parsed = parseCidr(address);
    return parsed === undefined ? [] : [formatIp(parsed.ip)];
  });
}

function del(call: Call, machine: Machine): void {
  const directory = parseLeaseDirectory(call.config);
  if (!hasStore(directory)) return;
  withStore(directory, machine, call.warn, (store) => {
    const held = addressesOf(store, call.containerId, call.ifname, { certain: true });
    for (const address of held) release(store, address);
    releaseDamaged(store, call);
    removeLeftOvers(store);
  });
}

/**
 * Releases what the attachment was given when the lease has lost its end, so that it names nobody. One that names an
 * interface stays, for it may be whole; GC will tell.
 */
function releaseDamaged(store: Store, call: Call): void {
  const container = legacyContent(call.containerId);
  for (const address of resultAddresses(call)) {
    const content = holderOf(store, address);
    if (content === undefined || !container.startsWith(content)) continue;
    release(store, address);
    if (content === container) continue;
    store.warn(`Released ${address}, whose lease file in "${store.directory}" was cut off: ${JSON.stringify(content)}`);
  }
}

function gc(call: NetworkCall, machine: Machine): void {
  const { validAttachments } = call.config;
  const directory = parseLeaseDirectory(call.config);
  if (validAttachments === undefined || !hasStore(directory)) return;
  withStore(directory, machine, call.warn, (store) => {
    collectGarbage(store, validAttachments);
    removeLeftOvers(store);
  });
}
