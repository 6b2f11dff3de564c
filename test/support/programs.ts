/** The programs that the interop tests run: ours as it is built, and the real peers. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { isStatic } from "../../scripts/setup/elf.ts";
import type { Need } from "./needs.ts";

const dist = join(import.meta.dir, "../../dist");

/** Our executable. */
export const tendril = join(dist, "tendril");

/** The folder with a link to it for each plugin. */
export const ourPlugins = join(dist, "cni");

/** The reference plugins; empty where there are none. */
export const peerPlugins = process.env.TENDRIL_PEER_PLUGINS ?? "";

/** cnitool, the reference library's command; empty where there is none. */
export const cnitool = process.env.TENDRIL_PEER_CNITOOL ?? "";

export const built: Need = () =>
  existsSync(tendril) && existsSync(ourPlugins) ? undefined : "dist/tendril is not built (npm run build)";

/** Reference plugins of these names, which speak a version of the specification. */
export function peers(version: string, ...names: readonly string[]): Need {
  return () => {
    if (peerPlugins === "") return "TENDRIL_PEER_PLUGINS names no folder of reference plugins";
    for (const name of names) {
      const path = join(peerPlugins, name);
      if (!existsSync(path)) return `"${peerPlugins}" has no "${name}"`;
      const env = { CNI_COMMAND: "VERSION" };
      const { stdout } = Bun.spawnSync([path], { env, stdin: Buffer.from(JSON.stringify({ cniVersion: version })) });
      const { supportedVersions } = JSON.parse(stdout.toString()) as { supportedVersions: string[] };
      if (!supportedVersions.includes(version)) return `"${path}" does not speak version ${version}`;
    }
    return undefined;
  };
}

export const hasCnitool: Need = () => (existsSync(cnitool) ? undefined : "TENDRIL_PEER_CNITOOL names no cnitool");

/** A busybox that runs by itself in an empty root file system: one that is linked to no library. */
export const staticBusybox: Need = () => {
  const path = Bun.which("busybox");
  if (path === null) return `no program "busybox" on PATH`;
  return isStatic(path) ? undefined : `"${path}" needs libraries (the package busybox-static does not)`;
};
