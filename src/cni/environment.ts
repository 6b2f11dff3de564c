/**
 * The environment of a call: which variables each verb needs, as a table, and what their values may be.
 * @see https://www.cni.dev/docs/spec/#parameters
 */

import { EnvironmentError } from "../core/errors.ts";
import { interfaceNameProblem } from "../core/names.ts";

export const verbs = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"] as const;

export type Verb = (typeof verbs)[number];

export type Variables = Readonly<Record<string, string | undefined>>;

/** The part of a call that the environment carries. */
export interface CallEnvironment {
  /** Empty for GC and STATUS, as is `ifname`. */
  readonly containerId: string;
  readonly ifname: string;
  readonly netns: string | undefined;
  readonly cniArgs: string;
  readonly args: ReadonlyMap<string, string>;
  readonly path: readonly string[];
}

interface VariableRule {
  readonly name: string;
  /** The verbs that cannot do without it; an empty value is the same as none. */
  readonly required: readonly Verb[];
  /** What is wrong with a value, for the verbs that need it. */
  readonly problem?: (value: string) => string | undefined;
}

/**
 * The reference plugins ask for CNI_PATH on every verb; the specification, which is followed here, on GC alone.
 * @see https://www.cni.dev/docs/spec/#cni-operations
 */
const VARIABLES: readonly VariableRule[] = [
  { name: "CNI_CONTAINERID", required: ["ADD", "CHECK", "DEL"], problem: identifierProblem },
  { name: "CNI_NETNS", required: ["ADD", "CHECK"] },
  { name: "CNI_IFNAME", required: ["ADD", "CHECK", "DEL"], problem: interfaceNameProblem },
  { name: "CNI_ARGS", required: [] },
  { name: "CNI_PATH", required: ["GC"] },
];

/** What is wrong with a container ID or a network's name, or undefined. */
export function identifierProblem(value: string): string | undefined {
  // A loop, because the first regular expression of a process costs 40 µs.
  let isIdentifier = value !== "";
  for (let i = 0; i < value.length && isIdentifier; i++) {
    const c = value.charCodeAt(i);
    const isAlphanumeric = (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a);
    isIdentifier = isAlphanumeric || (i > 0 && "_.-".includes(value.charAt(i)));
  }
  if (isIdentifier) return undefined;
  return 'must begin with a letter or digit and have only letters, digits, "_", "." and "-"';
}

/** The verb of CNI_COMMAND. Throws EnvironmentError. */
export function parseVerb(text: string): Verb {
  if ((verbs as readonly string[]).includes(text)) return text as Verb;
  throw new EnvironmentError(`Invalid environment: unknown CNI_COMMAND: ${JSON.stringify(text)}`, {
    details: `It must be one of ${verbs.join(", ")}`,
  });
}

/**
 * Reads the environment of a call. `knownArgs` are the keys of CNI_ARGS that somebody will look at, all where it is
 * undefined. DEL is never refused for CNI_ARGS, because it has to succeed: what is wrong with them is told to `warn`.
 * Throws EnvironmentError, which names all variables that are missing, or the first that is wrong with its value.
 */
export function parseEnvironment(
  verb: Verb,
  env: Variables,
  warn: (sentence: string) => void,
  knownArgs?: readonly string[],
): CallEnvironment {
  checkVariables(verb, env);
  const attaches = verb === "ADD" || verb === "CHECK" || verb === "DEL";
  const cniArgs = env.CNI_ARGS ?? "";
  return {
    containerId: attaches ? (env.CNI_CONTAINERID ?? "") : "",
    ifname: attaches ? (env.CNI_IFNAME ?? "") : "",
    netns: attaches && env.CNI_NETNS !== "" ? env.CNI_NETNS : undefined,
    cniArgs,
    args: attaches ? argsOfVerb(verb, cniArgs, warn, knownArgs) : new Map(),
    path: parsePath(env.CNI_PATH ?? ""),
  };
}

function checkVariables(verb: Verb, env: Variables): void {
  const missing: string[] = [];
  for (const { name, required } of VARIABLES) {
    if (required.includes(verb) && (env[name] ?? "") === "") missing.push(name);
  }
  if (missing.length > 0) {
    throw new EnvironmentError(`Invalid environment: ${verb} needs ${missing.join(", ")}, which is missing or empty`);
  }
  for (const { name, required, problem } of VARIABLES) {
    if (problem === undefined || !required.includes(verb)) continue;
    const value = env[name] ?? "";
    const found = problem(value);
    if (found !== undefined) {
      throw new EnvironmentError(`Invalid environment: ${name} ${found}: ${JSON.stringify(value)}`);
    }
  }
}

function argsOfVerb(
  verb: Verb,
  cniArgs: string,
  warn: (sentence: string) => void,
  knownArgs: readonly string[] | undefined,
): ReadonlyMap<string, string> {
  try {
    const args = parseArgs(cniArgs);
    if (knownArgs !== undefined) checkKnownArgs(args, knownArgs);
    return args;
  } catch (error) {
    if (verb !== "DEL" || !(error instanceof EnvironmentError)) throw error;
    warn(`${error.message}; DEL goes on without CNI_ARGS`);
    return new Map();
  }
}

/** The folders of CNI_PATH. */
export function parsePath(text: string): string[] {
  const folders: string[] = [];
  for (const folder of text.split(":")) if (folder !== "") folders.push(folder);
  return folders;
}

/**
 * Parses `K=V;K2=V2`; the last of several values of a key counts. A value may contain `=`. Throws EnvironmentError for
 * a pair without `=` or without a key, and for an `IgnoreUnknown` that is no truth value.
 */
export function parseArgs(text: string): Map<string, string> {
  const args = new Map<string, string>();
  for (const pair of text.split(";")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    if (equals < 1) {
      throw new EnvironmentError(`Invalid environment: CNI_ARGS must be K=V;K2=V2, but has ${JSON.stringify(pair)}`);
    }
    args.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  ignoresUnknown(args);
  return args;
}

/** Throws EnvironmentError for a key that nobody looks at, unless `IgnoreUnknown` is set. */
export function checkKnownArgs(args: ReadonlyMap<string, string>, known: readonly string[]): void {
  if (ignoresUnknown(args)) return;
  const unknown = [...args.keys()].filter((key) => key !== "IgnoreUnknown" && !known.includes(key));
  if (unknown.length === 0) return;
  throw new EnvironmentError(`Invalid environment: CNI_ARGS has unknown keys: ${unknown.join(", ")}`, {
    details: `Known are ${known.join(", ") || "none"}; IgnoreUnknown=1 lets others pass`,
  });
}

function ignoresUnknown(args: ReadonlyMap<string, string>): boolean {
  const value = args.get("IgnoreUnknown");
  switch (value?.toLowerCase()) {
    case "1":
    case "true":
      return true;
    case undefined:
    case "0":
    case "false":
      return false;
    default:
      throw new EnvironmentError(
        `Invalid environment: IgnoreUnknown of CNI_ARGS must be 1, true, 0 or false: ${JSON.stringify(value)}`,
      );
  }
}
