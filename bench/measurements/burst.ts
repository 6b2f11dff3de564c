import { type BenchHost, bridgeConfig, callAtOnce, makePods, type Pod } from "../host.ts";
import type { Bench, Measurement, Sample } from "../measurement.ts";

const PODS = 100;

export const burst: Measurement = {
  name: "burst",
  about: `${PODS} ADDs started at once on one bridge, then ${PODS} DELs`,
  async run(bench: Bench) {
    const pods = makePods(PODS);
    const sides = [bench.ours, bench.peer].map((side) => ({
      name: side.name,
      host: bench.host(side),
      add: [] as Sample[],
      del: [] as Sample[],
      faults: new Set<string>(),
    }));
    const rounds = Math.max(3, Math.ceil(bench.rounds / 8));
    for (let round = 0; round < rounds; round++) {
      const containers = pods.map(({ id, netns }) => ({ id: `${id}-${round}`, netns }));
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        const added = await addAll(side.host, containers);
        side.add.push(added.total);
        if (added.fault !== undefined) side.faults.add(added.fault);
        const deleted = await deleteAll(side.host, containers, added.results);
        side.del.push(deleted.total);
        if (deleted.fault !== undefined) side.faults.add(deleted.fault);
      }
    }
    const [ours, peer] = sides;
    if (ours === undefined || peer === undefined) throw new Error("There are no two sides");
    const fault = ours.faults.size === 0 ? {} : { fault: [...ours.faults].join("; ") };
    if (peer.faults.size > 0) bench.say(`  ${peer.name}: ${[...peer.faults].join("; ")}`);
    const named = ({ name }: typeof ours, samples: Sample[]) => ({ name, samples });
    return [
      {
        what: `${PODS} ADDs at once`,
        measured: named(ours, ours.add),
        against: named(peer, peer.add),
        goal: 0.6,
        ...fault,
      },
      {
        what: `${PODS} DELs at once`,
        measured: named(ours, ours.del),
        against: named(peer, peer.del),
        goal: 0.7,
        ...fault,
      },
    ];
  },
};

/** All must succeed with addresses that differ. */
async function addAll(host: BenchHost, pods: readonly Pod[]) {
  const config = bridgeConfig(host);
  const calls = pods.map((pod) => ({ host, verb: "ADD" as const, pod, config }));
  const { total, outcomes } = await callAtOnce("bridge", calls);
  const results = outcomes.map(({ exitCode, output }) => (exitCode === 0 ? JSON.parse(output) : undefined));
  const failed = outcomes.filter(({ exitCode }) => exitCode !== 0);
  const addresses = new Set(results.map((result) => result?.ips[0].address));
  if (failed.length > 0) return { total, results, fault: `${failed.length} ADDs failed: ${failed[0]?.output.trim()}` };
  if (addresses.size < pods.length) return { total, results, fault: `only ${addresses.size} addresses differ` };
  return { total, results };
}

async function deleteAll(host: BenchHost, pods: readonly Pod[], results: readonly unknown[]) {
  const calls = pods.map((pod, i) => {
    const config = { ...bridgeConfig(host), ...(results[i] === undefined ? {} : { prevResult: results[i] }) };
    return { host, verb: "DEL" as const, pod, config };
  });
  const { total, outcomes } = await callAtOnce("bridge", calls);
  const failed = outcomes.filter(({ exitCode }) => exitCode !== 0);
  return { total, fault: failed.length > 0 ? `${failed.length} DELs failed: ${failed[0]?.output.trim()}` : undefined };
}
