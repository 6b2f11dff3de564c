/** How a node is, for whoever asks at the agent's socket. */

import type { AgentProbe, AgentStatus } from "../core/agent-status.ts";
import type { ClusterNode } from "./node.ts";
import { VERSION } from "./version.ts";

export function nodeStatus(node: ClusterNode): AgentStatus {
  const { config, network: ways, health, membership, figures } = node;
  return {
    ready: node.isReady,
    node: config.node,
    network: config.network,
    mode: config.mode,
    version: VERSION,
    epoch: membership.epoch,
    mtu: ways.podMtu,
    store: {
      kind: config.store.slice(0, config.store.indexOf(":")),
      available: health.available,
      since: health.since.toISOString(),
    },
    problems: node.problems,
    peers: [...ways.peers.values()].map(({ peer, direct, problem }) => ({
      name: peer.name,
      addresses: peer.addresses,
      prefixes: peer.prefixes,
      direct,
      mtu: ways.picture.nodes.get(peer.name)?.value.mtu,
      ...(problem !== undefined && { problem }),
      ...probeStatus(ways.probeOf(peer.name)),
    })),
    pools: figures.pools,
    pods: node.table.owners.list().map(({ owner, network, containerId, ifname, netns, podNamespace, podName }) => ({
      owner,
      network,
      containerId,
      ifname,
      addresses: node.table.of(owner).map(({ address }) => address),
      netns: netns ?? "",
      ...(podNamespace !== null && { podNamespace }),
      ...(podName !== null && { podName }),
    })),
    resources: ways.resources,
  };
}

function probeStatus(probe: ReturnType<ClusterNode["network"]["probeOf"]>): { readonly probe?: AgentProbe } {
  if (probe === undefined) return {};
  const { results, problem } = probe;
  return { probe: { ipv4: results.get(4), ipv6: results.get(6), problem } };
}
