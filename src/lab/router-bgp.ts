/** The router as a BGP speaker: it learns from the nodes where the pods are, and has packets go there. */

import { writeFileAtomic } from "../linux/file.ts";
import { NODE_AS, ROUTER_AS } from "./agent-config.ts";
import { bare, type Lab, ofFamily } from "./lab.ts";
import { labFolder } from "./names.ts";
import { startService } from "./service.ts";

const BIRD = "bird";

/**
 * The configuration of BIRD 2. The nodes of a subnet may come and go: whoever connects from it is taken for one. The
 * router tells them nothing, for it is their default route.
 */
export function birdConfig(lab: Lab): string {
  const [first] = lab.subnets;
  const id = bare(ofFamily(4, first?.router ?? []) ?? "192.0.2.1");
  const channels = lab.families.map((family) => `  ipv${family} { import all; export none; };`);
  const protocols = lab.subnets.flatMap(({ name, prefixes, router }) =>
    prefixes.map((prefix, i) => {
      const label = `${name.replaceAll("-", "_")}_${prefix.includes(":") ? 6 : 4}`;
      return `protocol bgp ${label} {
  local ${bare(router[i] ?? "")} as ${ROUTER_AS};
  neighbor range ${prefix} as ${NODE_AS};
  dynamic name "${label}_";
${channels.join("\n")}
}`;
    }),
  );
  const kernels = lab.families.map(
    (family) => `protocol kernel kernel${family} {
  ipv${family} { import none; export where source = RTS_BGP; };
}`,
  );
  return `router id ${id};
protocol device {}
${kernels.join("\n")}
${protocols.join("\n")}
`;
}

/** Starts BIRD in the router's namespace. Throws TendrilError when it is not in PATH. */
export function startRouterBgp(lab: Lab): void {
  const folder = labFolder(lab.name);
  writeFileAtomic(`${folder}/bird.conf`, birdConfig(lab));
  startService({
    lab: lab.name,
    name: BIRD,
    words: ["-f", "-c", `${folder}/bird.conf`, "-s", `${folder}/bird.ctl`],
    remedy: "Install BIRD 2; `tendril lab example` prints topologies that need none.",
  });
}
