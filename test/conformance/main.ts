/**
 * Judges plugins in namespaces that run.ts has made for it, so that whatever a plugin starts or leaves behind ends with
 * it. Takes a task as JSON and prints one verdict a line.
 */

import { readFileSync } from "node:fs";
import { kernelLink } from "../support/kernel.ts";
import { judgeAll, type Trial } from "./judge.ts";
import type { Verdict } from "./requirement.ts";
import { requirements } from "./requirements/all.ts";
import { findPlugin, type Plugins } from "./stage.ts";
import { executableOf, inIpv4, type PluginConfig, type Subject, subjectsOfNetwork } from "./subject.ts";
import { subjects as standard } from "./subjects.ts";

export interface Task extends Plugins {
  /** The file of a network configuration, whose plugins are judged; the standard plugins where absent. */
  readonly config?: string;
  /** Capability arguments for that configuration. */
  readonly capabilities?: Readonly<Record<string, unknown>>;
  /** Without IPv6, for plugins that wait for each address of it. */
  readonly ipv4?: boolean;
  /** Names of plugins; all where there is none. */
  readonly only: readonly string[];
  /** Names of requirements; all where there is none. */
  readonly requirements: readonly string[];
}

/** How many nodes there are at a time. */
const AT_ONCE = 3;

interface NetworkFile extends PluginConfig {
  readonly plugins?: readonly PluginConfig[];
}

async function main(task: Task): Promise<void> {
  const tell = (verdict: Verdict) => console.log(JSON.stringify(verdict));
  const chosen = requirements.filter(({ id }) => task.requirements.length === 0 || task.requirements.includes(id));
  const trials: Trial[] = [];
  for (const subject of subjectsOf(task)) {
    const missing = whatIsMissing(subject, task.folders);
    for (const requirement of chosen) {
      if (missing === undefined) trials.push({ subject, requirement });
      else tell({ subject: subject.name, requirement: requirement.id, outcome: "not applicable", why: missing });
    }
  }
  await judgeAll(task, trials, AT_ONCE, tell);
}

function subjectsOf({ config, capabilities = {}, only, ipv4 }: Task): readonly Subject[] {
  const known = config === undefined ? standard : subjectsOfNetwork(pluginsOf(config), capabilities);
  const all = ipv4 ? known.map(inIpv4) : known;
  return all.filter(({ name }) => only.length === 0 || only.includes(name));
}

/** A file holds a list of plugins or, in the older form, one. */
function pluginsOf(path: string): readonly PluginConfig[] {
  const file = JSON.parse(readFileSync(path, "utf8")) as NetworkFile;
  return file.plugins ?? [file];
}

function whatIsMissing(subject: Subject, folders: readonly string[]): string | undefined {
  const types = [...subject.plugins.map(({ type }) => type), executableOf(subject)];
  const called = subject.kind === "ipam" ? [executableOf(subject)] : types;
  const lacking = called.filter((type) => findPlugin(folders, type) === undefined);
  if (lacking.length > 0) return `there is no plugin ${lacking.join(", ")}`;
  return subject.link === undefined ? undefined : kernelLink(subject.link)();
}

await main(JSON.parse(process.argv[2] ?? "") as Task);
