/** The Go plugins and ours, on this kernel. */

import { bandwidth } from "./cases/bandwidth.ts";
import { bridge } from "./cases/bridge.ts";
import { hostDevice } from "./cases/host-device.ts";
import { macvlan } from "./cases/macvlan.ts";
import { portmap } from "./cases/portmap.ts";
import { ptp } from "./cases/ptp.ts";
import { sbr } from "./cases/sbr.ts";
import { tap } from "./cases/tap.ts";
import { tuning } from "./cases/tuning.ts";
import { compareWithPeers } from "./compare.ts";
import { OF_ANOTHER_KERNEL } from "./intended.ts";

compareWithPeers(
  [bandwidth, bridge, hostDevice, macvlan, portmap, ptp, sbr, tap, tuning],
  ({ plugins = [] }) => plugins.length === 0 || plugins.some((plugin) => !OF_ANOTHER_KERNEL.includes(plugin)),
);
