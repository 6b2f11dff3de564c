import { type Contender, contender } from "../attachment.ts";
import { makePods, type Pod } from "../host.ts";
import { type Bench, type Comparison, interleave, type Measurement, sums } from "../measurement.ts";

/** The peer takes iptables where it is installed, unless told otherwise. */
const backends = ["iptables", "nftables"] as const;

export const masquerade: Measurement = {
  name: "masquerade",
  about: "the same with ipMasq, against both of the peer's backends",
  run(bench: Bench) {
    const ours = contender(bench.host(bench.ours), onePod(), { ipMasq: true });
    const peers = backends.map((backend) => ({
      name: `${bench.peer.name}, ${backend}`,
      ...contender(bench.host(bench.peer), onePod(), { ipMasq: true, ipMasqBackend: backend }),
    }));
    const able = peers.filter(({ name, once }) => worksFor(bench, name, once));
    interleave(bench.rounds, [ours.once, ...able.map(({ once }) => once)]);
    return able.flatMap((peer, i) => comparisons(bench.ours.name, ours, peer, i === 0));
  },
};

/** Debian's older plugins know one backend only, and a machine may lack iptables. */
function worksFor({ say }: Bench, name: string, once: (counts: boolean) => void): boolean {
  try {
    once(false);
    return true;
  } catch (error) {
    say(`  left out: ${name}: ${error instanceof Error ? error.message.trim() : error}`);
    return false;
  }
}

/** The goals are about the peer as it is by default. */
function comparisons(name: string, ours: Contender, peer: Contender & { name: string }, hasGoal: boolean) {
  const line = (what: string, of: (contender: Contender) => Contender["add"], goal?: number): Comparison => ({
    what: `bridge with ipMasq ${what}`,
    measured: { name, samples: of(ours) },
    against: { name: peer.name, samples: of(peer) },
    ...(hasGoal && goal !== undefined ? { goal } : {}),
  });
  return [
    line("ADD", ({ add }) => add, 0.35),
    line("DEL", ({ del }) => del),
    line("ADD+DEL", ({ add, del }) => sums(add, del), 0.45),
  ];
}

function onePod(): Pod {
  const [pod] = makePods(1);
  if (pod === undefined) throw new Error("There is no pod");
  return pod;
}
