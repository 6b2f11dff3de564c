/** What a runtime knows of an attachment. @see https://www.cni.dev/docs/spec/#attachment-parameters */

import { ConfigError, EnvironmentError } from "../../core/errors.ts";
import { interfaceNameProblem } from "../../core/names.ts";
import { identifierProblem } from "../environment.ts";

export interface Attachment {
  readonly containerId: string;
  /** Path of the container's network namespace; empty when it is gone. */
  readonly netns: string;
  readonly ifname: string;
  /** The pairs of CNI_ARGS. */
  readonly args: readonly (readonly [string, string])[];
  /** Values of capabilities, of which each plugin is given those that it declares. */
  readonly capabilityArgs: Readonly<Record<string, unknown>>;
}

/**
 * The container ID that cnitool gives to a namespace: `cnitool-` and the first ten bytes of the SHA-512 of its absolute
 * path, so that both tools mean the same attachment.
 */
export function cnitoolContainerId(netnsPath: string): string {
  const hash = new Bun.CryptoHasher("sha512").update(netnsPath).digest("hex");
  return `cnitool-${hash.slice(0, 20)}`;
}

/** Throws EnvironmentError, ConfigError when a plugin would refuse the names of an attachment. */
export function checkNames(network: string, { containerId, ifname }: Attachment): void {
  const refuse = (what: string, value: string, problem: string | undefined): void => {
    if (problem === undefined) return;
    throw new EnvironmentError(`Invalid ${what}: it ${problem}: ${JSON.stringify(value)}`);
  };
  refuse("container ID", containerId, identifierProblem(containerId));
  refuse("interface name", ifname, interfaceNameProblem(ifname));
  const problem = identifierProblem(network);
  if (problem !== undefined) throw new ConfigError("name", problem, { value: network });
}

/** The variables that a plugin is called with for an attachment, or for none of them (GC, STATUS). */
export function attachmentVariables(attachment: Attachment | undefined, path: readonly string[]): PluginVariables {
  return {
    CNI_CONTAINERID: attachment?.containerId ?? "",
    CNI_NETNS: attachment?.netns ?? "",
    CNI_IFNAME: attachment?.ifname ?? "",
    CNI_ARGS: (attachment?.args ?? []).map(([key, value]) => `${key}=${value}`).join(";"),
    CNI_PATH: path.join(":"),
  };
}

export interface PluginVariables {
  readonly CNI_CONTAINERID: string;
  readonly CNI_NETNS: string;
  readonly CNI_IFNAME: string;
  readonly CNI_ARGS: string;
  readonly CNI_PATH: string;
}
