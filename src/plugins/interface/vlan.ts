/**
 * `vlan`: gives the container a VLAN of a link of the host, its master.
 * @see https://www.cni.dev/plugins/current/main/vlan/
 */

import { ConfigError, TryAgainError } from "../../core/errors.ts";
import type { VlanLink } from "../../core/plan.ts";
import type { Facts, Planner } from "../../core/planner.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import { integer, object, withDefault } from "../../core/schema.ts";
import { requireIpam } from "../interface-fields.ts";
import {
  type ChildConfig,
  childFields,
  childLink,
  masterObstacles,
  masterOf,
  masterQuestion,
  planChild,
} from "./child.ts";

export interface VlanConfig extends ChildConfig {
  readonly master: string;
  readonly vlan: number;
}

const fields = object({ ...childFields, vlanId: withDefault(integer(0, 4094), 0) });

export const vlan: Planner<VlanConfig> = {
  type: "vlan",
  parse: parseVlanConfig,
  usesIpam: () => true,
  links: (config) => [masterQuestion(config)],
  plan(config, facts) {
    requireUp(config, facts);
    const link: VlanLink = { ...childLink(config, facts), type: "vlan", vlan: config.vlan };
    return planChild(link, config, facts, facts.ipam);
  },
  obstacles(config, links) {
    const isDown = links.get(`host/${config.master}`)?.up === false && !config.linkInContainer;
    return [...masterObstacles(config, links), ...(isDown ? [`Master "${config.master}" is down`] : [])];
  },
};

function parseVlanConfig(config: NetworkConfig): VlanConfig {
  const { master, vlanId, ...others } = fields(config, "");
  if (master === undefined) throw new ConfigError("master", "is missing: it names the link that the VLAN is of");
  requireIpam(config);
  return { ...others, master, vlan: vlanId, dns: config.dns };
}

/** The kernel does not let a VLAN come up before its master. */
function requireUp(config: VlanConfig, facts: Facts): void {
  const isNew = facts.adopted === undefined && !facts.recovering;
  if (isNew && masterOf(config, facts)?.up === false) {
    throw new TryAgainError(`Cannot attach to VLAN ${config.vlan}: master "${config.master}" is down`);
  }
}
