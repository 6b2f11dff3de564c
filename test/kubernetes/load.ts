/** Requests that go on while something is done, and how many of them were lost. */

import { join } from "node:path";
import { type Pod, podsOf, type Service } from "./asking.ts";
import type { Cluster } from "./cluster.ts";
import type { LoadResult, LoadResults, LoadTask } from "./load-client.ts";
import { inPod, type Place, untilAnswered, url } from "./places.ts";

const CLIENT = join(import.meta.dir, "load-client.ts");
const RATE = 5;
const PATIENCE_MS = 5_000;

export interface Load {
  /** Asks that no more be asked, and tells what came of those that were. */
  end(): Promise<LoadResult>;
}

/** Begins to ask the targets from each of the places. What has no answer within `patience` milliseconds is lost. */
export async function startLoad(
  places: readonly Place[],
  targets: LoadTask["targets"],
  patience = PATIENCE_MS,
): Promise<Load> {
  const task: LoadTask = { targets, rate: RATE, patience };
  const clients = await Promise.all(
    places.map(async ({ enter }) => {
      const command = [...enter, process.execPath, CLIENT, JSON.stringify(task)];
      const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
      const reader = child.stdout.getReader();
      await reader.read();
      return { child, reader };
    }),
  );
  return {
    async end() {
      for (const { child } of clients) child.stdin.end();
      const results = await Promise.all(
        clients.map(async ({ child, reader }) => {
          const { value } = await reader.read();
          await reader.cancel();
          await child.exited;
          return JSON.parse(new TextDecoder().decode(value)) as LoadResults;
        }),
      );
      return sum(results.flatMap(({ fresh, kept }) => [fresh, kept]));
    },
  };
}

/** Has the web pods ask their service, in each family, and one another by address, while something is done. */
export async function whileAsking(cluster: Cluster, work: () => Promise<void>): Promise<LoadResult> {
  const pods = await podsOf(cluster, "app=web");
  const { spec } = await cluster.get<Service>("service", "web");
  const ofPods = pods.flatMap(({ status }: Pod) => status.podIPs.map(({ ip }) => ip));
  const targets = [...spec.clusterIPs, ...ofPods].map((address) => ({ address, port: 80 }));
  const places = await Promise.all(pods.map((pod) => inPod(cluster, pod)));
  const urls = targets.map(({ address, port }) => url(address, port));
  for (const place of places) await untilAnswered(place, urls);
  const load = await startLoad(places, targets);
  try {
    await work();
  } catch (error) {
    await load.end();
    throw error;
  }
  return load.end();
}

function sum(results: readonly LoadResult[]): LoadResult {
  const total = (of: (result: LoadResult) => number) => results.reduce((all, result) => all + of(result), 0);
  return {
    asked: total(({ asked }) => asked),
    lost: total(({ lost }) => lost),
    slowest: Math.max(...results.map(({ slowest }) => slowest)),
    lastLost: Math.max(...results.map(({ lastLost }) => lastLost)),
    reasons: [...new Set(results.flatMap(({ reasons }) => reasons))],
  };
}
