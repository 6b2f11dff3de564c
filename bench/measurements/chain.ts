import { compare, contender } from "../attachment.ts";
import { fivePlugins } from "../chains.ts";
import { type Bench, interleave, type Measurement } from "../measurement.ts";

export const chain: Measurement = {
  about: `the chain ${fivePlugins.plugins.map(({ type }) => type).join(", ")}, by the CNI protocol as libcni does`,
  run(bench: Bench) {
    const ours = contender(bench, bench.ours, fivePlugins);
    const resident = contender(bench, bench.resident, fivePlugins);
    const peer = contender(bench, bench.peer, fivePlugins);
    interleave(bench.rounds, [ours.once, resident.once, peer.once]);
    return [resident, ours].flatMap((each) => compare("five plugins", each, peer, { add: 0.35, del: 0.45 }));
  },
};
