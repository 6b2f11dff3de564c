/** What the verbs of `tendril lab` share: which lab is meant, and how this program is started again. */

import { basename } from "node:path";
import { type Command, Option } from "commander";
import { TendrilError } from "../core/errors.ts";
import { type LabRecord, listLabs, requireRecord } from "../lab/record.ts";

export interface LabOptions {
  readonly lab?: string;
  readonly output: "table" | "json";
}

/** Makes a verb: how it is used, what it does, and an example. */
export type MakeVerb = (usage: string, about: string, example: string) => Command;

export function makeVerbs(program: Command): MakeVerb {
  return (usage, about, example) =>
    program.command(usage).description(about).addHelpText("after", `\nExample:\n  ${example}`).exitOverride();
}

export function withLab(command: Command): Command {
  return command.option("-l, --lab <name>", "which lab; needed when several are up");
}

export function withOutput(command: Command): Command {
  return command.addOption(
    new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table"),
  );
}

/** The record of the lab that is meant. Throws TendrilError when there is none, or several. */
export function chosenRecord({ lab }: Pick<LabOptions, "lab">): LabRecord {
  return requireRecord(lab ?? onlyLab(listLabs()));
}

/** The lab that is meant when none is named. */
export function onlyLab(labs: readonly string[]): string {
  const [lab, ...others] = labs;
  if (lab === undefined) throw new TendrilError("No lab is up", { details: "`tendril lab up` makes one." });
  if (others.length === 0) return lab;
  throw new TendrilError(`Several labs are up: ${labs.join(", ")}`, { details: "`--lab NAME` says which." });
}

/** The command that starts this program: the executable, or the runtime with a script. */
export function selfCommand(): string[] {
  return basename(process.execPath).startsWith("bun") ? [process.execPath, Bun.main] : [process.execPath];
}
