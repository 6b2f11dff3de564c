/** The programs that the interop tests run: ours as it is built, and the real peers. */

import { existsSync } from "node:fs";
import { join } from "node:path";
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

/** Reference plugins of these names. */
export function peers(...names: readonly string[]): Need {
  return () => {
    const missing = names.filter((name) => !existsSync(join(peerPlugins, name)));
    if (peerPlugins === "") return "TENDRIL_PEER_PLUGINS names no folder of reference plugins";
    return missing.length === 0 ? undefined : `"${peerPlugins}" has no ${missing.join(", ")}`;
  };
}

export const hasCnitool: Need = () => (existsSync(cnitool) ? undefined : "TENDRIL_PEER_CNITOOL names no cnitool");
