/**
 * `tap`: gives the container an interface whose other end is a program, such as a virtual machine's.
 * @see https://www.cni.dev/plugins/current/main/tap/
 */

import { ConfigError } from "../../core/errors.ts";
import { attachmentMac } from "../../core/names.ts";
import type { Plan, TapLink } from "../../core/plan.ts";
import type { Facts, Planner } from "../../core/planner.ts";
import type { Call, NetworkConfig } from "../../core/plugin.ts";
import type { Dns, ResultAddress } from "../../core/result.ts";
import {
  boolean,
  integer,
  interfaceName,
  object,
  optional,
  type Schema,
  text,
  withDefault,
} from "../../core/schema.ts";
import { dnsOf, planAddresses, planRoutes, planUp } from "../container-interface.ts";
import { hasIpam, macOrNothing, optionalMtu } from "../interface-fields.ts";

export interface TapConfig {
  readonly multiQueue: boolean;
  /** In bytes; the kernel's default when absent. */
  readonly mtu: number | undefined;
  readonly mac: string | undefined;
  readonly owner: number | undefined;
  readonly group: number | undefined;
  readonly selinuxContext: string | undefined;
  /** A bridge of the container. */
  readonly bridge: string | undefined;
  readonly usesIpam: boolean;
  readonly dns: Dns | undefined;
}

/** The largest number says none. */
const id = integer(0, 0xfffffffe);

/** Such as `system_u:system_r:container_t:s0`; what the shell or the kernel take for an end is none. */
const context: Schema<string> = (value, field) => {
  const given = text(value, field);
  if (/^[\w.:,-]+$/.test(given)) return given;
  throw new ConfigError(field, "must be a context such as system_u:system_r:container_t:s0", { value });
};

const emptyIsNone = (schema: Schema<string>) =>
  optional<string | undefined>((value, field) => (value === "" ? undefined : schema(value, field)));

const fields = object({
  multiQueue: withDefault(boolean, false),
  mtu: optionalMtu,
  mac: optional(macOrNothing),
  owner: optional(id),
  group: optional(id),
  selinuxContext: emptyIsNone(context),
  bridge: emptyIsNone(interfaceName),
  runtimeConfig: optional(object<{ mac: string | undefined }>({ mac: optional(macOrNothing) })),
});

export const tap: Planner<TapConfig> = {
  type: "tap",
  parse: parseTapConfig,
  usesIpam: (config) => config.usesIpam,
  links: ({ bridge }, { ifname }) =>
    bridge === undefined || ifname === undefined ? [] : [{ where: "container", name: bridge }],
  plan: planTap,
  obstacles: () => [],
};

function parseTapConfig(config: NetworkConfig, args: Call["args"]): TapConfig {
  const { runtimeConfig, mac, ...rest } = fields(config, "");
  const fromArgs = args.get("MAC");
  const asked = runtimeConfig?.mac ?? (fromArgs === undefined ? undefined : macOrNothing(fromArgs, "CNI_ARGS MAC"));
  return { ...rest, mac: asked ?? mac, usesIpam: hasIpam(config), dns: config.dns };
}

function planTap(config: TapConfig, facts: Facts): Plan {
  const { key, netns, ipam } = facts;
  const link = planLink(config, facts);
  const ips = (ipam?.ips ?? []).map(({ address, gateway }): ResultAddress => ({ address, gateway, interface: 0 }));
  const routes = ipam?.routes ?? [];
  return {
    resources: [
      link,
      ...planAddresses(key.ifname, ips, { announce: [4] }),
      planUp(key.ifname),
      ...planRoutes(key.ifname, ips, routes),
    ],
    result: {
      interfaces: [{ name: key.ifname, mac: link.mac, sandbox: netns }],
      ips: config.usesIpam ? ips : undefined,
      routes: config.usesIpam ? routes : undefined,
      dns: dnsOf(config, facts),
    },
  };
}

/** Throws ConfigError when the container does not have the bridge. */
function planLink(config: TapConfig, { key, netns, adopted, recovering, links }: Facts): TapLink {
  const { bridge, multiQueue, mtu, owner, group, selinuxContext } = config;
  const isAdd = adopted === undefined && !recovering;
  if (isAdd && bridge !== undefined && links.get(`container/${bridge}`) === undefined) {
    throw new ConfigError("bridge", "names no link that the container has", { value: bridge });
  }
  const known = adopted?.interfaces?.find(({ name, sandbox }) => name === key.ifname && sandbox === netns);
  return {
    kind: "link",
    type: "tun",
    where: "container",
    name: key.ifname,
    mac: known?.mac ?? config.mac ?? attachmentMac("container", key),
    mtu,
    multiQueue,
    owner,
    group,
    selinuxContext,
    master: bridge,
  };
}
