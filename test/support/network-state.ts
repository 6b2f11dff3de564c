/**
 * The state of a host and its containers as lines of text, as ip(8) and nft(8) print it, to compare before and after.
 *
 * Left out is what the kernel changes by its own clock: carriers, timers, link-local addresses, tentative flags and the
 * local IPv6 routes that come at their end; and what stays of a link's having once been up: its queueing discipline.
 */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { NETLINK_NETFILTER, NetlinkSocket } from "../../src/linux/netlink/socket.ts";
import { inNetns, type Netns } from "../../src/linux/netns.ts";
import { listTables } from "../../src/linux/nftables/table.ts";
import type { TestNetns } from "./namespaces.ts";
import type { Host } from "./plugin-calls.ts";

const hasNft = Bun.which("nft") !== null;
const hasTc = Bun.which("tc") !== null;

/**
 * Links, addresses, routes, rules, neighbours and nf_tables of the namespaces, and leases, records and traffic control of
 * the host.
 */
export async function stateOf(host: Host, containers: readonly TestNetns[] = []): Promise<string[]> {
  const places = [host.netns, ...containers];
  const [control, ...lines] = await Promise.all([
    trafficControl(host.netns.netns),
    ...places.map(({ netns }) => namespaceState(netns)),
  ]);
  return [
    ...lines.flatMap((found, i) => found.map((line) => `${i === 0 ? "host" : `container ${i}`}: ${line}`)),
    ...control.map((line) => `host: ${line}`),
    ...filesOf(host),
  ];
}

/** Queueing disciplines but those that the kernel gives to every link, and the filters for what links receive. */
async function trafficControl(netns: Netns): Promise<string[]> {
  if (!hasTc) return [];
  const linesOf = (text: string) => text.split("\n").filter((line) => line !== "" && !line.includes(" noqueue "));
  const qdiscs = linesOf(await run(netns, ["tc", "qdisc", "show"], ""));
  const links = qdiscs.flatMap((line) => /^qdisc (?:ingress|clsact) \S+ dev (\S+)/.exec(line)?.[1] ?? []);
  const filters = await Promise.all(
    links.map(async (link) => {
      const shown = linesOf(await run(netns, ["tc", "filter", "show", "dev", link, "ingress"], ""));
      return shown.map((line) => `${link}: ${line}`);
    }),
  );
  return [...qdiscs, ...filters.flat()];
}

/** What is in a network namespace, one line for each thing. */
export async function namespaceState(netns: Netns): Promise<string[]> {
  const [first, second, rules] = await Promise.all([
    run(netns, ["ip", "-4", "-o", "-d", "-batch", "-"], `link show\naddress show\n${BOTH_FAMILIES}`),
    run(netns, ["ip", "-6", "-o", "-d", "-batch", "-"], `address show\n${BOTH_FAMILIES}`),
    hasNft && hasTables(netns) ? run(netns, ["nft", "--stateless", "list", "ruleset"], "") : "",
  ]);
  return [...`${first}${second}`.split("\n").map(withoutClock).filter(isLasting).sort(), ...rules.split("\n")].filter(
    (line) => line !== "",
  );
}

/** Nearly all namespaces have no nf_tables, and to ask the kernel costs less than to start nft(8). */
function hasTables(netns: Netns): boolean {
  const socket = inNetns(netns, () => new NetlinkSocket(NETLINK_NETFILTER));
  try {
    return listTables(socket).length > 0;
  } finally {
    socket.close();
  }
}

const BOTH_FAMILIES = "route show table all\nrule show\nneighbour show nud permanent\n";

function withoutClock(line: string): string {
  return line
    .replace(/\b\w+_timer +[\d.]+ ?| qdisc no(op|queue)| tso_max_\w+ \d+/g, "")
    .replace(/ state [A-Z]+| mode (DEFAULT|DORMANT)| tentative| linkdown| dead|NO-CARRIER,|,LOWER_UP|,M-DOWN/g, "")
    .replace(/ state (disabled|blocking|listening|learning|forwarding) /, " ")
    .trimEnd();
}

function isLasting(line: string): boolean {
  return !/\b(fe80:|ff00::\/8)|^(local|anycast) [0-9a-f]*:.* proto kernel /.test(line);
}

async function run(netns: Netns, command: string[], stdin: string): Promise<string> {
  const child = inNetns(netns, () =>
    Bun.spawn(command, { stdin: new Blob([stdin]), stdout: "pipe", stderr: "pipe", cwd: "/" }),
  );
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  return stdout;
}

/** Leases and records with their content; not locks, hints and indexes, which are no state of an attachment. */
function filesOf({ runFolder, dataDir }: Host): string[] {
  return [runFolder, dataDir].flatMap((folder) => {
    if (!existsSync(folder)) return [];
    if (!statSync(folder).isDirectory()) return [`file ${folder}`];
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => !/(^|\/)(lock|[a-z-]+\.lock|last_reserved_ip\.\d+|boot_id|\.owners)$/.test(name))
      .map((name) => join(folder, name))
      .filter((path) => statSync(path).isFile())
      .map((path) => `file ${path}: ${readFileSync(path, "utf8")}`)
      .sort();
  });
}
