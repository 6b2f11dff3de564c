/** Judges a subject by requirements, each on a node of its own. */

import { Deviation, type Requirement, type Verdict } from "./requirement.ts";
import { openStage, type Plugins } from "./stage.ts";
import type { Subject } from "./subject.ts";

export interface Trial {
  readonly subject: Subject;
  readonly requirement: Requirement;
}

/** Carries out the trials, so many at a time, and tells of each as it is done. */
export async function judgeAll(
  plugins: Plugins,
  trials: readonly Trial[],
  atOnce: number,
  tell: (verdict: Verdict) => void,
): Promise<void> {
  const queue = [...trials];
  const work = async () => {
    for (let trial = queue.shift(); trial !== undefined; trial = queue.shift()) tell(await judge(plugins, trial));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

async function judge(plugins: Plugins, { subject, requirement }: Trial): Promise<Verdict> {
  const named = { subject: subject.name, requirement: requirement.id };
  const notApplicable = (why: string): Verdict => ({ ...named, outcome: "not applicable", why });
  if (requirement.of?.includes(subject.kind) === false)
    return notApplicable(`it is about ${requirement.of.join(", ")}`);
  const reason = subject.exempt?.[requirement.id] ?? requirement.unless?.(subject);
  if (reason !== undefined) return notApplicable(reason);
  try {
    const stage = await openStage(plugins, subject);
    try {
      const { since } = requirement;
      if (since !== undefined && stage.version < since) return notApplicable(`it came with version ${since}`);
      await requirement.judge(stage);
      return { ...named, outcome: "holds" };
    } finally {
      await stage.end();
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const why = error instanceof Deviation ? message : `the trial itself failed: ${message}`;
    return { ...named, outcome: "fails", why: why.replace(/\s+/g, " ").trim() };
  }
}
