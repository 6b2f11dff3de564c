/**
 * The same networks by the Go bridge and firewall and by ours: who reaches whom is the same, but for the differences
 * listed here with their reasons. How the rules are written is another matter: ours are elements of sets.
 */

import { beforeAll, describe, expect } from "bun:test";
import { goPlugin } from "../support/attachment-cases.ts";
import { type Need, needs, program, root } from "../support/needs.ts";
import { expectBuilt, PLUGINS, testHosts } from "../support/plugin-calls.ts";
import { peerPlugins } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { brNetfilter, makeStage, podOf, reach, redirectTo, type Scene } from "./firewall-stage.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const needed: readonly Need[] = [
  ...[root, goPlugin("bridge"), goPlugin("firewall"), goPlugin("host-local")],
  ...[program("ping"), program("nft"), program("iptables-nft"), program("ip6tables-nft")],
];

const PODS = ["a1", "a2", "b1", "c1"];
const PAIRS = [
  ...PODS.flatMap((from) => PODS.filter((to) => to !== from).map((to) => `${from} ${to}`)),
  ...["a1 outside", "outside a1", "outside host port", "a2 host port", "b1 host port"],
];

const POLICIES = ["open", "same-bridge", "isolated"] as const;

/** In what we mean to differ, as `theirs → ours`, and why. */
const intended: readonly {
  readonly scene: RegExp;
  readonly pair: RegExp;
  readonly values: string;
  readonly why: string;
}[] = [
  {
    scene: /DROP/,
    pair: /^outside host port$/,
    values: "- → 46",
    why: "what is redirected to a container, as by portmap or a Service, has been asked for",
  },
  {
    scene: /^isolated.*kept on the bridge/,
    pair: /^(a1 a2|a2 a1)$/,
    values: "46 → -",
    why: "isolated holds on a bridge also where the module br_netfilter does not show its frames to iptables",
  },
];

const met = new Set<(typeof intended)[number]>();

/** Networks a and b have the policy, c has none. */
function networks(ingressPolicy: string): Scene["networks"] {
  const firewall = { backend: "iptables", ingressPolicy };
  return {
    a: { bridge: "br-a", firewall },
    b: { bridge: "br-b", firewall },
    c: { bridge: "br-c", firewall: { backend: "iptables" } },
  };
}

describe.concurrent("the Go firewall and ours let the same through:", () => {
  for (const ingressPolicy of POLICIES) {
    for (const policy of ["ACCEPT", "DROP"] as const) {
      for (const bridgedToo of [true, false]) {
        const title = `${ingressPolicy}, FORWARD ${policy}, ${bridgedToo ? "shown to iptables" : "kept on the bridge"}`;
        needs(...needed, ...(bridgedToo ? [brNetfilter] : []))(title, async () => {
          const scene: Scene = { networks: networks(ingressPolicy), containers: PODS, policy, bridgedToo };
          const [theirs = {}, ours = {}] = await Promise.all(
            [peerPlugins, PLUGINS].map(async (path) => {
              const stage = await makeStage(hosts, scene, path);
              redirectTo(stage, podOf(stage.pods, "a1"));
              return reach(stage, PAIRS);
            }),
          );
          const different = PAIRS.filter((pair) => theirs[pair] !== ours[pair]).flatMap((pair) => {
            const values = `${theirs[pair]} → ${ours[pair]}`;
            const known = intended.find((one) => one.scene.test(title) && one.pair.test(pair) && one.values === values);
            if (known !== undefined) met.add(known);
            return known === undefined ? [`${pair}: ${values}`] : [];
          });
          expect(different).toEqual([]);
        });
      }
    }
  }
});

needs(...needed, brNetfilter)("each intended difference is met", () => {
  expect(intended.filter((one) => !met.has(one)).map(({ why }) => why)).toEqual([]);
});
