/** What the CNI specification asks of a plugin, as data; and the verdict on one plugin. */

import type { Stage } from "./stage.ts";
import type { Subject } from "./subject.ts";

/**
 * The words of the specification; `promised` is what it does not ask for in so many words and what Tendril promises:
 * nothing is left over, nothing of others is touched.
 */
export type Level = "must" | "should" | "promised";

export interface Requirement {
  /** Words with hyphens, by which a list of deviations names it. */
  readonly id: string;
  /** The heading in the specification. @see https://www.cni.dev/docs/spec/ */
  readonly section: string;
  readonly level: Level;
  /** What the plugin does, in the present tense. */
  readonly says: string;
  /** The kinds of plugins that it is about; all where absent. */
  readonly of?: readonly Subject["kind"][];
  /** The version of the specification that brought it. */
  readonly since?: string;
  /** It shows what the kernel makes of it, so it is judged in the virtual machine too, where time is dear. */
  readonly ofKernel?: true;
  /** Why a subject cannot be judged by it, or undefined. */
  readonly unless?: (subject: Subject) => string | undefined;
  /** Throws Deviation where the plugin does not do so. */
  judge(stage: Stage): Promise<void>;
}

/** The plugin does not do what is asked of it; the message says what it does instead. */
export class Deviation extends Error {}

/** Throws Deviation unless it is so. */
export function demand(isSo: boolean, otherwise: string): asserts isSo {
  if (!isSo) throw new Deviation(otherwise);
}

export interface Verdict {
  readonly subject: string;
  readonly requirement: string;
  readonly outcome: "holds" | "fails" | "not applicable";
  /** Why it fails or is not applicable. */
  readonly why?: string;
}
