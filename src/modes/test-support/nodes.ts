/** Nodes to plan for, and plans as lines. */

import type { Resource } from "../../core/plan.ts";
import type { LocalNode, ModeSettings, Peer } from "../mode.ts";

export const SETTINGS: ModeSettings = { mode: "vxlan", crossSubnetOnly: false, vxlan: { vni: 1, port: 4789 } };

export const MAC = "02:00:00:00:00:01";

export function localNode(fields: Partial<LocalNode> = {}): LocalNode {
  const addresses = fields.addresses ?? ["172.20.1.11/24"];
  return {
    name: "a",
    addresses,
    uplinks: [{ name: "eth0", mtu: 1500, addresses }],
    tunnelMac: "02:00:00:00:00:0a",
    tunnelAddresses: ["10.244.0.1"],
    mtu: 1500,
    ...fields,
  };
}

export function peerNode(fields: Partial<Peer> = {}): Peer {
  return { name: "b", addresses: ["172.20.1.12/24"], tunnelMac: MAC, prefixes: ["10.244.1.0/26"], ...fields };
}

/** Resources in the words of ip(8) and bridge(8). */
export function lines(resources: readonly Resource[]): string[] {
  return resources.map((one) => {
    switch (one.kind) {
      case "link":
        return "local" in one ? `link ${one.name} ${one.type} mtu ${one.mtu} local ${one.local}` : `link ${one.name}`;
      case "address":
        return `address ${one.address} dev ${one.link}`;
      case "route":
        return [
          `route ${one.destination} via ${one.gateway} dev ${one.link}`,
          one.onlink ? " onlink" : "",
          one.preferredSource === undefined ? "" : ` src ${one.preferredSource}`,
          one.protocol === 84 ? "" : ` proto ${one.protocol}`,
        ].join("");
      case "neighbour":
        return `neighbour ${one.ip} lladdr ${one.mac} dev ${one.link}`;
      case "forwarding":
        return `fdb ${one.mac} dst ${one.destination} dev ${one.link}`;
      case "sysctl":
        return `${one.name}=${one.value}`;
      case "link-settings":
        return `set ${one.link} ${one.set.up ? "up" : ""}`;
      default:
        return one.kind;
    }
  });
}
