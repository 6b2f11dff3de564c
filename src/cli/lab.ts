/** `tendril lab`: clusters of network namespaces on this machine. */

import { basename } from "node:path";
import { Command, Option } from "commander";
import { FileError, TendrilError } from "../core/errors.ts";
import { findPlugins } from "../lab/attachment.ts";
import { testConnectivity } from "../lab/connectivity.ts";
import { takeDown } from "../lab/down.ts";
import { drawLab } from "../lab/drawing.ts";
import { EXAMPLE } from "../lab/example.ts";
import { execInMember, netnsOfMember } from "../lab/exec.ts";
import { labName, parseLabFile } from "../lab/lab-file.ts";
import { addressOfMember, attachmentCommands, tracePaths } from "../lab/path.ts";
import { measureStream, receiveStream, sendStream } from "../lab/probe/stream.ts";
import { listLabs, requireRecord } from "../lab/record.ts";
import { labStatus } from "../lab/status.ts";
import { bringUp } from "../lab/up.ts";
import { readTextIfExists } from "../linux/file.ts";
import { output, printFigure, printPath, printRemoval, printStatus, printTest } from "./lab-output.ts";

/** How long the stream of `lab throughput` lasts, in milliseconds. */
const STREAM_MS = 1000;

interface Options {
  readonly lab?: string;
  readonly output: "table" | "json";
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
  const verb = (usage: string, about: string, example: string) =>
    program.command(usage).description(about).addHelpText("after", `\nExample:\n  ${example}`).exitOverride();
  const withLab = (command: Command) => command.option("-l, --lab <name>", "which lab; needed when several are up");
  const withOutput = (command: Command) =>
    command.addOption(new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table"));

  withOutput(
    verb("up [file]", "make a lab from a YAML file, or the built-in one", "tendril lab up cluster.yaml --lab two"),
  )
    .option("-l, --lab <name>", "name it so, whatever its file says")
    .option(
      "--plugins <folder>",
      "the CNI plugins to attach pods with (default: CNI_PATH, else cni beside this program)",
    )
    .action(up);
  withOutput(
    withLab(verb("status", "show labs, their members and what is broken", "tendril lab status -o json")),
  ).action((options: Options) => exit(status(options)));
  withLab(
    verb("exec <member> [command...]", "run a command on a node or in a pod", "tendril lab exec node1/web -- ip route"),
  )
    .passThroughOptions()
    .action(async (member: string, command: string[], options: Options) => exit(await exec(member, command, options)));
  withOutput(withLab(verb("test", "send packets from everybody to everybody and compare", "tendril lab test"))).action(
    (options: Options) => exit(test(options)),
  );
  withOutput(
    withLab(
      verb(
        "path <from> <to>",
        "show a way hop by hop, and the commands that make it",
        "tendril lab path node1/web node3/web",
      ),
    ),
  ).action((from: string, to: string, options: Options) => exit(path(from, to, options)));
  withOutput(
    withLab(
      verb("throughput <from> <to>", "send one TCP stream for a second", "tendril lab throughput node1/web node3/web"),
    ),
  ).action(throughput);
  withOutput(withLab(verb("down", "take a lab down, also half of one", "tendril lab down --all")))
    .option("-a, --all", "all labs of this machine")
    .action(down);
  verb("example", "print the built-in lab's file", "tendril lab example > cluster.yaml").action(() =>
    console.log(EXAMPLE.trimEnd()),
  );
  program.command("stream", { hidden: true }).argument("<words...>").action(stream);
  return program;
}

async function up(file: string | undefined, options: Options & { plugins?: string }): Promise<void> {
  const name = options.lab === undefined ? undefined : labName(options.lab, "--lab");
  const lab = parseLabFile(file === undefined ? EXAMPLE : readLabFile(file), name);
  const plugins = findPlugins(options.plugins, process.execPath);
  const out = output(options.output);
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupt);
  try {
    await bringUp(lab, { plugins, progress: out.progress, signal: interruption.signal });
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
  }
  out.result({ lab, plugins }, () => ["", `Lab ${lab.name} is up:`, "", ...indent(drawLab(lab))]);
}

function status(options: Options): number {
  const names = options.lab === undefined ? listLabs() : [options.lab];
  const states = names.map(labStatus);
  printStatus(output(options.output), states);
  return states.every(({ state }) => state === "up") ? 0 : 1;
}

async function exec(member: string, words: readonly string[], options: Options): Promise<number> {
  // Since options after the member belong to the command, the parser leaves a "--" before it in place.
  const command = words[0] === "--" ? words.slice(1) : words;
  return execInMember(chosenRecord(options), member, command.length === 0 ? ["sh"] : command);
}

function test(options: Options): number {
  const { lab } = chosenRecord(options);
  const report = testConnectivity(lab);
  const failed = report.findings.some(({ problem }) => problem !== undefined);
  // A broken lab tells what is broken by itself, where a packet only tells that it did not arrive.
  const damage = failed ? labStatus(lab.name).members.filter(({ findings }) => findings.length > 0) : [];
  printTest(output(options.output), lab, report, damage);
  return failed ? 1 : 0;
}

function path(from: string, to: string, options: Options): number {
  const { lab } = chosenRecord(options);
  const paths = tracePaths(lab, from, to);
  printPath(output(options.output), { from, to, paths, commands: attachmentCommands(lab, from) });
  return paths.every(({ hops }) => hops.at(-1)?.arrived) ? 0 : 1;
}

async function throughput(from: string, to: string, options: Options): Promise<void> {
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
function down({ lab, all, output: format }: Options & { all?: true }): void {
  const labs = listLabs();
  const one = lab === undefined ? undefined : labName(lab, "--lab");
  const chosen = one !== undefined ? [one] : all || labs.length === 0 ? labs : [onlyLab(labs)];
  printRemoval(
    output(format),
    chosen.map((name) => ({ lab: name, removal: takeDown(name) })),
  );
}

/** The two ends of `lab throughput`, each in a process of its own. */
function stream([end = "", netns = "", address = "", milliseconds = ""]: string[]): void {
  if (end === "send") sendStream(netns, address, Number(milliseconds));
  else console.log(JSON.stringify(receiveStream(netns, address, () => console.log("ready"))));
}

/** The command that starts this program: the executable, or the runtime with a script. */
function selfCommand(): string[] {
  return basename(process.execPath).startsWith("bun") ? [process.execPath, Bun.main] : [process.execPath];
}

function readLabFile(path: string): string {
  const source = readTextIfExists(path);
  if (source === undefined) throw new FileError(`There is no lab file "${path}"`);
  return source;
}

function chosenRecord({ lab }: Options) {
  return requireRecord(lab ?? onlyLab(listLabs()));
}

/** The lab that is meant when none is named. */
function onlyLab(labs: readonly string[]): string {
  const [lab, ...others] = labs;
  if (lab === undefined) throw new TendrilError("No lab is up", { details: "`tendril lab up` makes one." });
  if (others.length === 0) return lab;
  throw new TendrilError(`Several labs are up: ${labs.join(", ")}`, { details: "`--lab NAME` says which." });
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
