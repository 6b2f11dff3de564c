/**
 * What a plugin reads from standard input, made from its configuration in the file.
 * @see https://www.cni.dev/docs/spec/#deriving-request-configuration-from-plugin-configuration
 */

import type { ValidAttachment } from "../../core/plugin.ts";
import type { Result } from "../../core/result.ts";
import { OLDER_VALID_ATTACHMENTS, VALID_ATTACHMENTS } from "../configuration.ts";
import { resultJson } from "../results/result.ts";
import type { Attachment } from "./attachment.ts";
import type { ChainedPlugin, Network } from "./network.ts";

/** The request of ADD, CHECK and DEL. */
export function attachmentRequest(
  network: Network,
  plugin: ChainedPlugin,
  attachment: Attachment,
  prevResult: Result | undefined,
): string {
  const runtimeConfig = Object.fromEntries(
    plugin.capabilities
      .filter((name) => Object.hasOwn(attachment.capabilityArgs, name))
      .map((name) => [name, attachment.capabilityArgs[name]]),
  );
  return JSON.stringify({
    ...commonRequest(network, plugin),
    ...(Object.keys(runtimeConfig).length > 0 ? { runtimeConfig } : {}),
    ...(prevResult === undefined ? {} : { prevResult: resultJson(prevResult, network.cniVersion) }),
  });
}

/** The request of GC, with the attachments that are alive where they are known, by the key of today and the older one. */
export function gcRequest(
  network: Network,
  plugin: ChainedPlugin,
  valid: readonly ValidAttachment[] | undefined,
): string {
  const attachments = valid?.map(({ containerId, ifname }) => ({ containerID: containerId, ifname }));
  return JSON.stringify({
    ...commonRequest(network, plugin),
    ...(attachments === undefined ? {} : { [VALID_ATTACHMENTS]: attachments, [OLDER_VALID_ATTACHMENTS]: attachments }),
  });
}

/** The request of STATUS. */
export function statusRequest(network: Network, plugin: ChainedPlugin): string {
  return JSON.stringify(commonRequest(network, plugin));
}

/** The configuration with the network's name and version; which capabilities it declares concerns the runtime alone. */
function commonRequest({ name, cniVersion }: Network, { config }: ChainedPlugin): object {
  const { capabilities: _, ...own } = config;
  return { ...own, name, cniVersion };
}
