/**
 * `bgp`: BIRD tells the other nodes, and the fabric's routers, which pods are here, and writes what it learns of theirs
 * into the kernel.
 *
 * So nothing is planned for a peer; the agent gives BIRD its configuration. With `tunnel` the routes that BIRD learns of
 * nodes on other links lead into tunnels, whose ends are planned here.
 */

import { ipip, planIpipNode } from "./ipip.ts";
import type { LocalNode, Mode, ModeSettings, Peer, PeerPlan } from "./mode.ts";
import { familiesOf, sharedLink } from "./reach.ts";

export const bgp: Mode = {
  name: "bgp",
  overhead: (underlay, settings) => (isTunnelled(settings) ? ipip.overhead(underlay, settings) : 0),
  planNode: (local, settings) => (isTunnelled(settings) ? planIpipNode(local) : []),
  planPeer: planBgpPeer,
};

function isTunnelled({ bgp }: ModeSettings): boolean {
  return bgp?.tunnel === "ipip";
}

function planBgpPeer(peer: Peer, local: LocalNode, settings: ModeSettings): PeerPlan {
  const isNear = familiesOf(peer).every((family) => sharedLink(peer, local, family) !== undefined);
  return { resources: [], direct: isNear || !isTunnelled(settings) };
}
