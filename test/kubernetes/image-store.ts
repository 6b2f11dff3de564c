/**
 * containerd's store with the tests' images, kept beside the programs: to import them takes each node seconds, of a core
 * that there are few of.
 */

import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { finish, outputOf } from "../support/command.ts";
import { imagesArchive } from "./images.ts";
import type { Worker } from "./worker.ts";

/** Where containerd has its store on a node. */
const STORE = "/var/lib/containerd";

/** Starts a node's containerd and sees to it that it has the images. */
export async function startWithImages(worker: Worker, programs: string): Promise<void> {
  const archive = imagesArchive(programs);
  const version = Bun.hash(await worker.containerdVersion()).toString(36);
  const kept = `${archive.replace(/\.tar$/, "")}-${version}`;
  const store = `${worker.machine.root}${STORE}`;
  if (!existsSync(store) && existsSync(kept)) await copyStore(kept, store);
  await worker.startContainerd();
  if (existsSync(kept)) return;
  await worker.importImages(archive);
  await worker.machine.kill("containerd", "TERM");
  const work = `${kept}.${process.pid}-${worker.name}`;
  mkdirSync(work);
  try {
    await copyStore(store, join(work, "store"));
    renameSync(join(work, "store"), kept);
  } catch (error) {
    // Another node was faster.
    if (!existsSync(kept)) throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  await worker.startContainerd();
}

/** Files that never change are the same ones in each copy, where the file system allows it. */
async function copyStore(from: string, to: string): Promise<void> {
  const script = `
    { cp -al "$1" "$2" 2>/dev/null || { rm -rf "$2" && cp -a "$1" "$2"; }; } &&
    cd "$1" && find . -name '*.db' -exec cp --remove-destination {} "$2/{}" \\;`;
  const command = ["sh", "-c", script, "sh", from, to];
  await outputOf("image store", command, finish(command));
}
