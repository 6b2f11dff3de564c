/** What networks hold on a test host for their containers; what they keep there for all of them is left out. */

import { existsSync, readdirSync } from "node:fs";
import type { TestHost } from "./host.ts";

interface IpLink {
  readonly ifname: string;
  readonly linkinfo?: { readonly info_kind?: string };
}

/** Kinds of links that plugins make for one container. */
const OF_CONTAINERS = ["veth", "ifb", "macvlan", "ipvlan", "vlan", "tun", "dummy"];

/**
 * Links, elements and rules for one container in nf_tables, and files of leases, records and cached results, each in
 * one line. Links that the test has made itself are named in `given`.
 */
export function held(host: TestHost, given: readonly string[] = []): string[] {
  const links = host.json<IpLink>(["ip", "-d", "-j", "link"]);
  const ruleset = host.sh("nft -s list ruleset").split("\n");
  return [
    ...links
      .filter(({ ifname, linkinfo }) => OF_CONTAINERS.includes(linkinfo?.info_kind ?? "") && !given.includes(ifname))
      .map(({ ifname }) => `link ${ifname}`),
    ...ruleset
      .map((line) => line.trim())
      .filter((line) =>
        /elements = |dnat to|CNI-(DN|FORWARD)-|CNI-[0-9a-f]|^ip6? [sd]addr [0-9a-f.:]+ .*accept/.test(line),
      ),
    ...filesBelow(host, "/var/lib/cni/results"),
    ...filesBelow(host, "/var/lib/cni/networks").filter((path) => /\/[0-9a-f]*[.:][0-9a-f.:]+$/.test(path)),
    ...filesBelow(host, "/run/tendril/attachments"),
    ...filesBelow(host, "/run/cni"),
  ].sort();
}

function filesBelow({ root }: TestHost, folder: string): string[] {
  if (!existsSync(`${root}${folder}`)) return [];
  return readdirSync(`${root}${folder}`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath.slice(root.length)}/${name}`);
}
