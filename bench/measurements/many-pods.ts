import { contender } from "../attachment.ts";
import { bridgeConfig, call, makePods, type Side } from "../host.ts";
import { type Bench, interleave, type Measurement } from "../measurement.ts";

const PODS = 500;

export const manyPods: Measurement = {
  name: "many-pods",
  about: `the ADD of pod number ${PODS} on a host, against that of the first`,
  run(bench: Bench) {
    const ours = prepare(bench, bench.ours);
    const peer = prepare(bench, bench.peer);
    // The two hosts of one side by turns: the machine's pace changes between the beginning and the end of a run.
    interleave(bench.rounds, [ours.first.once, ours.last.once, peer.first.once, peer.last.once]);
    return [
      { side: ours, goal: { goal: 1.2 } },
      { side: peer, goal: {} },
    ].map(({ side, goal }) => ({
      what: `ADD of pod ${PODS}, ${side.name}`,
      measured: { name: `pod ${PODS}`, samples: side.last.add },
      against: { name: "pod 1", samples: side.first.add },
      ...goal,
    }));
  },
};

/** A host without pods, and one with all but the last. */
function prepare(bench: Bench, side: Side) {
  bench.say(`  ${PODS - 1} pods for ${side.name} …`);
  const [pod, ...others] = makePods(PODS);
  if (pod === undefined) throw new Error("There is no pod");
  const full = bench.host(side);
  const config = bridgeConfig(full);
  for (const other of others) call("bridge", { host: full, verb: "ADD", pod: other, config });
  return { name: side.name, first: contender(bench.host(side), pod), last: contender(full, pod) };
}
