/** What a configuration is compared by, and what configurations are made of. */

import type { Need } from "../../support/needs.ts";
import type { Config, Host } from "../../support/plugin-calls.ts";

export interface DifferentialCase {
  readonly name: string;
  /** Commands run in the host before, the same for both. */
  readonly given?: string;
  /** Commands run in the container before. */
  readonly givenInside?: string;
  readonly config: (host: Host) => Partial<Config>;
  /** What comes after it in the chain. */
  readonly chained?: (host: Host) => readonly Config[];
  readonly args?: string;
  /** Addresses that the container reaches; of the outside only through masquerade. */
  readonly reaches?: readonly string[];
  readonly reachesNot?: readonly string[];
  /** The MAC that is asked for, which must not be normalised. */
  readonly mac?: string;
  /** Whether the container is silenced as soon as it sends from another MAC. */
  readonly spoofing?: "stopped";
}

/** The configurations of one plugin, or of chains with it. */
export interface PluginCases {
  readonly plugin: string;
  /** What the group is called, where not by its plugin. */
  readonly name?: string;
  /** What the first configuration of all chains has. */
  readonly base: { readonly type: string } & Fields;
  readonly cases: readonly DifferentialCase[];
  readonly needs?: readonly Need[];
}

/** The other end of the host's uplink, which knows no way back to containers. */
export const OUTSIDE_V4 = "192.0.2.2";
export const OUTSIDE_V6 = "2001:db8::2";

export const GATEWAY_V4 = "10.77.0.1";
export const GATEWAY_V6 = "fd77::1";

export type Fields = Readonly<Record<string, unknown>>;

export const ranges =
  (...sets: Fields[][]) =>
  (host: Host, more: Fields = {}) => ({
    type: "host-local",
    dataDir: host.dataDir,
    ranges: sets,
    ...more,
  });

export const v4 = ranges([{ subnet: "10.77.0.0/24" }]);
export const v6 = ranges([{ subnet: "fd77::/64" }]);
export const dual = ranges([{ subnet: "10.77.0.0/24" }], [{ subnet: "fd77::/64" }]);
export const fixed =
  (...addresses: Fields[]) =>
  (more: Fields = {}) => ({ type: "static", addresses, ...more });

export const MAC = "02:00:5e:00:53:01";

/** The same in each version of the specification. */
export function ofVersions(config: (host: Host) => Partial<Config>): DifferentialCase[] {
  return ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"].map((cniVersion) => ({
    name: `cniVersion ${cniVersion}`,
    config: (host) => ({ cniVersion, ...config(host) }),
  }));
}
