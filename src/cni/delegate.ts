/**
 * Delegation: another vendor's executable behind the interface of our own plugins.
 * @see https://www.cni.dev/docs/spec/#section-4-plugin-delegation
 */

import { errorMessage, FileError, NotAvailableError } from "../core/errors.ts";
import type { Call, NetworkCall, Plugin } from "../core/plugin.ts";
import type { Variables, Verb } from "./environment.ts";
import { findExecutable, type Outcome, readAnswer, readResult, runExecutable } from "./executable.ts";
import type { CniVersion } from "./versions.ts";

/**
 * The plugin of a type as an executable in CNI_PATH. It gets the environment of this process with the variables of the
 * call, and the whole configuration of the call. An ADD that fails is followed by DEL, as the specification asks, so
 * that the delegate can give back what it took.
 *
 * Its verbs throw DelegateError with the delegate's own code, PluginFailureError when it ended in another way,
 * DecodeError for a result that cannot be read, and FileError when there is no such executable.
 */
export function delegate(type: string, inherited: Variables = process.env): Plugin {
  const run = (verb: Verb, call: NetworkCall, attachment?: Call): Outcome => {
    const path = findExecutable(type, call.path);
    const outcome = runExecutable(path, { ...inherited, ...callVariables(verb, call, attachment) }, call.stdin);
    if (outcome.stderr.trim() !== "") call.warn(outcome.stderr.trimEnd());
    readAnswer(type, verb, outcome);
    return outcome;
  };
  return {
    type,
    add: (call) => {
      findExecutable(type, call.path);
      try {
        return readResult(type, run("ADD", call, call), call.config.cniVersion as CniVersion);
      } catch (error) {
        try {
          run("DEL", call, call);
        } catch (failure) {
          call.warn(`DEL after the failed ADD of the CNI plugin "${type}" failed too: ${errorMessage(failure)}`);
        }
        throw error;
      }
    },
    check: (call) => {
      run("CHECK", call, call);
    },
    del: (call) => {
      run("DEL", call, call);
    },
    gc: (call) => {
      run("GC", call);
    },
    status: (call) => {
      try {
        run("STATUS", call);
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        throw new NotAvailableError(error.message, { cause: error });
      }
    },
  };
}

/** All six are set, so that none of another call is inherited. */
function callVariables(verb: Verb, { path }: NetworkCall, attachment: Call | undefined): Variables {
  return {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: attachment?.containerId ?? "",
    CNI_NETNS: attachment?.netns ?? "",
    CNI_IFNAME: attachment?.ifname ?? "",
    CNI_ARGS: attachment?.cniArgs ?? "",
    CNI_PATH: path.join(":"),
  };
}

/** The plugin of a type: one of this process, or else another vendor's executable. */
export function resolvePlugin(type: string, builtin: (type: string) => Plugin | undefined): Plugin {
  return builtin(type) ?? delegate(type);
}
