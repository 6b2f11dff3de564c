import { contenderOn } from "../attachment.ts";
import { bridgeConfig, call, makePods, type Side } from "../host.ts";
import { type Bench, interleave, type Measurement } from "../measurement.ts";

const PODS = 500;
/** The kernel goes on working for new links (IPv6 addresses and multicast) and holds its lock on them meanwhile. */
const SETTLE_MS = 5_000;

export const manyPods: Measurement = {
  name: "many-pods",
  about: `the ADD of pod number ${PODS} on a host, against that of the first`,
  async run(bench: Bench) {
    const sides = [
      { ...prepare(bench, bench.ours), goals: { goal: 1.2 } },
      { ...prepare(bench, bench.peer), goals: {} },
    ];
    await Bun.sleep(SETTLE_MS);
    // The two hosts of one side by turns: the machine's pace changes between the beginning and the end of a run.
    interleave(
      bench.rounds,
      sides.flatMap(({ first, last }) => [first.once, last.once]),
    );
    return sides.map(({ name, first, last, goals }) => ({
      what: `ADD of pod ${PODS}, ${name}`,
      measured: { name: `pod ${PODS}`, samples: last.add },
      against: { name: "pod 1", samples: first.add },
      ...goals,
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
  return { name: side.name, first: contenderOn(bench.host(side), pod), last: contenderOn(full, pod) };
}
