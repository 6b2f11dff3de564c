/** `tendril make-tap`: what the plugin `tap` starts under another SELinux context; of no use to people. */

import { Command } from "commander";
import { boolean, integer, object, optional, text, withDefault } from "../core/schema.ts";
import { createTap } from "../linux/tun.ts";

const options = object({
  name: text,
  multiQueue: withDefault(boolean, false),
  owner: optional(integer(0, 0xffffffff)),
  group: optional(integer(0, 0xffffffff)),
});

export function makeTapCommand(): Command {
  return new Command("make-tap")
    .argument("<options>", "name, multiQueue, owner and group, as JSON")
    .action((json: string) => createTap(options(JSON.parse(json), "")));
}
