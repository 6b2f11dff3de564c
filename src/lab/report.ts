/** The outcome of a lab's test, for people: a table of who reaches whom, and what is wrong. */

import type { Family } from "../core/ip.ts";
import type { ConnectivityReport, Finding } from "./connectivity.ts";
import type { Participant } from "./expectation.ts";
import { PROTOCOLS } from "./probe/probe.ts";

/** How text is marked on a terminal. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  faint(text: string): string;
  strong(text: string): string;
}

const ARRIVED = "●";
const LOST = "○";
/** A cell has a mark for each protocol and one more where something is not as expected. */
const CELL = PROTOCOLS.length + 1;
const MOST_PROBLEMS = 20;

/** The explanation of the marks. */
export const LEGEND = `${ARRIVED.repeat(3)}  ICMP, TCP and UDP: sent, arrived and answered     ${LOST} not     ! not as expected`;

interface Column {
  readonly participant: Participant;
  readonly label: string;
  readonly width: number;
  /** The node whose pods' first column it is. */
  readonly group: string | undefined;
}

/** The table of one family: who sends by lines, who receives by columns, pods under their nodes. */
export function formatMatrix({ participants, findings }: ConnectivityReport, family: Family, paint: Paint): string[] {
  const columns = participants.map((participant, i): Column => {
    const label = participant.role === "pod" ? podOf(participant) : participant.name;
    const first = participant.role !== "pod" || participants[i - 1]?.node !== participant.node;
    const group = first ? (participant.role === "pod" ? participant.node?.name : "") : undefined;
    return { participant, label, width: Math.max([...label].length, CELL), group };
  });
  const side = Math.max(...participants.map(({ name }) => name.length), "from".length);
  // Between two groups is more room than within one.
  const gap = ({ group }: Column) => (group === undefined ? " " : "   ");
  const cells = indexCells(findings.filter(({ expected }) => expected.family === family));
  const rows = participants.map((from) => {
    const line = columns.map((column) => {
      const found = cells.get(`${from.name} ${column.participant.name}`);
      return gap(column) + formatCell(found, column.width, paint);
    });
    return ` ${from.name.padEnd(side)}${line.join("")}`.trimEnd();
  });
  const groups = formatGroups(columns, gap);
  const labels = columns.map((column) => gap(column) + column.label.padEnd(column.width)).join("");
  return [
    paint.strong(` ${`IPv${family}`.padEnd(side)}${groups}`.trimEnd()),
    paint.strong(` ${"from".padEnd(side)}${labels}`.trimEnd()),
    ...rows,
  ];
}

/** The names of nodes above the columns of their pods, cut where those have no room for it. */
function formatGroups(columns: readonly Column[], gap: (column: Column) => string): string {
  let line = "";
  for (const [i, column] of columns.entries()) {
    if (column.group === undefined) continue;
    const end = columns.findIndex((other, j) => j > i && other.group !== undefined);
    const within = columns.slice(i, end < 0 ? undefined : end);
    const room = within.reduce((sum, { width }) => sum + width, within.length - 1);
    line += gap(column) + column.group.slice(0, room).padEnd(room);
  }
  return line;
}

function podOf({ name }: Participant): string {
  return name.slice(name.indexOf("/") + 1);
}

function indexCells(findings: readonly Finding[]): Map<string, Finding[]> {
  const cells = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = `${finding.expected.from} ${finding.expected.to}`;
    const cell = cells.get(key);
    if (cell === undefined) cells.set(key, [finding]);
    else cell.push(finding);
  }
  return cells;
}

function formatCell(findings: readonly Finding[] | undefined, width: number, paint: Paint): string {
  if (findings === undefined) return paint.faint("–".padEnd(width));
  const marks = PROTOCOLS.map((protocol) => {
    const found = findings.find(({ expected }) => expected.protocol === protocol && expected.size === undefined);
    return found?.seen.reached ? ARRIVED : LOST;
  }).join("");
  const broken = findings.some(({ problem }) => problem !== undefined);
  const expectedToArrive = findings.some(({ expected }) => expected.reaches);
  const text = `${marks}${broken ? "!" : ""}`.padEnd(width);
  if (broken) return paint.bad(text);
  return expectedToArrive ? paint.good(text) : paint.faint(text);
}

/** What is not as expected: a line for each pair and family. */
export function formatProblems({ findings }: ConnectivityReport): string[] {
  const pairs = new Map<string, Map<string, string[]>>();
  for (const { expected, problem } of findings) {
    if (problem === undefined) continue;
    const pair = `${expected.from} → ${expected.to} (${expected.address})`;
    const problems = pairs.get(pair) ?? new Map<string, string[]>();
    pairs.set(pair, problems.set(problem, [...(problems.get(problem) ?? []), expected.protocol.toUpperCase()]));
  }
  const all = [...pairs].map(([pair, problems]) => {
    const parts = [...problems].map(([problem, protocols]) => `${protocols.join(", ")} ${problem}`);
    return `${pair}: ${parts.join("; ")}`;
  });
  const rest = all.length - MOST_PROBLEMS;
  return rest <= 0 ? all : [...all.slice(0, MOST_PROBLEMS), `… and ${rest} pairs more`];
}

/** How packets that fill the pods' MTU fared, as a sentence for each MTU; none where nothing was sent. */
export function formatFullSize({ findings }: ConnectivityReport): string[] {
  const full = findings.filter(({ expected }) => expected.size !== undefined && !expected.refused);
  const sizes = [...new Set(full.flatMap(({ expected: { size } }) => size ?? []))].sort((a, b) => a - b);
  return sizes.map((size) => {
    const sent = full.filter(({ expected }) => expected.size === size);
    const arrived = sent.filter(({ seen }) => seen.reached).length;
    const larger = findings.filter(({ expected }) => expected.refused && expected.size === size + 1);
    const refused = larger.filter(({ problem }) => problem === undefined).length;
    return `full size: ${arrived} of ${sent.length} packets of ${size} bytes arrived uncut; ${refused} of ${larger.length} of ${size + 1} were refused by their sender`;
  });
}

/** Under which addresses the outside host saw the pods, as sentences. */
export function formatMasquerade({ participants, findings }: ConnectivityReport): string[] {
  const nodes = new Set(participants.flatMap(({ role, node }) => (role === "pod" && node !== undefined ? [node] : [])));
  return [...nodes].flatMap((node) => {
    const pods = participants.filter((other) => other.role === "pod" && other.node === node).map(({ name }) => name);
    const seen = findings
      .filter(({ expected }) => expected.to === "outside" && pods.includes(expected.from))
      .flatMap(({ seen: { source } }) => source ?? []);
    const sources = [...new Set(seen)];
    return sources.length === 0 ? [] : [`outside sees ${node.name}'s pods as ${sources.join(" and ")}`];
  });
}
