/**
 * Network namespaces: opening, entering, naming.
 *
 * setns(2) moves one thread only. JavaScript runs on the process's main thread, so what it opens while inside, sockets
 * and /proc/sys/net files, belongs to the namespace, and children that it starts there live there.
 */

import { KernelError, UnknownContainerError } from "../core/errors.ts";
import { ensureFolder, fileErrorCode, namesIn, removeFileIfExists } from "./file.ts";
import {
  bindMount,
  bindMountTree,
  CLONE_NEWNET,
  exitNow,
  flock,
  LOCK_EX,
  namespaceType,
  SystemCallError,
  setns,
  shareMount,
  unmount,
  unshare,
} from "./libc.ts";
import { closeFile, O_CREAT, O_EXCL, O_RDONLY, openFile, statDescriptor } from "./libc-file.ts";

/** Where ip-netns(8) keeps named namespaces. */
export const NETNS_FOLDER = "/run/netns";

const CURRENT = "/proc/thread-self/ns/net";

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
    fd = openFile(path, O_RDONLY);
  } catch (error) {
    throw new UnknownContainerError(`Cannot open network namespace "${path}": ${fileErrorCode(error) ?? error}`, {
      cause: error,
    });
  }
  if (namespaceType(fd) !== CLONE_NEWNET) {
    closeFile(fd);
    throw new UnknownContainerError(`Cannot open network namespace "${path}": it is not a network namespace`);
  }
  return { path, fd, id: statDescriptor(fd).id };
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
  closeFile(netns.fd);
}

/**
 * Runs `work`, which must be synchronous, inside a namespace and comes back. When the way back fails the process ends:
 * going on in the wrong namespace would change another host's network. Throws UnknownContainerError for a namespace of
 * another type.
 */
export function inNetns<T>(netns: Netns, work: () => T): T {
  const home = openHome();
  try {
    return enterNetns(netns, home, work);
  } finally {
    closeFile(home);
  }
}

/** The same for who goes often: `home` is a descriptor of the namespace that the thread is in now. */
export function enterNetns<T>(netns: Netns, home: number, work: () => T): T {
  enter(netns);
  try {
    return work();
  } finally {
    goHome(home);
  }
}

/** A descriptor of the namespace that this thread is in. */
export function openHome(): number {
  return openFile(CURRENT, O_RDONLY);
}

function enter(netns: Netns): void {
  try {
    setns(netns.fd, CLONE_NEWNET);
  } catch (error) {
    if (!(error instanceof SystemCallError && error.code === "EINVAL")) throw error;
    throw new UnknownContainerError(`Cannot enter "${netns.path}": it is not a network namespace`, { cause: error });
  }
}

function goHome(home: number): void {
  try {
    setns(home, CLONE_NEWNET);
  } catch {
    exitNow(70);
  }
}

/** Makes a namespace with a name that ip-netns(8) knows, and opens it. Throws KernelError, `EEXIST` for a name in use. */
export function createNamedNetns(name: string): Netns {
  const path = namedNetnsPath(name);
  prepareNetnsFolder();
  try {
    closeFile(openFile(path, O_RDONLY | O_CREAT | O_EXCL, 0o444));
  } catch (error) {
    const code = fileErrorCode(error) ?? "EIO";
    throw new KernelError(`Cannot create network namespace "${name}": ${code}`, code, { cause: error });
  }
  try {
    const home = openHome();
    try {
      unshare(CLONE_NEWNET);
      try {
        bindMount(CURRENT, path);
      } finally {
        goHome(home);
      }
    } finally {
      closeFile(home);
    }
    return openNetns(path);
  } catch (error) {
    removeFileIfExists(path);
    throw error;
  }
}

/**
 * Makes the folder of names a shared mount, as ip-netns(8) does at its first use. Left to that command, its mount would
 * cover the names that we had made before, and these could then not be removed any more.
 */
function prepareNetnsFolder(): void {
  ensureFolder(NETNS_FOLDER);
  if (shareNetnsFolder()) return;
  const folder = openFile(NETNS_FOLDER, O_RDONLY);
  try {
    // The lock that ip-netns(8) takes, too.
    flock(folder, LOCK_EX);
    if (shareNetnsFolder()) return;
    bindMountTree(NETNS_FOLDER, NETNS_FOLDER);
    shareNetnsFolder();
  } finally {
    closeFile(folder);
  }
}

/** False where the folder is no mount of its own yet. */
function shareNetnsFolder(): boolean {
  try {
    shareMount(NETNS_FOLDER);
    return true;
  } catch (error) {
    if (error instanceof SystemCallError && error.code === "EINVAL") return false;
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
  removeFileIfExists(path);
}

/** The names that ip-netns(8) would list. */
export function listNamedNetns(): string[] {
  return namesIn(NETNS_FOLDER);
}

export function namedNetnsPath(name: string): string {
  return `${NETNS_FOLDER}/${name}`;
}
