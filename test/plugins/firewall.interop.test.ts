/**
 * The same networks by the Go bridge and firewall and by ours: who reaches whom is the same, but for the differences
 * listed here with their reasons. How the rules are written is another matter: ours are elements of sets.
 */

import { beforeAll, describe, expect } from "bun:test";
import { goPlugin } from "../support/attachment-cases.ts";
import { checkChain, delChain } from "../support/chain.ts";
import { type Need, needs, program, root } from "../support/needs.ts";
import { expectBuilt, fail, PLUGINS, succeed, testHosts, withResult } from "../support/plugin-calls.ts";
import { peerPlugins } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import {
  brNetfilter,
  makeStage,
  type Paths,
  type Pod,
  podOf,
  reach,
  redirectTo,
  type Scene,
} from "./firewall-stage.ts";

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

describe.concurrent("in one chain", () => {
  const chains: readonly (readonly [title: string, paths: Paths])[] = [
    ["the Go bridge and our firewall", [peerPlugins, PLUGINS]],
    ["our bridge and the Go firewall", [PLUGINS, peerPlugins]],
  ];
  for (const [title, paths] of chains) {
    needs(...needed, brNetfilter)(`${title} work together, and leave nothing`, async () => {
      const containers = ["a1", "a2", "b1"];
      const scene: Scene = { networks: networks("same-bridge"), containers, policy: "DROP", bridgedToo: true };
      const stage = await makeStage(hosts, scene, paths);
      const wanted = { "a1 a2": "46", "a1 b1": "-", "a1 outside": "46", "outside a1": "-" };
      expect(await reach(stage, Object.keys(wanted))).toEqual(wanted);
      for (const pod of stage.pods.values()) await checkChain(stage.host, pod, pod.chain, pod.result);
      for (const pod of stage.pods.values()) await delChain(stage.host, pod, pod.chain, pod.result);
      const left = stage.host.netns.sh("nft list ruleset");
      for (const pod of stage.pods.values()) for (const address of pod.addresses) expect(left).not.toContain(address);
    });
  }

  needs(...needed, brNetfilter)("on one host networks of the Go plugins and of ours meet", async () => {
    const scene = { containers: ["a1"], policy: "DROP", bridgedToo: true } as const;
    const stage = await makeStage(hosts, { ...scene, networks: networks("open") }, peerPlugins);
    const ours = await stage.add("b1", PLUGINS);
    expect(await reach(stage, ["a1 b1", "b1 a1", "a1 outside", "b1 outside"])).toEqual({
      ...{ "a1 b1": "46", "b1 a1": "46", "a1 outside": "46", "b1 outside": "46" },
    });
    for (const pod of stage.pods.values()) await checkChain(stage.host, pod, pod.chain, pod.result);
    await delChain(stage.host, ours, ours.chain, ours.result);
    expect(await reach(stage, ["a1 outside"])).toEqual({ "a1 outside": "46" });
  });
});

needs(...needed)("what the Go firewall has made for a container we check, and it goes with our DEL", async () => {
  const scene = { containers: ["a1", "a2"], policy: "DROP" } as const;
  const { host, pods } = await makeStage(hosts, { ...scene, networks: networks("open") }, peerPlugins);
  const [a1, a2] = [podOf(pods, "a1"), podOf(pods, "a2")];
  const rules = () => host.netns.sh("iptables-nft -S CNI-FORWARD; ip6tables-nft -S CNI-FORWARD").split("\n");
  const mine =
    ({ addresses }: Pod) =>
    (rule: string) =>
      addresses.some((address) => rule.includes(`${address}/`));
  const before = rules();
  expect(before.filter(mine(a1))).toHaveLength(4);
  const config = withResult(a1.chain.at(-1)?.config ?? { name: "", type: "" }, a1.result);
  await succeed(host, { verb: "CHECK", container: a1, config });
  await succeed(host, { verb: "DEL", container: a1, config });
  const { msg } = await fail(host, { verb: "CHECK", container: a1, config });
  expect(msg).toContain(`no rule of chain "CNI-FORWARD" of iptables (ip) accepts ${a1.addresses[0]}`);
  expect(rules()).toEqual(before.filter((rule) => !mine(a1)(rule)));
  expect(rules().filter(mine(a2))).toHaveLength(4);
});

needs(...needed, brNetfilter)("each intended difference is met", () => {
  expect(intended.filter((one) => !met.has(one)).map(({ why }) => why)).toEqual([]);
});
