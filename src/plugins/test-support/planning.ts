/** Planners called with facts as the test says, without privileges. */

import { ConfigError } from "../../core/errors.ts";
import type { Plan, ResourceKindName, ResourceOf } from "../../core/plan.ts";
import type { Facts, LinkFact, Planner } from "../../core/planner.ts";
import type { NetworkConfig } from "../../core/plugin.ts";

export const KEY = { network: "net", containerId: "c1", ifname: "eth0" };
export const NETNS = "/run/netns/c1";

type Fields = Readonly<Record<string, unknown>>;
type Args = Readonly<Record<string, string>>;

/** The configuration as the planner reads it. */
export function parseWith<C>(planner: Planner<C>, fields: Fields, args: Args = {}): C {
  const config = { cniVersion: "1.1.0", name: "net", type: planner.type, ...fields } as NetworkConfig;
  return planner.parse(config, new Map(Object.entries(args)));
}

export function planWith<C>(planner: Planner<C>, fields: Fields, facts: Partial<Facts> = {}, args: Args = {}): Plan {
  const known: Facts = {
    key: KEY,
    netns: NETNS,
    bootId: "boot",
    ipam: undefined,
    prevResult: undefined,
    adopted: undefined,
    recovering: false,
    links: new Map(),
    sysctls: new Map(),
    ...facts,
  };
  return planner.plan(parseWith(planner, fields, args), known);
}

/** The resources of one kind, in order. */
export function ofKind<K extends ResourceKindName>({ resources }: Plan, kind: K): ResourceOf<K>[] {
  return resources.filter((resource) => resource.kind === kind) as ResourceOf<K>[];
}

/** A link as it may be, with the fields that the test is about. */
export function linkFact(fields: Partial<LinkFact> = {}): LinkFact {
  return {
    name: "up0",
    mac: "0a:00:00:00:00:01",
    mtu: 1500,
    up: true,
    promisc: false,
    allmulticast: false,
    txQueueLength: 1000,
    kind: undefined,
    addresses: [],
    ...fields,
  };
}

/** The links of the facts, by `<where>/<name>`. */
export function links(entries: Readonly<Record<string, Partial<LinkFact> | undefined>>): Facts["links"] {
  return new Map(Object.entries(entries).map(([key, fields]) => [key, fields && linkFact(fields)]));
}

/** The ConfigError that `work` throws. */
export function configError(work: () => unknown): ConfigError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
