/** `tendril install-plugins`: puts the executable where container runtimes look for plugins, or takes it away. */

import { Command } from "commander";
import { VERSION } from "../agent/version.ts";
import { installPlugins, removePlugins } from "./plugin-folder.ts";

const NOTES = `
A newer version that is in the folder stays, and so do other programs under the names of plugins.

Examples:
  tendril install-plugins /opt/cni/bin
  tendril install-plugins --remove /opt/cni/bin`;

export function installPluginsCommand(): Command {
  return new Command("install-plugins")
    .description("put this executable, and a link to it for each plugin, into a folder")
    .argument("<folder>", "where the container runtime looks for plugins, such as /opt/cni/bin")
    .option("--remove", "take them away instead")
    .addHelpText("after", NOTES)
    .action(async (folder: string, { remove }: { readonly remove?: boolean }) => {
      const say = (sentence: string) => console.log(sentence);
      if (remove) await removePlugins({ folder, say });
      else await installPlugins({ source: process.execPath, version: VERSION, folder, say });
    });
}
