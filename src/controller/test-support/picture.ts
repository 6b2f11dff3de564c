/** Pictures of clusters for tests of what is planned on them. */

import { poolDocuments } from "../../core/cluster.ts";
import type { Documents } from "../../store/collection.ts";
import type { Picture, Pool } from "../picture.ts";
import type { PoolStatus } from "../pool-status.ts";

export function documents<T>(values: Readonly<Record<string, T>>): Documents<T> {
  return new Map(Object.entries(values).map(([name, value]) => [name, { name, value, revision: `of ${name}` }]));
}

/** A pool of these fields, of which nothing has been told. */
export function pool(fields: object, status: PoolStatus = {}): Pool {
  return { uid: "u", generation: 1, record: poolDocuments.parse({ version: 1, ...fields }), status };
}

export function pictureOf(kinds: { readonly [K in keyof Picture]?: Parameters<typeof documents>[0] }): Picture {
  const all = (kind: keyof Picture) => documents(kinds[kind] ?? {});
  return {
    pools: all("pools"),
    blocks: all("blocks"),
    reservations: all("reservations"),
    nodes: all("nodes"),
    machines: all("machines"),
    pods: all("pods"),
    statefulSets: all("statefulSets"),
    serviceNetworks: all("serviceNetworks"),
  } as Picture;
}

export function node(fields: object = {}): object {
  return { version: 1, addresses: ["192.0.2.1/24"], modes: [], labels: {}, epoch: 1, ...fields };
}

export function machine(fields: object = {}): object {
  return { uid: "m", since: 0, addresses: ["192.0.2.1"], os: "linux", ...fields };
}

export function block(fields: object): object {
  return { version: 1, pool: "default", epoch: 1, offered: [], lent: {}, ...fields };
}
