/**
 * Takes a test cluster down: by the names of its namespaces, its control groups and its folder, so it needs no memory of
 * what was made, and works on what a crash has left.
 */

import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { signalProcess } from "../../src/lab/processes.ts";
import { fileErrorCode } from "../../src/linux/file.ts";
import { deleteNamedNetns, namedNetnsPath } from "../../src/linux/netns.ts";
import { cgroupsNamed, removeCgroups } from "./cgroups.ts";
import { CLUSTERS_FOLDER, cgroupName, clusterFolder, netnsNamesOf } from "./names.ts";
import { until } from "./until.ts";

/** The file in a cluster's folder that has the number of the process which ends it; none has one that is to be kept. */
export const OWNER = "owner";

/** Ends all processes of a cluster and removes all that it has. */
export async function takeDown(cluster: string): Promise<void> {
  const names = netnsNamesOf(cluster);
  const networks = new Set(names.map((name) => `net:[${statSync(namedNetnsPath(name)).ino}]`));
  const living = () => processesWhose((pid) => networks.has(namespaceOf(pid, "net") ?? ""));
  const own = namespaceOf(process.pid, "pid");
  const numbered = new Set(
    living()
      .flatMap((pid) => namespaceOf(pid, "pid") ?? [])
      .filter((id) => id !== own),
  );
  const inMachines = () => processesWhose((pid) => numbered.has(namespaceOf(pid, "pid") ?? ""));
  // The first process of a machine takes the others with it, those of pods too. Its parent is let live, to bury it.
  await end("the machines are off", inMachines);
  await end("no process is left", living);
  for (const name of names) deleteNamedNetns(name);
  await until(
    "the control groups are empty",
    () => {
      removeCgroups(cgroupName(cluster));
      return true;
    },
    { every: 10 },
  );
  rmSync(clusterFolder(cluster), { recursive: true, force: true });
  try {
    rmdirSync(CLUSTERS_FOLDER);
  } catch (error) {
    if (!["ENOTEMPTY", "ENOENT"].includes(fileErrorCode(error) ?? "")) throw error;
  }
}

async function end(what: string, list: () => number[]): Promise<void> {
  for (const pid of list()) signalProcess(pid, "SIGKILL");
  await until(what, () => list().length === 0, { every: 10, details: () => list().map(describe).join("; ") });
}

/** Takes down the clusters whose makers are gone without having done so. */
export async function sweep(): Promise<void> {
  if (!existsSync(CLUSTERS_FOLDER)) return;
  for (const cluster of readdirSync(CLUSTERS_FOLDER)) {
    const owner = join(clusterFolder(cluster), OWNER);
    if (existsSync(owner) && !existsSync(`/proc/${readFileSync(owner, "utf8")}`)) await takeDown(cluster);
  }
}

/** What there is of a cluster, a line for each thing; nothing after it has been taken down. */
export function traces(cluster: string): string[] {
  const folder = clusterFolder(cluster);
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return [
    ...netnsNamesOf(cluster).map((name) => `namespace ${name}`),
    ...processesWhose((pid) => describe(pid).includes(folder)).map(describe),
    ...cgroupsNamed(cgroupName(cluster)).map((path) => `control group ${path}`),
    ...mounts.filter((line) => line.includes(folder)).map((line) => `mount ${line}`),
    ...(existsSync(folder) ? [`folder ${folder}`] : []),
  ];
}

/** What a process's namespace is called; undefined for one that has gone, or that is none of ours to look at. */
function namespaceOf(pid: number, kind: "net" | "pid"): string | undefined {
  return ofProcess(() => readlinkSync(`/proc/${pid}/ns/${kind}`));
}

function describe(pid: number): string {
  const command = ofProcess(() => readFileSync(`/proc/${pid}/cmdline`, "utf8")) ?? "";
  return `process ${pid} ${command.replaceAll("\0", " ")}`;
}

function ofProcess<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES"].includes(fileErrorCode(error) ?? "")) return undefined;
    throw error;
  }
}

function processesWhose(isWanted: (pid: number) => boolean): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isWanted(pid));
}
