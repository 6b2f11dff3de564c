/** The built executable, called as a runtime calls it, on hosts that are fresh network namespaces. */

import { afterAll } from "bun:test";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { testFolders } from "../../src/cni/testing/folders.ts";
import type { Result } from "../../src/core/result.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { type TestNetns, testNamespaces } from "./namespaces.ts";

/** The folder of the executable's links, one for each plugin that it is. */
export const PLUGINS = join(import.meta.dir, "../../dist/cni");

/** Throws where the executable has not been built, so that no test passes or is skipped for its lack. */
export function expectBuilt(): void {
  const path = join(PLUGINS, "bridge");
  if (!existsSync(path)) throw new Error(`There is no "${path}": "npm run build" comes before these tests`);
}

/** A machine: the namespace that plugins run in, and folders of its own for their state. */
export interface Host {
  readonly netns: TestNetns;
  readonly runFolder: string;
  /** For `dataDir` of host-local. */
  readonly dataDir: string;
  /** A file or folder below both. */
  path(name: string): string;
}

export interface Container {
  readonly id: string;
  readonly ifname: string;
  /** Path of its network namespace; empty when the runtime has none any more. */
  readonly netns: string;
}

export type Config = { readonly name: string; readonly type: string; readonly [field: string]: unknown };

export interface PluginCall {
  readonly verb: "ADD" | "DEL" | "CHECK" | "GC" | "STATUS";
  readonly config: Config;
  readonly container?: Container;
  readonly args?: string;
  /** Ends the process by itself after so many steps. */
  readonly killAfter?: number;
  /** A command that runs the executable, such as strace(1). */
  readonly prefix?: readonly string[];
  /** The folders of executables; ours when absent. */
  readonly path?: readonly string[];
  /** Standard input, where it is not the configuration's JSON. */
  readonly stdin?: string;
}

export interface Outcome {
  readonly status: number | null;
  readonly killed: boolean;
  /** What was printed, parsed; undefined for nothing. */
  readonly answer: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** A call that has been started. */
export interface RunningCall {
  readonly process: Bun.Subprocess;
  readonly outcome: Promise<Outcome>;
}

export interface Hosts {
  fresh(): Host;
  /** A container with an empty namespace. Its name is the ID. */
  container(id: string, ifname?: string): Container & { readonly namespace: TestNetns };
}

/** Hosts and containers for the tests of one file, taken away after them. To be called at the file's top level. */
export function testHosts(): Hosts {
  const namespaces = testNamespaces();
  const folders = testFolders();
  // The runtime keeps what it fed to children until it collects its garbage.
  afterAll(() => Bun.gc(true));
  return {
    fresh() {
      const folder = folders().path;
      const path = (name: string) => join(folder, name);
      mkdirSync(path("run"));
      return { netns: namespaces.fresh(), runFolder: path("run"), dataDir: path("leases"), path };
    },
    container(id, ifname = "eth0") {
      const namespace = namespaces.fresh();
      return { id, ifname, netns: namespace.netns.path, namespace };
    },
  };
}

/** Starts a call on a host. */
export function start(host: Host, call: PluginCall): RunningCall {
  const path = call.path ?? [PLUGINS];
  const { id = "", ifname = "", netns = "" } = call.container ?? {};
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? "",
    CNI_COMMAND: call.verb,
    CNI_CONTAINERID: id,
    CNI_IFNAME: ifname,
    CNI_NETNS: netns,
    CNI_PATH: path.join(":"),
    CNI_ARGS: call.args ?? "",
    TENDRIL_RUN_DIR: host.runFolder,
    ...(call.killAfter === undefined ? {} : { TENDRIL_TEST_KILL_AFTER_STEP: String(call.killAfter) }),
  };
  const stdin = new Blob([call.stdin ?? JSON.stringify(call.config)]);
  const executable = join(path[0] ?? PLUGINS, call.config.type);
  // A child lives in the namespace that this thread is in at the time.
  const child = inNetns(host.netns.netns, () =>
    Bun.spawn([...(call.prefix ?? []), executable], { env, stdin, stdout: "pipe", stderr: "pipe", cwd: "/" }),
  );
  return { process: child, outcome: outcomeOf(child) };
}

async function outcomeOf(child: Bun.Subprocess<Blob, "pipe", "pipe">): Promise<Outcome> {
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  await child.exited;
  const killed = child.signalCode === "SIGKILL";
  return { status: child.exitCode, killed, answer: killed ? undefined : parse(stdout), stdout, stderr };
}

function parse(stdout: string): unknown {
  return stdout.trim() === "" ? undefined : JSON.parse(stdout);
}

export function call(host: Host, request: PluginCall): Promise<Outcome> {
  return start(host, request).outcome;
}

/** The answer of a call that must succeed. Throws with what it said when it does not. */
export async function succeed(host: Host, request: PluginCall, by = call): Promise<Result> {
  const outcome = await by(host, request);
  if (outcome.status !== 0) {
    const whose = `${request.verb} of ${request.config.type} for container "${request.container?.id ?? ""}"`;
    throw new Error(`${whose} failed: status ${outcome.status}: ${outcome.stdout}${outcome.stderr}`);
  }
  return outcome.answer as Result;
}

/** The error JSON of a call that must fail with one. */
export async function fail(host: Host, request: PluginCall): Promise<{ code: number; msg: string; details?: string }> {
  const { status, answer, stdout, stderr } = await call(host, request);
  const error = answer as { code: number; msg: string; details?: string } | undefined;
  if (status !== 1 || typeof error?.code !== "number") {
    throw new Error(`${request.verb} did not fail with an error: status ${status}: ${stdout}${stderr}`);
  }
  return error;
}

/** A configuration for CHECK or DEL: with the result that the runtime holds. */
export function withResult(config: Config, prevResult: unknown): Config {
  return { ...config, prevResult };
}

/** A configuration for GC: with the containers that are alive. */
export function withValid(config: Config, valid: readonly Container[]): Config {
  const attachments = valid.map(({ id, ifname }) => ({ containerID: id, ifname }));
  return { ...config, "cni.dev/valid-attachments": attachments };
}
