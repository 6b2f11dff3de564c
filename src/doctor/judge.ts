/** What is wrong with a node, from facts alone: each finding with what to do. */

import type { Family } from "../core/ip.ts";
import { foreignFirst, unusable } from "../core/network-files.ts";
import type { DoctorFacts } from "./facts.ts";

/** An error keeps pods from being reached; a warning may; the rest is worth knowing. */
export type Severity = "error" | "warning" | "info";

export interface Finding {
  /** The name of the check. */
  readonly check: string;
  readonly severity: Severity;
  /** A sentence. */
  readonly finding: string;
  /** What to do, where possible as a command. */
  readonly remedy: string;
}

type Check = (facts: DoctorFacts) => readonly Omit<Finding, "check">[];

const CHECKS: Readonly<Record<string, Check>> = {
  forwarding,
  "router-advertisements": routerAdvertisements,
  "reverse-path-filter": reversePathFilter,
  "bridge-frames": bridgeFrames,
  "legacy-iptables": legacyIptables,
  "forward-policy": forwardPolicy,
  mtu,
  "default-routes": defaultRoutes,
  connections,
  "network-files": networkFiles,
  "foreign-network": foreignNetwork,
  "empty-files": emptyFiles,
  agent,
};

/** How many things are looked at. */
export const CHECK_COUNT = Object.keys(CHECKS).length;

const ORDER: readonly Severity[] = ["error", "warning", "info"];

/** The findings, the worst first. */
export function judge(facts: DoctorFacts): Finding[] {
  return Object.entries(CHECKS)
    .flatMap(([check, look]) => look(facts).map((finding): Finding => ({ check, ...finding })))
    .sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}

function forwarding({ forwarding: { ipv4, ipv6 }, agent }: DoctorFacts) {
  const off = (family: Family, severity: Severity, sysctl: string) => ({
    severity,
    finding: `The kernel does not forward IPv${family}: pods reach nobody but their own node`,
    remedy: `sysctl -w ${sysctl}=1; the agent, and an ADD of bridge or ptp, set it too: find out who took it back`,
  });
  const severity: Severity = agent?.families.includes(6) ? "error" : "info";
  return [
    ...(ipv4 === false ? [off(4, "error", "net.ipv4.ip_forward")] : []),
    ...(ipv6 === false ? [off(6, severity, "net.ipv6.conf.all.forwarding")] : []),
  ];
}

function routerAdvertisements({ links }: DoctorFacts) {
  return links
    .filter(
      ({ isAdvertised, forwardsIpv6, acceptsAdvertisements }) =>
        isAdvertised && forwardsIpv6 && acceptsAdvertisements === 1,
    )
    .map(({ name }) => ({
      severity: "warning" as const,
      finding: `Link "${name}" has its IPv6 addresses or default route from a router's advertisements, and the kernel takes no more of them since it forwards (accept_ra is 1): they end when their time is over`,
      remedy: `sysctl -w net/ipv6/conf/${name}/accept_ra=2, and the same in /etc/sysctl.d for the next boot`,
    }));
}

const TUNNELS: ReadonlySet<string | undefined> = new Set(["vxlan", "ipip", "sit", "gre", "ip6tnl"]);

function reversePathFilter({ links }: DoctorFacts) {
  return links
    .filter(({ kind, reversePathFilter }) => TUNNELS.has(kind) && reversePathFilter === 1)
    .map(({ name }) => ({
      severity: "warning" as const,
      finding: `Link "${name}" takes packets only from addresses that are routed to it (rp_filter is 1): what comes by the tunnel and is answered another way is dropped without a word`,
      remedy: `sysctl -w net/ipv4/conf/${name}/rp_filter=2`,
    }));
}

function bridgeFrames({ bridgeFrames, links, legacyTables, droppingChains }: DoctorFacts) {
  if (!bridgeFrames?.ipv4 && !bridgeFrames?.ipv6) return [];
  const bridges = links.filter(({ kind }) => kind === "bridge").map(({ name }) => `"${name}"`);
  if (bridges.length === 0) return [];
  const isFiltered = legacyTables.length > 0 || (droppingChains?.length ?? 0) > 0;
  return [
    {
      severity: isFiltered ? ("warning" as const) : ("info" as const),
      finding: `The module br_netfilter sends frames that stay on a bridge (${bridges.join(", ")}) through the rules for forwarded packets, which may drop them`,
      remedy:
        "sysctl -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0, unless Services or somebody else's rules need it",
    },
  ];
}

function legacyIptables({ legacyTables }: DoctorFacts) {
  return legacyTables.map(({ family, tables }) => {
    const program = family === 4 ? "iptables-legacy" : "ip6tables-legacy";
    return {
      severity: "warning" as const,
      finding: `Tables of ${program} are in use (${tables.join(", ")}): packets pass them besides nf_tables, and no rule of ours can be seen in them`,
      remedy: `${program}-save shows their rules; move them to iptables-nft or nft, then ${program} -F and rmmod ${family === 4 ? "iptable" : "ip6table"}_filter`,
    };
  });
}

function forwardPolicy({ droppingChains }: DoctorFacts) {
  if (droppingChains === undefined) {
    const remedy = "nft list ruleset shows them: look for chains at the hook forward with the policy drop";
    return [
      { severity: "info" as const, finding: "There are rules of nf_tables that are not understood here", remedy },
    ];
  }
  return droppingChains
    .filter(({ acceptsOurs }) => !acceptsOurs)
    .map(({ family, table, chain }) => ({
      severity: "error" as const,
      finding: `Chain ${family} "${table}" "${chain}" drops forwarded packets that it does not know, and does not ask for the mark of those that we accept`,
      remedy: `nft insert rule ${family} ${table} ${chain} 'meta mark & 0x1000 == 0x1000 accept', or add the plugin "firewall" to the network`,
    }));
}

/** Bytes that a tunnel adds, over IPv4; over IPv6 it is twenty more. */
const OVERHEAD: Readonly<Record<string, number>> = { vxlan: 50, ipip: 20, sit: 20, gre: 24 };

function mtu({ links, defaultRoutes, agent }: DoctorFacts) {
  const uplinks = links.filter(({ name }) => defaultRoutes.some(({ link }) => link === name));
  const [uplink] = uplinks.toSorted((a, b) => a.mtu - b.mtu);
  if (uplink === undefined) return [];
  const tunnels = links.filter(({ kind }) => OVERHEAD[kind ?? ""] !== undefined);
  const needs = [
    ...tunnels.map(({ name, kind = "", mtu }) => ({ what: `link "${name}"`, mtu, overhead: OVERHEAD[kind] ?? 0 })),
    ...(agent?.mtu === undefined
      ? []
      : [{ what: `the pods' links (mode ${agent.mode})`, mtu: agent.mtu, overhead: OVERHEAD[agent.mode] ?? 0 }]),
  ];
  return needs
    .filter((need) => need.mtu > 0 && need.mtu + need.overhead > uplink.mtu)
    .map((need) => ({
      severity: "error" as const,
      finding: `Packets of the full size of ${need.what}, ${need.mtu} bytes and ${need.overhead} around them, do not fit through "${uplink.name}", which takes ${uplink.mtu}`,
      remedy: `ip link set ${uplink.name} mtu ${need.mtu + need.overhead}, or "mtu: ${uplink.mtu - need.overhead}" in the agent's configuration`,
    }));
}

function defaultRoutes({ defaultRoutes }: DoctorFacts) {
  return ([4, 6] as const).flatMap((family) => {
    const routes = defaultRoutes.filter((route) => route.family === family);
    if (new Set(routes.map(({ link, gateway }) => `${link} ${gateway}`)).size < 2) return [];
    const ways = routes.map(({ link, gateway, metric }) => {
      return `${gateway === undefined ? "" : `via ${gateway} `}by "${link}" with metric ${metric}`;
    });
    return [
      {
        severity: "warning" as const,
        finding: `There are ${routes.length} default routes for IPv${family}: ${ways.join(", ")}. The node's address and the pods' MTU are those of one of the links`,
        remedy:
          "Name the node's addresses in the agent's configuration (\"addresses\"), or ip route del the one that is not meant",
      },
    ];
  });
}

/** Parts of the table from which on it is told of. */
const NEARLY_FULL = 0.9;

function connections({ connections: found }: DoctorFacts) {
  if (found === undefined || found.count < found.max * NEARLY_FULL) return [];
  return [
    {
      severity: found.count >= found.max ? ("error" as const) : ("warning" as const),
      finding: `The kernel keeps track of ${found.count} connections and can of ${found.max}: new ones are dropped when it is full`,
      remedy: `sysctl -w net.netfilter.nf_conntrack_max=${found.max * 2}`,
    },
  ];
}

function networkFiles({ networks: { folder, files } }: DoctorFacts) {
  return files.flatMap((file) => {
    const found = unusable(folder, file);
    return found === undefined ? [] : [{ severity: "error" as const, finding: found.sentence, remedy: found.remedy }];
  });
}

function foreignNetwork({ networks: { folder, files }, agent }: DoctorFacts) {
  const found = foreignFirst(folder, files);
  if (found !== undefined) {
    return [{ severity: "warning" as const, finding: found.sentence, remedy: found.remedy }];
  }
  const isThere = files.some(({ isOurs, problem }) => isOurs && problem === undefined);
  if (isThere || !agent?.ready) return [];
  return [
    {
      severity: "warning" as const,
      finding: `The agent is ready, but no file in "${folder}" names its network`,
      remedy: 'Set "networkConfig" in the agent\'s configuration, or write the file',
    },
  ];
}

/** How many files a finding names. */
const MOST = 5;

function emptyFiles({ emptyFiles: files }: DoctorFacts) {
  if (files.length === 0) return [];
  const more = files.length > MOST ? ` and ${files.length - MOST} more` : "";
  return [
    {
      severity: "warning" as const,
      finding: `Files of results or leases are empty, as a power cut leaves them: ${files.slice(0, MOST).join(", ")}${more}`,
      remedy: `rm ${files.slice(0, MOST).join(" ")}${more === "" ? "" : " …"}; a lease without an owner is never given back, a result without content stops a DEL`,
    },
  ];
}

function agent({ agent: found, agentExpectedBy, version }: DoctorFacts) {
  if (found === undefined) {
    return [
      agentExpectedBy === undefined
        ? {
            severity: "info" as const,
            finding: "No agent answers; a node that is in no cluster needs none",
            remedy: "tendril agent --config FILE makes the node one of a cluster",
          }
        : {
            severity: "error" as const,
            finding: `No agent answers, though "${agentExpectedBy}" is there: no pod of the cluster's network can start`,
            remedy: `Start it: tendril agent --config ${agentExpectedBy.endsWith("list") ? "FILE" : agentExpectedBy}`,
          },
    ];
  }
  return [
    ...(found.version === version
      ? []
      : [
          {
            severity: "warning" as const,
            finding: `The agent that runs is version ${found.version || "unknown"}, this program ${version}`,
            remedy: "Restart the agent; running pods lose nothing",
          },
        ]),
    ...(found.ready
      ? []
      : [
          {
            severity: "error" as const,
            finding: `The agent is not ready${found.problems.length === 0 ? "" : `: ${found.problems.join(" ")}`}`,
            remedy: "tendril status says more",
          },
        ]),
  ];
}
