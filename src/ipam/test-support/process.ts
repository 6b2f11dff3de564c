/**
 * Runs calls of host-local one after the other in a process of its own, for tests of what several processes, or a
 * killed one, do to one folder: `bun process.ts '[{"verb": "add", …}, …]'` prints the outcomes as a JSON list.
 */

import { writeSync } from "node:fs";
import { hostLocal } from "../host-local/index.ts";
import { runCall, type TestCall } from "./call.ts";

const calls = JSON.parse(process.argv[2] ?? "[]") as TestCall[];
const outcomes = calls.map((call) => runCall(hostLocal, call));
writeSync(1, JSON.stringify(outcomes));
