/** Who reaches whom, by each protocol, with small packets and full ones. */

import type { Scenario } from "../scenario.ts";
import { checkReachability } from "./common.ts";

export const reachability: Scenario = {
  name: "reachability",
  about: "everybody sends to everybody, by ICMP, TCP and UDP, in all families, with packets that fill the MTU too",
  async play(play) {
    checkReachability(play);
  },
};
