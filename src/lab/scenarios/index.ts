/** All scenarios, in the order in which they are played. */

import type { Scenario } from "../scenario.ts";
import { agentPause } from "./agent-pause.ts";
import { agentRestart } from "./agent-restart.ts";
import { exhaustion } from "./exhaustion.ts";
import { nodeJoins } from "./node-joins.ts";
import { nodeReturns } from "./node-returns.ts";
import { partition } from "./partition.ts";
import { reachability } from "./reachability.ts";
import { stickyAddress } from "./sticky-address.ts";
import { storeAway } from "./store-away.ts";

export const SCENARIOS: readonly Scenario[] = [
  reachability,
  nodeJoins,
  nodeReturns,
  agentRestart,
  storeAway,
  partition,
  exhaustion,
  stickyAddress,
  agentPause,
];
