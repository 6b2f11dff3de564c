/** Processes of a lab, found by the network namespaces that they live in: no list of them can be lost or out of date. */

import { readdirSync } from "node:fs";
import { fileErrorCode } from "../linux/file.ts";
import { closeNetns, namedNetnsPath, openNetnsIfExists } from "../linux/netns.ts";

/** How long processes have to end by themselves, and to be gone after they were killed, in milliseconds. */
const GRACE_MS = 500;
const KILLED_MS = 2_000;

/** Ends the processes that live in the named namespaces, such as agents and shells, and counts them. */
export function endProcesses(netnsNames: readonly string[]): number {
  const namespaces = new Set(netnsNames.flatMap((name) => netnsId(namedNetnsPath(name)) ?? []));
  const found = processesIn(namespaces);
  for (const pid of found) signalProcess(pid, "SIGHUP");
  for (const pid of found) signalProcess(pid, "SIGTERM");
  // One that is stopped hears no signal but that which kills.
  const deadline = performance.now() + GRACE_MS;
  while (processesIn(namespaces).length > 0 && performance.now() < deadline) Bun.sleepSync(5);
  killIn(namespaces);
  return found.length;
}

/** Ends them at once, as a power cut does. */
export function killProcesses(netnsNames: readonly string[]): void {
  killIn(new Set(netnsNames.flatMap((name) => netnsId(namedNetnsPath(name)) ?? [])));
}

/** Whether a process lives in a named namespace. */
export function livesIn(pid: number, netnsName: string): boolean {
  const id = netnsId(namedNetnsPath(netnsName));
  return id !== undefined && netnsId(`/proc/${pid}/ns/net`) === id;
}

/** Sends a signal; to a process that is gone it is not an error. */
export function signalProcess(pid: number, name: "SIGHUP" | "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (fileErrorCode(error) !== "ESRCH") throw error;
  }
}

/** Also those that one of them starts meanwhile. */
function killIn(namespaces: ReadonlySet<string>): void {
  const deadline = performance.now() + KILLED_MS;
  for (;;) {
    const left = processesIn(namespaces);
    if (left.length === 0 || performance.now() > deadline) return;
    for (const pid of left) signalProcess(pid, "SIGKILL");
    Bun.sleepSync(5);
  }
}

function processesIn(namespaces: ReadonlySet<string>): number[] {
  if (namespaces.size === 0) return [];
  return (
    readdirSync("/proc")
      .filter((name) => /^[0-9]+$/.test(name))
      .map(Number)
      // A process that is ending is in none any more.
      .filter((pid) => pid !== process.pid && namespaces.has(netnsId(`/proc/${pid}/ns/net`) ?? ""))
  );
}

/** The identity of the namespace at a path; undefined for the empty file that an interrupted `up` has left. */
function netnsId(path: string): string | undefined {
  const netns = openNetnsIfExists(path);
  if (netns === undefined) return undefined;
  closeNetns(netns);
  return netns.id;
}
