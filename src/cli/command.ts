/** The commands for people: parsing arguments, help, and errors as sentences. */

import { Command, CommanderError, type OutputConfiguration } from "commander";
import { VERSION } from "../agent/version.ts";
import { errorMessage, TendrilError } from "../core/errors.ts";
import { agentCommand } from "./agent.ts";
import type { KubeconfigChoice } from "./cluster-access.ts";
import { controllerCommand } from "./controller.ts";
import { doctorCommand } from "./doctor.ts";
import { getCommand } from "./get.ts";
import { installCommand } from "./install.ts";
import { installPluginsCommand } from "./install-plugins.ts";
import { labCommand } from "./lab.ts";
import { makeTapCommand } from "./make-tap.ts";
import { networkCommands } from "./network.ts";
import { nodeCommand } from "./node.ts";
import { poolCommand } from "./pool.ts";
import { reservationCommands } from "./reserve.ts";
import { statusCommand } from "./status.ts";
import { traceCommand } from "./trace.ts";
import { tracePartCommand } from "./trace-part.ts";
import { uninstallCommand } from "./uninstall.ts";

/**
 * Runs a command line and returns the exit status: 0 when it did what it says, 1 when not, 2 for a wrong line. As a plugin of
 * kubectl it is called `kubectl tendril`, and means the cluster that kubectl speaks to.
 */
export async function runCli(args: readonly string[], isKubectls = false): Promise<number> {
  const named = isKubectls ? asKubectls : (text: string) => text;
  const program = new Command("tendril")
    .description("Connects pods, and any other container, to networks")
    .version(VERSION)
    .exitOverride()
    .enablePositionalOptions()
    .showHelpAfterError("(tendril --help tells more)");
  let status = 0;
  const exit = (given: number): void => {
    status = given;
  };
  const cluster = [
    agentCommand(exit),
    controllerCommand(),
    getCommand(),
    poolCommand(),
    ...reservationCommands(),
    nodeCommand(),
    statusCommand(exit),
    doctorCommand(exit),
    traceCommand(exit),
    installCommand(),
    uninstallCommand(),
    installPluginsCommand(),
  ];
  const print: Print = {
    writeOut: (text) => process.stdout.write(named(text)),
    writeErr: (text) => process.stderr.write(named(text)),
  };
  program.configureOutput(print);
  for (const command of [...networkCommands(), ...cluster, labCommand(exit)])
    program.addCommand(inherit(command, print));
  for (const command of [makeTapCommand(), tracePartCommand()])
    program.addCommand(inherit(command, print), { hidden: true });
  program.hook("preAction", (_, action) => {
    if (isKubectls) action.setOptionValue("kubectl" satisfies keyof KubeconfigChoice, true);
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    console.error(named(`tendril: ${errorMessage(error)}`));
    if (error instanceof TendrilError && error.details !== undefined) console.error(named(error.details));
    return 1;
  }
}

type Print = Required<Pick<OutputConfiguration, "writeOut" | "writeErr">>;

/** A command that was made apart does not take over how the program ends, nor how it prints its help. */
function inherit(command: Command, print: Print): Command {
  command.exitOverride().configureOutput(print);
  for (const child of command.commands) inherit(child, print);
  return command;
}

/** The program's name as its user has typed it, in help and messages. */
export function asKubectls(text: string): string {
  return text.replace(/(?<=^|[\s("`])tendril(?=:? [a-z[<-])/gm, "kubectl tendril");
}
