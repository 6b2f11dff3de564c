/**
 * Work with a lab in a process of its own, for tests that kill it or need several: `up NAME PLUGINS` makes the built-in
 * lab without agents and prints a line for each step, `cluster NAME PLUGINS TENDRIL` one with agents; `receive …` and `send …` are the ends of a stream, `flow …` is both of a flow.
 */

import { writeSync } from "node:fs";
import { exampleFile } from "../example.ts";
import { parseLabFile } from "../lab-file.ts";
import { runFlow } from "../probe/flow.ts";
import { receiveStream, sendStream } from "../probe/stream.ts";
import { bringUp } from "../up.ts";
import { exampleLab } from "./fixtures.ts";

const [verb, first = "", second = "", milliseconds = ""] = process.argv.slice(2);
const print = (line: string) => writeSync(1, `${line}\n`);

if (verb === "up") await bringUp(exampleLab(first), { plugins: second, program: [], progress: print });
else if (verb === "cluster") {
  const lab = parseLabFile(exampleFile("flat"), { name: first });
  await bringUp(lab, { plugins: second, program: [milliseconds], progress: print });
} else if (verb === "send") sendStream(first, second, Number(milliseconds));
else if (verb === "flow") {
  const ends = { from: first, to: second, address: milliseconds };
  print(JSON.stringify(await runFlow(ends, () => print("ready"), Bun.stdin.text())));
} else print(JSON.stringify(receiveStream(first, second, () => print("ready"))));
