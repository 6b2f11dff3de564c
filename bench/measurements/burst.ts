import { type Attached, type Attachment, addChainApart, type Chain, deleteChainApart, total } from "../chain.ts";
import { bridgeChain, fivePlugins } from "../chains.ts";
import { type BenchHost, makePods, type Pod } from "../host.ts";
import type { Bench, Comparison, Measurement, Sample } from "../measurement.ts";

export const burst = burstOf({ what: "", pods: 100, chain: bridgeChain(), goals: { add: 0.6, del: 0.7 } });

export const chainBurst = burstOf({ what: " of five plugins", pods: 200, chain: fivePlugins, goals: { add: 0.5 } });

interface Burst {
  readonly what: string;
  readonly pods: number;
  readonly chain: Chain;
  readonly goals: { readonly add: number; readonly del?: number };
}

/** One of those whose pods come and go at once. */
export interface BurstContender {
  readonly name: string;
  readonly hosts: readonly BenchHost[];
  readonly chain: Chain;
  readonly add: Sample[];
  readonly del: Sample[];
  readonly faults: Set<string>;
}

export function burstContender(name: string, hosts: readonly BenchHost[], chain: Chain): BurstContender {
  return { name, hosts, chain, add: [], del: [], faults: new Set() };
}

/** Attaches and detaches all pods on each side, which take turns; pods are spread over a side's hosts. */
export async function runBursts(rounds: number, pods: readonly Pod[], sides: readonly BurstContender[]): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? sides : sides.toReversed()) {
      const { hosts, chain } = contender;
      const attachments = pods.map(
        (pod, i): Attachment => ({
          host: hosts[i % hosts.length] as BenchHost,
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
      if (addresses.size < pods.length) contender.faults.add(`only ${addresses.size} addresses differ`);
      const deleted = await atOnce(
        contender.del,
        attachments.map((each, i) => () => deleteChainApart(each, added[i]?.result)),
      );
      note(contender, "DELs", deleted);
    }
  }
}

/** The lines for ADD and DEL, which stand for `{}` in what they say. */
export function compareBursts(
  what: string,
  measured: BurstContender,
  against: BurstContender,
  goals: { readonly add?: number; readonly del?: number } = {},
): Comparison[] {
  return (["add", "del"] as const).map((verb) => ({
    what: what.replace("{}", `${verb.toUpperCase()}s`),
    measured: { name: measured.name, samples: measured[verb] },
    against: { name: against.name, samples: against[verb] },
    ...(goals[verb] === undefined ? {} : { goal: goals[verb] }),
    ...(measured.faults.size === 0 ? {} : { fault: [...measured.faults].join("; ") }),
  }));
}

function burstOf({ what, pods: number, chain, goals }: Burst): Measurement {
  return {
    about: `${number} ADDs${what} started at once on one bridge, then ${number} DELs`,
    async run(bench: Bench) {
      const [ours, resident, peer] = [bench.ours, bench.resident, bench.peer].map((side) =>
        burstContender(side.name, [bench.host(side)], chain),
      ) as [BurstContender, BurstContender, BurstContender];
      const rounds = Math.max(3, Math.ceil(bench.rounds / (chain.plugins.length * 8)));
      await runBursts(rounds, makePods(number), [ours, resident, peer]);
      if (peer.faults.size > 0) bench.say(`  ${peer.name}: ${[...peer.faults].join("; ")}`);
      return [resident, ours].flatMap((each) => compareBursts(`${number} {}${what} at once`, each, peer, goals));
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

function note({ faults }: BurstContender, what: string, done: readonly Attached[]): void {
  const failures = done.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  if (failures.length > 0) faults.add(`${failures.length} ${what} failed: ${failures[0]}`);
}

function addressOf(result: object | undefined): string | undefined {
  return (result as { ips?: readonly { address: string }[] } | undefined)?.ips?.[0]?.address;
}
