/** What pods leave on nodes, to compare before and after; and that the addresses in use are those of the pods. */

import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { USED } from "../../src/ipam/cluster/table-format.ts";
import type { Pod } from "./asking.ts";
import type { Cluster } from "./cluster.ts";
import { diskFolder } from "./names.ts";
import { until } from "./until.ts";

/**
 * Links, routes, neighbours, rules, our table of nf_tables, records, named namespaces. The ways to blocks are not among
 * them: how many blocks a node has depends on what it had to do.
 */
const LOOK = `
ip -o link | sed -E 's/^[0-9]+: ([^:]+):.*/link \\1/'
for family in 4 6; do
  ip -$family route show table all | grep -v ' proto kernel' | grep -Ev '^[0-9a-f.:]+/[0-9]+ .*proto 84' | sed -E 's/ +(pref|expires) [^ ]+//g; s/^/route /'
  ip -$family neigh show nud permanent | sed 's/^/neighbour /'
  ip -$family rule | sed 's/^/rule /'
done
nft -nn list table inet tendril | sed 's/^/nft /'
find /run/tendril/attachments /run/netns /var/lib/cni -mindepth 1 -type f | sed 's/^/file /'`;

/** One line for each thing on each node. */
export async function nodeState(cluster: Cluster): Promise<string[]> {
  const states = await Promise.all(
    cluster.nodes().map(async ({ name, output }) => {
      const lines = (await output(["sh", "-c", LOOK])).split("\n").filter((line) => line.trim() !== "");
      return lines.map((line) => `${name} ${line.trim()}`).sort();
    }),
  );
  return states.flat();
}

/** The addresses that a node's agent has given to pods, by what it remembers. */
export function givenAddresses(cluster: Cluster, node: string): string[] {
  // By the folder that it is outside: SQLite follows links to where they say that they lead.
  const path = join(diskFolder(cluster.name, node), "var/lib/tendril/addresses.sqlite");
  if (!existsSync(path)) return [];
  const database = new Database(path, { readonly: true });
  try {
    const rows = database
      .query<{ address: string }, [number]>(
        "SELECT address FROM addresses JOIN owners USING (owner) WHERE state = ? ORDER BY address",
      )
      .all(USED);
    return rows.map(({ address }) => address);
  } finally {
    database.close();
  }
}

interface AnyPod extends Pod {
  readonly spec: Pod["spec"] & { readonly hostNetwork?: boolean };
  readonly status: Pod["status"] & { readonly phase: string };
}

/** The pods of all namespaces that have networks of their own. */
export async function podsOfNetwork({ get }: Cluster): Promise<readonly AnyPod[]> {
  const { items } = await get<{ items: readonly AnyPod[] }>("pods", "--all-namespaces");
  return items.filter(({ spec }) => spec.hostNetwork !== true);
}

/** What keeps the cluster from being sound: pods that are not ready, addresses that are two pods', or nobody's. */
export async function unsound(cluster: Cluster): Promise<string[]> {
  const pods = await podsOfNetwork(cluster);
  const notReady = pods.filter(({ status }) => !(status.containerStatuses ?? []).some(({ ready }) => ready));
  const given = cluster
    .nodes()
    .flatMap(({ name }) => givenAddresses(cluster, name).map((address) => [address, name] as const));
  const had = pods.flatMap(({ metadata, spec, status }) =>
    (status.podIPs ?? []).map(({ ip }) => [ip, spec.nodeName, metadata.name] as const),
  );
  const twice = (list: readonly (readonly [string, ...string[]])[]) =>
    list.filter(([address], i) => list.findIndex(([other]) => other === address) !== i).map((entry) => entry.join(" "));
  const key = ([address, node]: readonly [string, string, ...string[]]) => `${address} on ${node}`;
  const [givenKeys, hadKeys] = [new Set(given.map(key)), new Set(had.map(key))];
  return [
    ...notReady.map(({ metadata }) => `pod ${metadata.name} is not ready`),
    ...twice(given).map((entry) => `given twice: ${entry}`),
    ...twice(had).map((entry) => `two pods have: ${entry}`),
    ...[...givenKeys].filter((entry) => !hadKeys.has(entry)).map((entry) => `given, and no pod's: ${entry}`),
    ...[...hadKeys].filter((entry) => !givenKeys.has(entry)).map((entry) => `a pod's, and not given: ${entry}`),
  ];
}

/** Waits until the cluster is sound. */
export async function expectSound(cluster: Cluster, within = 60_000): Promise<void> {
  let last: string[] = [];
  const isSound = async () => {
    last = await unsound(cluster);
    return last.length === 0;
  };
  await until("the cluster is sound", isSound, { within, every: 500, details: () => last.join("\n") });
}

/** Waits until the nodes have what they had before, no less and no more. */
export async function expectState(cluster: Cluster, before: readonly string[], within = 60_000): Promise<void> {
  const deadline = performance.now() + within;
  while (performance.now() < deadline) {
    if (Bun.deepEquals(await nodeState(cluster), before)) return;
    await Bun.sleep(1000);
  }
  expect(await nodeState(cluster)).toEqual([...before]);
}
