/** The Go plugins and ours that make links of kinds that not every kernel has. */

import { kernelLink } from "../support/kernel.ts";
import { dummy } from "./cases/dummy.ts";
import { ipvlan } from "./cases/ipvlan.ts";
import { vlan } from "./cases/vlan.ts";
import { compareWithPeers } from "./compare.ts";
import { OF_ANOTHER_KERNEL } from "./intended.ts";

compareWithPeers(
  [dummy, ipvlan, vlan].map((group) => ({ ...group, needs: [kernelLink(group.plugin)] })),
  ({ plugins = [] }) => plugins.length > 0 && plugins.every((plugin) => OF_ANOTHER_KERNEL.includes(plugin)),
);
