/** Addresses that are not the lab's choice: what the attachments of pods gave, and where nodes are at their tunnels. */

import type { Result } from "../core/result.ts";
import { readResult } from "./attachment.ts";
import type { Lab } from "./lab.ts";
import { linkAddresses } from "./link-state.ts";
import { netnsName, TUNNELS } from "./names.ts";

/** What the plugin answered for each pod, by `node/pod`. */
export function readResults(lab: Lab): Map<string, Result> {
  return new Map(
    lab.nodes.flatMap((node) =>
      node.pods.flatMap((name) => {
        const result = readResult({ lab: lab.name, node, name });
        return result === undefined ? [] : [[`${node.name}/${name}`, result] as const];
      }),
    ),
  );
}

/** The addresses of each node's ends of tunnels, without prefix length. */
export function tunnelAddresses(lab: Lab): Map<string, readonly string[]> {
  return new Map(
    lab.nodes.map(({ name }) => {
      return [name, TUNNELS.flatMap((link) => linkAddresses(netnsName(lab.name, name), link))] as const;
    }),
  );
}
