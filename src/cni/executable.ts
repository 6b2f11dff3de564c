/** Other vendors' executables: finding them, running them, and understanding how they ended. */

import { ConfigError, DecodeError, DelegateError, FileError, PluginFailureError } from "../core/errors.ts";
import type { Result } from "../core/result.ts";
import { fileErrorCode } from "../linux/file.ts";
import { statFile } from "../linux/libc-file.ts";
import type { Variables, Verb } from "./environment.ts";
import { INTERNAL_ERROR_CODE } from "./errors.ts";
import { parseResult } from "./results/result.ts";
import type { CniVersion } from "./versions.ts";

/** How a plugin ended, and what it wrote. */
export interface Outcome {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  /** Such as `SIGKILL`. */
  readonly signal?: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * The path of a plugin's executable: the first regular file of its name in the folders. Throws FileError, which names
 * the folders.
 */
export function findExecutable(type: string, folders: readonly string[]): string {
  for (const folder of folders) {
    const path = `${folder}/${type}`;
    if (isFile(path)) return path;
  }
  const where = folders.length === 0 ? "CNI_PATH names no folder" : `it is not in ${folders.join(", ")}`;
  throw new FileError(`Cannot find the CNI plugin "${type}": ${where}`, {
    details: "CNI_PATH must name the folder that has its executable",
  });
}

function isFile(path: string): boolean {
  try {
    return statFile(path).kind === "file";
  } catch {
    return false;
  }
}

/** How often, and after which wait, to try again while another process writes the executable. */
const BUSY_TRIES = 50;
const BUSY_WAIT_MS = 100;

/** Runs an executable to its end. Throws FileError when it cannot be started. */
export function runExecutable(path: string, env: Variables, stdin: string): Outcome {
  for (let attempt = 1; ; attempt++) {
    try {
      const { exitCode, signalCode, stdout, stderr } = Bun.spawnSync({
        cmd: [path],
        env: { ...env },
        stdin: Buffer.from(stdin),
        stdout: "pipe",
        stderr: "pipe",
      });
      return {
        exitCode: exitCode ?? undefined,
        signal: signalCode === undefined ? undefined : String(signalCode),
        stdout: stdout.toString(),
        stderr: stderr.toString(),
      };
    } catch (error) {
      const code = fileErrorCode(error);
      if (code !== "ETXTBSY" || attempt >= BUSY_TRIES) {
        throw new FileError(`Cannot run "${path}": ${code ?? String(error)}`, { cause: error });
      }
      Bun.sleepSync(BUSY_WAIT_MS);
    }
  }
}

/**
 * What a plugin wrote to standard output when it succeeded. Throws DelegateError with its own code, message and details
 * when it failed, and PluginFailureError when it did not say why in the way of the protocol.
 */
export function readAnswer(type: string, verb: Verb, outcome: Outcome): string {
  const { exitCode, signal, stdout } = outcome;
  if (exitCode === 0) return stdout;
  const said = readError(stdout);
  if (said !== undefined) throw said;
  const how = signal === undefined ? `exit status ${exitCode}` : `signal ${signal}`;
  const answer = stdout.trim() === "" ? "and no output" : `and an answer that is no CNI error: ${quote(stdout)}`;
  throw failure(`CNI plugin "${type}" failed at ${verb} with ${how} ${answer}`, outcome);
}

/** The error that a plugin wrote, or undefined where it is none. */
function readError(stdout: string): DelegateError | undefined {
  const answer = parseJson(stdout);
  if (typeof answer !== "object" || answer === null) return undefined;
  const { code, msg, details } = answer as { code?: unknown; msg?: unknown; details?: unknown };
  if (typeof msg !== "string") return undefined;
  const given = typeof code === "number" && Number.isInteger(code) && code > 0 ? code : INTERNAL_ERROR_CODE;
  return new DelegateError(msg, given, typeof details === "string" ? { details } : {});
}

/**
 * The result that a plugin wrote; where it does not tell its version, it is in that of the configuration. Throws
 * PluginFailureError when it wrote nothing, and DecodeError when it wrote something else than a result.
 */
export function readResult(type: string, outcome: Outcome, version: CniVersion): Result {
  const { stdout } = outcome;
  if (stdout.trim() === "") throw failure(`CNI plugin "${type}" succeeded at ADD but wrote no result`, outcome);
  const value = parseJson(stdout);
  if (value === undefined) {
    throw new DecodeError(`Cannot read the result of the CNI plugin "${type}": it is not JSON: ${quote(stdout)}`);
  }
  try {
    return parseResult(value, version, "result");
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new DecodeError(`Cannot read the result of the CNI plugin "${type}": "${error.field}" is wrong`, {
      cause: error,
      details: error.message,
    });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failure(message: string, { stderr }: Outcome): PluginFailureError {
  const said = stderr.trim();
  return new PluginFailureError(message, said === "" ? {} : { details: `standard error: ${said.slice(-2000)}` });
}

function quote(text: string): string {
  const trimmed = text.trim();
  return JSON.stringify(trimmed.length > 200 ? `${trimmed.slice(0, 200)}...` : trimmed);
}
