/** What `tendril lab` prints: tables for people, JSON for programs. Colour only on a terminal. */

import { Table } from "console-table-printer";
import type { ConnectivityReport } from "../lab/connectivity.ts";
import type { Removal } from "../lab/down.ts";
import type { Lab } from "../lab/lab.ts";
import type { Path } from "../lab/path.ts";
import type { StreamFigure } from "../lab/probe/stream.ts";
import { formatFullSize, formatMasquerade, formatMatrix, formatProblems, LEGEND, type Paint } from "../lab/report.ts";
import { type LabStatus, type MemberStatus, statusAdvice } from "../lab/status.ts";
import { alignColumns } from "../lab/table.ts";

export interface Output {
  readonly paint: Paint;
  /** A step that is done; silent where JSON is asked for. */
  readonly progress: (done: string) => void;
  /** The outcome: `value` as JSON, or the lines. */
  readonly result: (value: unknown, lines: () => readonly string[]) => void;
}

export function output(format: "table" | "json"): Output {
  const paint = paintFor(process.stdout.isTTY && process.env.NO_COLOR === undefined);
  if (format === "json") {
    return { paint, progress: () => {}, result: (value) => console.log(JSON.stringify(value, undefined, 2)) };
  }
  return {
    paint,
    progress: (done) => console.log(`  ${paint.good("✔")} ${done}`),
    result: (_, lines) => console.log(lines().join("\n")),
  };
}

function paintFor(colours: boolean): Paint {
  const wrap = (code: number) => (text: string) => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { good: wrap(32), bad: wrap(31), faint: wrap(2), strong: wrap(1) };
}

export function printStatus({ result, paint }: Output, states: readonly LabStatus[]): void {
  result(states, () => {
    if (states.length === 0) return ["No lab is up. `tendril lab up` makes one."];
    return states.flatMap((status) => [...statusLines(status, paint), ""]).slice(0, -1);
  });
}

function statusLines(status: LabStatus, paint: Paint): string[] {
  const advice = statusAdvice(status);
  if (advice !== undefined) return [paint.bad(advice)];
  const table = new Table({
    columns: [
      { name: "member", alignment: "left" },
      { name: "role", alignment: "left" },
      { name: "addresses", alignment: "left" },
      { name: "state", alignment: "left" },
    ],
    shouldDisableColors: true,
  });
  for (const { name, role, addresses, findings } of status.members) {
    // The router has an address in every subnet: a table cell takes the first two and says how many more.
    const shown = addresses.length > 2 ? [...addresses.slice(0, 2), `and ${addresses.length - 2} more`] : addresses;
    table.addRow({ member: name, role, addresses: shown.join("  "), state: findings.length === 0 ? "ok" : "broken" });
  }
  const verdict = status.state === "up" ? paint.good("up") : paint.bad("broken");
  return [`Lab ${status.name} is ${verdict}`, table.render(), ...damageLines(status.members, paint)];
}

function damageLines(members: readonly MemberStatus[], paint: Paint): string[] {
  return members.flatMap(({ name, findings }) => findings.map((finding) => paint.bad(`  ${name}: ${finding}`)));
}

export function printTest(
  { result, paint }: Output,
  lab: Lab,
  report: ConnectivityReport,
  damage: readonly MemberStatus[],
): void {
  const { findings, milliseconds } = report;
  const good = findings.filter(({ problem }) => problem === undefined).length;
  const value = { lab: lab.name, expected: good, unexpected: findings.length - good, milliseconds, findings, damage };
  result(value, () => {
    const problems = formatProblems(report);
    const sum = `${good} of ${findings.length} as expected, in ${(milliseconds / 1000).toFixed(2)} s`;
    return [
      ` ${LEGEND}`,
      "",
      ...lab.families.flatMap((family) => [...formatMatrix(report, family, paint), ""]),
      ...(lab.outside === undefined
        ? []
        : [
            ...formatMasquerade(report).map((line) => ` ${line}`),
            " outside has no route to the pods, so it should reach none of them",
            "",
          ]),
      ...formatFullSize(report).map((line) => ` ${line}`),
      "",
      problems.length === 0 ? ` ${paint.good("✔")} ${sum}` : ` ${paint.bad("✘")} ${sum}. Not as expected:`,
      ...problems.map((problem) => `   ${paint.bad(problem)}`),
      ...(damage.length === 0 ? [] : ["", " What is not as the lab was made:", ...damageLines(damage, paint)]),
    ];
  });
}

interface PathReport {
  readonly from: string;
  readonly to: string;
  readonly paths: readonly Path[];
  readonly commands: readonly string[] | undefined;
}

export function printPath({ result, paint }: Output, report: PathReport): void {
  const { from, paths, commands } = report;
  result(report, () => [
    ...paths.flatMap((path) => [...pathLines(path, report, paint), ""]),
    ...(commands === undefined
      ? [` No record of what a plugin made for ${from}.`]
      : [
          paint.strong(` What connects ${from}, as one would type it on ${from.split("/")[0]}`),
          ...commands.map((line) => `  ${line}`),
        ]),
  ]);
}

/** A line for each hop: who, how long to there and back, and by which route it goes on. */
function pathLines({ family, address, route, hops }: Path, { from, to }: PathReport, paint: Paint): string[] {
  const onward = (by: string | undefined) => (by === undefined ? "no route" : by);
  const rows = [
    ["", "", from, "", onward(route)],
    ...hops.map((hop, i) => [
      String(i + 1).padStart(2),
      hop.address ?? "no answer",
      hop.member ?? "",
      hop.roundTrip === undefined ? "" : `${hop.roundTrip.toFixed(2)} ms`,
      hop.arrived || hop.member === undefined ? "" : onward(hop.route),
    ]),
  ];
  return [
    paint.strong(` ${from} to ${to}, IPv${family}`),
    ...alignColumns(rows).map((line) => `  ${line}`),
    ...(hops.at(-1)?.arrived ? [] : [paint.bad(`      ${address} was not reached`)]),
  ];
}

export function printFigure({ result }: Output, figure: StreamFigure & { from: string; to: string }): void {
  const { from, to, bytes, seconds } = figure;
  const gigabits = (bytes * 8) / seconds / 1e9;
  result({ ...figure, gigabitsPerSecond: gigabits }, () => [
    ` ${from} to ${to}: ${gigabits.toFixed(1)} Gbit/s, one TCP stream for ${seconds.toFixed(1)} s`,
  ]);
}

export function printRemoval(
  { result, paint }: Output,
  list: readonly { lab: string; removal: Removal | undefined }[],
) {
  result(list, () => {
    if (list.length === 0) return ["No lab is up."];
    return list.map(({ lab, removal }) => {
      if (removal === undefined) return ` There is no lab ${lab}.`;
      const { namespaces, processes } = removal;
      const ended = processes === 0 ? "" : `, ${processes} ${processes === 1 ? "process" : "processes"} in it ended`;
      return ` ${paint.good("✔")} Lab ${lab} is down: ${namespaces} network namespaces removed${ended}`;
    });
  });
}
