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
import { runFolder } from "../linux/run-folder.ts";
import { attachments } from "../plan/attachment.ts";
import type { Environment } from "../plan/service.ts";
import {
  CLUSTER_IPAM,
  clusterIpamTypes,
  clusterTypes,
  EXECUTABLE,
  GATEWAY,
  ownTypes,
  type PluginType,
  pluginTypes,
} from "../plugins/types.ts";
import type { Kept } from "../resources/kernel.ts";
import { kernelKinds } from "../resources/kinds.ts";

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
const offlineIpam = late(
  [...clusterIpamTypes, ...clusterTypes],
  () => import("../ipam/cluster/offline.ts"),
  () => require("../ipam/cluster/offline.ts"),
);

type Loader = (environment: Environment, resident: Resident) => Promise<Plugin>;

type BuiltinType = PluginType | (typeof ownTypes)[number];

const loaders: Readonly<Record<BuiltinType, Loader>> = {
  bandwidth: planned(async () => (await import("../plugins/chained/bandwidth.ts")).bandwidth),
  bridge: planned(async () => (await import("../plugins/interface/bridge.ts")).bridge),
  firewall: planned(async () => (await import("../plugins/chained/firewall.ts")).firewall),
  [GATEWAY]: planned(async () => (await import("../plugins/chained/gateway.ts")).gateway),
  "host-device": planned(async () => (await import("../plugins/interface/host-device.ts")).hostDevice),
  loopback: planned(async () => (await import("../plugins/interface/loopback.ts")).loopback),
  portmap: planned(async () => (await import("../plugins/chained/portmap.ts")).portmap),
  ptp: planned(async () => (await import("../plugins/interface/ptp.ts")).ptp),
  dummy: planned(async () => (await import("../plugins/interface/dummy.ts")).dummy),
  ipvlan: planned(async () => (await import("../plugins/interface/ipvlan.ts")).ipvlan),
  macvlan: planned(async () => (await import("../plugins/interface/macvlan.ts")).macvlan),
  vlan: planned(async () => (await import("../plugins/interface/vlan.ts")).vlan),
  whereabouts: async (_, resident) => ipamOf(resident, "whereabouts") as Plugin,
  vrf: planned(async () => (await import("../plugins/chained/vrf.ts")).vrf),
  "host-local": async () => (await import("../ipam/host-local/index.ts")).hostLocal,
  static: async () => (await import("../ipam/static.ts")).staticIpam,
  minicni: cluster("minicni"),
  simplecni: cluster("simplecni"),
  tendril: cluster("tendril"),
  testcni: cluster("testcni"),
  tap: planned(async () => (await import("../plugins/interface/tap.ts")).tap),
  sbr: planned(async () => (await import("../plugins/chained/sbr.ts")).sbr),
  tuning: planned(async () => (await import("../plugins/chained/tuning.ts")).tuning),
};

/** The IPAM plugin of a type: the resident's where it has one. */
function ipamOf({ ipam }: Resident, type: string): Plugin | undefined {
  const resident = ipam?.(type);
  if (resident !== undefined) return resident;
  if (type === "host-local") return hostLocal().hostLocal;
  if (type === "static") return staticIpam().staticIpam;
  return clusterIpamTypes.includes(type) ? offlineIpam().offlineIpam(type, runFolder()) : undefined;
}

/** The plugin of a type, or undefined where this program is none of that name. */
export async function loadBuiltin(type: string, resident: Resident = {}): Promise<Plugin | undefined> {
  if (type === CLUSTER_IPAM) return ipamOf(resident, EXECUTABLE);
  return isBuiltin(type) ? await loaders[type](environment(resident), resident) : undefined;
}

/** The same for whoever does not know beforehand which ones will be asked for: all are loaded. */
export async function loadBuiltins(resident: Resident = {}): Promise<(type: string) => Plugin | undefined> {
  const loaded = new Map<string, Plugin>();
  const served = environment(resident);
  for (const type of [...pluginTypes, ...ownTypes]) loaded.set(type, await loaders[type](served, resident));
  return (type) => (type === CLUSTER_IPAM ? ipamOf(resident, EXECUTABLE) : loaded.get(type));
}

/** What a process has in hand that stays and serves many calls. */
export interface Resident {
  readonly kept?: Kept;
  /** IPAM plugins that live in it. */
  readonly ipam?: ((type: string) => Plugin | undefined) | undefined;
}

function isBuiltin(type: string): type is BuiltinType {
  return [...pluginTypes, ...ownTypes].includes(type as BuiltinType);
}

function planned<C>(load: () => Promise<Planner<C>>): Loader {
  return async (environment) => attachments(await load(), environment);
}

function cluster(type: string): Loader {
  return planned(async () => (await import("../plugins/interface/tendril.ts")).clusterPlanner(type));
}

function environment(resident: Resident): Environment {
  return {
    runFolder: runFolder(),
    bootId: bootId(),
    kinds: kernelKinds,
    resolveIpam: (type) => resolvePlugin(type, (one) => ipamOf(resident, one)),
    kept: resident.kept,
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
