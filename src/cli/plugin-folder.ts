/**
 * The plugins in the folder where container runtimes look for them: the executable, and a link to it for each name.
 *
 * A runtime may start a plugin at any moment, and a power cut may come at any moment. So the executable is written under
 * another name, synced and renamed: whoever runs the old one goes on with it, and whoever starts one finds it whole.
 */

import { createReadStream, type Stats } from "node:fs";
import { chmod, lstat, mkdir, open, readdir, readFile, readlink, rename, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileError, fileErrorCode, TEMPORARY } from "../linux/file.ts";
import { flock, LOCK_EX } from "../linux/libc.ts";
import { closeFile, O_RDONLY, openFile } from "../linux/libc-file.ts";
import { EXECUTABLE, pluginTypes } from "../plugins/types.ts";
import { isOlder } from "./versions.ts";

export interface Installation {
  /** The executable to install. */
  readonly source: string;
  readonly version: string;
  readonly folder: string;
  /** Told of each thing that is done, or left as it is. */
  readonly say: (sentence: string) => void;
}

/** In milliseconds. */
const PATIENCE = 10_000;

/**
 * Puts the executable and its links into the folder. A newer executable that is there stays, and so does what has the
 * name of a plugin but is another program. Throws FileError.
 */
export async function installPlugins(installation: Installation): Promise<void> {
  const { folder } = installation;
  await locked(folder, async () => {
    await removeLeftovers(folder);
    await installExecutable(installation);
    for (const type of pluginTypes) if (type !== EXECUTABLE) await link(type, installation);
    await syncFolder(folder);
  });
}

/** Removes the executable, and the links that lead to it. Throws FileError. */
export async function removePlugins({ folder, say }: Pick<Installation, "folder" | "say">): Promise<void> {
  if ((await statusOf(folder)) === undefined) return;
  await locked(folder, async () => {
    await removeLeftovers(folder);
    for (const type of pluginTypes) {
      const path = join(folder, type);
      if (type !== EXECUTABLE && (await isOurLink(path))) await rm(path, { force: true });
    }
    await rm(join(folder, EXECUTABLE), { force: true });
    await syncFolder(folder);
    say(`removed the plugins from ${folder}`);
  });
}

/** Two that install at the same time take turns; the lock is the folder's own, so it leaves nothing in it. */
async function locked(folder: string, work: () => Promise<void>): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw fileError("make folder", folder, error);
  }
  const fd = openFile(folder, O_RDONLY);
  try {
    flock(fd, LOCK_EX);
    await work();
  } catch (error) {
    throw fileErrorCode(error) === undefined ? error : fileError("install plugins into", folder, error);
  } finally {
    closeFile(fd);
  }
}

/** What somebody was writing who has been killed; nobody else writes while we have the lock. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(".tendril-") && name.endsWith(TEMPORARY)) await rm(join(folder, name), { force: true });
  }
}

async function installExecutable({ source, version, folder, say }: Installation): Promise<void> {
  const path = join(folder, EXECUTABLE);
  const there = await installedVersion(path);
  if (there !== undefined && isOlder(version, there)) {
    say(`left ${path} as it is: its version ${there} is newer than ${version}`);
    return;
  }
  if (await isSameFile(source, path)) {
    say(`${path} is version ${version} already`);
    return;
  }
  const temporary = temporaryFor(folder, EXECUTABLE);
  // In one write: the page cache then has it in large pieces.
  const content = await readFile(source);
  const file = await open(temporary, "w", 0o755);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  // The mode that it is opened with is cut by the process's mask.
  await chmod(temporary, 0o755);
  await rename(temporary, path);
  say(`installed version ${version} as ${path}${there === undefined ? "" : ` in place of ${there}`}`);
}

async function link(type: string, { folder, say }: Installation): Promise<void> {
  const path = join(folder, type);
  if (await isOurLink(path)) return;
  if ((await statusOf(path)) !== undefined) {
    say(`left ${path} as it is: it is another program`);
    return;
  }
  const temporary = temporaryFor(folder, type);
  await symlink(EXECUTABLE, temporary);
  await rename(temporary, path);
}

function temporaryFor(folder: string, name: string): string {
  return join(folder, `.tendril-${name}.${process.pid}${TEMPORARY}`);
}

/** A link to the executable beside it, or to one of this name elsewhere. */
async function isOurLink(path: string): Promise<boolean> {
  const status = await statusOf(path);
  if (!status?.isSymbolicLink()) return false;
  const target = await readlink(path);
  return target === EXECUTABLE || target === join(dirname(path), EXECUTABLE) || target.endsWith(`/${EXECUTABLE}`);
}

async function statusOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (fileErrorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The version that an executable says it is; undefined for none, and for one that does not run or says something else. */
async function installedVersion(path: string): Promise<string | undefined> {
  if ((await statusOf(path)) === undefined) return undefined;
  try {
    const child = Bun.spawn([path, "--version"], { env: {}, stdin: "ignore", stdout: "pipe", stderr: "ignore" });
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
    const said = (await new Response(child.stdout).text()).trim();
    const status = await child.exited;
    clearTimeout(timer);
    return status === 0 && /^\d+\.\d+\.\d+\S*$/.test(said) ? said : undefined;
  } catch (error) {
    // One that cannot be started, such as one that was cut off: it is replaced.
    if (fileErrorCode(error) !== undefined) return undefined;
    throw error;
  }
}

async function isSameFile(source: string, path: string): Promise<boolean> {
  const status = await statusOf(path);
  if (!status?.isFile() || status.size !== Bun.file(source).size || (status.mode & 0o777) !== 0o755) return false;
  return (await digestOf(source)) === (await digestOf(path));
}

async function digestOf(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const piece of createReadStream(path)) hasher.update(piece);
  return hasher.digest("hex");
}

/** Waits until the disk knows the names. @see fsync(2) */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
