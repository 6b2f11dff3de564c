import { describe, expect, test } from "bun:test";
import { ConfigError } from "../core/errors.ts";
import { localNode } from "../modes/test-support/nodes.ts";
import { type BirdInput, birdConfig, sessionName } from "./bird-config.ts";
import { bgpSettings } from "./bird-settings.ts";

const DUAL = ["172.20.1.11/24", "fd20::11/64"];
const NEAR = { name: "b", addresses: ["172.20.1.12/24", "fd20::12/64"] };
const FAR = { name: "d", addresses: ["172.20.2.12/24"] };

function config(fields: Partial<BirdInput> = {}, settings: Record<string, unknown> = {}): string {
  const input: BirdInput = {
    local: localNode({ addresses: DUAL }),
    settings: bgpSettings(settings, "bgp"),
    nodes: [NEAR],
    pools: ["10.244.0.0/16"],
    prefixes: ["10.244.0.0/26"],
    ...fields,
  };
  return birdConfig(input, "/run/tendril/bird/bird.log");
}

/** The lines of one protocol's block, or undefined. */
function block(text: string, name: string): string[] | undefined {
  const lines = text.split("\n");
  const start = lines.indexOf(`protocol ${name} {`);
  if (start < 0) return undefined;
  return lines.slice(start + 1, lines.indexOf("}", start)).map((line) => line.trim());
}

const sessions = (text: string) => [...text.matchAll(/^protocol bgp '(.*)' \{$/gm)].map(([, name]) => name);

describe("sessions are with", () => {
  const four = [FAR, NEAR, { name: "c", addresses: ["172.20.1.13/24"] }];
  const reflecting = four.map((node) => ({ ...node, routeReflector: node.name === "d" }));
  const cases: [what: string, fields: Partial<BirdInput>, settings: Record<string, unknown>, wanted: string[]][] = [
    ["all other nodes", { nodes: four }, {}, ["b:4", "c:4", "d:4"]],
    ["the route reflectors alone where there are some", { nodes: reflecting }, {}, ["d:4"]],
    ["all nodes where this one reflects", { nodes: reflecting }, { routeReflector: true }, ["b:4", "c:4", "d:4"]],
    ["nodes in each family of the pods", { pools: ["10.244.0.0/16", "fd44::/48"] }, {}, ["b:4", "b:6"]],
    ["routers", { nodes: [] }, { peers: [{ address: "172.20.1.1", as: 65000 }] }, ["router:172.20.1.1"]],
    ["nobody whose family this node lacks", { local: localNode({ addresses: ["fd20::11/64"] }), nodes: [FAR] }, {}, []],
  ];
  for (const [what, fields, settings, wanted] of cases) {
    test(what, () => expect(sessions(config(fields, settings))).toEqual(wanted));
  }
});

describe("a session with a node", () => {
  test("on the same link goes by the addresses there", () => {
    expect(block(config(), "bgp 'b:4'")).toEqual([
      "local 172.20.1.11 as 64512;",
      "neighbor 172.20.1.12 as 64512;",
      "direct;",
      "graceful restart on; graceful restart time 120;",
      "connect delay time 1; connect retry time 5; error wait time 1, 30;",
      'ipv4 { import filter pods4; export where proto = "own4"; gateway direct; };',
    ]);
  });

  test("behind a router looks its next hops up", () => {
    const lines = block(config({ nodes: [FAR] }), "bgp 'd:4'");
    expect(lines).toContain("multihop;");
    expect(lines).toContain('ipv4 { import filter pods4; export where proto = "own4"; gateway recursive; };');
  });

  test("carries IPv4 by next hops of IPv6 where both have no other address", () => {
    const lines = block(config({ local: localNode({ addresses: ["fd20::11/64"] }) }), "bgp 'b:6'");
    expect(lines?.at(-1)).toContain("extended next hop on;");
  });

  test("has a password and BFD where they are set", () => {
    const lines = block(config({}, { password: "x y", bfd: true }), "bgp 'b:4'");
    expect(lines).toContain('password "x y";');
    expect(lines).toContain("bfd graceful;");
    expect(block(config({}, { bfd: true, gracefulRestart: false }), "bgp 'b:4'")).toContain("bfd on;");
    expect(config({}, { bfd: true })).toContain("\nprotocol bfd { }\n");
  });

  test("of another system is no reflector's client", () => {
    const nodes = [NEAR, { ...FAR, as: 64999 }];
    const text = config({ nodes }, { routeReflector: true, clusterId: "1.1.1.1" });
    expect(block(text, "bgp 'b:4'")).toContain("rr cluster id 1.1.1.1;");
    expect(block(text, "bgp 'b:4'")?.at(-1)).toContain('(proto = "own4" || source = RTS_BGP)');
    expect(block(text, "bgp 'd:4'")).toContain("neighbor 172.20.2.12 as 64999;");
    expect(block(text, "bgp 'd:4'")).not.toContain("rr client;");
    expect(block(text, "bgp 'd:4'")?.at(-1)).toContain('export where proto = "own4";');
  });
});

test("a router is told of this node's own networks alone, and may be some hops away", () => {
  const peers = [{ address: "10.9.9.9", as: 65000, password: "s", port: 1790, multihop: 3 }];
  const lines = block(config({ nodes: [] }, { routeReflector: true, peers }), "bgp 'router:10.9.9.9'");
  expect(lines).toEqual([
    "local 172.20.1.11 as 64512;",
    "neighbor 10.9.9.9 port 1790 as 65000;",
    "multihop 3;",
    'password "s";',
    "graceful restart on; graceful restart time 120;",
    "connect delay time 1; connect retry time 5; error wait time 1, 30;",
    'ipv4 { import filter pods4; export where proto = "own4"; next hop self; };',
  ]);
});

test("a router of a family that the node has no address of is refused", () => {
  const local = localNode({ addresses: ["172.20.1.11/24"] });
  const refused = () => config({ local }, { peers: [{ address: "fd20::1", as: 65000 }] });
  expect(refused).toThrow(ConfigError);
  expect(refused).toThrow('"bgp.peers" has a router of IPv6');
});

describe("the kernel", () => {
  test("gets what was learnt, and not the node's own networks", () => {
    const text = config({ prefixes: ["10.244.9.0/26", "10.244.0.0/26", "10.244.0.0/26", "fd44::/122"] });
    expect(block(text, "static own4")).toEqual([
      "ipv4;",
      "route 10.244.0.0/26 blackhole;",
      "route 10.244.9.0/26 blackhole;",
    ]);
    expect(text).toContain("export filter { if source != RTS_BGP || dest != RTD_UNICAST then reject; accept; }");
    expect(text).toContain("define PODS4 = [ 10.244.0.0/16{16,32} ];");
  });

  test("gets routes into tunnels to nodes of other links", () => {
    const text = config({}, { tunnel: "ipip" });
    expect(text).toContain("if bgp_next_hop ~ 172.20.1.0/24 then accept;");
    expect(text).toContain('ifname = "tendril.ipip" then krt_prefsrc = 10.244.0.1;');
    expect(text).not.toContain("learn;");
  });
});

test("the router's ID is the IPv4 address, or a number that stays", () => {
  const idOf = (text: string) => /^router id (\S+);$/m.exec(text)?.[1];
  const local = localNode({ addresses: ["fd20::11/64"] });
  expect(idOf(config())).toBe("172.20.1.11");
  expect(idOf(config({ local }))).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  expect(idOf(config({ local }))).toBe(idOf(config({ local })) as string);
  expect(idOf(config({ local }))).not.toBe(idOf(config({ local: { ...local, name: "z" } })) as string);
});

test("the text is the same in whatever order things are known", () => {
  const nodes = [FAR, NEAR];
  const prefixes = ["10.244.0.0/26", "10.244.1.0/26"];
  const pools = ["10.244.0.0/16", "10.9.0.0/16"];
  const turned = { nodes: [...nodes].reverse(), prefixes: [...prefixes].reverse(), pools: [...pools].reverse() };
  expect(config(turned)).toBe(config({ nodes, prefixes, pools }));
});

test("names that BIRD does not take are told apart by a hash", () => {
  expect(sessionName("node-1.example", 4)).toBe("node-1.example:4");
  const long = "n".repeat(253);
  expect(sessionName(long, 6).length).toBeLessThan(60);
  expect(sessionName(long, 6)).not.toBe(sessionName(`${long}x`, 6));
  expect(sessionName("a'b", 4)).toMatch(/^a-b-[0-9a-f]{16}:4$/);
});

describe("settings", () => {
  test("have defaults", () => {
    expect(bgpSettings({ peers: [{ address: "10.0.0.1", as: 65000 }] }, "bgp")).toMatchObject({
      as: 64512,
      routeReflector: false,
      gracefulRestart: true,
      bfd: false,
      bird: "bird",
      peers: [{ address: "10.0.0.1", as: 65000, port: 179, bfd: false }],
    });
  });

  const wrong: [value: Record<string, unknown>, field: string][] = [
    [{ as: 0 }, "bgp.as"],
    [{ password: 'a"b' }, "bgp.password"],
    [{ password: "a\nb" }, "bgp.password"],
    [{ tunnel: "gre" }, "bgp.tunnel"],
    [{ peers: [{ address: "10.0.0.1" }] }, "bgp.peers[0].as"],
    [{ peers: [{ address: "x", as: 1 }] }, "bgp.peers[0].address"],
  ];
  for (const [value, field] of wrong) {
    test(`are refused with the field: ${JSON.stringify(value)}`, () => {
      const refused = () => bgpSettings(value, "bgp");
      expect(refused).toThrow(ConfigError);
      expect(refused).toThrow(`"${field}"`);
    });
  }
});
