/** Addresses kept for an owner, and given free again. */

import type { ClusterStore } from "../cluster/cluster-store.ts";
import { ifUnchanged } from "../cluster/reclaim.ts";
import {
  DOCUMENT_VERSION,
  isOver,
  type ReservationRecord,
  reservationDocuments,
  reservationName,
} from "../core/cluster.ts";
import { ConfigError, ConflictError, TendrilError } from "../core/errors.ts";
import { familyOf, formatIp, parseIp } from "../core/ip.ts";
import { blockOf, usableAddresses } from "../ipam/cluster/blocks.ts";
import type { Document } from "../store/collection.ts";
import { isOfPool } from "./pool-changes.ts";

export interface ReservationRequest {
  /** `namespace/pod`. */
  readonly owner: string;
  /** One of a family at most. */
  readonly addresses: readonly string[];
  /** In RFC 3339. */
  readonly expires?: string | undefined;
}

/** A namespace is a label, which has no dots; a pod's name may have some. @see Kubernetes, "Object Names and IDs" */
const OWNER = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\/[a-z0-9]([a-z0-9.-]{0,180}[a-z0-9])?$/;

function checkOwner(owner: string): void {
  if (!OWNER.test(owner)) throw new ConfigError("owner", "must be NAMESPACE/POD", { value: owner });
}

/**
 * Keeps addresses for an owner, in the place of those that it had. Throws ConfigError for an address that no pod can
 * have, ConflictError for one that is kept for another owner.
 */
export async function reserve(
  cluster: ClusterStore,
  { owner, addresses, expires }: ReservationRequest,
  now: number,
): Promise<ReservationRecord> {
  const { reservations } = cluster;
  checkOwner(owner);
  const wanted = await checkAddresses(cluster, addresses);
  await refuseTaken(cluster, owner, wanted, now);
  const before = await find(cluster, owner);
  const record = reservationDocuments.parse({
    version: DOCUMENT_VERSION,
    ...before?.value,
    owner,
    addresses: wanted,
    expires,
    // It may have been the owner's own; the operator's word stands.
    sticky: undefined,
    fixed: undefined,
  });
  const write = () =>
    before === undefined ? reservations.create(reservationName(owner), record) : reservations.update(before, record);
  if (!(await ifUnchanged(write))) throw changedMeanwhile(owner);
  try {
    await refuseTaken(cluster, owner, wanted, now);
  } catch (error) {
    const made = await find(cluster, owner);
    if (made !== undefined && before === undefined) await ifUnchanged(() => reservations.delete(made));
    else if (made !== undefined && before !== undefined) {
      await ifUnchanged(() => reservations.update(made, before.value));
    }
    throw error;
  }
  return record;
}

/**
 * Gives an owner's addresses free, or some of them; returns those. Throws TendrilError when it has none, or not these.
 * The pod that has one keeps it until it ends.
 */
export async function unreserve(
  cluster: ClusterStore,
  owner: string,
  addresses: readonly string[],
): Promise<readonly string[]> {
  const { reservations } = cluster;
  const found = await find(cluster, owner);
  if (found === undefined) throw new TendrilError(`Nothing is reserved for ${owner}`);
  const freed = addresses.length === 0 ? found.value.addresses : addresses.map(canonical);
  const foreign = freed.find((address) => !found.value.addresses.includes(address));
  if (foreign !== undefined) throw new TendrilError(`Address "${foreign}" is not reserved for ${owner}`);
  const left = found.value.addresses.filter((address) => !freed.includes(address));
  const change = () =>
    left.length === 0
      ? reservations.delete(found)
      : reservations.update(found, { ...found.value, addresses: left }).then(() => undefined);
  if (!(await ifUnchanged(change))) throw changedMeanwhile(owner);
  return freed;
}

function canonical(address: string, i: number): string {
  const ip = parseIp(address);
  if (ip === undefined) throw new ConfigError(`addresses[${i}]`, "must be an IP address", { value: address });
  return formatIp(ip);
}

/** In their canonical text. */
async function checkAddresses({ pools }: ClusterStore, given: readonly string[]): Promise<string[]> {
  const all = [...(await pools.list()).values()];
  const families = new Set<number>();
  return given.map((address, i) => {
    const text = canonical(address, i);
    const field = `addresses[${i}]`;
    const family = familyOf(text);
    if (families.has(family)) throw new ConfigError(field, "is the second of its family", { value: text });
    families.add(family);
    const pool = all.find(({ value }) => isOfPool(value, text));
    if (pool === undefined) {
      const names = all.map(({ name, value }) => `${name} (${value.cidrs.join(", ")})`);
      const details = names.length === 0 ? "There is no pool." : `There are ${names.join(" and ")}.`;
      throw new ConfigError(field, "is in no pool", { value: text, details });
    }
    const ip = parseIp(text);
    const block = ip && blockOf(pool.value, ip);
    if (block === undefined || !usableAddresses(pool.value, block).includes(text)) {
      throw new ConfigError(field, `is not for pods: pool "${pool.name}" excludes it`, { value: text });
    }
    return text;
  });
}

async function refuseTaken(
  { reservations }: ClusterStore,
  owner: string,
  addresses: readonly string[],
  now: number,
): Promise<void> {
  for (const { value } of (await reservations.list()).values()) {
    if (value.owner === owner || isOver(value, now)) continue;
    const taken = value.addresses.find((address) => addresses.includes(address));
    if (taken !== undefined) throw new ConflictError(`Address "${taken}" is reserved for ${value.owner}`);
  }
}

async function find({ reservations }: ClusterStore, owner: string): Promise<Document<ReservationRecord> | undefined> {
  return reservations.get(reservationName(owner));
}

function changedMeanwhile(owner: string): ConflictError {
  return new ConflictError(`Cannot change the reservation for ${owner}: somebody else has changed it meanwhile`);
}

const UNITS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 } as const;

/** A time in RFC 3339 from such a one, or from a span such as `90s`, `24h` or `7d` from `now` in milliseconds since 1970. */
export function parseExpiry(text: string, now: number): string {
  const [, number, unit] = /^([0-9]{1,6})([smhdw])$/.exec(text) ?? [];
  if (number !== undefined && unit !== undefined) {
    return new Date(now + Number(number) * UNITS[unit as keyof typeof UNITS] * 1000).toISOString();
  }
  const time = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new ConfigError("--expires", "must be such as 24h or 2031-01-31T12:00:00Z", { value: text });
  if (time <= now) throw new ConfigError("--expires", "is over", { value: text });
  return new Date(time).toISOString();
}
