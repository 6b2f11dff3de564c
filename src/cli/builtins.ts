/**
 * The plugins that this program is, wired to the machine that it runs on.
 *
 * A process is one of them, so each is loaded by itself when it is asked for. IPAM plugins are asked for in the middle
 * of a call, which is synchronous.
 */

import { resolvePlugin } from "../cni/delegate.ts";
import { late } from "../core/late.ts";
import type { Planner } from "../core/planner.ts";
import type { Plugin } from "../core/plugin.ts";
import { bootId } from "../linux/boot.ts";
import { attachments } from "../plan/attachment.ts";
import type { Environment } from "../plan/service.ts";
import { type PluginType, pluginTypes } from "../plugins/types.ts";
import { kernelKinds } from "../resources/kinds.ts";

/** The folder of state that lasts until the next boot, unless TENDRIL_RUN_DIR names another one. */
export const DEFAULT_RUN_FOLDER = "/run/tendril";

/**
 * Ends the process with SIGKILL after so many steps: how the tests prove that a crash at any point leaves nothing
 * behind. No other use.
 */
const KILL_AFTER = "TENDRIL_TEST_KILL_AFTER_STEP";

const hostLocal = late(
  ["host-local"],
  () => import("../ipam/host-local/index.ts"),
  () => require("../ipam/host-local/index.ts"),
);
const staticIpam = late(
  ["static"],
  () => import("../ipam/static.ts"),
  () => require("../ipam/static.ts"),
);

const loaders: Readonly<Record<PluginType, () => Promise<Plugin>>> = {
  bandwidth: () => import("../plugins/chained/bandwidth.ts").then(({ bandwidth }) => planned(bandwidth)),
  bridge: () => import("../plugins/interface/bridge.ts").then(({ bridge }) => planned(bridge)),
  firewall: () => import("../plugins/chained/firewall.ts").then(({ firewall }) => planned(firewall)),
  "host-device": () => import("../plugins/interface/host-device.ts").then(({ hostDevice }) => planned(hostDevice)),
  loopback: () => import("../plugins/interface/loopback.ts").then(({ loopback }) => planned(loopback)),
  portmap: () => import("../plugins/chained/portmap.ts").then(({ portmap }) => planned(portmap)),
  ptp: () => import("../plugins/interface/ptp.ts").then(({ ptp }) => planned(ptp)),
  dummy: () => import("../plugins/interface/dummy.ts").then(({ dummy }) => planned(dummy)),
  ipvlan: () => import("../plugins/interface/ipvlan.ts").then(({ ipvlan }) => planned(ipvlan)),
  macvlan: () => import("../plugins/interface/macvlan.ts").then(({ macvlan }) => planned(macvlan)),
  vlan: () => import("../plugins/interface/vlan.ts").then(({ vlan }) => planned(vlan)),
  vrf: () => import("../plugins/chained/vrf.ts").then(({ vrf }) => planned(vrf)),
  "host-local": () => import("../ipam/host-local/index.ts").then(({ hostLocal }) => hostLocal),
  static: () => import("../ipam/static.ts").then(({ staticIpam }) => staticIpam),
  tap: () => import("../plugins/interface/tap.ts").then(({ tap }) => planned(tap)),
  sbr: () => import("../plugins/chained/sbr.ts").then(({ sbr }) => planned(sbr)),
  tuning: () => import("../plugins/chained/tuning.ts").then(({ tuning }) => planned(tuning)),
};

function ipam(type: string): Plugin | undefined {
  switch (type) {
    case "host-local":
      return hostLocal().hostLocal;
    case "static":
      return staticIpam().staticIpam;
    default:
      return undefined;
  }
}

/** The plugin of a type, or undefined where this program is none of that name. */
export async function loadBuiltin(type: string): Promise<Plugin | undefined> {
  return isBuiltin(type) ? await loaders[type]() : undefined;
}

/** The same for whoever does not know beforehand which ones will be asked for: all are loaded. */
export async function loadBuiltins(): Promise<(type: string) => Plugin | undefined> {
  const loaded = new Map<string, Plugin>();
  for (const type of pluginTypes) loaded.set(type, await loaders[type]());
  return (type) => loaded.get(type);
}

function isBuiltin(type: string): type is PluginType {
  return (pluginTypes as readonly string[]).includes(type);
}

function planned<C>(planner: Planner<C>): Plugin {
  return attachments(planner, environment());
}

function environment(): Environment {
  return {
    runFolder: process.env.TENDRIL_RUN_DIR || DEFAULT_RUN_FOLDER,
    bootId: bootId(),
    kinds: kernelKinds,
    resolveIpam: (type) => resolvePlugin(type, ipam),
    step: killSwitch(process.env[KILL_AFTER]),
  };
}

function killSwitch(after: string | undefined): (() => void) | undefined {
  if (after === undefined) return undefined;
  let left = Number(after);
  return () => {
    left--;
    if (left === 0) process.kill(process.pid, "SIGKILL");
  };
}
