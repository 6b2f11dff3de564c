/** Child processes that run a piece of TypeScript, for tests that need a second process. */

/** The path of a source file, for an import in a child's code. */
export function source(path: string): string {
  return JSON.stringify(new URL(`../../src/${path}`, import.meta.url).pathname);
}

export interface Child {
  readonly pid: number;
  /** The next line that it prints; undefined at its end. */
  line(): Promise<string | undefined>;
  kill(signal: NodeJS.Signals): void;
  /** Its exit status, or the signal that ended it. Throws with its error output when that is not empty. */
  ended(): Promise<number | NodeJS.Signals>;
}

/** Starts a process that runs the code; it ends with the test's process at the latest. */
export function startChild(code: string): Child {
  const child = Bun.spawn([process.execPath, "-e", code], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const lines = readLines(child.stdout);
  return {
    pid: child.pid,
    async line() {
      const { value, done } = await lines.next();
      return done ? undefined : value;
    },
    kill: (signal) => child.kill(signal),
    async ended() {
      const errors = await new Response(child.stderr).text();
      await child.exited;
      if (errors !== "") throw new Error(errors);
      return child.signalCode ?? child.exitCode ?? -1;
    },
  };
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  return undefined;
}
