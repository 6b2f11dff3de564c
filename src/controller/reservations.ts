/**
 * Reservations that were made for pods follow them: they end some time after the owner is gone for good. What an operator
 * has reserved is left to him.
 *
 * A pod that is away may come back under its name: that of a StatefulSet does, as long as the set is there and counts so
 * far. Of all others it is not known, so all are given the same time.
 */

import { lasted, type Since, stillSo } from "../cluster/since.ts";
import type { Change } from "./changes.ts";
import type { Picture } from "./picture.ts";

export interface ReservationOptions {
  /** Milliseconds of a clock that nobody sets. */
  readonly now: number;
  /** Milliseconds for which an owner must have been away. */
  readonly ownerGrace: number;
}

/** Whose a reservation is, by the words of Kubernetes. */
export interface Owner {
  readonly namespace: string;
  readonly pod: string;
  /** The set that makes pods of such a name anew, if there is one, and the pod's number in it. */
  readonly set?: { readonly name: string; readonly ordinal: number };
}

/** The pod that a reservation's owner is; undefined where it is something else, such as what an operator has named. */
export function ownerOf(owner: string): Owner | undefined {
  const [, namespace, pod] =
    /^([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)\/([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)$/.exec(owner) ?? [];
  if (namespace === undefined || pod === undefined) return undefined;
  const [, name, ordinal] = /^(.+)-(0|[1-9][0-9]*)$/.exec(pod) ?? [];
  const set = name === undefined ? undefined : { name, ordinal: Number(ordinal) };
  return { namespace, pod, ...(set && { set }) };
}

/** Whether an owner is there, or will come back. */
export function isThere({ pods, statefulSets }: Pick<Picture, "pods" | "statefulSets">, owner: Owner): boolean {
  const { namespace, pod, set } = owner;
  if (pods.has(`${namespace}/${pod}`)) return true;
  const found = set && statefulSets.get(`${namespace}/${set.name}`)?.value;
  return found !== undefined && set !== undefined && counts(found, set.ordinal);
}

/** Whether a set makes the pod of a number. */
export function counts({ first, replicas }: { first: number; replicas: number }, ordinal: number): boolean {
  return ordinal >= first && ordinal < first + replicas;
}

/** The reservations that are to end; `memory` is that of the look before. */
export function planReservations(
  picture: Pick<Picture, "reservations" | "pods" | "statefulSets">,
  memory: Since,
  { now, ownerGrace }: ReservationOptions,
): { readonly changes: Change[]; readonly memory: Since } {
  const abandoned = [...picture.reservations.values()].filter(({ value }) => {
    const owner = value.sticky || value.fixed ? ownerOf(value.owner) : undefined;
    return owner !== undefined && !isThere(picture, owner);
  });
  const next = stillSo(
    memory,
    now,
    abandoned.map(({ name }) => name),
  );
  const changes = abandoned
    .filter(({ name }) => lasted(next, name, now, ownerGrace))
    .map((reservation): Change => ({ type: "end-reservation", reservation }));
  return { changes, memory: next };
}
