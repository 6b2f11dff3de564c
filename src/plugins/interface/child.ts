/** What macvlan, ipvlan and vlan have in common: the container's interface is made from another link, the master. */

import { ConfigError } from "../../core/errors.ts";
import type { IpvlanLink, MacvlanLink, Plan, VlanLink } from "../../core/plan.ts";
import { DEFAULT_ROUTE, type Facts, type LinkFact, type LinkQuestion } from "../../core/planner.ts";
import type { Dns, Result, ResultAddress } from "../../core/result.ts";
import { boolean, interfaceName, optional, type Schema, withDefault } from "../../core/schema.ts";
import { type AddressOptions, dnsOf, planAddresses, planRoutes, planUp } from "../container-interface.ts";
import { optionalMtu } from "../interface-fields.ts";

export interface ChildConfig {
  /** Undefined for the link of the default route. */
  readonly master: string | undefined;
  /** The master is in the container, not in the host. */
  readonly linkInContainer: boolean;
  /** In bytes; the master's when absent. */
  readonly mtu: number | undefined;
  readonly dns: Dns | undefined;
}

/** The empty string names nothing. */
const nameOrNothing: Schema<string | undefined> = (value, field) =>
  value === "" ? undefined : interfaceName(value, field);

export const childFields = {
  master: optional(nameOrNothing),
  linkInContainer: withDefault(boolean, false),
  mtu: optionalMtu,
};

type Place = Pick<ChildConfig, "master" | "linkInContainer">;

export function masterQuestion({ master, linkInContainer }: Place): LinkQuestion {
  return { where: linkInContainer ? "container" : "host", name: master ?? DEFAULT_ROUTE };
}

/** The master as it is; where nothing is to be made, it may be missing. Throws ConfigError. */
export function masterOf(config: ChildConfig, facts: Facts): LinkFact | undefined {
  const { where, name } = masterQuestion(config);
  const found = facts.links.get(`${where}/${name}`);
  if (facts.adopted !== undefined || facts.recovering) return found;
  const problem = masterProblem(config, found);
  if (problem === undefined) return found;
  throw problem;
}

/** Why the plugin could not make an interface from the master. */
export function masterObstacles(config: ChildConfig, links: Facts["links"]): string[] {
  const { where, name } = masterQuestion(config);
  // Of a container nobody knows before its time.
  const problem = where === "host" ? masterProblem(config, links.get(`${where}/${name}`)) : undefined;
  return problem === undefined ? [] : [problem.message];
}

function masterProblem({ master, linkInContainer, mtu }: ChildConfig, found: LinkFact | undefined) {
  const where = linkInContainer ? "container" : "host";
  if (found === undefined && master === undefined) {
    return new ConfigError("master", `is missing, and the ${where} has no default route to tell which link is meant`);
  }
  if (found === undefined) {
    return new ConfigError("master", `must name a link, and there is none of this name in the ${where}`, {
      value: master,
    });
  }
  if (mtu === undefined || mtu <= found.mtu) return undefined;
  return new ConfigError("mtu", `must not be above ${found.mtu}, the MTU of master "${found.name}"`, { value: mtu });
}

/** What is the same in the resource of each of them. `own` is the MAC that it is to have, if not the master's. */
export function childLink(config: ChildConfig, facts: Facts, own?: string) {
  const { where } = masterQuestion(config);
  const name = masterOf(config, facts)?.name ?? config.master;
  return {
    kind: "link",
    where: "container",
    name: facts.key.ifname,
    mac: adoptedMac(facts) ?? own,
    mtu: config.mtu,
    parent: name === undefined ? undefined : { where, name },
  } as const;
}

/** Another vendor's ADD has chosen a MAC of its own. */
function adoptedMac({ adopted, key, netns }: Facts): string | undefined {
  return adopted?.interfaces?.find(({ name, sandbox }) => name === key.ifname && sandbox === netns)?.mac;
}

/** The link, with the addresses and routes that it gets, if there are any. */
export function planChild(
  link: MacvlanLink | IpvlanLink | VlanLink,
  config: ChildConfig,
  facts: Facts,
  given: Result | undefined,
): Plan {
  const ips = given?.ips?.map(({ address, gateway }): ResultAddress => ({ address, gateway, interface: 0 }));
  const routes = given && (given.routes ?? []);
  const mac = link.mac ?? masterOf(config, facts)?.mac;
  return {
    resources: [
      link,
      ...planAddresses(link.name, ips ?? [], facts.adopted === undefined ? ANNOUNCED : AS_OTHERS_DO),
      planUp(link.name),
      ...planRoutes(link.name, ips ?? [], routes ?? []),
    ],
    result: {
      interfaces: [{ name: link.name, mac, sandbox: facts.netns }],
      ips,
      routes,
      dns: dnsOf(config, facts),
    },
  };
}

/** On a wire that other machines are on as well. */
const ANNOUNCED: AddressOptions = { announce: [4, 6] };

/** What another vendor's ADD has left: addresses that are tested for duplicates. */
const AS_OTHERS_DO: AddressOptions = { duplicateDetection: true };
