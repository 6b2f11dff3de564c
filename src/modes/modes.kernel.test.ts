/** Each mode's resources on two nodes, by real packets between their pods. */

import { describe, expect } from "bun:test";
import { kernelLink } from "../../test/support/kernel.ts";
import { type Need, needs, program, root } from "../../test/support/needs.ts";
import { answering, askTcp } from "../../test/support/traffic.ts";
import type { Family } from "../core/ip.ts";
import type { Resource } from "../core/plan.ts";
import { modes, overheadOf } from "./index.ts";
import type { ModeSettings } from "./mode.ts";
import { planNodeBase } from "./node.ts";
import { SETTINGS } from "./test-support/nodes.ts";
import { type StagedNode, type StageOptions, testStages } from "./test-support/stage.ts";

const stages = testStages();
const needed = [root, program("ip"), program("ping")];
const POOLS = [{ cidrs: ["10.244.0.0/16", "fd44::/16"], masquerade: true }];

const cases: readonly {
  readonly title: string;
  readonly needs?: readonly Need[];
  readonly settings: Partial<ModeSettings>;
  readonly stage: Omit<StageOptions, "mtu">;
  readonly direct?: true;
}[] = [
  {
    title: "host-gw on one subnet",
    settings: { mode: "host-gw" },
    stage: { underlay: [4, 6], routed: false },
    direct: true,
  },
  {
    title: "vxlan on one subnet",
    needs: [kernelLink("vxlan")],
    settings: { mode: "vxlan" },
    stage: { underlay: [4], routed: false },
  },
  {
    title: "vxlan between subnets",
    needs: [kernelLink("vxlan")],
    settings: { mode: "vxlan", vxlan: { vni: 77, port: 8472 } },
    stage: { underlay: [4, 6], routed: true },
  },
  {
    title: "vxlan over IPv6 alone",
    needs: [kernelLink("vxlan")],
    settings: { mode: "vxlan" },
    stage: { underlay: [6], routed: true },
  },
  {
    title: "ipip between subnets",
    needs: [kernelLink("ipip"), kernelLink("sit")],
    settings: { mode: "ipip" },
    stage: { underlay: [4], routed: true },
  },
  {
    title: "ipip on one link",
    needs: [kernelLink("ipip"), kernelLink("sit")],
    settings: { mode: "ipip" },
    stage: { underlay: [4], routed: false },
  },
];

for (const { title, needs: more = [], settings: chosen, stage, direct = false } of cases) {
  describe(title, () => {
    const test = needs(...needed, ...more);

    test("pods of two nodes meet under their own addresses, with the longest packets, and nodes reach pods", async () => {
      const settings = { ...SETTINGS, ...chosen };
      const overhead = overheadOf({ addresses: [stage.underlay[0] === 6 ? "fd20::1/64" : "172.20.1.1/24"] }, settings);
      const mtu = 1500 - overhead;
      const [a, b] = stages.fresh({ ...stage, mtu });
      const plans = [planFor(a, b, settings), planFor(b, a, settings)] as const;
      for (const [node, plan] of [[a, plans[0]] as const, [b, plans[1]] as const]) {
        expect(plan.peer.problem).toBeUndefined();
        expect(plan.peer.direct).toBe(direct);
        node.make(...plan.resources);
        expect(node.findings(...plan.resources)).toEqual([]);
      }
      const server = await answering(b.pod, "b", { tcp: [80] });
      try {
        for (const family of [4, 6] as const) {
          const to = b.podAddresses[family];
          expect(await askTcp(a.pod, to, 80)).toBe(`b ${a.podAddresses[family]}`);
          pingFull(a, to, family, mtu);
          expect(await askTcp(a.host, to, 80)).toStartWith("b ");
        }
      } finally {
        server.close();
      }
      a.unmake(...plans[0].resources);
      expect(
        a.host.sh("ip route show proto 84; ip -6 route show proto 84; ip -o link show | grep tendril || true"),
      ).toBe("");
    });
  });
}

/** Without fragments, so that one byte more would not pass. */
function pingFull(from: StagedNode, to: string, family: Family, mtu: number): void {
  const headers = (family === 4 ? 20 : 40) + 8;
  from.pod.sh(`ping -${family} -n -c 1 -W 5 -M do -s ${mtu - headers} ${to}`);
}

function planFor(node: StagedNode, other: StagedNode, settings: ModeSettings) {
  const mode = modes[settings.mode];
  const peer = mode.planPeer(other.asPeer, node.local, settings);
  const resources: Resource[] = [
    ...planNodeBase({ families: [4, 6], pools: POOLS }, node.local),
    ...mode.planNode(node.local, settings),
    ...peer.resources,
  ];
  return { peer, resources };
}
