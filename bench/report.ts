/** The report: a table for people, JSON for programs. */

import { Table } from "console-table-printer";
import type { Comparison, Series } from "./measurement.ts";
import { median, quantile } from "./statistics.ts";

export interface Figures {
  readonly name: string;
  /** Of wall time, in milliseconds. */
  readonly median: number;
  readonly p95: number;
  /** The median of the time on a processor, in milliseconds. */
  readonly cpu: number;
  readonly samples: number;
}

export interface Line {
  readonly what: string;
  readonly measured: Figures;
  readonly against: Figures;
  /** Of the medians of wall time. */
  readonly ratio: number;
  readonly cpuRatio: number;
  readonly goal: number | undefined;
  readonly verdict: "ok" | "missed" | "failed" | undefined;
  readonly fault: string | undefined;
}

export function lineOf({ what, measured, against, goal, fault }: Comparison): Line {
  const [a, b] = [figuresOf(measured), figuresOf(against)];
  const ratio = a.median / b.median;
  const reached = goal === undefined ? undefined : ratio <= goal ? "ok" : "missed";
  const verdict = fault === undefined ? reached : "failed";
  return { what, measured: a, against: b, ratio, cpuRatio: a.cpu / b.cpu, goal, verdict, fault };
}

function figuresOf({ name, samples }: Series): Figures {
  const walls = samples.map(({ wall }) => wall);
  const cpus = samples.map(({ cpu }) => cpu);
  return { name, median: median(walls), p95: quantile(walls, 0.95), cpu: median(cpus), samples: samples.length };
}

/** Times are in milliseconds: the median, the 95th percentile, and the processor's. */
export function formatLines(lines: readonly Line[]): string {
  const table = new Table({
    columns: [
      { name: "what", alignment: "left" },
      { name: "who", alignment: "left" },
      ...["median", "p95", "cpu", "ratio", "cpu ratio", "goal"].map((name) => ({ name, alignment: "right" as const })),
      { name: "verdict", alignment: "left" },
    ],
    shouldDisableColors: true,
  });
  for (const { what, measured, against, ratio, cpuRatio, goal, verdict } of lines) {
    table.addRow({
      what,
      ...cells(measured),
      ratio: ratio.toFixed(2),
      "cpu ratio": Number.isNaN(cpuRatio) ? "" : cpuRatio.toFixed(2),
      goal: goal === undefined ? "" : `≤ ${Number(goal.toFixed(3))}`,
      verdict: verdict ?? "",
    });
    table.addRow({ what: "", ...cells(against), ratio: "", "cpu ratio": "", goal: "", verdict: "" });
  }
  return table.render();
}

function cells({ name, median, p95, cpu }: Figures) {
  return { who: name, median: median.toFixed(2), p95: p95.toFixed(2), cpu: Number.isNaN(cpu) ? "" : cpu.toFixed(2) };
}
