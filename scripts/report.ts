/** What a report of Bun's tests in JUnit's format comes to. */

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
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
