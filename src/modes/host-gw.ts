/**
 * `host-gw`: each node is the gateway to its own pods, on the link that all nodes share.
 *
 * The kernel has one route for each network of a peer's pods, and packets go as they are. A peer behind a router cannot
 * be reached: the router knows nothing of pods.
 */

import type { Family } from "../core/ip.ts";
import type { LocalNode, Mode, Peer, PeerPlan } from "./mode.ts";
import { directRoutes, familiesOf, named, sharedLink } from "./reach.ts";

export const hostGateway: Mode = {
  name: "host-gw",
  overhead: () => 0,
  planNode: () => [],
  planPeer: planHostGatewayPeer,
};

function planHostGatewayPeer(peer: Peer, local: LocalNode): PeerPlan {
  const families = familiesOf(peer);
  const shared = families.map((family) => ({ family, link: sharedLink(peer, local, family) }));
  const missing = shared.filter(({ link }) => link === undefined).map(({ family }) => family);
  const resources = shared.flatMap(({ family, link }) => (link === undefined ? [] : directRoutes(peer, family, link)));
  if (missing.length === 0) return { resources, direct: families.length > 0 };
  return { resources, direct: false, problem: notShared(peer, local, missing) };
}

function notShared(peer: Peer, local: LocalNode, families: readonly Family[]): string {
  const protocols = families.map((family) => `IPv${family}`).join(" and ");
  return (
    `Mode host-gw has no way for ${protocols} from ${named(local)} to ${named(peer)}: they share no link; ` +
    "use mode vxlan or ipip, or bgp with the routers between them"
  );
}
