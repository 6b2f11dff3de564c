/** Programs of others that a lab runs in the router's namespace: etcd and BIRD. */

import { closeSync, openSync } from "node:fs";
import { TendrilError } from "../core/errors.ts";
import { ensureFolder, readTextIfExists, removeFileIfExists, writeFileAtomic } from "../linux/file.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../linux/netns.ts";
import { labFolder, netnsName, ROUTER } from "./names.ts";
import { livesIn, signalProcess } from "./processes.ts";

/** How long one has to come up or to go, in milliseconds. */
export const SERVICE_MS = 10_000;

export interface Service {
  readonly lab: string;
  /** The program's, looked for in PATH; also of its log. */
  readonly name: string;
  readonly words: readonly string[];
  /** What to say when the program is not there. */
  readonly remedy: string;
}

/** Starts a program. Throws TendrilError when it is not in PATH. */
export function startService({ lab, name, words, remedy }: Service): void {
  const path = Bun.which(name, { PATH: process.env.PATH ?? "" });
  if (path === null) {
    throw new TendrilError(`Lab "${lab}" needs the program "${name}", which is not in PATH`, { details: remedy });
  }
  ensureFolder(labFolder(lab));
  const log = openSync(serviceLogPath(lab, name), "a");
  const netns = openNetns(namedNetnsPath(netnsName(lab, ROUTER)));
  try {
    const child = inNetns(netns, () =>
      Bun.spawn([path, ...words], { cwd: "/", detached: true, stdin: "ignore", stdout: log, stderr: log }),
    );
    child.unref();
    writeFileAtomic(pidPath(lab, name), `${child.pid}\n`);
  } finally {
    closeNetns(netns);
    closeSync(log);
  }
}

/** Ends it and waits until it is gone. */
export async function stopService(lab: string, name: string): Promise<void> {
  const deadline = performance.now() + SERVICE_MS;
  for (let pid = servicePid(lab, name); pid !== undefined; pid = servicePid(lab, name)) {
    signalProcess(pid, performance.now() > deadline ? "SIGKILL" : "SIGTERM");
    await Bun.sleep(20);
  }
  removeFileIfExists(pidPath(lab, name));
}

/** The number of its process; undefined when it does not run. */
export function servicePid(lab: string, name: string): number | undefined {
  const written = readTextIfExists(pidPath(lab, name));
  const pid = Number(written);
  return written !== undefined && livesIn(pid, netnsName(lab, ROUTER)) ? pid : undefined;
}

/** The last lines of what it has written. */
export function serviceLogEnd(lab: string, name: string, lines = 10): string {
  return (readTextIfExists(serviceLogPath(lab, name)) ?? "").trimEnd().split("\n").slice(-lines).join("\n");
}

function serviceLogPath(lab: string, name: string): string {
  return `${labFolder(lab)}/${name}.log`;
}

function pidPath(lab: string, name: string): string {
  return `${labFolder(lab)}/${name}.pid`;
}
