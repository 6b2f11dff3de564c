/**
 * MAC spoof check: a port of a bridge takes frames only from its container's own address.
 *
 * Two sets in a table of the bridge family: the ports that are guarded, and the pairs of port and address that may
 * send. A frame costs two lookups however many ports there are.
 * @see https://www.cni.dev/plugins/current/main/bridge/ macspoofchk
 */

import { type AttachmentKey, ownerComment } from "../core/names.ts";
import type { NftElement, NftSet } from "../core/nftables.ts";
import type { NftElementResource, NftTableResource, Resource } from "../core/plan.ts";

const TABLE = { family: "bridge", table: "tendril" } as const;
const PORTS: NftSet = { ...TABLE, name: "spoof_ports", key: ["ifname"] };
const ALLOWED: NftSet = { ...TABLE, name: "spoof_allowed", key: ["ifname", "ether_addr"] };

/** Guards the host's end of a veth pair whose other end has this MAC. */
export function planSpoofCheck(key: AttachmentKey, port: string, mac: string): Resource[] {
  const comment = ownerComment(key);
  const element = (set: NftSet, ...tuple: NftElement["key"]): NftElementResource => ({
    kind: "nft-element",
    where: "host",
    element: { set, key: tuple, comment },
  });
  // The allowed pair first: a guarded port without one would be mute.
  return [spoofTable(), element(ALLOWED, port, mac), element(PORTS, port)];
}

function spoofTable(): NftTableResource {
  return {
    kind: "nft-table",
    where: "host",
    shared: true,
    table: { family: TABLE.family, name: TABLE.table },
    sets: [PORTS, ALLOWED],
    chains: [
      {
        chain: {
          ...TABLE,
          name: "prerouting",
          base: { type: "filter", hook: "prerouting", priority: "dstnat", policy: "accept" },
        },
        rules: [
          {
            ...TABLE,
            chain: "prerouting",
            statements: [
              { kind: "match", key: "iifname", value: { set: PORTS.name } },
              { kind: "match", key: ["iifname", "ether saddr"], operator: "!=", value: { set: ALLOWED.name } },
              { kind: "verdict", verdict: "drop" },
            ],
          },
        ],
      },
    ],
  };
}
