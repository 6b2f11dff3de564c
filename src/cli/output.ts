/** What the commands of a cluster print: columns for people, JSON or YAML for programs. Colour only on a terminal. */

import { Option } from "commander";
import { stringify } from "yaml";
import { alignColumns } from "../lab/table.ts";

export const FORMATS = ["table", "wide", "json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

export type Print = (line: string) => void;

/** The option by which a command is told how to print. */
export function outputOption(...formats: readonly Format[]): Option {
  return new Option("-o, --output <format>", "how to print").choices(formats).default("table");
}

/** A value as text in JSON or YAML. */
export function formatDocument(value: unknown, format: "json" | "yaml"): string {
  if (format === "json") return JSON.stringify(value, undefined, 2);
  // Through JSON first: YAML would write an absent field as null.
  return stringify(JSON.parse(JSON.stringify(value)), { lineWidth: 0 }).trimEnd();
}

/** Whether a format is one for programs. */
export function isDocument(format: Format): format is "json" | "yaml" {
  return format === "json" || format === "yaml";
}

/** A heading above rows, in columns; nothing but the heading without rows. */
export function formatTable(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return alignColumns([heading, ...rows]);
}

/** A cell of a list; "-" when it is empty. */
export function listCell(items: readonly string[] = []): string {
  return items.length === 0 ? "-" : items.join(",");
}

/** How severe something is, as it is marked on a terminal. */
export type Mark = "good" | "warning" | "bad" | "faint";

const COLOURS: { readonly [K in Mark]: number } = { good: 32, warning: 33, bad: 31, faint: 2 };

/** Marks text by colour, or leaves it as it is where nobody would see colours. */
export function paint(mark: Mark, text: string): string {
  const colours = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  return colours ? `\u001b[${COLOURS[mark]}m${text}\u001b[0m` : text;
}
