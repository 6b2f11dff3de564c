/**
 * BIRD, run and watched over by the agent.
 *
 * It is a process of its own session, with files of its own in one folder, and outlives the agent: the next one finds it
 * by its pid file and goes on with it, so a restart of the agent ends no session. It is stopped on request alone. When it
 * dies it is started again, later each time, and with graceful restart: then the routes that it has left in the kernel
 * stay until its neighbours have told it theirs again.
 *
 * ```
 * <folder>/bird.conf   what it runs with, checked by BIRD before it got this name
 * <folder>/bird.ctl    its control socket
 * <folder>/bird.pid    its number; stays when it did not end by itself
 * <folder>/bird.log    its log
 * <folder>/bird.err    what it said before it had one
 * ```
 */

import { fileErrorCode, readTextIfExists, removeFileIfExists, writeFileAtomic } from "../linux/file.ts";
import { closeFile, O_CREAT, O_TRUNC, O_WRONLY, openFile } from "../linux/libc-file.ts";
import { readProcessFile } from "../linux/process-file.ts";
import { askBird, BirdError } from "./bird-control.ts";
import { type BirdSession, parseSessions } from "./bird-status.ts";

export interface BirdOptions {
  /** For its files; short, for the path of a socket has 107 bytes at most. */
  readonly folder: string;
  /** The program, by name or path. */
  readonly program: string;
  /** A command that runs the program, such as nsenter(1) with its arguments. */
  readonly prefix?: readonly string[];
  readonly say?: (level: "info" | "warn" | "error", message: string) => void;
  /** Milliseconds after which it is started again when it dies: the first time, and at the most. */
  readonly backOff?: { readonly first: number; readonly most: number };
}

/** Milliseconds that it has for its start, and for its end. */
const PATIENCE = 15_000;
/** Milliseconds between two looks. */
const PERIOD = 50;
/** Milliseconds between two looks at one that is not our child. */
const WATCH_PERIOD = 1000;
/** Milliseconds for which one has lived that is not about to die of its configuration. */
const SETTLED = 60_000;
/** The reply codes of `configure` that say that the new configuration is or will be in force. */
const CONFIGURED = [3, 4, 5];
export class Bird {
  readonly #options: BirdOptions;
  readonly #paths: { readonly [K in "conf" | "ctl" | "pid" | "log" | "err" | "new"]: string };
  /** One change at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #running: Running | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #ended = false;

  constructor(options: BirdOptions) {
    this.#options = options;
    const at = (name: string) => `${options.folder}/${name}`;
    this.#paths = {
      conf: at("bird.conf"),
      ctl: at("bird.ctl"),
      pid: at("bird.pid"),
      log: at("bird.log"),
      err: at("bird.err"),
      new: at("bird.conf.new"),
    };
  }

  /** The path for the log, which stands in the configuration. */
  get log(): string {
    return this.#paths.log;
  }

  /** The number of the process, while there is one. */
  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /**
   * Has BIRD run with this configuration: starts it, takes over one that an earlier agent has left, or has it read the
   * new one, by which no session ends that is in both. Throws BirdError when BIRD does not take it; then it goes on with
   * what it had. Nothing is done where the configuration is the one that it has.
   */
  apply(config: string): Promise<void> {
    return this.#inTurn(async () => {
      const isNew = readTextIfExists(this.#paths.conf) !== config;
      if (!isNew && this.#running !== undefined) return;
      if (isNew) {
        writeFileAtomic(this.#paths.new, config);
        await this.#check();
        writeFileAtomic(this.#paths.conf, config);
      }
      if (this.#running !== undefined) await this.#configure();
      else await this.#beginOrRetry();
    });
  }

  /** The sessions as BIRD sees them. Throws BirdError. */
  async sessions(): Promise<BirdSession[]> {
    return parseSessions(await askBird(this.#paths.ctl, "show protocols all"));
  }

  /** Ends the watch and leaves BIRD running, for the next agent. */
  leave(): void {
    this.#ended = true;
    clearTimeout(this.#retry);
    this.#running?.unwatch();
    this.#running = undefined;
  }

  /**
   * Stops BIRD, also one that an earlier agent has left. It takes its routes out of the kernel, unless it still waits for
   * its neighbours after a restart, or had been killed: `removeBirdRoutes` takes what is left.
   */
  stop(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#retry);
    return this.#inTurn(async () => {
      this.#running?.unwatch();
      this.#running = undefined;
      const pid = this.#left();
      if (pid !== undefined) await this.#end(pid);
      for (const path of Object.values(this.#paths)) removeFileIfExists(path);
      removeFileIfExists(`${this.#paths.log}.1`);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Has BIRD itself look at the configuration. */
  async #check(): Promise<void> {
    const child = Bun.spawn([...this.#command(), "-p", "-c", this.#paths.new], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    const said = await new Response(child.stderr).text();
    const status = await child.exited;
    removeFileIfExists(this.#paths.new);
    if (status !== 0) throw new BirdError(`BIRD does not take its configuration: ${said.trim()}`);
  }

  #command(): string[] {
    const { prefix = [], program } = this.#options;
    const path = Bun.which(program);
    if (path !== null) return [...prefix, path];
    throw new BirdError(`Cannot run BIRD: no program "${program}"`, { details: "Install BIRD 2 (package bird2)" });
  }

  async #beginOrRetry(): Promise<void> {
    try {
      await this.#begin();
    } catch (error) {
      this.#startLater();
      throw error;
    }
  }

  /** Takes over one that runs, or starts one. */
  async #begin(): Promise<void> {
    const left = this.#left();
    if (left !== undefined) {
      try {
        // What it has read may not be what stands there, if the agent was killed between the two.
        await this.#configure();
        this.#options.say?.("info", `BIRD runs as process ${left} still`);
        this.#watch(left);
        return;
      } catch (error) {
        if (!(error instanceof BirdError)) throw error;
        this.#options.say?.("warn", `BIRD, process ${left}, is of no use: ${error.message}`);
        signal(left, "SIGKILL");
        await gone(left);
      }
    }
    await this.#start();
  }

  /** The process that an earlier agent has left, or undefined. */
  #left(): number | undefined {
    const pid = Number(readTextIfExists(this.#paths.pid)?.trim() || Number.NaN);
    // By now the number may be another process's.
    return Number.isInteger(pid) && commandOf(pid)?.includes(this.#paths.ctl) ? pid : undefined;
  }

  async #start(): Promise<void> {
    const { conf, ctl, pid, err } = this.#paths;
    // A pid file that is there is that of one which was killed, and whose routes are there still.
    const recovers = readTextIfExists(pid) !== undefined;
    const output = openFile(err, O_WRONLY | O_CREAT | O_TRUNC, 0o600);
    let child: Bun.Subprocess;
    try {
      child = Bun.spawn([...this.#command(), "-f", "-c", conf, "-s", ctl, "-P", pid, ...(recovers ? ["-R"] : [])], {
        stdin: "ignore",
        stdout: output,
        stderr: output,
        // Else an interrupt at the agent's terminal ends it too.
        detached: true,
      });
    } finally {
      closeFile(output);
    }
    child.unref();
    const deadline = Date.now() + PATIENCE;
    while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
      if (readTextIfExists(pid)?.trim() === String(child.pid) && (await this.#answers())) {
        this.#options.say?.("info", `BIRD runs as process ${child.pid}`);
        this.#watch(child.pid, child);
        return;
      }
      await Bun.sleep(PERIOD);
    }
    child.kill("SIGKILL");
    await child.exited;
    throw new BirdError(`BIRD did not start: ${readTextIfExists(err)?.trim() || "it does not answer"}`);
  }

  async #answers(): Promise<boolean> {
    try {
      await askBird(this.#paths.ctl, "show status");
      return true;
    } catch (error) {
      if (error instanceof BirdError) return false;
      throw error;
    }
  }

  async #configure(): Promise<void> {
    const answer = await askBird(this.#paths.ctl, "configure");
    const last = answer.at(-1);
    if (last === undefined || !CONFIGURED.includes(last.code)) {
      throw new BirdError(`BIRD did not take its configuration: ${answer.map(({ text }) => text).join("; ")}`);
    }
  }

  #watch(pid: number, child?: Bun.Subprocess): void {
    const begun = Date.now();
    let watched = true;
    const died = () => {
      if (!watched) return;
      this.#running?.unwatch();
      this.#running = undefined;
      if (Date.now() - begun > SETTLED) this.#failures = 0;
      this.#options.say?.("warn", `BIRD, process ${pid}, has ended: ${child?.signalCode ?? child?.exitCode ?? "gone"}`);
      this.#startLater();
    };
    const timer = child === undefined ? setInterval(() => commandOf(pid) ?? died(), WATCH_PERIOD) : undefined;
    timer?.unref();
    void child?.exited.then(died);
    this.#running = {
      pid,
      unwatch() {
        watched = false;
        clearInterval(timer);
      },
    };
  }

  #startLater(): void {
    if (this.#ended) return;
    const { first, most } = this.#options.backOff ?? { first: 500, most: 60_000 };
    const delay = Math.min(first * 2 ** this.#failures, most);
    this.#failures++;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#inTurn(async () => {
        if (!this.#ended && this.#running === undefined) await this.#beginOrRetry();
      }).catch((error: unknown) => {
        this.#options.say?.("error", error instanceof Error ? error.message : String(error));
      });
    }, delay);
    this.#retry.unref();
  }

  async #end(pid: number): Promise<void> {
    try {
      await askBird(this.#paths.ctl, "down");
    } catch (error) {
      if (!(error instanceof BirdError)) throw error;
      signal(pid, "SIGTERM");
    }
    if (await gone(pid)) return;
    signal(pid, "SIGKILL");
    await gone(pid);
  }
}

interface Running {
  readonly pid: number;
  unwatch(): void;
}

/** The words of a process's command line; undefined when it is gone, or has ended and nobody has asked how. */
function commandOf(pid: number): string[] | undefined {
  const words = readProcessFile(pid, "cmdline")?.split("\0");
  return words === undefined || words[0] === "" ? undefined : words;
}

/** Waits until a process is gone; false when it still is there. */
async function gone(pid: number): Promise<boolean> {
  const deadline = Date.now() + PATIENCE;
  while (commandOf(pid) !== undefined) {
    if (Date.now() > deadline) return false;
    await Bun.sleep(PERIOD);
  }
  return true;
}

/** Sends a signal to a process, which may have ended by itself. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (fileErrorCode(error) !== "ESRCH") throw error;
  }
}
