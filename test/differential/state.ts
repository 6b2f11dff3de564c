/** What two plugins have made, as flat maps from the name of a thing to its value, with what is chosen at random named. */

import { inNetns, type Netns } from "../../src/linux/netns.ts";
import { readSysctl } from "../../src/linux/sysctl.ts";

/** Values by the path of their names. */
export type Facts = Map<string, string>;

type Json = { readonly [key: string]: unknown };

interface LinkJson extends Json {
  readonly ifname: string;
  readonly address: string;
}

/** What a namespace holds, before names are normalised. */
export interface Dump {
  readonly links: readonly LinkJson[];
  readonly addresses: readonly Json[];
  readonly routes: readonly Json[];
  readonly rules: readonly Json[];
  readonly neighbours: readonly Json[];
  /** Of the ports of bridges that filter them. */
  readonly vlans: readonly Json[];
  readonly qdiscs: readonly Json[];
  /** For what links receive. */
  readonly filters: readonly Json[];
  readonly sysctls: Readonly<Record<string, string>>;
}

const PARAMETERS = [
  "ipv4/conf/LINK/arp_notify",
  "ipv4/conf/LINK/arp_filter",
  "ipv4/conf/LINK/forwarding",
  "ipv4/conf/LINK/route_localnet",
  "ipv6/conf/LINK/forwarding",
  "ipv6/conf/LINK/accept_ra",
  "ipv6/conf/LINK/accept_dad",
  "ipv6/conf/LINK/enhanced_dad",
  "ipv6/conf/LINK/disable_ipv6",
  "ipv6/conf/LINK/keep_addr_on_down",
  "ipv6/conf/LINK/ndisc_notify",
  "ipv6/conf/LINK/addr_gen_mode",
];

const WIDE_PARAMETERS = ["net/core/somaxconn", "net/ipv4/ip_local_port_range"];

/** Reads a namespace with ip(8), tc(8) and from /proc/sys. */
export async function dump(netns: Netns): Promise<Dump> {
  const common = "route show table all\nrule show\nneighbour show nud permanent\n";
  const [first, second, control] = await Promise.all([
    ipJson(netns, ["-4", "-d"], `link show\naddress show\n${common}`),
    ipJson(netns, ["-6", "-d"], `address show\n${common}`),
    trafficControl(netns),
  ]);
  const [links = [], addresses4 = [], routes4 = [], rules4 = [], neighbours4 = []] = first;
  const [addresses6 = [], routes6 = [], rules6 = [], neighbours6 = []] = second;
  const names = ["all", "default", ...(links as LinkJson[]).map(({ ifname }) => ifname)];
  const family = (number: number) => (each: Json) => ({ ipFamily: number, ...each });
  return {
    links: links as LinkJson[],
    addresses: [...addresses4, ...addresses6],
    routes: [...routes4.map(family(4)), ...routes6.map(family(6))],
    rules: [...rules4.map(family(4)), ...rules6.map(family(6))],
    neighbours: [...neighbours4, ...neighbours6],
    vlans: (links as LinkJson[]).some(filtersVlans) ? await bridgeVlans(netns) : [],
    ...control,
    sysctls: inNetns(netns, () => readParameters(names)),
  };
}

/** Queueing disciplines but those that the kernel gives to every link, and the filters that hang on them. */
async function trafficControl(netns: Netns): Promise<Pick<Dump, "qdiscs" | "filters">> {
  const tc = async (...args: string[]) => JSON.parse((await run(netns, ["tc", "-j", ...args])) || "[]") as Json[];
  const qdiscs = (await tc("qdisc", "show")).filter(({ kind }) => kind !== "noqueue" && kind !== "noop");
  const links = qdiscs.flatMap(({ kind, dev }) => (kind === "ingress" ? [String(dev)] : []));
  const filters = await Promise.all(
    links.map(async (dev) =>
      (await tc("filter", "show", "dev", dev, "ingress")).map((found): Json => ({ ...found, dev })),
    ),
  );
  return { qdiscs, filters: filters.flat() };
}

async function ipJson(netns: Netns, options: string[], batch: string): Promise<Json[][]> {
  const shown = await run(netns, ["ip", "-j", ...options, "-batch", "-"], batch);
  return shown.split("\n").map((line) => JSON.parse(line) as Json[]);
}

async function bridgeVlans(netns: Netns): Promise<Json[]> {
  return JSON.parse(await run(netns, ["bridge", "-j", "vlan", "show"])) as Json[];
}

async function run(netns: Netns, command: string[], stdin = ""): Promise<string> {
  const child = inNetns(netns, () => Bun.spawn(command, { stdin: new Blob([stdin]), stdout: "pipe", stderr: "pipe" }));
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  return stdout.trim();
}

function filtersVlans({ linkinfo }: LinkJson): boolean {
  const data = (linkinfo as Json | undefined)?.info_data as Json | undefined;
  return data?.vlan_filtering === 1;
}

function readParameters(names: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name of names) {
    for (const parameter of PARAMETERS) {
      const path = `net/${parameter.replace("LINK", name)}`;
      const value = readSysctl(path);
      if (value !== undefined) values[path] = value;
    }
  }
  for (const path of WIDE_PARAMETERS) values[path] = readSysctl(path) ?? "";
  return values;
}

/**
 * Whether the kernel has come to rest: no address waits for duplicate detection, each bridge knows whether it has a
 * carrier, and what has one has its link-local address.
 */
export function isSettled({ links, addresses }: Dump): boolean {
  const entries = addresses.flatMap(({ ifname, addr_info }) =>
    (addr_info as Json[]).map((info): Json => ({ ...info, ifname })),
  );
  if (entries.some(({ tentative }) => tentative === true)) return false;
  return links.every((link) => {
    const { ifname } = link;
    // The kernel gives a link-local address only to what can send to groups: not to an ifb.
    if (ifname === "lo" || !has(link, "UP") || !has(link, "MULTICAST")) return true;
    const ports = links.filter(({ master }) => master === ifname);
    if (kindOf(link) === "bridge" && ports.every(isDown)) return isDown(link);
    return isDown(link) || entries.some((entry) => entry.ifname === ifname && entry.scope === "link");
  });
}

function has({ flags }: LinkJson, flag: string): boolean {
  return (flags as string[]).includes(flag);
}

function isDown(link: LinkJson): boolean {
  return !has(link, "UP") || has(link, "NO-CARRIER") || has(link, "M-DOWN");
}

function kindOf({ linkinfo }: LinkJson): unknown {
  return (linkinfo as Json | undefined)?.info_kind;
}

/** Fields of a link that name it by chance or by its place in the kernel's tables, or that change with time. */
const VOLATILE =
  /(^|\/)(ifindex|link_index|link_netnsid|link|address|permaddr|.*_timer|bridge_id|designated_\w+|root_\w+|id|no|num_\w+|gso_\w+|tso_\w+|gro_\w+|xdp.*|stats.*)$/;

/** The maps of the facts of a dump. `rename` puts words in the place of what is chosen at random. */
export function factsOf(found: Dump, rename: (text: string) => string): Facts {
  const facts: Facts = new Map();
  const note = (key: string, value: unknown) => facts.set(rename(key), rename(String(value)));
  for (const link of found.links) {
    for (const [path, value] of flatten(link)) {
      if (!VOLATILE.test(path)) note(`link ${link.ifname} ${path}`, value);
    }
    note(`link ${link.ifname} MAC`, link.address);
  }
  for (const { ifname, addr_info } of found.addresses) {
    for (const info of addr_info as Json[]) {
      const { local, prefixlen, ...rest } = info;
      note(`address ${ifname} ${local}/${prefixlen}`, words(rest, /life_time|family/));
    }
  }
  for (const { dst, type, table = "main", gateway, dev, metric, ipFamily, ...rest } of found.routes) {
    const via = gateway === undefined ? "" : ` via ${gateway}`;
    note(`route${ipFamily} table ${table}: ${type} ${dst}${via} dev ${dev} metric ${metric ?? 0}`, words(rest));
  }
  for (const { priority, ipFamily, ...rest } of found.rules) note(`rule${ipFamily} ${priority}`, words(rest));
  for (const { dst, dev, ...rest } of found.neighbours) note(`neighbour ${dst} dev ${dev}`, words(rest));
  for (const { dev, kind, handle, parent = "root", options } of found.qdiscs) {
    for (const [path, value] of flatten({ handle, ...(options as Json) }))
      note(`qdisc ${dev} ${parent} ${kind} ${path}`, value);
  }
  for (const { dev, protocol, pref, kind, options = {} } of found.filters) {
    const { fh = "none", ...rest } = options as Json;
    note(`filter ${dev} ${pref} ${protocol} ${kind} ${fh}`, words(rest, /actions\/\d+\/index/));
  }
  for (const { ifname, vlans } of found.vlans) {
    for (const { vlan, flags = [] } of vlans as Json[])
      note(`VLAN ${vlan} of ${ifname}`, (flags as string[]).join(","));
  }
  for (const [name, value] of Object.entries(found.sysctls)) note(`sysctl ${name}`, value);
  return facts;
}

/** Nested JSON as paths and plain values; lists of plain values are one value. */
export function* flatten(value: unknown, path = ""): Generator<[string, unknown]> {
  const isPlainList = Array.isArray(value) && value.every((item) => typeof item !== "object" || item === null);
  if (typeof value !== "object" || value === null || isPlainList) {
    yield [path, isPlainList ? [...value].sort().join(",") : value];
    return;
  }
  for (const [key, item] of Object.entries(value)) yield* flatten(item, path === "" ? key : `${path}/${key}`);
}

function words(value: Json, without = /^$/): string {
  return [...flatten(value)]
    .filter(([path]) => !without.test(path))
    .map(([path, item]) => `${path}=${item}`)
    .sort()
    .join(" ");
}
