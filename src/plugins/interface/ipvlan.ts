/**
 * `ipvlan`: gives the container an interface behind the MAC of a link of the host, its master.
 *
 * Chained after another plugin it may take the master and the addresses from that one's result.
 * @see https://www.cni.dev/plugins/current/main/ipvlan/
 */

import { ConfigError } from "../../core/errors.ts";
import type { IpvlanLink } from "../../core/plan.ts";
import type { Facts, Planner } from "../../core/planner.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import type { Result } from "../../core/result.ts";
import { object, oneOf } from "../../core/schema.ts";
import { hasIpam, wordOrDefault } from "../interface-fields.ts";
import { type ChildConfig, childFields, childLink, masterObstacles, masterQuestion, planChild } from "./child.ts";

export interface IpvlanConfig extends ChildConfig {
  readonly mode: IpvlanLink["mode"];
  readonly usesIpam: boolean;
}

const fields = object({ ...childFields, mode: wordOrDefault(oneOf("l2", "l3", "l3s"), "l2") });

export const ipvlan: Planner<IpvlanConfig> = {
  type: "ipvlan",
  parse(config: NetworkConfig) {
    return { ...fields(config, ""), usesIpam: hasIpam(config), dns: config.dns };
  },
  usesIpam: (config) => config.usesIpam,
  takesOver: (config) => !config.usesIpam,
  links: (config, { prevResult }) => [masterQuestion(withMaster(config, prevResult))],
  plan(config, facts) {
    requireMaster(config, facts);
    const found = withMaster(config, facts.prevResult);
    const link: IpvlanLink = { ...childLink(found, facts), type: "ipvlan", mode: config.mode };
    return planChild(link, found, facts, config.usesIpam ? facts.ipam : chainedAddresses(facts));
  },
  obstacles(config, links) {
    // Chained, the plugin before tells the master, and nobody knows yet.
    const isChained = config.master === undefined && !config.usesIpam;
    return isChained ? [] : masterObstacles(config, links);
  },
};

/** Without a master in the configuration, the one interface of the plugin before. */
function withMaster(config: IpvlanConfig, prevResult: Result | undefined): IpvlanConfig {
  const master = config.master ?? prevResult?.interfaces?.[0]?.name;
  return { ...config, master };
}

function requireMaster({ master }: IpvlanConfig, { prevResult, adopted, recovering }: Facts): void {
  if (master !== undefined || prevResult === undefined || adopted !== undefined || recovering) return;
  const names = (prevResult.interfaces ?? []).map(({ name }) => name);
  if (names.length === 1 && names[0] !== "") return;
  throw new ConfigError("master", 'is missing, and "prevResult" must have one interface then, but has', {
    value: names,
  });
}

/** Without an IPAM plugin, what the plugin before has got. */
function chainedAddresses({ prevResult, recovering }: Facts): Result | undefined {
  if (prevResult?.ips?.length || recovering) return prevResult;
  throw new ConfigError("ipam", 'is missing: ipvlan needs addresses, and there are none in "prevResult" either');
}
