import { expect, test } from "bun:test";
import { failuresIn, filesWith, readChosen, readReport } from "./report.ts";

/** As Bun 1.4.5 writes it for `bun test -t "vm"`, shortened. */
const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="6" assertions="0" failures="1" skipped="4" time="0.147821978">
  <testsuite name="t2.test.ts" file="t2.test.ts" tests="6" assertions="0" failures="1" skipped="4" time="0.01">
    <testcase name="plain" classname="" time="0" file="t2.test.ts" line="2" assertions="0">
      <skipped />
    </testcase>
    <testsuite name="x" file="t2.test.ts" line="3" tests="2" assertions="0" failures="0" skipped="1" time="0">
      <testcase name="a [vm]" classname="x" time="0.000043" file="t2.test.ts" line="3" assertions="0" />
      <testcase name="b [vm] [skipped]" classname="x" time="0" file="t2.test.ts" line="3" assertions="0">
        <skipped />
      </testcase>
    </testsuite>
    <testcase name="c" classname="" time="0" file="t2.test.ts" line="5" assertions="0">
      <skipped />
    </testcase>
    <testcase name="d &gt; e [vm]" classname="" time="0.1" file="t2.test.ts" line="6" assertions="1">
      <failure type="AssertionError" />
    </testcase>
    <testcase name="f" classname="" time="0" file="t2.test.ts" line="7" assertions="0">
      <skipped />
    </testcase>
  </testsuite>
</testsuites>`;

test("all tests of a report", () => {
  expect(readReport(REPORT)).toEqual({ passed: 1, failed: 1, skipped: 4 });
});

test("those that were chosen", () => {
  expect(readChosen(REPORT, "[vm]")).toEqual({ passed: 1, failed: 1, skipped: 1 });
});

test("no report is a failure", () => {
  expect(readReport("")).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(readChosen("", "[vm]")).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("files by the names of their tests", () => {
  expect([...filesWith(REPORT, "[vm]")]).toEqual(["t2.test.ts"]);
  expect([...filesWith(REPORT, "[pm]")]).toEqual([]);
});

/** As Bun 1.4.5 prints two runs, shortened: only a long one lists its failures again. */
const PRINTED = `bun test v1.4.5 (a7733435c)

a.test.ts:
(pass) one [0.12ms]
said
error: expect(received).toBe(expected)

Expected: 2
(fail) two [0.34ms]
(pass) three [0.01ms]

b.test.ts:
(fail) four
  ^ this test timed out after 5000ms.

2 tests failed:
(fail) two [0.34ms]
(fail) four

 2 pass
bun test v1.4.5 (a7733435c)

c.test.ts:
\u001b[31merror\u001b[0m: x
(fail) five
`;

test("the failed tests of what was printed, with what they said", () => {
  expect(failuresIn(PRINTED)).toEqual([
    "a.test.ts:\nsaid\nerror: expect(received).toBe(expected)\nExpected: 2\n(fail) two [0.34ms]",
    "b.test.ts:\n(fail) four",
    "c.test.ts:\nerror: x\n(fail) five",
  ]);
  expect(failuresIn("")).toEqual([]);
});
