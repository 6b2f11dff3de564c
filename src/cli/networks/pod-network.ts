/**
 * The networks of a pod beside the cluster's, ready to be attached: what it has selected and what the definitions say, put
 * together. Plain data, for it is recorded and goes from the agent to a plugin's process.
 */

import type { Selection } from "../../agent/pods/selections.ts";
import { decodeObject, type JsonObject } from "../../cni/configuration.ts";
import type { Attachment } from "../../cni/runtime/attachment.ts";
import { type Network, parseList } from "../../cni/runtime/network.ts";
import { ConfigError } from "../../core/errors.ts";
import type { Call } from "../../core/plugin.ts";
import { GATEWAY } from "../../plugins/types.ts";

/** One more network of a pod. */
export interface PodNetwork {
  /** As people call it, such as `shop/storage`. */
  readonly name: string;
  readonly ifname: string;
  /** A list of plugins, as a runtime finds it in a file. */
  readonly list: JsonObject;
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/** The network that a definition's text is. `field` names it in messages. Throws ConfigError, DecodeError. */
export function podNetwork(selection: Selection, config: string, field: string): PodNetwork {
  const { namespace, name, ifname, ips, mac, gateways, capabilities, args } = selection;
  const own = decodeObject(config, field);
  const raw: JsonObject = { ...own, name: own.name === undefined || own.name === "" ? name : own.name };
  const plugins: readonly JsonObject[] = Array.isArray(raw.plugins) ? raw.plugins : [raw];
  const asked = { ...(ips.length > 0 && { ips }), ...(mac !== undefined && { mac }), ...args };
  const network = {
    ...(Array.isArray(raw.plugins) ? raw : {}),
    name: raw.name,
    cniVersion: raw.cniVersion,
    ...(raw.cniVersions !== undefined && { cniVersions: raw.cniVersions }),
    plugins: [
      ...plugins.map((plugin) => withArgs(plugin, asked)),
      ...(gateways.length > 0 ? [{ type: GATEWAY, gateways }] : []),
    ],
  };
  const found = {
    name: `${namespace}/${name}`,
    ifname,
    list: network as JsonObject,
    capabilities: { ...capabilities, ...(ips.length > 0 && { ips }), ...(mac !== undefined && { mac }) },
  };
  checkCapabilities(selection, networkOf(found), field);
  return found;
}

/** What is asked for goes to plugins that do not declare a capability, too: ours look there. */
function withArgs(plugin: JsonObject, asked: object): JsonObject {
  if (typeof plugin !== "object" || plugin === null || Object.keys(asked).length === 0) return plugin;
  const args = typeof plugin.args === "object" && plugin.args !== null ? (plugin.args as JsonObject) : {};
  const cni = typeof args.cni === "object" && args.cni !== null ? args.cni : {};
  return { ...plugin, args: { ...args, cni: { ...cni, ...asked } } };
}

/** What nobody would look at, the pod would miss in silence. */
function checkCapabilities({ capabilities }: Selection, { plugins }: Network, field: string): void {
  for (const name of Object.keys(capabilities)) {
    if (plugins.some((plugin) => plugin.capabilities.includes(name))) continue;
    throw new ConfigError(field, `has no plugin with the capability "${name}", which the pod asks for`);
  }
}

/** The network as the runtime's side of the protocol takes it. Throws ConfigError, IncompatibleVersionError. */
export function networkOf({ list }: Pick<PodNetwork, "list">): Network {
  return parseList(list, JSON.stringify(list), () => []);
}

/** The pod's attachment to it, beside the one of the call. */
export function attachmentOf(
  { ifname, capabilities }: PodNetwork,
  call: Pick<Call, "containerId" | "netns" | "args">,
): Attachment {
  return {
    containerId: call.containerId,
    netns: call.netns ?? "",
    ifname,
    args: [...call.args],
    capabilityArgs: capabilities,
  };
}
