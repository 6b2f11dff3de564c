import { compare, contender } from "../attachment.ts";
import { bridgeChain } from "../chains.ts";
import { type Bench, interleave, type Measurement } from "../measurement.ts";

export const bridge: Measurement = {
  about: "bridge with host-local and a default gateway: one pod is attached and detached",
  run(bench: Bench) {
    const ours = contender(bench, bench.ours, bridgeChain());
    const peer = contender(bench, bench.peer, bridgeChain());
    const resident = contender(bench, bench.resident, bridgeChain());
    interleave(bench.rounds, [ours.once, resident.once, peer.once]);
    return [resident, ours].flatMap((each) => compare("bridge", each, peer, { add: 0.75 }));
  },
};
