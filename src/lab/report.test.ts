import { describe, expect, test } from "bun:test";
import { type Finding, judge } from "./connectivity.ts";
import { expectMatrix, participants } from "./expectation.ts";
import type { ProbeOutcome } from "./probe/probe.ts";
import { formatMasquerade, formatMatrix, formatProblems, type Paint } from "./report.ts";
import { exampleLab, exampleObserved } from "./test-support/fixtures.ts";

const plain: Paint = { good: (text) => text, bad: (text) => text, faint: (text) => text, strong: (text) => text };

/** The report of a test in which all is as expected but what `change` says. */
function reportOf(change: (finding: Finding) => ProbeOutcome | undefined = () => undefined) {
  const lab = exampleLab();
  const all = participants(lab, exampleObserved(lab));
  const findings = expectMatrix(lab, all).map((expected) => {
    const good = judge(expected, {
      reached: expected.reaches,
      ...(expected.source === undefined ? {} : { source: expected.source }),
    });
    const seen = change(good);
    return seen === undefined ? good : judge(expected, seen);
  });
  return { participants: all, findings, milliseconds: 1 };
}

describe("the report of a lab's test", () => {
  test("is a table of who sends by who receives, the pods under their nodes", () => {
    expect(formatMatrix(reportOf(), 4, plain)).toEqual([
      " IPv4        node1       node2       node3",
      " from        web  db     web  db     web  db     node1   node2   node3   outside",
      " node1/web   –    ●●●    ●●●  ●●●    ●●●  ●●●    ●●●     ●●●     ●●●     ●●●",
      " node1/db    ●●●  –      ●●●  ●●●    ●●●  ●●●    ●●●     ●●●     ●●●     ●●●",
      " node2/web   ●●●  ●●●    –    ●●●    ●●●  ●●●    ●●●     ●●●     ●●●     ●●●",
      " node2/db    ●●●  ●●●    ●●●  –      ●●●  ●●●    ●●●     ●●●     ●●●     ●●●",
      " node3/web   ●●●  ●●●    ●●●  ●●●    –    ●●●    ●●●     ●●●     ●●●     ●●●",
      " node3/db    ●●●  ●●●    ●●●  ●●●    ●●●  –      ●●●     ●●●     ●●●     ●●●",
      " node1       ●●●  ●●●    ●●●  ●●●    ●●●  ●●●    –       ●●●     ●●●     ●●●",
      " node2       ●●●  ●●●    ●●●  ●●●    ●●●  ●●●    ●●●     –       ●●●     ●●●",
      " node3       ●●●  ●●●    ●●●  ●●●    ●●●  ●●●    ●●●     ●●●     –       ●●●",
      " outside     ○○○  ○○○    ○○○  ○○○    ○○○  ○○○    ●●●     ●●●     ●●●     –",
    ]);
    expect(formatProblems(reportOf())).toEqual([]);
  });

  test("marks what is not as expected, by protocol, and says what it is in one line for each pair", () => {
    const report = reportOf(({ expected: { from, to, protocol, family } }) =>
      from === "node1/web" && to === "node3/db" && family === 4 && protocol !== "icmp"
        ? { reached: false, error: "ETIMEDOUT" }
        : undefined,
    );
    expect(formatMatrix(report, 4, plain)[2]).toContain("●●●  ●○○!   ●●●");
    expect(formatProblems(report)).toEqual([
      "node1/web → node3/db (10.244.3.3): TCP no connection; UDP no answer, and nothing arrived",
    ]);
  });

  test("tells under which addresses the pods are seen outside", () => {
    expect(formatMasquerade(reportOf())).toEqual([
      "outside sees node1's pods as 172.20.1.11 and fd20:1::11",
      "outside sees node2's pods as 172.20.1.12 and fd20:1::12",
      "outside sees node3's pods as 172.20.2.13 and fd20:2::13",
    ]);
  });

  test("stays short when everything is broken", () => {
    const problems = formatProblems(reportOf(() => ({ reached: false, error: "ETIMEDOUT" })));
    expect(problems.length).toBeLessThanOrEqual(21);
    expect(problems.at(-1)).toMatch(/^… and \d+ pairs more$/);
  });
});
