import { expect, test } from "bun:test";
import { bgp } from "./bgp.ts";
import { overheadOf } from "./index.ts";
import { lines, localNode, peerNode, SETTINGS } from "./test-support/nodes.ts";

const settings = { ...SETTINGS, mode: "bgp" } as const;
const tunnelled = { ...settings, bgp: { tunnel: "ipip" } } as const;
const far = peerNode({ addresses: ["172.20.2.12/24"] });

test("routes are BIRD's, and every peer is reached directly", () => {
  expect(bgp.planNode(localNode(), settings)).toEqual([]);
  expect(bgp.planPeer(far, localNode(), settings)).toEqual({ resources: [], direct: true });
});

test("with tunnels the node has its end of them, and peers on other links are reached by it", () => {
  expect(lines(bgp.planNode(localNode(), tunnelled))[0]).toBe("link tendril.ipip ipip mtu 1480 local 172.20.1.11");
  expect(bgp.planPeer(peerNode(), localNode(), tunnelled)).toEqual({ resources: [], direct: true });
  expect(bgp.planPeer(far, localNode(), tunnelled)).toEqual({ resources: [], direct: false });
});

test("packets grow by what the tunnels add", () => {
  const node = { addresses: ["172.20.1.11/24"] };
  expect(overheadOf(node, settings)).toBe(0);
  expect(overheadOf(node, tunnelled)).toBe(20);
  expect(overheadOf(node, SETTINGS)).toBe(50);
  expect(overheadOf({ addresses: ["fd20::11/64"] }, SETTINGS)).toBe(70);
  expect(overheadOf(node, { ...SETTINGS, mode: "host-gw" })).toBe(0);
});
