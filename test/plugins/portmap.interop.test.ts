/**
 * The same host ports by the Go portmap and by ours: who reaches the container from where, and whom it sees, is the same
 * but for the differences listed here with their reasons. Chains that mix both, and a host that changes over.
 */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { goPlugin } from "../support/attachment-cases.ts";
import { checkChain, delChain, type Link } from "../support/chain.ts";
import type { TestNetns } from "../support/namespaces.ts";
import { type Need, needs, program, root } from "../support/needs.ts";
import { expectBuilt, fail, PLUGINS, succeed, testHosts, withResult, withValid } from "../support/plugin-calls.ts";
import { peerPlugins } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { askTcp, askUdp, type Closable, udpClient } from "../support/traffic.ts";
import {
  DNS,
  type Fields,
  HOST_V4,
  HOST_V6,
  makePod,
  makeSite,
  OUTSIDE_V4,
  OUTSIDE_V6,
  type Pod,
  portmap,
  type Site,
  takeDown,
  WAYS,
  WEB,
} from "./portmap-stage.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
const open: Closable[] = [];
afterAll(() => {
  for (const one of open.splice(0)) one.close();
});
expectNothingLeft();
const needed: readonly Need[] = [
  ...[root, goPlugin("bridge"), goPlugin("portmap"), goPlugin("host-local")],
  ...[program("nft"), program("iptables"), program("ip6tables")],
];
const test = needs(...needed);

const pod = (place: Site, id: string, ports: readonly Fields[], by: readonly [string, string], fields: Fields = {}) =>
  makePod(hosts, open, place, id, ports, { fields, by });

/** A port of each address, and by one of the host alone. */
const PORTS = [DNS, { ...DNS, hostPort: 8081, hostIP: HOST_V4 }, { ...DNS, hostPort: 8082, hostIP: "127.0.0.1" }];
const EACH = [
  ...WAYS,
  { title: "the host by ::1", from: ({ host }: Site) => host.netns, to: "::1" },
  { title: "outside, one that conditions are about", from: ({ outside }: Site) => outside, to: "192.0.2.3" },
];

/** The answer, or why there is none, once it is sure that none comes. */
async function ask(from: TestNetns, to: string, port: number): Promise<string> {
  const client = await udpClient(from, to.includes(":") ? 6 : 4);
  try {
    let answer = "";
    for (let attempt = 0; attempt < 4; attempt++) {
      answer = await client.ask(to, port, { patience: 750 });
      if (answer !== "no answer") break;
    }
    return answer;
  } finally {
    client.close();
  }
}

/** The answers of each way to each port. */
async function reach(path: string, fields: Fields): Promise<Record<string, string>> {
  const place = makeSite(hosts);
  place.host.netns.sh("ip address add 192.0.2.3/24 dev up0");
  const web = await pod(place, "web", PORTS, [PLUGINS, path], fields);
  const other = await pod(place, "other", [], [PLUGINS, path]);
  const answers = await Promise.all(
    EACH.flatMap(({ title, from, to }) =>
      PORTS.map(async ({ hostPort }) => [`${title} to ${hostPort}`, await ask(from(place, web, other), to, hostPort)]),
    ),
  );
  await takeDown(place, web);
  await takeDown(place, other);
  return Object.fromEntries(answers);
}

const NFT = { backend: "nftables" };

const scenes: readonly (readonly [string, Fields])[] = [
  ["no field", {}],
  ["snat off", { snat: false }],
  ["masqAll", { masqAll: true }],
  ["a mark's bit", { markMasqBit: 5 }],
  ["conditions", { conditionsV4: ["!", "-d", "192.0.2.3/32"], conditionsV6: ["-s", "2001:db8::/64"] }],
  ["backend nftables", NFT],
  ["backend nftables, snat off", { ...NFT, snat: false }],
  ["backend nftables, conditions", { ...NFT, conditionsV4: ["ip daddr != 192.0.2.3"], conditionsV6: [] }],
];

/** In what we mean to differ, as `theirs → ours`, and why. */
const intended: readonly {
  readonly scene: RegExp;
  readonly way: RegExp;
  readonly values: RegExp;
  readonly why: string;
}[] = [
  {
    scene: /./,
    way: /^the host by ::1 to 8080$/,
    values: /^no answer → refused$/,
    why: "no answer to ::1 can come in from outside, so the connection stays in the host, where it is refused",
  },
  {
    scene: /^backend nftables/,
    way: /^its neighbour/,
    values: /^web (10\.77\.0\.3|fd77::3) → web (10\.77\.0\.1|fd77::1)$/,
    why: "neighbours are masqueraded as with the backend iptables: without br_netfilter they got no answer else",
  },
];

const met = new Set<(typeof intended)[number]>();

describe.concurrent("the Go portmap and ours lead there alike:", () => {
  for (const [scene, fields] of scenes) {
    test(scene, async () => {
      const [theirs = {}, ours = {}] = await Promise.all([reach(peerPlugins, fields), reach(PLUGINS, fields)]);
      const different = Object.keys(theirs).flatMap((way) => {
        const values = `${theirs[way]} → ${ours[way]}`;
        if (theirs[way] === ours[way]) return [];
        const known = intended.find((one) => one.scene.test(scene) && one.way.test(way) && one.values.test(values));
        if (known === undefined) return [`${way}: ${values}`];
        met.add(known);
        return [];
      });
      expect(different).toEqual([]);
      // Both are right, not only alike.
      expect(ours["outside to 8080"]).toBe(fields.masqAll ? "web 10.77.0.1" : `web ${OUTSIDE_V4}`);
      expect(Object.values(ours).filter((answer) => !answer.startsWith("web")).length).toBeGreaterThan(0);
    }, 60_000);
  }
});

test("each intended difference is met", () => {
  expect(intended.filter((one) => !met.has(one)).map(({ why }) => why)).toEqual([]);
});

describe.concurrent("a chain of", () => {
  const mixes: readonly (readonly [string, readonly [string, string]])[] = [
    ["ours after the Go bridge", [peerPlugins, PLUGINS]],
    ["the Go portmap after our bridge", [PLUGINS, peerPlugins]],
  ];
  for (const [title, by] of mixes) {
    test(`${title} answers from outside, from the host, and to itself, and goes without a trace`, async () => {
      const place = makeSite(hosts);
      const web = await pod(place, "web", [WEB, DNS], by);
      const other = await pod(place, "other", [], by);
      await checkChain(place.host, web.container, web.chain, web.result);
      for (const { title, from, to, seen } of WAYS) {
        const answer = await askTcp(from(place, web, other), to, 8080);
        expect({ title, answer }).toEqual({ title, answer: `web ${seen}` });
      }
      expect(await askUdp(place.outside, "2001:db8::1", 8080)).toBe(`web ${OUTSIDE_V6}`);
      await takeDown(place, web);
      await takeDown(place, other);
      expect(await askTcp(place.outside, HOST_V4, 8080)).toBe("ECONNREFUSED");
    });
  }

  test("containers of both on one host, each with ports of its own", async () => {
    const place = makeSite(hosts);
    const theirs = await pod(place, "theirs", [WEB], [peerPlugins, peerPlugins]);
    const ours = await pod(place, "ours", [{ ...WEB, hostPort: 8081 }], [peerPlugins, PLUGINS]);
    const places: readonly (readonly [Pod, number, string])[] = [
      [theirs, 8080, "theirs"],
      [ours, 8081, "ours"],
    ];
    for (const [, port, name] of places) {
      expect(await askTcp(place.outside, HOST_V4, port)).toBe(`${name} ${OUTSIDE_V4}`);
      expect(await askTcp(place.host.netns, "127.0.0.1", port)).toBe(`${name} 10.77.0.1`);
    }
    await takeDown(place, theirs);
    expect(await askTcp(place.outside, HOST_V4, 8081)).toBe(`ours ${OUTSIDE_V4}`);
    await takeDown(place, ours);
  });
});

describe.concurrent("a host that changes over in place", () => {
  for (const fields of [{}, NFT]) {
    const title = `has ours check, and take down, what the Go portmap has attached${fields === NFT ? " by nftables" : ""}`;
    test(title, async () => {
      const place = makeSite(hosts);
      const theirs = await pod(place, "theirs", [WEB, DNS], [PLUGINS, peerPlugins], fields);
      const other = await pod(place, "other", [{ ...WEB, hostPort: 8081 }], [PLUGINS, peerPlugins], fields);
      const client = await udpClient(place.outside, 4);
      open.push(client);
      expect(await client.ask(HOST_V4, 8080)).toBe(`theirs ${OUTSIDE_V4}`);
      const config = withResult(portmap([WEB, DNS], fields), theirs.result);
      await succeed(place.host, { verb: "CHECK", container: theirs.container, config });
      await succeed(place.host, { verb: "DEL", container: theirs.container, config });
      await succeed(place.host, { verb: "DEL", container: theirs.container, config });
      const rules = place.host.netns.sh("nft list ruleset");
      expect(rules).not.toContain('comment "theirs"');
      expect(rules.match(/^\tchain CNI-DN-/gm) ?? []).toHaveLength(fields === NFT ? 0 : 2);
      const failure = await fail(place.host, { verb: "CHECK", container: theirs.container, config });
      expect(failure.msg).toContain("is gone");
      const ours = await pod(place, "ours", [WEB, DNS], [PLUGINS, PLUGINS], fields);
      expect(await askTcp(place.outside, HOST_V4, 8080)).toBe(`ours ${OUTSIDE_V4}`);
      expect(await askTcp(place.outside, HOST_V6, 8080)).toBe(`ours ${OUTSIDE_V6}`);
      expect(await client.ask(HOST_V4, 8080)).toBe(`ours ${OUTSIDE_V4}`);
      expect(await askTcp(place.outside, HOST_V4, 8081)).toBe(`other ${OUTSIDE_V4}`);
      // Neither record nor result.
      await succeed(place.host, { verb: "DEL", container: other.container, config: portmap([], fields) });
      expect(await askTcp(place.outside, HOST_V4, 8081)).toBe("ECONNREFUSED");
      await takeDown(place, ours);
    });
  }

  test("and back again has our GC take down what the Go portmap has not known", async () => {
    const place = makeSite(hosts);
    const ours = await pod(place, "ours", [WEB], [PLUGINS, PLUGINS]);
    const [below, mapped] = ours.chain as [Link, Link];
    await delChain(place.host, ours.container, [below, { ...mapped, path: peerPlugins }], ours.result);
    await succeed(place.host, { verb: "GC", config: withValid(portmap([]), []) });
    expect(place.host.netns.sh("nft list ruleset")).not.toContain("hostport_");
    await pod(place, "theirs", [WEB], [PLUGINS, peerPlugins]);
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe(`theirs ${OUTSIDE_V4}`);
  });
});
