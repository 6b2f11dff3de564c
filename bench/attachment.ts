/** ADD and DEL of one pod, again and again. */

import { type BenchHost, bridgeConfig, call, type Pod } from "./host.ts";
import type { Sample } from "./measurement.ts";

/** Attaches a pod and detaches it, both timed. The result of ADD is handed to DEL, as runtimes do. */
export interface Contender {
  readonly host: BenchHost;
  readonly add: Sample[];
  readonly del: Sample[];
  once(counts: boolean): void;
}

/** `more` is added to the configuration. */
export function contender(host: BenchHost, pod: Pod, more: object = {}): Contender {
  const config = bridgeConfig(host, more);
  const add: Sample[] = [];
  const del: Sample[] = [];
  return {
    host,
    add,
    del,
    once(counts) {
      const added = call("bridge", { host, verb: "ADD", pod, config });
      const prevResult = JSON.parse(added.output);
      const deleted = call("bridge", { host, verb: "DEL", pod, config: { ...config, prevResult } });
      if (!counts) return;
      add.push(added);
      del.push(deleted);
    },
  };
}
