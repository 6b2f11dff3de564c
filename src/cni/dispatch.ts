/**
 * A whole plugin executable as one function: environment and standard input come in, the answer goes to standard
 * output, and the exit status is returned. It never throws, so tests and our own runtime run it in their process.
 * @see https://www.cni.dev/docs/spec/#section-2-execution-protocol
 */

import { errorMessage, FileError, NetnsError } from "../core/errors.ts";
import type { Call, NetworkCall, Plugin } from "../core/plugin.ts";
import { statFile } from "../linux/libc-file.ts";
import { decodeObject, parseConfiguration, parseVersion } from "./configuration.ts";
import { parseEnvironment, parseVerb, type Variables, type Verb } from "./environment.ts";
import { formatError, isUnexpected } from "./errors.ts";
import { formatResult } from "./results/result.ts";
import { type CniVersion, checkVerb, formatVersions, NEWEST_VERSION, versions } from "./versions.ts";

export interface Executable {
  readonly plugin: Plugin;
  readonly env: Variables;
  /** Reads standard input to its end. */
  readonly stdin: () => string;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** The line that says who this is, for a person who starts the executable by hand. */
  readonly about: string;
  /** The keys of CNI_ARGS that the plugin looks at; others need `IgnoreUnknown`. All are fine where it is absent. */
  readonly knownArgs?: readonly string[];
}

/** Serves one call and returns the exit status, 0 or 1. */
export function dispatch(executable: Executable): 0 | 1 {
  // The version of an error is that of the configuration as soon as it is known.
  let version: CniVersion = NEWEST_VERSION;
  try {
    const answer = serve(executable, (known) => {
      version = known;
    });
    if (answer !== "") executable.stdout(answer);
    return 0;
  } catch (error) {
    fail(executable, error, version);
    return 1;
  }
}

/** Returns what goes to standard output. */
function serve(executable: Executable, learnVersion: (version: CniVersion) => void): string {
  const command = executable.env.CNI_COMMAND ?? "";
  if (command === "") {
    tell(executable, `${executable.about}\nCNI protocol versions supported: ${versions.join(", ")}`);
    return "";
  }
  const verb = parseVerb(command);
  if (verb === "VERSION") return formatVersions(readInput(executable));
  const call = readCall(verb, executable, learnVersion);
  return callPlugin(executable.plugin, verb, call);
}

/** What of an executable a call is read from. */
export type CallSource = Pick<Executable, "env" | "stdin" | "stderr" | "knownArgs">;

/**
 * Reads a call from environment and standard input. Its container, interface and namespace are empty for GC and STATUS.
 * Throws EnvironmentError, FileError, DecodeError, ConfigError, IncompatibleVersionError.
 */
export function readCall(
  verb: Exclude<Verb, "VERSION">,
  source: CallSource,
  learnVersion: (version: CniVersion) => void = () => {},
): Call {
  const warn = (sentence: string): void => tell(source, sentence);
  const environment = parseEnvironment(verb, source.env, warn, source.knownArgs);
  const stdin = readInput(source);
  const raw = decodeObject(stdin, "the network configuration on standard input");
  const version = parseVersion(raw);
  learnVersion(version);
  checkVerb(version, verb);
  const config = parseConfiguration(raw, version, verb, warn);
  const netns = containerNetns(verb, environment.netns, source.env, warn);
  return { ...environment, netns, config, stdin, warn };
}

function readInput({ stdin }: CallSource): string {
  try {
    return stdin();
  } catch (error) {
    throw new FileError(`Cannot read the network configuration from standard input: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

/**
 * The namespace of the call, which must not be the one that the plugin runs in: ADD would change the host's interfaces.
 * DEL of such a call finds no container, as ADD did not make any. CNI_NETNS_OVERRIDE, as the reference has it, permits
 * it, for containers that share the host's namespace with an interface of their own.
 */
function containerNetns(
  verb: Verb,
  netns: string | undefined,
  env: Variables,
  warn: (sentence: string) => void,
): string | undefined {
  const override = env.CNI_NETNS_OVERRIDE?.toLowerCase();
  if (netns === undefined || verb === "CHECK" || override === "1" || override === "true") return netns;
  if (!isOwnNetns(netns)) return netns;
  const problem = `CNI_NETNS must not be the namespace that the plugin runs in: ${JSON.stringify(netns)}`;
  if (verb === "ADD") throw new NetnsError(problem, { details: "CNI_NETNS_OVERRIDE=1 permits it" });
  warn(`${problem}; ${verb} goes on without it`);
  return undefined;
}

function isOwnNetns(path: string): boolean {
  try {
    return statFile("/proc/thread-self/ns/net").id === statFile(path).id;
  } catch {
    // What is wrong with the path, or that nothing is there, is for the plugin to find.
    return false;
  }
}

function callPlugin(plugin: Plugin, verb: Exclude<Verb, "VERSION">, call: Call): string {
  switch (verb) {
    case "ADD":
      return formatResult(plugin.add(call), call.config.cniVersion as CniVersion);
    case "CHECK":
      plugin.check(call);
      return "";
    case "DEL":
      plugin.del(call);
      return "";
    case "GC":
      plugin.gc(networkCall(call));
      return "";
    case "STATUS":
      plugin.status(networkCall(call));
      return "";
  }
}

function networkCall({ config, stdin, path, warn }: Call): NetworkCall {
  return { config, stdin, path, warn };
}

/** Errors go to standard output as the protocol has it; where a bug came from goes to standard error. */
function fail(executable: Executable, error: unknown, version: CniVersion): void {
  if (isUnexpected(error)) {
    tell(executable, error instanceof Error ? (error.stack ?? error.message) : errorMessage(error));
  }
  try {
    executable.stdout(formatError(error, version));
  } catch (failure) {
    tell(executable, `Cannot write the answer to standard output: ${errorMessage(failure)}`);
  }
}

/** Nobody may be listening on standard error, which is no reason to fail. */
function tell({ stderr }: Pick<Executable, "stderr">, sentence: string): void {
  try {
    stderr(`${sentence}\n`);
  } catch {}
}
