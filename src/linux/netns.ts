/**
 * Network namespaces: opening, entering, naming.
 *
 * setns(2) moves one thread only. JavaScript runs on the process's main thread, so what it opens while inside, sockets
 * and /proc/sys/net files, belongs to the namespace, and children that it starts there live there.
 */

import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { KernelError, UnknownContainerError } from "../core/errors.ts";
import { fileErrorCode } from "./file.ts";
import { bindMount, CLONE_NEWNET, exitNow, SystemCallError, setns, unmount, unshare } from "./libc.ts";

/** Where ip-netns(8) keeps named namespaces. */
export const NETNS_FOLDER = "/run/netns";

const CURRENT = "/proc/thread-self/ns/net";
const NSFS_MAGIC = 0x6e736673;

/** An open network namespace. */
export interface Netns {
  readonly path: string;
  readonly fd: number;
  /** Device and inode: the same for every path and descriptor of one namespace. @see namespaces(7) */
  readonly id: string;
}

/** The namespace that this thread is in. */
export function openCurrentNetns(): Netns {
  return openNetns(CURRENT);
}

/**
 * Opens the namespace at a path. Throws UnknownContainerError where nothing is there, or something else than a
 * namespace, such as the empty file that stays behind when its mount has gone.
 */
export function openNetns(path: string): Netns {
  let fd: number;
  try {
    if (statfsSync(path).type !== NSFS_MAGIC) {
      throw new UnknownContainerError(`Cannot open network namespace "${path}": it is not a namespace`);
    }
    fd = openSync(path, constants.O_RDONLY);
  } catch (error) {
    if (error instanceof UnknownContainerError) throw error;
    throw new UnknownContainerError(`Cannot open network namespace "${path}": ${fileErrorCode(error) ?? error}`, {
      cause: error,
    });
  }
  const stat = fstatSync(fd);
  return { path, fd, id: `${stat.dev}:${stat.ino}` };
}

/** Opens the namespace at a path, or undefined where there is none. */
export function openNetnsIfExists(path: string): Netns | undefined {
  try {
    return openNetns(path);
  } catch (error) {
    if (error instanceof UnknownContainerError) return undefined;
    throw error;
  }
}

export function closeNetns(netns: Netns): void {
  closeSync(netns.fd);
}

/**
 * Runs `work`, which must be synchronous, inside a namespace and comes back. When the way back fails the process ends:
 * going on in the wrong namespace would change another host's network. Throws UnknownContainerError for a namespace of
 * another type.
 */
export function inNetns<T>(netns: Netns, work: () => T): T {
  const home = openCurrentNetns();
  try {
    enter(netns);
    try {
      return work();
    } finally {
      goHome(home);
    }
  } finally {
    closeNetns(home);
  }
}

function enter(netns: Netns): void {
  try {
    setns(netns.fd, CLONE_NEWNET);
  } catch (error) {
    if (!(error instanceof SystemCallError && error.code === "EINVAL")) throw error;
    throw new UnknownContainerError(`Cannot enter "${netns.path}": it is not a network namespace`, { cause: error });
  }
}

function goHome(home: Netns): void {
  try {
    setns(home.fd, CLONE_NEWNET);
  } catch {
    exitNow(70);
  }
}

/** Makes a namespace with a name that ip-netns(8) knows, and opens it. Throws KernelError, `EEXIST` for a name in use. */
export function createNamedNetns(name: string): Netns {
  const path = namedNetnsPath(name);
  mkdirSync(NETNS_FOLDER, { recursive: true, mode: 0o755 });
  try {
    writeFileSync(path, "", { flag: "wx", mode: 0o444 });
  } catch (error) {
    const code = fileErrorCode(error) ?? "EIO";
    throw new KernelError(`Cannot create network namespace "${name}": ${code}`, code, { cause: error });
  }
  try {
    const home = openCurrentNetns();
    try {
      unshare(CLONE_NEWNET);
      try {
        bindMount(CURRENT, path);
      } finally {
        goHome(home);
      }
    } finally {
      closeNetns(home);
    }
    return openNetns(path);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

/** Takes a name away; the namespace goes when no process, socket or mount holds it any more. Nothing happens without it. */
export function deleteNamedNetns(name: string): void {
  const path = namedNetnsPath(name);
  try {
    unmount(path);
  } catch (error) {
    // EINVAL: not a mount (any more); ENOENT: no such name.
    if (!(error instanceof KernelError && (error.code === "EINVAL" || error.code === "ENOENT"))) throw error;
  }
  rmSync(path, { force: true });
}

/** The names that ip-netns(8) would list. */
export function listNamedNetns(): string[] {
  try {
    return readdirSync(NETNS_FOLDER);
  } catch (error) {
    if (fileErrorCode(error) === "ENOENT") return [];
    throw error;
  }
}

export function namedNetnsPath(name: string): string {
  return `${NETNS_FOLDER}/${name}`;
}
