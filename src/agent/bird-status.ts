/** What BIRD says of its sessions, as values. */

import type { BirdLine } from "./bird-control.ts";

/** A session of BGP. */
export interface BirdSession {
  /** The protocol's name in the configuration. */
  readonly name: string;
  /** Such as `Established`, `Active` or `Idle`. @see https://www.rfc-editor.org/rfc/rfc4271#section-8.2.2 */
  readonly state: string;
  readonly neighbour: string | undefined;
  readonly as: number | undefined;
  /** Since when it is so, in seconds of the epoch. */
  readonly since: number;
  /** What stands in its way, or ended it the last time. */
  readonly problem: string | undefined;
  /** Of all families. */
  readonly imported: number;
  readonly exported: number;
}

/** Reply codes. @see BIRD's source, doc/reply_codes */
const PROTOCOL = 1002;
const DETAILS = 1006;

/** The sessions in the answer to `show protocols all`, where times are written by `%s`. */
export function parseSessions(lines: readonly BirdLine[]): BirdSession[] {
  const sessions: BirdSession[] = [];
  for (const [i, { code, text }] of lines.entries()) {
    if (code !== PROTOCOL) continue;
    const [, name = "", type, since, info = ""] = /^(\S+)\s+(\S+)\s+\S+\s+\S+\s+(\S+)\s*(.*)$/.exec(text) ?? [];
    if (type !== "BGP") continue;
    const following = lines.slice(i + 1);
    const next = following.findIndex((line) => line.code !== DETAILS);
    const details = following.slice(0, next < 0 ? undefined : next).map((line) => line.text);
    const [state = "", problem] = split(info.trim());
    const as = fieldOf(details, "Neighbor AS");
    const routes = details.flatMap((line) => /^\s*Routes:\s+(.*)$/.exec(line)?.[1] ?? []);
    sessions.push({
      name,
      state: fieldOf(details, "BGP state") ?? state,
      neighbour: fieldOf(details, "Neighbor address"),
      as: as === undefined ? undefined : Number(as),
      since: Number(since),
      problem: problem ?? fieldOf(details, "Last error"),
      imported: sum(routes, "imported"),
      exported: sum(routes, "exported"),
    });
  }
  return sessions;
}

/** `Active        Socket: Connection refused` */
function split(info: string): [string?, string?] {
  const [state, ...words] = info.split(/\s+/);
  return words.length === 0 ? [state] : [state, words.join(" ")];
}

function fieldOf(details: readonly string[], name: string): string | undefined {
  const line = details.map((text) => text.trim()).find((text) => text.startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}

/** `1 imported, 0 filtered, 2 exported, 1 preferred` */
function sum(routes: readonly string[], word: string): number {
  return routes.reduce((total, line) => total + Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0), 0);
}
