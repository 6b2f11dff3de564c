/** The reference plugins, run as a runtime runs them. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Result } from "../../core/result.ts";
import type { TestCall } from "./call.ts";

export interface PeerAnswer {
  readonly result?: Result;
  readonly error?: { readonly code: number; readonly msg: string };
}

/** The executable of a reference plugin, or why it cannot be had. */
export function findPeer(name: string): { readonly path: string } | { readonly missing: string } {
  const folder = process.env.TENDRIL_PEER_PLUGINS;
  if (folder === undefined || folder === "") return { missing: "TENDRIL_PEER_PLUGINS names no folder" };
  const path = join(folder, name);
  return existsSync(path) ? { path } : { missing: `there is no "${path}"` };
}

/** Starts a reference plugin with one call. */
export async function callPeer(path: string, call: TestCall): Promise<PeerAnswer> {
  const child = Bun.spawn([path], {
    env: {
      CNI_COMMAND: call.verb.toUpperCase(),
      CNI_CONTAINERID: call.containerId,
      CNI_NETNS: "/var/run/netns/none",
      CNI_IFNAME: call.ifname ?? "eth0",
      CNI_PATH: join(path, ".."),
      CNI_ARGS: Object.entries(call.args ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(";"),
    },
    stdin: new Blob([JSON.stringify(call.config)]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) return { error: JSON.parse(text) };
  if (text.trim() === "") return {};
  const { cniVersion: _, ...result } = JSON.parse(text) as Result & { cniVersion: string };
  return { result: withoutEmptyDns(result) };
}

/** The reference always writes `dns`, empty or not. */
function withoutEmptyDns(result: Result): Result {
  const { dns, ...rest } = result;
  return dns === undefined || Object.keys(dns).length === 0 ? rest : result;
}
