import { type Contender, contenderOn } from "../attachment.ts";
import { addChain, type Chain } from "../chain.ts";
import { bridgeChain, fivePlugins } from "../chains.ts";
import { makePods, type Side } from "../host.ts";
import { type Bench, type Comparison, interleave, type Measurement } from "../measurement.ts";

/** The kernel goes on working for new links (IPv6 addresses and multicast) and holds its lock on them meanwhile. */
const SETTLE_MS = 5_000;

export const manyPods: Measurement = {
  about: "the ADD of pod number 500 on a host, against that of the first",
  run: async (bench) => (await measure(bench, "", 500, bridgeChain())).growth,
};

/** Here the two sides are compared too: each of the peer's plugins has a list of rules for all pods. */
export const chainManyPods: Measurement = {
  about: "the ADD of pod number 300 by the chain of five plugins, against that of the first and the peer's",
  async run(bench) {
    const { growth, full } = await measure(bench, " by five plugins", 300, fivePlugins);
    const [ours, resident, peer] = full;
    return [
      ...growth,
      ...[resident, ours].map((each) => ({
        what: "ADD of pod 300 by five plugins",
        measured: { name: each.name, samples: each.add },
        against: { name: peer.name, samples: peer.add },
        goal: 0.35,
      })),
    ];
  },
};

interface Measured {
  readonly growth: readonly Comparison[];
  /** The sides on the hosts with all pods. */
  readonly full: readonly [ours: Contender, resident: Contender, peer: Contender];
}

async function measure(bench: Bench, what: string, pods: number, chain: Chain): Promise<Measured> {
  const all = [bench.ours, bench.resident, bench.peer];
  const sides = all.map((side) => prepare(bench, side, pods, chain)) as [Prepared, Prepared, Prepared];
  await Bun.sleep(SETTLE_MS);
  // The two hosts of one side by turns: the machine's pace changes between the beginning and the end of a run.
  interleave(
    bench.rounds,
    sides.flatMap(({ first, last }) => [first.once, last.once]),
  );
  return {
    growth: sides.map(({ name, first, last }, i) => ({
      what: `ADD of pod ${pods}${what}, ${name}`,
      measured: { name: `pod ${pods}`, samples: last.add },
      against: { name: "pod 1", samples: first.add },
      ...(i < 2 ? { goal: 1.2 } : {}),
    })),
    full: [sides[0].last, sides[1].last, sides[2].last],
  };
}

interface Prepared {
  readonly name: string;
  readonly first: Contender;
  readonly last: Contender;
}

/** A host without pods, and one with all but the last. */
function prepare(bench: Bench, side: Side, number: number, chain: Chain): Prepared {
  bench.say(`  ${number - 1} pods for ${side.name} …`);
  const [pod, ...others] = makePods(number);
  if (pod === undefined) throw new Error("There is no pod");
  const full = bench.host(side);
  for (const [i, other] of others.entries()) addChain({ host: full, chain, pod: other, number: i + 1 });
  return { name: side.name, first: contenderOn(bench.host(side), pod, chain), last: contenderOn(full, pod, chain) };
}
