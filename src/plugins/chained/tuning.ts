/**
 * `tuning`: changes kernel parameters in the container's network namespace, and settings of the interface that the
 * plugins before it have made. DEL gives back what was there before.
 */

import { ConfigError } from "../../core/errors.ts";
import type { LinkSettingsResource, SysctlResource } from "../../core/plan.ts";
import type { Facts, LinkFact, Planner } from "../../core/planner.ts";
import type { Result } from "../../core/result.ts";
import { boolean, integer, mac, object, optional } from "../../core/schema.ts";
import { ALLOW_LIST, checkAllowed } from "./tuning-allowlist.ts";
import { parametersOf, parseTuningConfig, type TunedSettings, type TuningConfig } from "./tuning-config.ts";

export const tuning: Planner<TuningConfig> = {
  type: "tuning",
  chained: true,
  parse: parseTuningConfig,
  usesIpam: () => false,
  links: ({ settings }, { ifname }) =>
    ifname === undefined || !hasAny(settings) ? [] : [{ where: "container", name: ifname }],
  sysctls: ({ sysctl }, { ifname }) =>
    ifname === undefined ? [] : parametersOf(sysctl, ifname).map(({ name }) => ({ where: "container", name })),
  files: ({ sysctl, dataDir }, { containerId, ifname }) => [
    ...(sysctl.size > 0 ? [ALLOW_LIST] : []),
    ...(containerId === undefined || ifname === undefined ? [] : [backupPath(dataDir, containerId, ifname)]),
  ],
  plan(config, facts) {
    const isAdd = facts.adopted === undefined && !facts.recovering;
    const list = facts.files?.get(ALLOW_LIST);
    if (isAdd && list !== undefined) checkAllowed([...config.sysctl.keys()], list);
    return {
      resources: [
        ...planSysctls(config, facts, isAdd),
        ...planSettings(config, facts.key.ifname, isAdd ? presentSettings(config, facts) : backup(config, facts)),
      ],
      result: resultOf(config, facts),
    };
  },
  obstacles: () => [],
};

/** The interface's own parameters go with it; those of the namespace are put back. */
function planSysctls({ sysctl }: TuningConfig, { key, sysctls }: Facts, isAdd: boolean): SysctlResource[] {
  return parametersOf(sysctl, key.ifname).map(({ name, value }) => ({
    kind: "sysctl",
    where: "container",
    name,
    value,
    link: name.split("/").includes(key.ifname) ? key.ifname : undefined,
    restore: isAdd ? sysctls.get(`container/${name}`) : undefined,
  }));
}

/** One resource for each setting, so that the kernel's refusal is about one of them. */
function planSettings({ settings }: TuningConfig, link: string, old: TunedSettings): LinkSettingsResource[] {
  const names = ["mac", "promisc", "mtu", "allmulticast", "txQueueLength"] as const;
  return names
    .filter((name) => settings[name] !== undefined || old[name] !== undefined)
    .map((name) => ({
      kind: "link-settings",
      where: "container",
      link,
      set: { [name]: settings[name] },
      restore: old[name] === undefined ? undefined : { [name]: old[name] },
    }));
}

function hasAny(settings: TunedSettings): boolean {
  return Object.values(settings).some((value) => value !== undefined);
}

/** What the interface has now of what is to be changed. */
function presentSettings({ settings }: TuningConfig, { key, links }: Facts): TunedSettings {
  const found: LinkFact | undefined = links.get(`container/${key.ifname}`);
  if (found === undefined) return {};
  return {
    mac: settings.mac && found.mac,
    promisc: settings.promisc && found.promisc,
    mtu: settings.mtu && found.mtu,
    allmulticast: settings.allmulticast === undefined ? undefined : found.allmulticast,
    txQueueLength: settings.txQueueLength === undefined ? undefined : found.txQueueLength,
  };
}

const backupFields = object({
  mac: optional(mac),
  promisc: optional(boolean),
  mtu: optional(integer(1, 0x7fffffff)),
  allmulti: optional(boolean),
  txQLen: optional(integer(0, 0xffffffff)),
});

/** What the reference plugin has written down before it changed the interface; nothing where it has not. */
function backup({ dataDir }: TuningConfig, { key, files }: Facts): TunedSettings {
  const text = files?.get(backupPath(dataDir, key.containerId, key.ifname));
  if (text === undefined) return {};
  try {
    const { allmulti, txQLen, ...same } = backupFields(JSON.parse(text), "");
    return { ...same, allmulticast: allmulti, txQueueLength: txQLen };
  } catch (error) {
    // A file that cannot be read is as none, as it is for the reference plugin.
    if (error instanceof SyntaxError || error instanceof ConfigError) return {};
    throw error;
  }
}

function backupPath(dataDir: string, containerId: string, ifname: string): string {
  return `${dataDir}/${containerId}_${ifname}.json`;
}

/** The result of the plugin before, with the interface's MAC and MTU as they are now. */
function resultOf({ settings: { mac: changed, mtu } }: TuningConfig, { key, prevResult = {} }: Facts): Result {
  const { interfaces } = prevResult;
  if ((changed === undefined && mtu === undefined) || interfaces === undefined) return prevResult;
  const now = { ...(changed === undefined ? {} : { mac: changed }), ...(mtu === undefined ? {} : { mtu }) };
  return {
    ...prevResult,
    interfaces: interfaces.map((one) => (one.name === key.ifname && one.sandbox ? { ...one, ...now } : one)),
  };
}
