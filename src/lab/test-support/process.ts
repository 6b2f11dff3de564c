/**
 * Work with a lab in a process of its own, for tests that kill it or need several: `up NAME PLUGINS` makes the built-in
 * lab and prints a line for each step; `receive …` and `send …` are the ends of a stream.
 */

import { writeSync } from "node:fs";
import { receiveStream, sendStream } from "../probe/stream.ts";
import { bringUp } from "../up.ts";
import { exampleLab } from "./fixtures.ts";

const [verb, first = "", second = "", milliseconds = ""] = process.argv.slice(2);
const print = (line: string) => writeSync(1, `${line}\n`);

if (verb === "up") await bringUp(exampleLab(first), { plugins: second, progress: print });
else if (verb === "send") sendStream(first, second, Number(milliseconds));
else print(JSON.stringify(receiveStream(first, second, () => print("ready"))));
