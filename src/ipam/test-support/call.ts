/** Calls of IPAM plugins as tests make them, in this process or in another one. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Call, NetworkConfig, Plugin } from "../../core/plugin.ts";

export const VERBS = ["add", "check", "del", "gc", "status"] as const;

/** A call as data. */
export interface TestCall {
  readonly verb: (typeof VERBS)[number];
  readonly containerId: string;
  readonly ifname?: string;
  readonly config: NetworkConfig;
  readonly args?: Readonly<Record<string, string>>;
}

/** The configuration of a network whose IPAM section is given. */
export function networkConfig(
  ipam: Record<string, unknown>,
  more: Record<string, unknown> & { name?: string; cniVersion?: string } = {},
): NetworkConfig {
  return { cniVersion: "1.1.0", name: "net", type: "bridge", ipam: { type: "host-local", ...ipam }, ...more };
}

/** The call as a plugin gets it; warnings go into the list. */
export function makeCall(test: Omit<TestCall, "verb">, warnings: string[] = []): Call {
  const args = Object.entries(test.args ?? {});
  return {
    config: test.config,
    stdin: JSON.stringify(test.config),
    path: [],
    warn: (sentence) => warnings.push(sentence),
    containerId: test.containerId,
    ifname: test.ifname ?? "eth0",
    netns: "/var/run/netns/none",
    cniArgs: args.map(([key, value]) => `${key}=${value}`).join(";"),
    args: new Map(args),
  };
}

/** What a call came to: its answer, or the class and message of its error. */
export interface Outcome {
  readonly result?: unknown;
  readonly error?: { readonly name: string; readonly message: string; readonly details?: string };
  readonly warnings: readonly string[];
}

export function runCall(plugin: Plugin, test: TestCall): Outcome {
  const warnings: string[] = [];
  try {
    return { result: plugin[test.verb](makeCall(test, warnings)) ?? null, warnings };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const details = "details" in error && typeof error.details === "string" ? { details: error.details } : {};
    return { error: { name: error.name, message: error.message, ...details }, warnings };
  }
}

/** Runs `work` in a folder of its own, which is removed afterwards. */
export function inTemporaryFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "tendril-ipam-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  let result: T;
  try {
    result = work(folder);
  } catch (error) {
    remove();
    throw error;
  }
  if (result instanceof Promise) return result.finally(remove) as T;
  remove();
  return result;
}
