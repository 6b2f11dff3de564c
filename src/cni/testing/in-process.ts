/** The dispatcher run in a test's own process, with a plugin that only takes notes. */

import type { Call, NetworkCall, Plugin } from "../../core/plugin.ts";
import type { Result } from "../../core/result.ts";
import { dispatch, type Executable } from "../dispatch.ts";

export interface Answer {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one call; standard input is text, or a value to write as JSON. */
export function runCall(
  plugin: Plugin,
  env: Executable["env"],
  stdin: unknown,
  more: Partial<Executable> = {},
): Answer {
  const output = { stdout: "", stderr: "" };
  const status = dispatch({
    plugin,
    env,
    stdin: () => (typeof stdin === "string" ? stdin : JSON.stringify(stdin)),
    stdout: (text) => {
      output.stdout += text;
    },
    stderr: (text) => {
      output.stderr += text;
    },
    about: "CNI plugin fake",
    ...more,
  });
  return { status, ...output };
}

export interface FakePlugin extends Plugin {
  /** The verb of each call, and what it was called with. */
  readonly calls: { readonly verb: string; readonly call: NetworkCall & Partial<Call> }[];
}

/** A plugin that answers ADD with a result, or throws the error on every verb. */
export function fakePlugin(answer: { result?: Result; error?: unknown } = {}): FakePlugin {
  const calls: FakePlugin["calls"] = [];
  const note =
    (verb: string) =>
    (call: NetworkCall): void => {
      calls.push({ verb, call });
      if ("error" in answer) throw answer.error;
    };
  return {
    type: "fake",
    calls,
    add: (call) => {
      note("ADD")(call);
      return answer.result ?? {};
    },
    check: note("CHECK"),
    del: note("DEL"),
    gc: note("GC"),
    status: note("STATUS"),
  };
}

/** The environment of a call that is in order. */
export function environment(verb: string, more: Record<string, string> = {}): Record<string, string> {
  return {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: "c1",
    CNI_NETNS: "/run/netns/there-is-none",
    CNI_IFNAME: "eth0",
    CNI_PATH: "/opt/cni/bin",
    ...more,
  };
}

/** A configuration that is in order. */
export function configuration(more: Record<string, unknown> = {}): Record<string, unknown> {
  return { cniVersion: "1.1.0", name: "net", type: "fake", ...more };
}
