import { type Contender, compare, contender } from "../attachment.ts";
import { bridgeChain } from "../chains.ts";
import { type Bench, interleave, type Measurement } from "../measurement.ts";

/** What the peer has; where iptables is installed it takes that unless told otherwise. */
const backends = ["iptables", "nftables"] as const;

export const masquerade: Measurement = {
  about: "the same with ipMasq, against both of the peer's backends",
  run(bench: Bench) {
    const ours = contender(bench, bench.ours, bridgeChain({ ipMasq: true }));
    const resident = contender(bench, bench.resident, bridgeChain({ ipMasq: true }));
    const peers = backends
      .map((ipMasqBackend) => ({
        ...contender(bench, bench.peer, bridgeChain({ ipMasq: true, ipMasqBackend })),
        name: `${bench.peer.name}, ${ipMasqBackend}`,
      }))
      .filter((peer) => worksFor(bench, peer));
    interleave(bench.rounds, [ours.once, resident.once, ...peers.map(({ once }) => once)]);
    // The goals are about the peer as it is by default.
    return peers.flatMap((peer, i) =>
      [resident, ours].flatMap((each) =>
        compare("bridge with ipMasq", each, peer, i === 0 ? { add: 0.35, both: 0.45 } : {}),
      ),
    );
  },
};

/** A machine may lack iptables. */
function worksFor({ say }: Bench, { name, once }: Contender): boolean {
  try {
    once(false);
    return true;
  } catch (error) {
    say(`  left out: ${name}: ${error instanceof Error ? error.message.trim() : error}`);
    return false;
  }
}
