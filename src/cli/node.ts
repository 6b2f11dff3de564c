/** `tendril node`: what an operator has to say of a node. */

import { Command, InvalidArgumentError } from "commander";
import { STORE_HELP, type StoreChoice, withCluster, withStoreOptions } from "./cluster-access.ts";
import { forgetNode } from "./node-changes.ts";
import { type Format, outputOption } from "./output.ts";
import { report } from "./pool.ts";

/** The agent's default grace period with its heartbeat, in seconds. */
const PATIENCE = 50;

interface Options extends StoreChoice {
  readonly output: Format;
  readonly patience: number;
  readonly now?: true;
}

export function nodeCommand(): Command {
  const program = new Command("node").description("nodes that are gone");
  withStoreOptions(
    program
      .command("forget <name>")
      .description("give a node up that is gone for good: its blocks become free")
      .addOption(outputOption("table", "json", "yaml"))
      .option(
        "--patience <seconds>",
        "how long its heartbeat must stand still: grace and heartbeat of the agents",
        seconds,
        PATIENCE,
      )
      .option("--now", "the machine is off: wait for nothing"),
  )
    .addHelpText("after", `${STORE_HELP}\n\nExample:\n  tendril node forget node7 --now`)
    .action(async (name: string, options: Options) => {
      const patience = options.now ? 0 : options.patience * 1000;
      const forgotten = await withCluster(options, (cluster) =>
        forgetNode(cluster, name, { patience, sleep: Bun.sleep }),
      );
      const { epoch, freed } = forgotten;
      const blocks = freed.length === 0 ? "no block of it was left" : `${freed.join(", ")} free again`;
      report(options, forgotten, `Node "${name}" is given up (epoch ${epoch}): ${blocks}`);
    });
  return program;
}

function seconds(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text)) throw new InvalidArgumentError("It is a number of seconds.");
  return Number(text);
}
