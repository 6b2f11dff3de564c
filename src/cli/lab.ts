/** `tendril lab`: clusters of network namespaces on this machine. */

import { Command, Option } from "commander";
import { FileError, TendrilError } from "../core/errors.ts";
import { findPlugins } from "../lab/attachment.ts";
import { takeDown } from "../lab/down.ts";
import { drawLab } from "../lab/drawing.ts";
import { EXAMPLE_NAMES, exampleFile } from "../lab/example.ts";
import { execInMember, netnsOfMember } from "../lab/exec.ts";
import type { LabMode, LabStore } from "../lab/lab.ts";
import { LAB_MODES, labName, parseLabFile } from "../lab/lab-file.ts";
import { addressOfMember, attachmentCommands, tracePaths } from "../lab/path.ts";
import { runFlow } from "../lab/probe/flow.ts";
import { measureStream, receiveStream, sendStream } from "../lab/probe/stream.ts";
import { listLabs } from "../lab/record.ts";
import { labStatus } from "../lab/status.ts";
import { bringUp } from "../lab/up.ts";
import { readTextIfExists } from "../linux/file.ts";
import { addChangeVerbs } from "./lab-change.ts";
import { chosenRecord, type LabOptions, makeVerbs, onlyLab, selfCommand, withLab, withOutput } from "./lab-choice.ts";
import { output, printFigure, printPath, printRemoval, printStatus } from "./lab-output.ts";
import { addTestVerb } from "./lab-test.ts";

/** How long the stream of `lab throughput` lasts, in milliseconds. */
const STREAM_MS = 1000;

interface UpOptions extends LabOptions {
  readonly plugins?: string;
  readonly mode?: LabMode;
  readonly store?: LabStore;
  readonly example?: string;
}

/** `tendril lab` with its verbs. `exit` hears the status to end with where it is another than that of success. */
export function labCommand(exit: (status: number) => void): Command {
  const program = new Command("lab")
    .description("clusters of network namespaces on this machine: nodes, subnets, pods, a router, a host outside")
    .enablePositionalOptions()
    .hook("preAction", (_, verb) => {
      if (process.getuid?.() === 0 || verb.name() === "example") return;
      throw new TendrilError("A lab is made of network namespaces: that needs root");
    });
  const verb = makeVerbs(program);

  withOutput(
    verb("up [file]", "make a lab from a YAML file, or the built-in one", "tendril lab up cluster.yaml --lab two"),
  )
    .option("-l, --lab <name>", "name it so, whatever its file says")
    .option("--example <name>", "without a file: which of the topologies that `lab example` prints", "default")
    .addOption(new Option("--mode <mode>", "how packets get to other nodes, whatever its file says").choices(LAB_MODES))
    .addOption(new Option("--store <kind>", "where agents meet, whatever its file says").choices(["directory", "etcd"]))
    .option(
      "--plugins <folder>",
      "the CNI plugins to attach pods with (default: CNI_PATH, else cni beside this program)",
    )
    .action(up);
  withOutput(
    withLab(verb("status", "show labs, their members and what is broken", "tendril lab status -o json")),
  ).action(async (options: LabOptions) => exit(await status(options)));
  withLab(
    verb("exec <member> [command...]", "run a command on a node or in a pod", "tendril lab exec node1/web -- ip route"),
  )
    .passThroughOptions()
    .action(async (member: string, command: string[], options: LabOptions) =>
      exit(await exec(member, command, options)),
    );
  addTestVerb(verb, exit);
  withOutput(
    withLab(
      verb(
        "path <from> <to>",
        "show a way hop by hop, and the commands that make it",
        "tendril lab path node1/web node3/web",
      ),
    ),
  ).action((from: string, to: string, options: LabOptions) => exit(path(from, to, options)));
  withOutput(
    withLab(
      verb("throughput <from> <to>", "send one TCP stream for a second", "tendril lab throughput node1/web node3/web"),
    ),
  ).action(throughput);
  withOutput(withLab(verb("down", "take a lab down, also half of one", "tendril lab down --all")))
    .option("-a, --all", "all labs of this machine")
    .action(down);
  verb(
    "example [name]",
    `print a topology's file: ${EXAMPLE_NAMES.join(", ")}`,
    "tendril lab example flat > lab.yaml",
  ).action((name: string | undefined) => console.log(exampleFile(name).trimEnd()));
  addChangeVerbs(program, verb, output("table").progress);
  program.command("stream", { hidden: true }).argument("<words...>").action(stream);
  return program;
}

async function up(file: string | undefined, options: UpOptions): Promise<void> {
  const name = options.lab === undefined ? undefined : labName(options.lab, "--lab");
  const source = file === undefined ? exampleFile(options.example) : readLabFile(file);
  const lab = parseLabFile(source, { name, mode: options.mode, store: options.store });
  const plugins = findPlugins(lab, options.plugins, process.execPath);
  const out = output(options.output);
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupt);
  try {
    const signal = interruption.signal;
    await bringUp(lab, { plugins, program: selfCommand(), progress: out.progress, signal });
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
  }
  out.result({ lab, plugins }, () => ["", `Lab ${lab.name} is up:`, "", ...indent(drawLab(lab))]);
}

async function status(options: LabOptions): Promise<number> {
  const names = options.lab === undefined ? listLabs() : [options.lab];
  const states = await Promise.all(names.map(labStatus));
  printStatus(output(options.output), states);
  return states.every(({ state }) => state === "up") ? 0 : 1;
}

async function exec(member: string, words: readonly string[], options: LabOptions): Promise<number> {
  // Since options after the member belong to the command, the parser leaves a "--" before it in place.
  const command = words[0] === "--" ? words.slice(1) : words;
  return execInMember(chosenRecord(options), member, command.length === 0 ? ["sh"] : command);
}

function path(from: string, to: string, options: LabOptions): number {
  const { lab } = chosenRecord(options);
  const paths = tracePaths(lab, from, to);
  printPath(output(options.output), { from, to, paths, commands: attachmentCommands(lab, from) });
  return paths.every(({ hops }) => hops.at(-1)?.arrived) ? 0 : 1;
}

async function throughput(from: string, to: string, options: LabOptions): Promise<void> {
  const { lab } = chosenRecord(options);
  const family = lab.families[0] ?? 4;
  const ends = {
    from: netnsOfMember(lab, from),
    to: netnsOfMember(lab, to),
    address: addressOfMember(lab, to, family),
  };
  const figure = await measureStream(ends, [...selfCommand(), "lab", "stream"], STREAM_MS);
  printFigure(output(options.output), { from, to, ...figure });
}

/** What is down already is no error. */
function down({ lab, all, output: format }: LabOptions & { all?: true }): void {
  const labs = listLabs();
  const one = lab === undefined ? undefined : labName(lab, "--lab");
  const chosen = one !== undefined ? [one] : all || labs.length === 0 ? labs : [onlyLab(labs)];
  printRemoval(
    output(format),
    chosen.map((name) => ({ lab: name, removal: takeDown(name) })),
  );
}

/** The two ends of `lab throughput`, and the flow of a scenario, each in a process of its own. */
async function stream([end = "", netns = "", address = "", more = ""]: string[]): Promise<void> {
  const ready = () => console.log("ready");
  if (end === "send") sendStream(netns, address, Number(more));
  else if (end === "receive") console.log(JSON.stringify(receiveStream(netns, address, ready)));
  else {
    const figure = await runFlow({ from: netns, to: address, address: more }, ready, Bun.stdin.text());
    console.log(JSON.stringify(figure));
  }
}

function readLabFile(path: string): string {
  const source = readTextIfExists(path);
  if (source === undefined) throw new FileError(`There is no lab file "${path}"`);
  return source;
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
