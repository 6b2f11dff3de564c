/** The commands for people: parsing arguments, help, and errors as sentences. */

import { Command, CommanderError } from "commander";
import { errorMessage } from "../cni/errors.ts";
import { TendrilError } from "../core/errors.ts";
import { labCommand } from "./lab.ts";
import { makeTapCommand } from "./make-tap.ts";
import { networkCommands } from "./network.ts";

/** Runs a command line and returns the exit status: 0 when it did what it says, 1 when not, 2 for a wrong line. */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = new Command("tendril")
    .description("Connects pods, and any other container, to networks")
    .exitOverride()
    .enablePositionalOptions()
    .showHelpAfterError("(tendril --help tells more)");
  let status = 0;
  const exit = (given: number): void => {
    status = given;
  };
  for (const command of [...networkCommands(), labCommand(exit)]) program.addCommand(inherit(command));
  program.addCommand(inherit(makeTapCommand()), { hidden: true });
  try {
    await program.parseAsync([...args], { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    console.error(`tendril: ${errorMessage(error)}`);
    if (error instanceof TendrilError && error.details !== undefined) console.error(error.details);
    return 1;
  }
}

/** A command that was made apart does not take over how the program ends. */
function inherit(command: Command): Command {
  command.exitOverride();
  for (const child of command.commands) inherit(child);
  return command;
}
