import { describe, expect, test } from "bun:test";
import type { Hop, NeighbourHop, NodeHop } from "./hop.ts";
import { firstWrong, judgeHop, judgeLeg } from "./judge.ts";

const state = (hop: Hop) => judgeHop(hop).state;
const words = (hop: Hop) => {
  const { text, remedy = "" } = judgeHop(hop);
  return `${text} | ${remedy}`;
};
const where = "host";

describe("a neighbour", () => {
  const hop: NeighbourHop = { kind: "neighbour", where, link: "eth0", ip: "10.0.0.1", isTunnel: false };
  const mac = "02:00:00:00:00:01";
  const FAILED = 0x20;
  const STALE = 0x04;

  test("is right as long as nobody knows better", () => {
    expect(state({ ...hop, mac, state: STALE })).toBe("ok");
    expect(state({ ...hop, mac, state: STALE, actual: mac })).toBe("ok");
    expect(state({ ...hop, mac, state: STALE, actual: "02:00:00:00:00:02" })).toBe("wrong");
  });

  test("that has not been asked for is asked for when somebody would answer", () => {
    expect(state(hop)).toBe("ok");
    expect(state({ ...hop, answered: true })).toBe("ok");
    expect(state({ ...hop, answered: false })).toBe("wrong");
  });

  test("that has not answered is wrong, unless it would answer now", () => {
    expect(state({ ...hop, state: FAILED })).toBe("wrong");
    expect(state({ ...hop, state: FAILED, answered: true })).toBe("ok");
  });

  test("of a tunnel has to be there", () => {
    expect(state({ ...hop, isTunnel: true })).toBe("wrong");
    expect(state({ ...hop, isTunnel: true, mac, state: 0x80 })).toBe("ok");
  });
});

describe("a route", () => {
  test("that is missing is the attachment's in a pod, the agent's on the host", () => {
    const missing = { kind: "route", where, destination: "10.0.0.1", refusal: "ENETUNREACH" } as const;
    expect(words(missing)).toContain("tendril check");
    expect(words({ ...missing, from: "veth1" })).toContain("tendril status");
    expect(words({ ...missing, refusal: "blackhole" })).toContain("(blackhole)");
  });

  test("back that leads elsewhere is the reverse path filter's", () => {
    const hop = {
      kind: "route",
      where,
      destination: "10.0.0.1",
      source: "10.0.0.2",
      from: "v",
      refusal: "EXDEV",
    } as const;
    expect(words(hop)).toContain("rp_filter");
  });
});

test("the node that a packet goes to has to be the one that has its destination, and alive", () => {
  const owner = { name: "node2", prefix: "10.1.0.0/26", gone: false };
  const asked = { kind: "node", where, destination: "10.1.0.5", known: true, outside: false } as const;
  const hop: NodeHop = { ...asked, owner, remote: "192.0.2.2" };
  expect(state({ ...hop, leadsTo: "node2" })).toBe("ok");
  expect(state({ ...hop, leadsTo: "node3" })).toBe("wrong");
  expect(words(hop)).toContain("which is no node of the cluster");
  expect(state({ ...hop, byBgp: true })).toBe("ok");
  expect(words({ ...hop, byBgp: true })).toContain("it is sent to 192.0.2.2, which has told of the way by BGP");
  expect(state({ ...hop, leadsTo: "node3", byBgp: true })).toBe("wrong");
  expect(state({ ...hop, leadsTo: "node2", owner: { ...owner, gone: true } })).toBe("wrong");
  expect(words({ ...hop, self: "node2" })).toContain("is of this node");
  expect(state({ ...asked, known: false })).toBe("unknown");
  expect(state(asked)).toBe("wrong");
  expect(state({ ...asked, outside: true })).toBe("ok");
  expect(state({ ...asked, owner })).toBe("unknown");
});

test("steps that cannot be read are neither right nor wrong", () => {
  expect(state({ kind: "beyond", where, link: "eth0" })).toBe("unknown");
  expect(state({ kind: "switch", where, bridge: "br0", mac: "02:00:00:00:00:01" })).toBe("unknown");
  expect(state({ kind: "switch", where, bridge: "br0" })).toBe("unknown");
  expect(state({ kind: "forward", where, family: 4, link: "v", on: undefined })).toBe("unknown");
});

test("the first of several wrong steps is the one that counts, that of the way there before that of the way back", () => {
  const link = (name: string, up: boolean): Hop => ({ kind: "link", where, name, up, carrier: up });
  const leg = (...hops: Hop[]) => judgeLeg({ from: "a", to: "b", source: "1", destination: "2", hops });
  const found = firstWrong([leg(link("a", true)), leg(link("b", true), link("c", false), link("d", false))]);
  expect(found).toMatchObject({ kind: "link", name: "c" });
  expect(firstWrong([leg(link("a", true))])).toBeUndefined();
});
