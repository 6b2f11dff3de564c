/** Two nodes of a cluster on one link: hosts whose `up0` are the ends of a wire, with one folder for the store. */

import type { AgentOptions, Agents, RunningAgent } from "./agent.ts";
import type { Host, Hosts } from "./plugin-calls.ts";

export interface ClusterHost {
  readonly name: string;
  readonly host: Host;
  /** The number of the node, which its addresses end with. */
  readonly number: number;
}

export interface TwoNodes {
  readonly nodes: readonly [ClusterHost, ClusterHost];
  /** As `store` of the configuration. */
  readonly store: string;
  /** The fields of a node's configuration that have no default that would do. */
  config(node: ClusterHost, fields?: Readonly<Record<string, unknown>>): NonNullable<AgentOptions["config"]>;
  /** Starts the agents of both, and waits until each is ready and knows the other. */
  start(agents: Agents, fields?: Readonly<Record<string, unknown>>): Promise<[RunningAgent, RunningAgent]>;
}

/** Nodes at 192.0.2.1 and 192.0.2.2, and in IPv6 at 2001:db8::1 and 2001:db8::2; each has the other for its default. */
export function twoNodes(hosts: Hosts): TwoNodes {
  const [first, second] = [hosts.fresh(), hosts.fresh()];
  first.netns.sh(`ip link add up0 type veth peer name up0 netns ${second.netns.name}`);
  for (const [i, { netns }] of [first, second].entries()) {
    netns.sh(`sysctl -qw net.ipv6.conf.up0.accept_dad=0 && ip link set lo up && ip link set up0 up
      ip address add 192.0.2.${i + 1}/24 dev up0 && ip address add 2001:db8::${i + 1}/64 dev up0 nodad
      ip route add default via 192.0.2.${2 - i} && ip -6 route add default via 2001:db8::${2 - i}`);
  }
  const nodes: TwoNodes["nodes"] = [
    { name: "node1", host: first, number: 1 },
    { name: "node2", host: second, number: 2 },
  ];
  const store = `dir:${first.path("store")}`;
  const config: TwoNodes["config"] = ({ name }, fields = {}) => ({
    node: name,
    network: "net",
    store,
    subnet: ["10.77.0.0/16", "fd77::/48"],
    heartbeat: 1,
    ...fields,
  });
  return {
    nodes,
    store,
    config,
    async start(agents, fields) {
      const started = await Promise.all(nodes.map((node) => agents.start(node.host, { config: config(node, fields) })));
      await Promise.all(started.map((agent) => agent.ready()));
      await Promise.all(started.map((agent) => agent.knowsPeers(1)));
      return started as [RunningAgent, RunningAgent];
    },
  };
}
