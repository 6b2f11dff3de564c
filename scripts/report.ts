/** What Bun's tests come to, by their report in JUnit's format and by what they print. */

import { readFileSync } from "node:fs";

/** What a run has left in a file; empty where it has come to no end. */
export function readLeft(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

export function sumOf(tallies: readonly Tally[]): Tally {
  const sum = (field: keyof Tally) => tallies.reduce((all, tally) => all + tally[field], 0);
  return { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
}

/** All tests of a report; a report that is none is one failure. */
export function readReport(text: string): Tally {
  const head = /<testsuites[^>]*\btests="(\d+)"[^>]*\bfailures="(\d+)"[^>]*\bskipped="(\d+)"/.exec(text);
  if (head === null) return { passed: 0, failed: 1, skipped: 0 };
  const [tests, failed, skipped] = head.slice(1).map(Number) as [number, number, number];
  return { passed: tests - failed - skipped, failed, skipped };
}

/** The tests that were chosen by a part of their names: the report has the others as skipped. */
export function readChosen(text: string, part: string): Tally {
  const { failed } = readReport(text);
  const cases = [...text.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)];
  const chosen = cases.filter(([, name = ""]) => name.includes(part)).map(([, , inside = ""]) => inside);
  const skipped = chosen.filter((inside) => inside.includes("<skipped")).length;
  const wrong = chosen.filter((inside) => inside.includes("<failure")).length;
  return { passed: chosen.length - skipped - wrong, failed, skipped };
}

/** The files that have a test with a part of that name, whether it was run or not. */
export function filesWith(text: string, part: string): Set<string> {
  const cases = [...text.matchAll(/<testcase name="([^"]*)"[^>]*\bfile="([^"]*)"/g)];
  return new Set(cases.flatMap(([, name = "", file = ""]) => (name.includes(part) ? [file] : [])));
}

/** The failed tests in what runs of `bun test` printed: each one's file, what it said, and its line. */
export function failuresIn(output: string): string[] {
  const failures: string[] = [];
  let file = "";
  let said: string[] = [];
  /** Whether the lines are a long run's list of what has failed, at its end. */
  let isList = false;
  for (const line of Bun.stripANSI(output).split("\n")) {
    if (line.startsWith("bun test v")) isList = false;
    if (/^\d+ tests? failed:$/.test(line)) isList = true;
    if (isList) continue;
    if (line.startsWith("(fail) ")) failures.push([file, ...said, line].filter((one) => one !== "").join("\n"));
    const isName = /^\S+\.test\.ts:$/.test(line);
    if (isName) file = line;
    if (isName || /^\((?:pass|fail|skip|todo)\) /.test(line)) said = [];
    else said.push(line);
  }
  return failures;
}
