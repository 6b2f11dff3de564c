/** The plugins that this program is, wired to the machine that it runs on. */

import { resolvePlugin } from "../cni/delegate.ts";
import type { Plugin } from "../core/plugin.ts";
import { hostLocal } from "../ipam/host-local/index.ts";
import { staticIpam } from "../ipam/static.ts";
import { readText } from "../linux/libc-file.ts";
import { attachments } from "../plan/attachment.ts";
import type { Environment } from "../plan/service.ts";
import { bridge } from "../plugins/interface/bridge.ts";
import { loopback } from "../plugins/interface/loopback.ts";
import type { PluginType } from "../plugins/types.ts";
import { kernelKinds } from "../resources/kinds.ts";

/** The folder of state that lasts until the next boot, unless TENDRIL_RUN_DIR names another one. */
export const DEFAULT_RUN_FOLDER = "/run/tendril";

/**
 * Ends the process with SIGKILL after so many steps: how the tests prove that a crash at any point leaves nothing
 * behind. No other use.
 */
const KILL_AFTER = "TENDRIL_TEST_KILL_AFTER_STEP";

/** The plugin of a type, or undefined where this program is none of that name. */
export function builtin(type: string): Plugin | undefined {
  return isBuiltin(type) ? makers[type]() : undefined;
}

const makers: Readonly<Record<PluginType, () => Plugin>> = {
  bridge: () => attachments(bridge, environment()),
  loopback: () => attachments(loopback, environment()),
  "host-local": () => hostLocal,
  static: () => staticIpam,
};

function isBuiltin(type: string): type is PluginType {
  return Object.hasOwn(makers, type);
}

function environment(): Environment {
  return {
    runFolder: process.env.TENDRIL_RUN_DIR || DEFAULT_RUN_FOLDER,
    bootId: readText("/proc/sys/kernel/random/boot_id").trim(),
    kinds: kernelKinds,
    resolveIpam: (type) => resolvePlugin(type, builtin),
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
