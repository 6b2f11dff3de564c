/** What figures depend on. */

import { readFileSync } from "node:fs";

/** Facts of this machine, by their names. */
export function machine(): Readonly<Record<string, string>> {
  const cpus = readFileSync("/proc/cpuinfo", "utf8").match(/^model name\s*:.*$/gm) ?? [];
  const [load] = readFileSync("/proc/loadavg", "utf8").split(" ");
  return {
    cores: String(navigator.hardwareConcurrency),
    processor: cpus[0]?.replace(/^.*:\s*/, "") ?? "unknown",
    kernel: readFileSync("/proc/sys/kernel/osrelease", "utf8").trim(),
    bun: Bun.version,
    "load at the end": load ?? "unknown",
  };
}
