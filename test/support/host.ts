/**
 * A host for tests that run daemons and other vendors' programs, which have their folders at fixed places and leave
 * processes behind: network, mount and process namespaces of its own, with an empty /run and /var/lib.
 *
 * It ends with the process that made it, even a killed one: its first process reads a pipe of ours, and when that
 * closes, it ends and the kernel takes all the other processes, mounts and links with it.
 */

import { afterAll } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Finished, finish, PATH, type RunOptions } from "./command.ts";

export interface TestHost {
  /** Where its file system is seen from outside. */
  readonly root: string;
  /** Runs a program in it to its end. */
  run(command: readonly string[], options?: RunOptions): Finished;
  /** Runs a program in it while others go on. */
  runs(command: readonly string[], options?: RunOptions): Promise<Finished>;
  /** The standard output of a program that must succeed. Throws with what it said. */
  output(command: readonly string[], options?: RunOptions): string;
  /** The standard output of a shell command that must succeed. */
  sh(command: string): string;
  /** The parsed output of a program, an empty list where it printed nothing. */
  json<T>(command: readonly string[]): T[];
  /** Starts a program that goes on running; it ends with the host at the latest. Its output goes into a file. */
  start(command: readonly string[], log: string, options?: RunOptions): void;
  /** Makes a named network namespace and returns its path. */
  netns(name: string): string;
  write(path: string, content: string | object): void;
  read(path: string): string;
}

/** The first process waits for a child, not by itself: the shell then reaps what daemons leave to it. */
const FIRST_PROCESS = `
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && mkdir /run/netns /var/lib/cni &&
ip link set lo up && echo ready && cat
exit`;

/**
 * Gives a host for the tests of one file, made when it is first asked for and ended after the last of them. To be called
 * before what compares the machine before and after, for that is done in the same order.
 */
export function testHost(): () => Promise<TestHost> {
  let host: Promise<StartedHost> | undefined;
  afterAll(async () => {
    await (await host)?.end();
  });
  return () => {
    host ??= startHost();
    return host;
  };
}

export interface StartedHost extends TestHost {
  end(): Promise<void>;
}

/** Makes a host that lasts until it is ended. */
export async function startHost(): Promise<StartedHost> {
  const namespaces = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];
  const holder = Bun.spawn(["unshare", ...namespaces, "--propagation", "private", "sh", "-c", FIRST_PROCESS], {
    env: { PATH },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = holder.stdout.getReader();
  const { value } = await reader.read();
  if (new TextDecoder().decode(value) !== "ready\n") throw new Error("Cannot make namespaces for a test host");
  const pid = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8").trim();
  return {
    ...hostOf(pid),
    async end() {
      holder.stdin.end();
      await reader.cancel();
      await holder.exited;
    },
  };
}

function hostOf(pid: string): TestHost {
  const root = `/proc/${pid}/root`;
  const inside = ["nsenter", `--target=${pid}`, "--net", "--mount", "--pid"];
  const run: TestHost["run"] = (command, { env, input } = {}) => {
    const { exitCode, stdout, stderr } = Bun.spawnSync([...inside, ...command], {
      env: { PATH, ...env },
      stdin: input === undefined ? "ignore" : Buffer.from(input),
    });
    return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
  };
  const output: TestHost["output"] = (command, options) => {
    const { exitCode, stdout, stderr } = run(command, options);
    if (exitCode !== 0) throw new Error(`${command.join(" ")}: exit status ${exitCode}: ${stderr}${stdout}`);
    return stdout;
  };
  return {
    root,
    run,
    runs: (command, options) => finish([...inside, ...command], options),
    output,
    sh: (command) => output(["sh", "-c", command]),
    json: (command) => JSON.parse(output(command) || "[]"),
    start(command, log, options) {
      const script = `nohup "$@" </dev/null >${log} 2>&1 &`;
      output(["sh", "-c", script, "sh", ...command], options);
    },
    netns(name) {
      output(["ip", "netns", "add", name]);
      return `/run/netns/${name}`;
    },
    write(path, content) {
      mkdirSync(dirname(`${root}${path}`), { recursive: true });
      writeFileSync(`${root}${path}`, typeof content === "string" ? content : JSON.stringify(content));
    },
    read: (path) => readFileSync(`${root}${path}`, "utf8"),
  };
}
