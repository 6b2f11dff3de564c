import { type Attached, type Attachment, addChainApart, type Chain, deleteChainApart, total } from "../chain.ts";
import { bridgeChain, fivePlugins } from "../chains.ts";
import { type BenchHost, makePods, type Side } from "../host.ts";
import type { Bench, Measurement, Sample } from "../measurement.ts";

export const burst = burstOf({ what: "", pods: 100, chain: bridgeChain(), goals: { add: 0.6, del: 0.7 } });

export const chainBurst = burstOf({ what: " of five plugins", pods: 200, chain: fivePlugins, goals: { add: 0.5 } });

interface Burst {
  readonly what: string;
  readonly pods: number;
  readonly chain: Chain;
  readonly goals: { readonly add: number; readonly del?: number };
}

interface Contender {
  readonly side: Side;
  readonly host: BenchHost;
  readonly add: Sample[];
  readonly del: Sample[];
  readonly faults: Set<string>;
}

function burstOf({ what, pods: number, chain, goals }: Burst): Measurement {
  return {
    about: `${number} ADDs${what} started at once on one bridge, then ${number} DELs`,
    async run(bench: Bench) {
      const pods = makePods(number);
      const sides = [bench.ours, bench.peer].map(
        (side): Contender => ({ side, host: bench.host(side), add: [], del: [], faults: new Set() }),
      ) as [Contender, Contender];
      const rounds = Math.max(3, Math.ceil(bench.rounds / (chain.plugins.length * 8)));
      for (let round = 0; round < rounds; round++) {
        for (const contender of round % 2 === 0 ? sides : sides.toReversed()) {
          const attachments = pods.map(
            (pod, i): Attachment => ({
              host: contender.host,
              chain,
              pod: { ...pod, id: `${pod.id}-${round}` },
              number: i,
            }),
          );
          const added = await atOnce(
            contender.add,
            attachments.map((each) => () => addChainApart(each)),
          );
          note(contender, "ADDs", added);
          const addresses = new Set(added.map(({ result }) => addressOf(result)));
          if (addresses.size < number) contender.faults.add(`only ${addresses.size} addresses differ`);
          const deleted = await atOnce(
            contender.del,
            attachments.map((each, i) => () => deleteChainApart(each, added[i]?.result)),
          );
          note(contender, "DELs", deleted);
        }
      }
      const [ours, peer] = sides;
      if (peer.faults.size > 0) bench.say(`  ${peer.side.name}: ${[...peer.faults].join("; ")}`);
      const fault = ours.faults.size === 0 ? {} : { fault: [...ours.faults].join("; ") };
      return (["add", "del"] as const).map((verb) => ({
        what: `${number} ${verb.toUpperCase()}s${what} at once`,
        measured: { name: ours.side.name, samples: ours[verb] },
        against: { name: peer.side.name, samples: peer[verb] },
        ...(goals[verb] === undefined ? {} : { goal: goals[verb] }),
        ...fault,
      }));
    },
  };
}

/** The time goes from before the first start to after the last end. */
async function atOnce(samples: Sample[], starts: readonly (() => Promise<Attached>)[]): Promise<Attached[]> {
  const start = performance.now();
  const done = await Promise.all(starts.map((begin) => begin()));
  const wall = performance.now() - start;
  samples.push({ ...total(done.flatMap(({ steps }) => steps)), wall });
  return done;
}

function note({ faults }: Contender, what: string, done: readonly Attached[]): void {
  const failures = done.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  if (failures.length > 0) faults.add(`${failures.length} ${what} failed: ${failures[0]}`);
}

function addressOf(result: object | undefined): string | undefined {
  return (result as { ips?: readonly { address: string }[] } | undefined)?.ips?.[0]?.address;
}
