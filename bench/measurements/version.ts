import { makeHost, run } from "../host.ts";
import { type Bench, interleave, type Measurement, type Sample } from "../measurement.ts";

export const version: Measurement = {
  about: "a plugin's start: VERSION, against an empty program compiled the same way",
  run(bench: Bench) {
    const host = makeHost(bench.ours);
    const contenders = [
      { name: "tendril", command: `${bench.ours.plugins}/bridge`, samples: [] as Sample[] },
      { name: "empty program", command: bench.empty, samples: [] as Sample[] },
      { name: bench.peer.name, command: `${bench.peer.plugins}/bridge`, samples: [] as Sample[] },
    ] as const;
    const tasks = contenders.map(({ command, samples }) => (counts: boolean) => {
      const outcome = run([command], { host, verb: "VERSION", config: { cniVersion: "1.0.0" } });
      if (outcome.exitCode !== 0) throw new Error(`${command} VERSION: ${outcome.output}`);
      if (counts) samples.push(outcome);
    });
    // It is short, so more of it are needed, and can be had, for a steady figure.
    interleave(bench.rounds * 4, tasks);
    const [ours, empty, peer] = contenders;
    return [
      { what: "VERSION", measured: ours, against: empty, goal: 1.25 },
      { what: "VERSION", measured: ours, against: peer },
    ];
  },
};
