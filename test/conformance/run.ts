/** Starts the judging in namespaces of its own and gathers the verdicts. */

import { join } from "node:path";
import type { Task } from "./main.ts";
import type { Verdict } from "./requirement.ts";

const NAMESPACES = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "--propagation", "private"];

/** Carries out a task; each verdict is told as it comes. Throws when the judging itself ends with an error. */
export async function judgeApart(task: Task, tell: (verdict: Verdict) => void = () => {}): Promise<Verdict[]> {
  const command = [process.execPath, join(import.meta.dir, "main.ts"), JSON.stringify(task)];
  const child = Bun.spawn(["unshare", ...NAMESPACES, ...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const verdicts: Verdict[] = [];
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const verdict = JSON.parse(line) as Verdict;
      verdicts.push(verdict);
      tell(verdict);
    }
  }
  if ((await child.exited) !== 0) throw new Error(`The judging ended with status ${child.exitCode}`);
  return verdicts;
}
