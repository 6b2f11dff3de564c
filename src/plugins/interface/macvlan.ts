/**
 * `macvlan`: gives the container an interface with a MAC of its own on a link of the host, its master.
 *
 * The container is on the wire that the master is on, as if it were plugged in there; it cannot reach the host by it.
 * @see https://www.cni.dev/plugins/current/main/macvlan/
 */

import { attachmentMac } from "../../core/names.ts";
import type { MacvlanLink } from "../../core/plan.ts";
import type { Planner } from "../../core/planner.ts";
import type { Call, NetworkConfig } from "../../core/plugin.ts";
import { integer, object, oneOf, optional, withDefault } from "../../core/schema.ts";
import { askedMac, askedMacFields, hasIpam, macOrNothing, wordOrDefault } from "../interface-fields.ts";
import { type ChildConfig, childFields, childLink, masterObstacles, masterQuestion, planChild } from "./child.ts";

export interface MacvlanConfig extends ChildConfig {
  readonly mode: MacvlanLink["mode"];
  /** The MAC that is asked for. */
  readonly mac: string | undefined;
  /** Frames; the kernel's default when absent. */
  readonly broadcastQueueLength: number | undefined;
  readonly usesIpam: boolean;
}

const fields = object({
  ...childFields,
  mode: wordOrDefault(oneOf("bridge", "private", "vepa", "passthru"), "bridge"),
  mac: optional(macOrNothing),
  bcqueuelen: withDefault(integer(0, 0xffffffff), 0),
  ...askedMacFields,
});

export const macvlan: Planner<MacvlanConfig> = {
  type: "macvlan",
  parse: parseMacvlanConfig,
  usesIpam: (config) => config.usesIpam,
  links: (config) => [masterQuestion(config)],
  plan(config, facts) {
    const { mode, mac, broadcastQueueLength } = config;
    // In mode passthru it is the master, as far as the wire is concerned.
    const own = mac ?? (mode === "passthru" ? undefined : attachmentMac("container", facts.key));
    const link: MacvlanLink = { ...childLink(config, facts, own), type: "macvlan", mode, broadcastQueueLength };
    return planChild(link, config, facts, facts.ipam);
  },
  obstacles: masterObstacles,
};

function parseMacvlanConfig(config: NetworkConfig, args: Call["args"]): MacvlanConfig {
  const { master, linkInContainer, mtu, mode, mac, bcqueuelen, ...asked } = fields(config, "");
  return {
    master,
    linkInContainer,
    mtu,
    mode,
    mac: askedMac(asked, args) ?? mac,
    broadcastQueueLength: bcqueuelen === 0 ? undefined : bcqueuelen,
    usesIpam: hasIpam(config),
    dns: config.dns,
  };
}
