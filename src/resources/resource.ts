/** What every kind of resource can do, and what it does it with. */

import type { Resource, Where } from "../core/plan.ts";
import type { Kernel } from "./kernel.ts";

/** Takes note of how to undo what was just done; the newest is undone first. */
export type Undo = (step: () => void) => void;

export interface ResourceKind<R extends Resource> {
  /**
   * Makes it unless it is there. Changes may wait in the kernel's queue until the next flush; each registers its undo
   * once it has been made. Throws KernelError, ConflictError or KernelFeatureError.
   */
  ensure(resource: R, kernel: Kernel, undo: Undo): void;
  /**
   * Makes again what of it somebody has taken away or changed and `ensure`, which pods wait for, does not look at.
   * Throws KernelError.
   */
  repair?(resource: R, kernel: Kernel): void;
  /** What is not as it should be, each a sentence; nothing when all is well. */
  verify(resource: R, kernel: Kernel): string[];
  /** Removes it; nothing happens when it is not there, or not ours. Throws KernelError. */
  remove(resource: R, kernel: Kernel): void;
  /** Removes several that are removed one after the other, with less work than each by itself. Throws KernelError. */
  removeTogether?(resources: readonly R[], kernel: Kernel): void;
  /** The commands that a person would type to make it. */
  describe(resource: R, naming: Naming): string[];
  /** The commands that a person would type to remove it. */
  describeRemoval(resource: R, naming: Naming): string[];
  /** The link with whose deletion it goes, if there is one. */
  carrier?(resource: R): Carrier | undefined;
}

export interface Carrier {
  readonly where: Where;
  readonly link: string;
}

/** How commands name the namespaces. */
export interface Naming {
  /** Path of the container's network namespace. */
  readonly container: string;
}

/** A command as it is typed to act in a namespace. */
export function commandIn(where: Where, command: string, naming: Naming): string {
  return where === "host" ? command : `nsenter --net=${naming.container} ${command}`;
}
