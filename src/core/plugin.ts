/**
 * The vocabulary between the CNI protocol and what serves it: one call, and what a plugin answers.
 *
 * `cni/` turns the environment and standard input into a {@link Call} and the answer into JSON; a plugin knows neither.
 * An IPAM plugin is a {@link Plugin} too, so an interface plugin calls ours in the process and another vendor's as an
 * executable by the same five verbs.
 */

import type { Dns, Result } from "./result.ts";

/** A network configuration as the runtime hands it over: common fields checked, the plugin's own still raw. */
export interface NetworkConfig {
  readonly cniVersion: string;
  readonly name: string;
  readonly type: string;
  readonly ipam?: { readonly type: string; readonly [field: string]: unknown };
  readonly dns?: Dns;
  /** Values of the capabilities that the configuration declared, filled in by the runtime. */
  readonly runtimeConfig?: { readonly [capability: string]: unknown };
  readonly args?: { readonly cni?: { readonly [field: string]: unknown }; readonly [field: string]: unknown };
  /** The result of the plugin before in the chain; on DEL and CHECK the whole chain's. Converted to the newest form. */
  readonly prevResult?: Result;
  /** GC only: the attachments that are alive. An empty list releases all; a missing one releases nothing. */
  readonly validAttachments?: readonly ValidAttachment[];
  readonly [field: string]: unknown;
}

/** One entry of `cni.dev/valid-attachments`. */
export interface ValidAttachment {
  readonly containerId: string;
  readonly ifname: string;
}

/** What GC and STATUS are called with. */
export interface NetworkCall {
  readonly config: NetworkConfig;
  /** The configuration's bytes as text, for a plugin that hands it on to another one. */
  readonly stdin: string;
  /** The folders of CNI_PATH, in which other vendors' executables are found. */
  readonly path: readonly string[];
  /** A sentence for the operator, on standard error; never part of the answer. */
  warn(sentence: string): void;
}

/** What ADD, CHECK and DEL are called with. */
export interface Call extends NetworkCall {
  readonly containerId: string;
  readonly ifname: string;
  /** Path of the container's network namespace; undefined when DEL comes after it is gone. */
  readonly netns: string | undefined;
  /** CNI_ARGS, as it stood and as parsed. */
  readonly cniArgs: string;
  readonly args: ReadonlyMap<string, string>;
}

/** A call as plain data, for a record that a later call is made from. */
export interface StoredCall extends Omit<Call, "args" | "warn"> {
  readonly args: readonly (readonly [string, string])[];
}

export function storeCall({ config, stdin, path, containerId, ifname, netns, cniArgs, args }: Call): StoredCall {
  return { config, stdin, path, containerId, ifname, netns, cniArgs, args: [...args] };
}

export function restoreCall(stored: StoredCall, warn: Call["warn"]): Call {
  return { ...stored, args: new Map(stored.args), warn };
}

/** What an ADD would do. */
export interface Foresight {
  readonly result: Result;
  /** Commands that a person could type to the same end, and lines of comment that begin with `#`. */
  readonly commands: readonly string[];
}

/** One plugin: the verbs of the CNI specification without VERSION. Each throws a TendrilError on failure. */
export interface Plugin {
  /** The name that a configuration's `type` gives. */
  readonly type: string;
  /** It comes after others in a chain, so its DEL comes before theirs. */
  readonly chained?: boolean;
  add(call: Call): Result;
  /** Throws VerificationError when the attachment is not as ADD left it. */
  check(call: Call): void;
  /** Succeeds when there is nothing, or nothing any more, to remove. */
  del(call: Call): void;
  gc(call: NetworkCall): void;
  /** Throws NotAvailableError when ADD could not succeed now. */
  status(call: NetworkCall): void;
  /** What ADD would answer and do, changing nothing; absent where that cannot be known. */
  foreseeAdd?(call: Call): Foresight;
  /** What DEL would do, changing nothing: commands as in {@link Foresight}. */
  foreseeDel?(call: Call): readonly string[];
}
