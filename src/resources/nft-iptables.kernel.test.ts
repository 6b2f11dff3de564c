/** Our rules in the chains of the real iptables-nft, as iptables itself lists, saves and restores them. */

import { describe, expect } from "bun:test";
import { needs, program, root } from "../../test/support/needs.ts";
import type { NftAdminChainResource, NftIptablesResource, Resource } from "../core/plan.ts";
import { apply, rollBack } from "../plan/engine.ts";
import { type Place, testPlaces, undoStack } from "./test-support/place.ts";

const { fresh, within, make, findings, unmake } = testPlaces();
const test = needs(root, program("iptables-nft"), program("ip6tables-nft"), program("nft"));

const MARK = 0x1000;

function way(fields: Partial<NftIptablesResource> = {}): NftIptablesResource {
  const common = { kind: "nft-iptables", where: "host", shared: true } as const;
  return { ...common, family: "ip", mark: MARK, adminChain: "CNI-ADMIN", ...fields };
}

/** What iptables would save, without comments and counters. */
function saved({ host }: Place, tool = "iptables-nft"): string[] {
  const { stdout } = Bun.spawnSync(["nsenter", `--net=${host.netns.path}`, `${tool}-save`, "-t", "filter"]);
  return stdout
    .toString()
    .split("\n")
    .filter((line) => /^(:|-A)/.test(line) && !/^:(INPUT|OUTPUT)/.test(line))
    .map((line) => line.replace(/ \[\d+:\d+\]$/, ""));
}

const WAY = [
  "-A FORWARD -j TENDRIL-FORWARD",
  "-A TENDRIL-FORWARD -j CNI-ADMIN",
  "-A TENDRIL-FORWARD -m mark --mark 0x1000/0x1000 -j ACCEPT",
];
const CHAINS = [":FORWARD DROP", ":CNI-ADMIN -", ":TENDRIL-FORWARD -"];

describe("where iptables-nft has its chain for forwarded packets", () => {
  function stage(): Place {
    const place = fresh();
    place.host.sh("iptables-nft -P FORWARD DROP && ip6tables-nft -P FORWARD DROP");
    return place;
  }

  test("the way is there as iptables would have made it, and once", () => {
    const place = stage();
    make(place, way());
    make(place, way());
    expect(saved(place)).toEqual([...CHAINS, ...WAY]);
    expect(saved(place, "ip6tables-nft")).toEqual([":FORWARD DROP"]);
    expect(findings(place, way())).toEqual([]);
  });

  test("IPv6 has its own", () => {
    const place = stage();
    make(place, way({ family: "ip6" }));
    expect(saved(place, "ip6tables-nft")).toEqual([...CHAINS, ...WAY]);
    expect(saved(place)).toEqual([":FORWARD DROP"]);
  });

  test("it comes before what is there, and the policy stays", () => {
    const place = stage();
    place.host.sh(
      "iptables-nft -A FORWARD -s 10.0.0.0/8 -m comment --comment theirs -m conntrack --ctstate NEW -j DROP",
    );
    make(place, way());
    expect(saved(place)[3]).toBe(WAY[0]);
    expect(saved(place)).toContain(
      "-A FORWARD -s 10.0.0.0/8 -m comment --comment theirs -m conntrack --ctstate NEW -j DROP",
    );
  });

  test("what was made is taken back, and nothing else", () => {
    const place = stage();
    place.host.sh("iptables-nft -A FORWARD -s 10.0.0.0/8 -j ACCEPT");
    const before = saved(place);
    within(place, (machine) => {
      const undo = undoStack();
      apply([way()], machine, undo);
      apply([way()], machine, undo);
      expect(undo.shared).toHaveLength(1);
      expect(rollBack(undo.shared.map(({ step }) => step))).toEqual([]);
    });
    expect(saved(place)).toEqual(before);
    make(place, way());
    expect(unmake(place, way())).toEqual([]);
    expect(saved(place)).toEqual(before);
    expect(unmake(place, way())).toEqual([]);
  });

  test("rules that iptables has saved and restored are still known", () => {
    const place = stage();
    make(place, way());
    place.host.sh("iptables-nft-save -t filter > /dev/shm/$$ && iptables-nft-restore < /dev/shm/$$ && rm /dev/shm/$$");
    expect(findings(place, way())).toEqual([]);
    make(place, way());
    expect(saved(place)).toEqual([...CHAINS, ...WAY]);
    expect(unmake(place, way())).toEqual([]);
    // The restored chain has lost the word that it was ours, and might be the administrator's.
    expect(saved(place)).toEqual([":FORWARD DROP", ":CNI-ADMIN -"]);
  });

  for (const [damage, finding] of [
    ["-F FORWARD", 'the jump to "TENDRIL-FORWARD" is gone from chain "FORWARD" of iptables (ip)'],
    [
      "-D TENDRIL-FORWARD -j CNI-ADMIN",
      'the jump to "CNI-ADMIN" is gone from chain "TENDRIL-FORWARD" of iptables (ip)',
    ],
    [
      "-D TENDRIL-FORWARD -m mark --mark 0x1000/0x1000 -j ACCEPT",
      'the rule that accepts mark 0x1000 is gone from chain "TENDRIL-FORWARD" of iptables (ip)',
    ],
  ] as const) {
    test(`iptables ${damage} is noticed and mended`, () => {
      const place = stage();
      make(place, way());
      place.host.sh(`iptables-nft ${damage}`);
      expect(findings(place, way())).toEqual([finding]);
      make(place, way());
      expect(findings(place, way())).toEqual([]);
      expect(saved(place)).toEqual([...CHAINS, ...WAY]);
    });
  }

  test("a rule that accepts something else is not taken for ours", () => {
    const place = stage();
    make(place, way());
    place.host.sh("iptables-nft -F TENDRIL-FORWARD && iptables-nft -A TENDRIL-FORWARD -j CNI-ADMIN");
    for (const other of ["-m mark --mark 0x1000/0x3000", "-m mark ! --mark 0x1000/0x1000", "-p tcp", "-s 10.0.0.0/8"]) {
      place.host.sh(`iptables-nft -A TENDRIL-FORWARD ${other} -j ACCEPT`);
    }
    expect(findings(place, way())).toHaveLength(1);
  });

  test("several administrators' chains are asked, and the way goes with the last", () => {
    const place = stage();
    const other = way({ adminChain: "OTHER" });
    make(place, way(), other);
    expect(findings(place, way(), other)).toEqual([]);
    expect(saved(place).slice(-3)).toEqual(["-A TENDRIL-FORWARD -j OTHER", ...WAY.slice(1)]);
    expect(unmake(place, other)).toEqual([]);
    expect(saved(place)).toEqual([...CHAINS, ...WAY]);
    expect(unmake(place, way())).toEqual([]);
    expect(saved(place)).toEqual([":FORWARD DROP"]);
  });

  test("an administrator's chain that he has made or filled stays", () => {
    const place = stage();
    place.host.sh("iptables-nft -N MADE");
    make(place, way({ adminChain: "MADE" }), way());
    place.host.sh("iptables-nft -A CNI-ADMIN -s 10.0.0.1 -j DROP");
    expect(unmake(place, way({ adminChain: "MADE" }), way())).toEqual([]);
    expect(saved(place)).toEqual([":FORWARD DROP", ":CNI-ADMIN -", ":MADE -", "-A CNI-ADMIN -s 10.0.0.1/32 -j DROP"]);
  });
});

describe("where iptables-nft has no chain for forwarded packets", () => {
  test("nothing is made, nothing is missed", () => {
    const place = fresh();
    make(place, way());
    expect(place.host.sh("nft list ruleset")).toBe("");
    expect(findings(place, way())).toEqual([]);
    expect(unmake(place, way())).toEqual([]);
    place.host.sh("iptables-nft -A INPUT -s 10.0.0.0/8 -j ACCEPT");
    make(place, way());
    expect(place.host.sh("nft list ruleset")).not.toContain("FORWARD");
  });

  test("but the administrator's, it is asked", () => {
    const place = fresh();
    place.host.sh("iptables-nft -N CNI-ADMIN && iptables-nft -A CNI-ADMIN -s 10.0.0.1 -j DROP");
    make(place, way());
    expect(saved(place)).toEqual([
      ":FORWARD ACCEPT",
      ...CHAINS.slice(1),
      ...WAY.slice(0, 1),
      "-A CNI-ADMIN -s 10.0.0.1/32 -j DROP",
      ...WAY.slice(1),
    ]);
    expect(findings(place, way())).toEqual([]);
  });
});

describe("a chain of the administrator's in a table of ours", () => {
  const inet = { family: "inet", table: "t" } as const;
  const chain: NftAdminChainResource = {
    kind: "nft-admin-chain",
    where: "host",
    shared: true,
    chain: { ...inet, name: "ADMIN" },
  };
  const part: Resource = {
    kind: "nft-table",
    where: "host",
    shared: true,
    table: { family: "inet", name: "t" },
    sets: [],
    chains: [{ chain: { ...inet, name: "ask" }, rules: [], open: true }],
  };
  const jump: Resource = {
    kind: "nft-rule",
    where: "host",
    shared: true,
    rule: { ...inet, chain: "ask", statements: [{ kind: "verdict", verdict: { jump: "ADMIN" } }], comment: "ADMIN" },
  };
  const all = [part, chain, jump];

  test("goes with the table while it is empty", () => {
    const place = fresh();
    make(place, ...all);
    make(place, ...all);
    expect(findings(place, ...all)).toEqual([]);
    expect(unmake(place, ...all)).toEqual([]);
    expect(place.host.sh("nft list ruleset")).toBe("");
  });

  test("stays with the table while it has a rule", () => {
    const place = fresh();
    make(place, ...all);
    place.host.sh("nft add rule inet t ADMIN ip saddr 10.0.0.1 drop");
    expect(unmake(place, ...all)).toEqual([]);
    const left = place.host.sh("nft list table inet t");
    expect(left).toContain("ip saddr 10.0.0.1 drop");
    expect(left).not.toContain("chain ask");
    make(place, ...all);
    expect(findings(place, ...all)).toEqual([]);
    expect(place.host.sh("nft list table inet t")).toContain("ip saddr 10.0.0.1 drop");
  });

  test("stays when he has made it", () => {
    const place = fresh();
    place.host.sh("nft add table inet t && nft add chain inet t ADMIN");
    make(place, ...all);
    expect(unmake(place, ...all)).toEqual([]);
    expect(place.host.sh("nft list table inet t")).toContain("chain ADMIN");
  });

  test("that is gone is missed", () => {
    const place = fresh();
    make(place, ...all);
    place.host.sh("nft flush chain inet t ask && nft delete chain inet t ADMIN");
    expect(findings(place, ...all)).toEqual([
      `the administrator's chain "ADMIN" of nf_tables table inet "t" is gone`,
      'the rule "ADMIN" is gone from chain "ask" of nf_tables table inet "t"',
    ]);
  });
});
