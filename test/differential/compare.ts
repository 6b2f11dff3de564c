/**
 * The same configurations by the Go plugins and by ours: the same results, the same state of both namespaces, the same
 * reach; but for the differences that `intended.ts` lists with their reasons.
 */

import { beforeAll, describe, expect } from "bun:test";
import { goPlugin } from "../support/attachment-cases.ts";
import { type Need, needs, program, root } from "../support/needs.ts";
import { expectBuilt, type Outcome, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import type { PluginCases } from "./cases/case.ts";
import { type IntendedDifference, intended } from "./intended.ts";
import {
  type Difference,
  differences,
  factsOfSight,
  look,
  type Machine,
  makePair,
  reaches,
  renaming,
  request,
  resultFacts,
} from "./pair.ts";
import type { Facts } from "./state.ts";

const needed = [root, goPlugin("host-local"), goPlugin("static"), program("nft"), program("ping")];

function needsOf({ plugin, base, needs: more = [] }: PluginCases): Need[] {
  return [goPlugin(base.type), goPlugin(plugin), ...more];
}

/**
 * Compares the plugins of the groups; each intended difference that `isExpected` has to be met. To be called at a test
 * file's top level.
 */
export function compareWithPeers(
  groups: readonly PluginCases[],
  isExpected: (difference: IntendedDifference) => boolean,
): void {
  beforeAll(expectBuilt);
  const hosts = testHosts();
  expectNothingLeft();

  /** The intended differences that were met. */
  const met = new Set<IntendedDifference>();

  for (const group of groups) {
    const { plugin, cases, name = plugin } = group;
    const test = needs(...needed, ...needsOf(group));

    describe.concurrent(`the Go ${name} and ours come to the same with`, () => {
      for (const each of cases) {
        test(each.name, async () => {
          const pair = makePair(hosts, group, each);
          const [theirs, ours] = await Promise.all(
            pair.map(async (machine) => {
              const facts: Facts = new Map();
              const { status, answer, stdout, stderr } = await request(machine, "ADD", each.args);
              expect({ by: machine.path[0], status, said: status === 0 ? "" : stdout + stderr }).toMatchObject({
                status: 0,
              });
              const attached = await look(machine);
              const rename = renaming(machine, attached, each.mac);
              add(facts, "ADD:", resultFacts(answer, rename));
              add(facts, "ADD:", factsOfSight(attached, rename));
              for (const address of [...(each.reaches ?? []), ...(each.reachesNot ?? [])]) {
                facts.set(`reaches ${address}`, String(await reaches(machine, address)));
              }
              if (each.spoofing !== undefined) facts.set("spoofing", await spoof(machine, each.reaches?.[0] ?? ""));
              const version = String(machine.chain[0]?.cniVersion);
              const hasCheck = !/^0\.[1-3]/.test(version);
              if (hasCheck) facts.set("CHECK", verdictOf(await request(machine, "CHECK", each.args, answer)));
              const deleted = await request(machine, "DEL", each.args, hasCheck ? answer : undefined);
              facts.set("DEL", verdictOf(deleted));
              add(facts, "DEL:", factsOfSight(await look(machine), rename));
              return facts;
            }),
          );
          if (theirs === undefined || ours === undefined) throw new Error("The pair is not two");
          expect(unintended(name, each.name, differences(theirs, ours), met)).toEqual([]);
          // Both are right, not only alike.
          for (const address of each.reaches ?? [])
            expect({ address, reached: ours.get(`reaches ${address}`) }).toEqual({ address, reached: "true" });
          for (const address of each.reachesNot ?? [])
            expect({ address, reached: ours.get(`reaches ${address}`) }).toEqual({ address, reached: "false" });
          if (each.spoofing !== undefined) expect(ours.get("spoofing")).toBe(each.spoofing);
          expect(ours.get("DEL")).toBe("passes");
        });
      }
    });
  }

  needs(...needed, ...groups.flatMap(needsOf))("each intended difference is met", () => {
    expect(intended.filter((each) => isExpected(each) && !met.has(each)).map(({ reason }) => reason)).toEqual([]);
  });
}

function verdictOf({ status, answer, stderr }: Outcome): string {
  return status === 0 ? "passes" : `fails: ${(answer as { msg: string } | undefined)?.msg ?? stderr}`;
}

function add(all: Facts, phase: string, facts: Facts): void {
  for (const [key, value] of facts) all.set(`${phase} ${key}`, value);
}

function unintended(group: string, name: string, found: readonly Difference[], met: Set<IntendedDifference>): string[] {
  return found.flatMap(({ where, theirs, ours }) => {
    const values = `${theirs} → ${ours}`;
    const known = intended.find(
      (each) =>
        (each.plugins?.includes(group) ?? true) &&
        (each.cases?.test(name) ?? true) &&
        each.where.test(where) &&
        each.values.test(values),
    );
    if (known !== undefined) met.add(known);
    return known === undefined ? [`${where}: ${values}`] : [];
  });
}

/** Whether a container that changes its MAC is heard; afterwards it has its own again. */
async function spoof(machine: Machine, gateway: string): Promise<string> {
  const { namespace, ifname } = machine.container;
  const [{ address }] = namespace.json<{ address: string }>(`ip -j link show ${ifname}`) as [{ address: string }];
  namespace.sh(`ip link set ${ifname} address 02:00:00:00:00:99; ip neighbour flush dev ${ifname}`);
  const heard = await reaches(machine, gateway);
  namespace.sh(`ip link set ${ifname} address ${address}; ip neighbour flush dev ${ifname}`);
  if (!(await reaches(machine, gateway))) return "mute for good";
  return heard ? "heard" : "stopped";
}
