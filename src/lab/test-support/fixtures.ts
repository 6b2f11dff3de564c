/** Labs for tests. */

import type { Result } from "../../core/result.ts";
import { exampleFile } from "../example.ts";
import type { Observed } from "../expectation.ts";
import type { Lab } from "../lab.ts";
import { parseLabFile } from "../lab-file.ts";

/** The built-in lab without agents. */
export function exampleLab(name?: string): Lab {
  return parseLabFile(exampleFile("static"), { name });
}

/** Two nodes, one subnet, IPv4 alone, nobody outside. */
export function smallLab(name = "small"): Lab {
  return parseLabFile(
    `
pods: [10.1.0.0/16]
subnets: [{name: lan, prefixes: [192.0.2.0/24]}]
nodes:
  - {name: a, subnet: lan, pods: [x]}
  - {name: b, subnet: lan, pods: [y]}
`,
    { name },
  );
}

/** What is known of pods that host-local gave addresses to: nothing of their links. */
export function exampleObserved(lab: Lab): Observed {
  return { results: exampleResults(lab), mtus: new Map(), tunnels: new Map() };
}

/** What host-local would give to the pods of a lab: the first addresses of their node's subnets. */
export function exampleResults(lab: Lab): Map<string, Result> {
  return new Map(
    lab.nodes.flatMap((node) =>
      node.pods.map((pod, i) => {
        const ips = node.podSubnets.map((subnet) => {
          const [network = "", bits] = subnet.split("/");
          const start = network.replace(/\.0$/, ".");
          return { address: `${start}${i + 2}/${bits}`, gateway: `${start}1`, interface: 2 };
        });
        return [`${node.name}/${pod}`, { ips }] as const;
      }),
    ),
  );
}
