/** Commands inside a lab. */

import { TendrilError } from "../core/errors.ts";
import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../linux/netns.ts";
import { nodeEnvironment } from "./attachment.ts";
import { type Lab, members } from "./lab.ts";
import { netnsName } from "./names.ts";
import type { LabRecord } from "./record.ts";

/** What a shell answers for a command that it cannot find. */
const NOT_FOUND = 127;

/** The name of a member's network namespace. Throws TendrilError, which names the members, for an unknown one. */
export function netnsOfMember(lab: Lab, member: string): string {
  if (members(lab).includes(member)) return netnsName(lab.name, member);
  throw new TendrilError(`Lab "${lab.name}" has no "${member}"`, { details: `There are ${members(lab).join(", ")}.` });
}

/**
 * Runs a command in a member's network namespace with this process's terminal, and returns its exit status, 128 and
 * the signal's number when one ended it. All else, such as files and processes, is the machine's.
 */
export async function execInMember(
  { lab, plugins }: LabRecord,
  member: string,
  command: readonly string[],
): Promise<number> {
  const netns = openNetns(namedNetnsPath(netnsOfMember(lab, member)));
  const node = lab.nodes.find(({ name }) => name === member.split("/")[0]);
  const env = {
    ...process.env,
    PS1: `${member} # `,
    ...(node === undefined ? {} : nodeEnvironment(lab.name, node.name, plugins)),
  };
  // The terminal sends its signals to the command as well; it is for the command to decide what they mean.
  const ignore = () => {};
  for (const signal of ["SIGINT", "SIGQUIT"] as const) process.on(signal, ignore);
  try {
    const child = inNetns(netns, () => spawn(command, env));
    if (child === undefined) return NOT_FOUND;
    const forward = () => child.kill("SIGTERM");
    process.on("SIGTERM", forward);
    try {
      return await child.exited;
    } finally {
      process.off("SIGTERM", forward);
    }
  } finally {
    for (const signal of ["SIGINT", "SIGQUIT"] as const) process.off(signal, ignore);
    closeNetns(netns);
  }
}

function spawn(command: readonly string[], env: Record<string, string | undefined>) {
  try {
    return Bun.spawn([...command], { env, stdin: "inherit", stdout: "inherit", stderr: "inherit" });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    console.error(`There is no command "${command[0]}"`);
    return undefined;
  }
}
