/** The report: a table of all verdicts, and the reasons of those that do not hold. */

import type { Requirement, Verdict } from "./requirement.ts";

export interface Side {
  readonly name: string;
  readonly verdicts: readonly Verdict[];
}

const MARKS: Readonly<Record<Verdict["outcome"], string>> = { holds: "●", fails: "○", "not applicable": "·" };

/** One line for each requirement, one column for each plugin, in it one mark for each side. */
export function formatTable(requirements: readonly Requirement[], sides: readonly Side[]): string {
  const subjects = [...new Set(sides.flatMap(({ verdicts }) => verdicts.map(({ subject }) => subject)))];
  const judged = requirements.filter(({ id }) =>
    sides.some(({ verdicts }) => verdicts.some(({ requirement }) => requirement === id)),
  );
  const width = Math.max(...judged.map(({ id }) => id.length)) + 1;
  const columns = subjects.map((subject) => Math.max(subject.length, sides.length) + 2);
  const head = " ".repeat(width) + subjects.map((subject, i) => subject.padEnd(columns[i] ?? 0)).join("");
  const marks = sides.map(
    (side) => new Map(side.verdicts.map((each) => [`${each.subject} ${each.requirement}`, each])),
  );
  const lines = judged.map(({ id }) => {
    const cells = subjects.map((subject, i) =>
      marks
        .map((side) => side.get(`${subject} ${id}`)?.outcome)
        .map((outcome) => (outcome === undefined ? " " : MARKS[outcome]))
        .join("")
        .padEnd(columns[i] ?? 0),
    );
    return (id.padEnd(width) + cells.join("")).trimEnd();
  });
  const order = sides.length > 1 ? `; first ${sides.map(({ name }) => name).join(", then ")}` : "";
  return [head.trimEnd(), ...lines, "", `● holds   ○ fails   · not applicable${order}`].join("\n");
}

/** What fails and why, one line each. */
export function formatFailures(requirements: readonly Requirement[], { name, verdicts }: Side): string {
  const failed = verdicts.filter(({ outcome }) => outcome === "fails");
  const held = verdicts.filter(({ outcome }) => outcome === "holds").length;
  const lines = requirements.flatMap(({ id, level, says }) => {
    const ofThis = failed.filter(({ requirement }) => requirement === id);
    if (ofThis.length === 0) return [];
    return [`  ${id} (${level}): ${says}`, ...ofThis.map(({ subject, why }) => `    ${subject}: ${why}`)];
  });
  return [`${name}: ${held} hold, ${failed.length} fail`, ...lines].join("\n");
}
