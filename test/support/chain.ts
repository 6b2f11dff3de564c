/** A chain of plugins on one container, called as a runtime calls them. */

import type { Result } from "../../src/core/result.ts";
import {
  type Config,
  type Container,
  type Host,
  PLUGINS,
  type PluginCall,
  succeed,
  withResult,
} from "./plugin-calls.ts";

/** A plugin of a chain; ours unless it says in which folder its executable is. */
export interface Link {
  readonly config: Config;
  readonly path?: string;
}

function request(verb: PluginCall["verb"], link: Link, container: Container, result?: Result): PluginCall {
  const config = result === undefined ? link.config : withResult(link.config, result);
  return { verb, container, config, path: [link.path ?? PLUGINS, PLUGINS] };
}

/** The result of the last one. Throws with what a plugin said that failed. */
export async function addChain(host: Host, container: Container, chain: readonly Link[]): Promise<Result> {
  let result: Result | undefined;
  for (const link of chain) result = await succeed(host, request("ADD", link, container, result));
  return result ?? {};
}

export async function checkChain(
  host: Host,
  container: Container,
  chain: readonly Link[],
  result: Result,
): Promise<void> {
  for (const link of chain) await succeed(host, request("CHECK", link, container, result));
}

export async function delChain(
  host: Host,
  container: Container,
  chain: readonly Link[],
  result?: Result,
): Promise<void> {
  for (const link of chain.toReversed()) await succeed(host, request("DEL", link, container, result));
}
