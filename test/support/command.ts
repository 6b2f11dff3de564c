/** Commands that are run to their end. */

/** What every command finds programs by. */
export const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface RunOptions {
  /** Added to PATH, which is always there. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input. */
  readonly input?: string;
}

export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, whatever that is. */
export async function finish(command: readonly string[], { env, input }: RunOptions = {}): Promise<Finished> {
  const child = Bun.spawn([...command], {
    env: { PATH, ...env },
    stdin: new Blob([input ?? ""]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { exitCode: await child.exited, stdout, stderr };
}

/** The standard output of what must succeed. Throws with the command and what it said. */
export async function outputOf(where: string, command: readonly string[], work: Promise<Finished>): Promise<string> {
  const { exitCode, stdout, stderr } = await work;
  if (exitCode === 0) return stdout;
  throw new Error(`${where}: ${command.join(" ")}: exit status ${exitCode}: ${stderr}${stdout}`);
}
