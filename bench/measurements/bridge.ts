import { contender } from "../attachment.ts";
import { makePods } from "../host.ts";
import { type Bench, interleave, type Measurement, sums } from "../measurement.ts";

export const bridge: Measurement = {
  name: "bridge",
  about: "bridge with host-local and a default gateway: one pod is attached and detached",
  run(bench: Bench) {
    const ours = contender(bench.host(bench.ours), ...onePod());
    const peer = contender(bench.host(bench.peer), ...onePod());
    interleave(bench.rounds, [ours.once, peer.once]);
    const named = (name: string, samples: typeof ours.add) => ({ name, samples });
    return [
      {
        what: "bridge ADD",
        measured: named(bench.ours.name, ours.add),
        against: named(bench.peer.name, peer.add),
        goal: 0.75,
      },
      { what: "bridge DEL", measured: named(bench.ours.name, ours.del), against: named(bench.peer.name, peer.del) },
      {
        what: "bridge ADD+DEL",
        measured: named(bench.ours.name, sums(ours.add, ours.del)),
        against: named(bench.peer.name, sums(peer.add, peer.del)),
      },
    ];
  },
};

function onePod() {
  return makePods(1) as [ReturnType<typeof makePods>[number]];
}
