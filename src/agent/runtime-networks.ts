/**
 * What container runtimes find beside the network configuration that the agent writes: another network's file that comes
 * first, so that pods are attached to that, or one for which a runtime refuses all.
 *
 * It is told and does not make the node unready. While a cluster comes over from another network node by node its file
 * does come first, pods are well, and whoever rolls the agents out has to get past such a node.
 */

import { basename, dirname } from "node:path";
import type { Log } from "../cluster/log.ts";
import { repeat } from "../cluster/repeat.ts";
import { foreignFirst, type NetworkFile, unusable } from "../core/network-files.ts";
import { networkFilesIn } from "../linux/network-folder.ts";

/** Milliseconds between two looks. */
const LOOK = 2000;

export class RuntimeNetworks {
  readonly #folder: string;
  readonly #own: string;
  readonly #log: Log;
  #problems: readonly string[] = [];

  /** `path` is that of the file that the agent writes. */
  constructor(path: string, log: Log) {
    this.#folder = dirname(path);
    this.#own = basename(path);
    this.#log = log;
  }

  /** What is in the way of pods that are to come to our network, each a sentence, as it was last seen. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Looks again and again until the signal comes; a change is logged once. */
  start(signal: AbortSignal, failed: (error: unknown) => void): void {
    repeat(LOOK, signal, () => this.look(), failed);
  }

  /** Throws FileError. */
  look(): void {
    const found = runtimeProblems(this.#folder, networkFilesIn(this.#folder), this.#own);
    for (const problem of found) if (!this.#problems.includes(problem)) this.#log.warn(problem);
    if (found.length === 0 && this.#problems.length > 0) {
      this.#log.info("container runtimes find the cluster's network first", { folder: this.#folder });
    }
    this.#problems = found;
  }
}

/** Sentences of what is in the way of the file `own` in a folder of these files, which are in order. */
export function runtimeProblems(folder: string, files: readonly NetworkFile[], own: string): string[] {
  // Ours is written anew where it is broken; of others only what a runtime comes to before it counts.
  const broken = files.filter(({ name }) => name < own).map((file) => unusable(folder, file));
  return [foreignFirst(folder, files, own), ...broken].flatMap((found) =>
    found === undefined ? [] : `${found.sentence}. ${found.remedy}`,
  );
}
