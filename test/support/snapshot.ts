/** What tests could leave behind: a list of it before and after them, to compare. */

import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { listLinks } from "../../src/linux/netlink/rtnetlink/link/link.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../../src/linux/netlink/socket.ts";
import { listNamedNetns } from "../../src/linux/netns.ts";
import { OWN_PREFIX } from "./namespaces.ts";

/** The kernel takes a namespace's links and a process's entries away some time after the call that ended them. */
const PATIENCE_MS = 4_000;

/**
 * One line for each thing: this thread's network namespace, its links and nf_tables tables, named namespaces of this
 * process, child processes, open files and sockets, and all files below the folders.
 */
export function snapshot(folders: readonly string[] = []): string[] {
  return [
    `inside ${readlinkSync("/proc/thread-self/ns/net")}`,
    ...links(),
    ...nftTables(),
    // Namespaces of other names belong to other processes on this machine, which come and go meanwhile.
    ...listNamedNetns().flatMap((name) => (name.startsWith(OWN_PREFIX) ? [`namespace ${name}`] : [])),
    ...children(),
    ...openDescriptors(),
    ...folders.flatMap(filesBelow),
  ].sort();
}

/** Takes a snapshot before the tests of a file, and after them fails unless everything is as it was. */
export function expectNothingLeft(...folders: readonly string[]): void {
  let before: string[] = [];
  beforeAll(() => {
    before = snapshot(folders);
  });
  afterAll(async () => {
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline && !Bun.deepEquals(snapshot(folders), before)) await Bun.sleep(20);
    expect(snapshot(folders)).toEqual(before);
  });
}

function links(): string[] {
  const socket = new NetlinkSocket(NETLINK_ROUTE);
  try {
    return listLinks(socket).map(({ index, name, master }) => `link ${index} ${name} master ${master ?? "none"}`);
  } finally {
    socket.close();
  }
}

function nftTables(): string[] {
  if (Bun.which("nft") === null) return [];
  const lines = Bun.spawnSync(["nft", "list", "tables"]).stdout.toString().split("\n");
  return lines.filter((line) => line !== "").map((line) => `nft ${line}`);
}

function children(): string[] {
  const pids = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ");
  return pids.flatMap((pid) => (existsSync(`/proc/${pid}/cmdline`) && pid !== "" ? [`process ${pid}`] : []));
}

/** Sockets, namespaces and files; not the pipes and socket pairs that the runtime makes and keeps for itself. */
export function openDescriptors(): string[] {
  const local = readFileSync("/proc/net/unix", "utf8");
  const lines = readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      const inode = /^socket:\[([0-9]+)\]$/.exec(target)?.[1];
      if (inode !== undefined && new RegExp(`\\b${inode}\\b`).test(local)) return [];
      return /^(socket:|net:|\/(?!dev|proc|memfd:))/.test(target)
        ? [`open ${target.replace(/^socket:.*/, "socket")}`]
        : [];
    } catch {
      // The descriptor by which the folder was read.
      return [];
    }
  });
  return lines.sort();
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true }).map((path) => `file ${folder}/${path}`);
}
