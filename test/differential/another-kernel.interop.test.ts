/** The Go plugins and ours where they make what not every kernel has. */

import { kernelLink } from "../support/kernel.ts";
import { bridgeVlan } from "./cases/bridge-vlan.ts";
import { dummy } from "./cases/dummy.ts";
import { ipvlan } from "./cases/ipvlan.ts";
import { vlan } from "./cases/vlan.ts";
import { vrf } from "./cases/vrf.ts";
import { compareWithPeers } from "./compare.ts";
import { OF_ANOTHER_KERNEL } from "./intended.ts";

compareWithPeers(
  [bridgeVlan, ...[dummy, ipvlan, vlan, vrf].map((group) => ({ ...group, needs: [kernelLink(group.plugin)] }))],
  ({ plugins = [] }) => plugins.length > 0 && plugins.every((plugin) => OF_ANOTHER_KERNEL.includes(plugin)),
);
