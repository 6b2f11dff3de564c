/** Who reaches whom through the firewall, by real packets; what CHECK, DEL and GC make of what others do to its rules. */

import { beforeAll, describe, expect } from "bun:test";
import { checkChain, delChain } from "../support/chain.ts";
import { expectSameState } from "../support/kills.ts";
import { type Need, needs, program, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import { expectBuilt, fail, succeed, testHosts, withResult, withValid } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import {
  brNetfilter,
  makeStage,
  type Pod,
  podOf,
  reach,
  redirectTo,
  type Scene,
  type Stage,
} from "./firewall-stage.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const needed = [root, program("ip"), program("ping"), program("nft")];
const iptables = [program("iptables-nft"), program("ip6tables-nft")];

const PODS = ["a1", "a2", "b1"];

/** Both networks with the same policy, on a bridge each. */
function both(ingressPolicy: string | undefined, more: Readonly<Record<string, unknown>> = {}): Scene["networks"] {
  const firewall = { ...more, ...(ingressPolicy === undefined ? {} : { ingressPolicy }) };
  return { a: { bridge: "br-a", firewall }, b: { bridge: "br-b", firewall } };
}

const EVERYBODY = { "a1 a2": "46", "a1 b1": "46", "b1 a1": "46", "a1 outside": "46", "outside a1": "46" };

const scenes: readonly {
  readonly title: string;
  readonly needs?: readonly Need[];
  readonly scene: Omit<Scene, "containers">;
  readonly reach: Readonly<Record<string, string>>;
}[] = [
  { title: "no iptables: everybody meets", scene: { networks: both(undefined) }, reach: EVERYBODY },
  {
    title: "iptables accepts: everybody meets",
    needs: iptables,
    scene: { networks: both("open"), policy: "ACCEPT" },
    reach: EVERYBODY,
  },
  {
    title: "iptables drops: containers meet and reach the world, and the world does not reach them but by a host port",
    needs: iptables,
    scene: { networks: both("open"), policy: "DROP" },
    reach: { ...EVERYBODY, "outside a1": "-", "outside host port": "46", "b1 host port": "46" },
  },
  {
    title: "iptables drops, also what stays on a bridge: containers of one bridge meet",
    needs: [...iptables, brNetfilter],
    scene: { networks: both("open"), policy: "DROP", bridgedToo: true },
    reach: { ...EVERYBODY, "outside a1": "-", "outside host port": "46" },
  },
  {
    title: "iptables drops and the firewall keeps to its own table: containers of one bridge meet, no others",
    needs: iptables,
    scene: { networks: both("open", { backend: "nftables" }), policy: "DROP" },
    reach: { "a1 a2": "46", "a1 b1": "-", "b1 a1": "-", "a1 outside": "-", "outside a1": "-" },
  },
  {
    title: "same-bridge: bridges do not meet",
    scene: { networks: both("same-bridge") },
    reach: { ...EVERYBODY, "a1 b1": "-", "b1 a1": "-", "outside host port": "46", "b1 host port": "-" },
  },
  {
    title: "same-bridge where iptables drops: containers of one bridge meet",
    needs: [...iptables, brNetfilter],
    scene: { networks: both("same-bridge"), policy: "DROP", bridgedToo: true },
    reach: { "a1 a2": "46", "a1 b1": "-", "b1 a1": "-", "a1 outside": "46", "outside a1": "-" },
  },
  {
    title: "isolated: nobody meets, all reach the world",
    scene: { networks: both("isolated") },
    reach: {
      "a1 a2": "-",
      "a1 b1": "-",
      "b1 a1": "-",
      "a1 outside": "46",
      "outside a1": "46",
      "outside host port": "46",
    },
  },
  {
    title: "isolated where iptables drops, also what stays on a bridge",
    needs: [...iptables, brNetfilter],
    scene: { networks: both("isolated"), policy: "DROP", bridgedToo: true },
    reach: { "a1 a2": "-", "a1 b1": "-", "b1 a1": "-", "a1 outside": "46", "outside a1": "-" },
  },
  {
    title: "a bridge without a policy meets those that have one",
    scene: { networks: { ...both("same-bridge"), c: { bridge: "br-c", firewall: {} } } },
    reach: { "a1 c1": "46", "c1 a1": "46", "a1 b1": "-" },
  },
  {
    title: "of one bridge with two policies the stricter counts between its containers",
    scene: {
      networks: {
        a: { bridge: "br-a", firewall: { ingressPolicy: "isolated" } },
        b: { bridge: "br-a", firewall: { ingressPolicy: "same-bridge" } },
      },
    },
    reach: { "a1 a2": "-", "a1 b1": "-", "b1 a1": "-", "a1 outside": "46", "b1 outside": "46" },
  },
];

describe.concurrent("with", () => {
  for (const { title, needs: more = [], scene, reach: wanted } of scenes) {
    needs(...needed, ...more)(title, async () => {
      const letters = new Set(Object.keys(wanted).flatMap((pair) => pair.match(/\b[abc]\d\b/g) ?? []));
      const stage = await makeStage(hosts, { ...scene, containers: [...new Set([...PODS, ...letters])].sort() });
      redirectTo(stage, podOf(stage.pods, "a1"));
      expect(await reach(stage, Object.keys(wanted))).toEqual(wanted);
      for (const pod of stage.pods.values()) await checkChain(stage.host, pod, pod.chain, pod.result);
    });
  }
});

/** Two networks in which everybody meets, where iptables drops what it does not know. */
const dropping: Scene = { networks: both(undefined), containers: ["a1", "b1"], policy: "DROP" };

describe.concurrent("the administrator's chain", () => {
  needs(...needed, ...iptables)("decides first, in our table and in that of iptables", async () => {
    const stage = await makeStage(hosts, { ...dropping, containers: PODS });
    const { host } = stage;
    const [a1, a2] = [podOf(stage.pods, "a1"), podOf(stage.pods, "a2")];
    const meet = () => reach(stage, ["a1 outside", "a2 outside", "outside a1"]);
    expect(await meet()).toEqual({ "a1 outside": "46", "a2 outside": "46", "outside a1": "-" });
    host.netns.sh(`nft add rule inet tendril CNI-ADMIN ip saddr ${a1.addresses[0]} drop
      iptables-nft -A CNI-ADMIN -s ${a2.addresses[0]} -j DROP`);
    expect(await meet()).toEqual({ "a1 outside": "6", "a2 outside": "6", "outside a1": "-" });
    host.netns.sh(`nft flush chain inet tendril CNI-ADMIN
      nft add rule inet tendril CNI-ADMIN ip daddr ${a1.addresses[0]} accept
      nft add rule inet tendril CNI-ADMIN ip6 saddr ${a1.addresses[1]} drop
      iptables-nft -F CNI-ADMIN`);
    // What he accepts passes iptables too.
    expect(await meet()).toEqual({ "a1 outside": "4", "a2 outside": "46", "outside a1": "4" });
    for (const pod of stage.pods.values()) await checkChain(host, pod, pod.chain, pod.result);
  });

  needs(...needed, ...iptables)("has the name that the configuration gives, and stays with its rules", async () => {
    const firewall = { iptablesAdminChainName: "MINE" };
    const given = `iptables-nft -N MINE && iptables-nft -A MINE -d 192.0.2.2 -j DROP
      nft add table inet tendril && nft add chain inet tendril MINE && nft add rule inet tendril MINE ip6 daddr 2001:db8::2 drop`;
    const stage = await makeStage(hosts, {
      networks: { a: { bridge: "br-a", firewall }, b: { bridge: "br-b", firewall: {} } },
      containers: ["a1", "b1"],
      policy: "DROP",
      given,
    });
    const { host, pods } = stage;
    expect(await reach(stage, ["a1 outside", "a1 b1"])).toEqual({ "a1 outside": "-", "a1 b1": "46" });
    for (const pod of pods.values()) await delChain(host, pod, pod.chain, pod.result);
    await collect(stage);
    expect(host.netns.sh("nft list table inet tendril")).toBe(`table inet tendril {
	chain MINE {
		ip6 daddr 2001:db8::2 drop
	}
}
`);
    expect(host.netns.sh("iptables-nft -S")).toBe(`-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N MINE
-A MINE -d 192.0.2.2/32 -j DROP
`);
  });
});

/** GC by all plugins of all networks, with these containers alive. */
async function collect({ host, pods }: Stage, ...alive: readonly Pod[]): Promise<void> {
  const all = [...pods.values()];
  for (const { chain } of new Map(all.map((pod) => [pod.chain[0]?.config.name, pod])).values()) {
    for (const { config } of chain) await succeed(host, { verb: "GC", config: withValid(config, alive) });
  }
}

/** Its words, in whatever order elements and tables are listed. */
function words(ruleset: string): string[] {
  return ruleset
    .split(/[\n,]/)
    .map((word) => word.replace(/^\s*(elements = \{)?|\}?\s*$/g, "").trim())
    .sort();
}

describe.concurrent("what others do to the rules", () => {
  const firewallOf = ({ chain, result }: Pod) => withResult(chain.at(-1)?.config ?? { name: "", type: "" }, result);

  for (const [title, damage, finding] of [
    [
      "an element",
      "nft flush set inet tendril firewall_ipv4",
      'of "firewall_ipv4" in nf_tables table inet "tendril" is gone',
    ],
    [
      "a rule of ours",
      "nft flush chain inet tendril forward",
      'chain "forward" of nf_tables table inet "tendril" has been changed',
    ],
    [
      "the way through iptables",
      "iptables-nft -F FORWARD",
      'the jump to "TENDRIL-FORWARD" is gone from chain "FORWARD"',
    ],
    [
      "the isolation of bridges",
      "nft flush set inet tendril guarded_bridges",
      'of "guarded_bridges" in nf_tables table inet "tendril" is gone',
    ],
    ["the isolation of ports", "nft delete table bridge tendril", 'nf_tables table bridge "tendril" is gone'],
    [
      "the jump to the administrator's chain",
      "nft flush chain inet tendril firewall-admin",
      'the rule "CNI-ADMIN" is gone from chain "firewall-admin"',
    ],
  ] as const) {
    needs(...needed, ...iptables)(`CHECK misses ${title}`, async () => {
      const { host, pods } = await makeStage(hosts, { networks: both("isolated"), containers: ["a1"], policy: "DROP" });
      const container = podOf(pods, "a1");
      const config = firewallOf(container);
      await succeed(host, { verb: "CHECK", container, config });
      host.netns.sh(damage);
      const { code, msg } = await fail(host, { verb: "CHECK", container, config });
      expect({ code, msg }).toEqual({ code: 104, msg: expect.stringContaining(finding) });
    });
  }

  needs(...needed, ...iptables)("a flushed ruleset is put back for all by the next ADD", async () => {
    const stage = await makeStage(hosts, { networks: both("isolated"), containers: PODS, policy: "DROP" });
    const { host, pods } = stage;
    const rules = () => words(host.netns.sh("nft --stateless list ruleset"));
    const before = rules();
    host.netns.sh("nft flush ruleset && iptables-nft -P FORWARD DROP && ip6tables-nft -P FORWARD DROP");
    expect(await reach(stage, ["a1 outside"])).toEqual({ "a1 outside": "-" });
    const added = await stage.add("a3");
    for (const pod of pods.values()) await checkChain(host, pod, pod.chain, pod.result);
    expect(await reach(stage, ["a1 outside", "b1 outside", "a1 a2", "a1 b1", "a3 outside"])).toEqual({
      ...{ "a1 outside": "46", "b1 outside": "46", "a3 outside": "46" },
      ...{ "a1 a2": "-", "a1 b1": "-" },
    });
    await delChain(host, added, added.chain, added.result);
    expect(rules()).toEqual(before);
  });

  needs(...needed, ...iptables)("also when the administrator has put back his own chain at once", async () => {
    const stage = await makeStage(hosts, { networks: both(undefined), containers: ["a1"], policy: "DROP" });
    const { host, pods } = stage;
    host.netns.sh(`nft -f - << 'END'
      flush ruleset
      table inet tendril { chain CNI-ADMIN { ip daddr 169.254.169.254 drop; }; }
END
      iptables-nft -P FORWARD DROP && ip6tables-nft -P FORWARD DROP`);
    await stage.add("b1");
    for (const pod of pods.values()) await checkChain(host, pod, pod.chain, pod.result);
    expect(await reach(stage, ["a1 outside", "a1 b1"])).toEqual({ "a1 outside": "46", "a1 b1": "46" });
    expect(host.netns.sh("nft list chain inet tendril CNI-ADMIN")).toContain("169.254.169.254 drop");
  });
});

describe.concurrent("nothing is left", () => {
  for (const [title, networks] of [
    ["of an open network", both(undefined)],
    ["of bridges that are kept apart", both("same-bridge")],
    ["of isolated containers", both("isolated")],
  ] as const) {
    needs(...needed, ...iptables)(`${title} after DEL of all and GC`, async () => {
      const stage = await makeStage(hosts, { networks, containers: [], policy: "DROP" });
      const before = await stateOf(stage.host);
      for (const name of PODS) await stage.add(name);
      for (const pod of stage.pods.values()) {
        await delChain(stage.host, pod, pod.chain, pod.result);
        await delChain(stage.host, pod, pod.chain);
      }
      await collect(stage);
      expectSameState("ADD, DEL, GC", await stateOf(stage.host), before);
    });

    needs(...needed, ...iptables)(`${title} after GC alone, and what lives stays`, async () => {
      const stage = await makeStage(hosts, { networks, containers: [], policy: "DROP" });
      const before = await stateOf(stage.host);
      for (const name of PODS) await stage.add(name);
      const a1 = podOf(stage.pods, "a1");
      await collect(stage, a1);
      await checkChain(stage.host, a1, a1.chain, a1.result);
      expect(await reach(stage, ["a1 outside"])).toEqual({ "a1 outside": "46" });
      await collect(stage);
      expectSameState("ADD, GC", await stateOf(stage.host), before);
    });
  }

  needs(...needed)("of a container whose record is lost, with or without its result", async () => {
    const stage = await makeStage(hosts, { networks: both("isolated"), containers: PODS });
    const { host, pods } = stage;
    const elements = () => host.netns.sh("nft list ruleset | grep -c 'comment \"net-' || true").trim();
    expect(elements()).not.toBe("0");
    Bun.spawnSync(["rm", "-r", `${host.runFolder}/attachments`]);
    const [a1, a2, b1] = PODS.map((name) => podOf(pods, name)) as [Pod, Pod, Pod];
    await delChain(host, a1, a1.chain, a1.result);
    await delChain(host, a2, a2.chain);
    await delChain(host, { ...b1, netns: "" }, b1.chain, b1.result);
    expect(elements()).toBe("0");
  });
});
