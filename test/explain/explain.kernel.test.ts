/** What `--explain` prints, pasted into a fresh host, makes the same state as ADD. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestNetns, testNamespaces } from "../support/namespaces.ts";
import { needs, program, root } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

const executable = join(import.meta.dir, "../../dist/tendril");
const namespaces = testNamespaces();
expectNothingLeft();

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-explain-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ranges = [[{ subnet: "10.61.0.0/24" }], [{ subnet: "fd61::/64" }]];
const hostLocal = () => ({ type: "host-local", ranges, dataDir: join(folder, "leases") });

interface Explained {
  readonly title: string;
  readonly fields: object;
  /** Commands run in the host before. */
  readonly given?: string;
  /** What comes after it in the chain. */
  readonly chained?: readonly object[];
  readonly tool?: string;
}

/** A link to nowhere, the same in all hosts, and come to rest. */
const UPLINK = `ip link add up0 address 02:00:00:00:00:77 type veth peer name far0 address 02:00:00:00:00:78
  for link in up0 far0; do echo 1 >/proc/sys/net/ipv6/conf/$link/disable_ipv6; ip link set $link up; done
  until ip link show up0 | grep -q "state UP"; do sleep 0.01; done`;

const configurations: readonly Explained[] = [
  { title: "an interface without addresses", fields: {} },
  { title: "a default gateway for both families", fields: { isDefaultGateway: true, ipam: "host-local" } },
  {
    title: "a port with all its settings",
    fields: { hairpinMode: true, portIsolation: true, mtu: 1400, ipam: "host-local" },
  },
  { title: "a promiscuous bridge", fields: { promiscMode: true } },
  {
    title: "routes with all that a route can have",
    fields: {
      ipam: {
        type: "static",
        addresses: [{ address: "10.61.0.5/24", gateway: "10.61.0.1" }],
        routes: [
          { dst: "0.0.0.0/0" },
          { dst: "10.99.0.0/16", gw: "10.61.0.9", mtu: 1300, advmss: 1200, priority: 77, table: 1000 },
          { dst: "10.98.0.0/16", gw: "10.61.0.9", scope: 0 },
        ],
      },
    },
  },
  { title: "masquerade", fields: { isDefaultGateway: true, ipMasq: true, ipam: "host-local" }, tool: "nft" },
  {
    title: "an interface that is tuned",
    fields: { ipam: "host-local" },
    chained: [
      {
        type: "tuning",
        sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1", "net.ipv4.ip_local_port_range": "1024 65000" },
        mac: "02:00:5e:00:53:01",
        promisc: true,
        mtu: 1400,
        allmulti: true,
        txQLen: 77,
      },
    ],
  },
  {
    title: "an interface with routes of its own",
    fields: { isDefaultGateway: true, ipam: "host-local" },
    chained: [{ type: "sbr" }],
  },
  {
    title: "a firewall that isolates",
    fields: { isDefaultGateway: true, ipam: "host-local" },
    chained: [{ type: "firewall", ingressPolicy: "isolated" }],
    tool: "nft",
  },
  {
    title: "a firewall where there is iptables",
    given: "iptables-nft -P FORWARD DROP && ip6tables-nft -P FORWARD DROP",
    fields: { isDefaultGateway: true, ipam: "host-local" },
    chained: [{ type: "firewall", ingressPolicy: "same-bridge", iptablesAdminChainName: "MINE" }],
    tool: "iptables-nft",
  },
  {
    title: "ports of the host",
    fields: { isDefaultGateway: true, ipMasq: true, ipam: "host-local" },
    chained: [
      {
        type: "portmap",
        markMasqBit: 31,
        conditionsV4: ["!", "-s", "10.99.0.0/16", "-m", "mark", "!", "--mark", "0x7/0xff"],
        conditionsV6: ["ip6 saddr != { fd99::/64, fd98::1 } th sport 1024-65535"],
        runtimeConfig: {
          portMappings: [
            { hostPort: 8080, containerPort: 80, protocol: "tcp" },
            { hostPort: 8080, containerPort: 53, protocol: "udp" },
            { hostPort: 8081, containerPort: 81, protocol: "sctp", hostIP: "192.0.2.1" },
          ],
        },
      },
    ],
    tool: "conntrack",
  },
  {
    title: "a device of the host",
    given: "ip link add ens0 address 02:00:5e:00:53:0a type veth peer name wire0 address 02:00:5e:00:53:0b",
    fields: { type: "host-device", device: "ens0", ipam: "host-local" },
  },
  {
    title: "a device for a program",
    fields: { type: "tap", bridge: undefined, multiQueue: true, mtu: 1400, owner: 7, group: 8, ipam: "host-local" },
  },
  { title: "ptp, for both families", fields: { type: "ptp", mtu: 1400, ipam: "host-local" } },
  {
    title: "ptp with masquerade and routes",
    fields: {
      type: "ptp",
      ipMasq: true,
      ipam: {
        type: "static",
        addresses: [
          { address: "10.61.0.5/24", gateway: "10.61.0.1" },
          { address: "fd61::5/64", gateway: "fd61::1" },
        ],
        routes: [{ dst: "0.0.0.0/0" }, { dst: "10.99.0.0/16", gw: "10.61.0.9" }, { dst: "::/0" }],
      },
    },
    tool: "nft",
  },
  {
    title: "an interface whose rates are held",
    fields: { ipam: "host-local" },
    chained: [
      {
        type: "bandwidth",
        ingressRate: 123_456_789,
        ingressBurst: 987_654,
        egressRate: 40_000_000_001,
        egressBurst: 123,
      },
    ],
    tool: "tc",
  },
  {
    title: "macvlan, for both families",
    fields: { type: "macvlan", master: "up0", mtu: 1400, bcqueuelen: 2000, ipam: "host-local" },
    given: UPLINK,
  },
  {
    title: "macvlan in mode passthru, with a MAC",
    fields: { type: "macvlan", master: "up0", mode: "passthru", mac: "02:00:5e:00:53:01" },
    given: UPLINK,
  },
  { title: "a spoof check", fields: { macspoofchk: true, ipam: "host-local" }, tool: "nft" },
];

interface Side {
  readonly host: TestNetns;
  readonly container: TestNetns;
}

function run({ host, container }: Side, plugins: readonly object[], ...options: string[]): string {
  writeFileSync(join(folder, "10-net.conflist"), JSON.stringify({ cniVersion: "1.0.0", name: "net", plugins }));
  const done = Bun.spawnSync(
    ["nsenter", `--net=${host.netns.path}`, executable, "add", "net", container.netns.path, ...options],
    {
      env: {
        ...process.env,
        NETCONFPATH: folder,
        CNI_CONTAINERID: "explained",
        TENDRIL_RUN_DIR: join(folder, "run"),
        TENDRIL_CACHE_DIR: join(folder, "cache"),
      },
    },
  );
  if (done.exitCode !== 0) throw new Error(done.stderr.toString());
  return done.stdout.toString();
}

const PARAMETERS = [
  "ipv4/ip_forward",
  "ipv4/ip_local_port_range",
  "ipv6/conf/all/forwarding",
  "ipv4/conf/eth0/arp_filter",
  "ipv4/conf/ex0/route_localnet",
];

const FILTERS = "for link in $(ls /proc/sys/net/ipv4/conf); do tc filter show dev $link ingress 2>&1; done";

/** Links, addresses, routes, bridge ports, nf_tables and traffic control of both namespaces, in words that do not depend on numbers. */
function stateOf({ host, container }: Side): object {
  return Object.fromEntries(
    [host, container].map((netns, i) => [
      i === 0 ? "host" : "container",
      {
        links: netns
          .json<Record<string, unknown>>("ip -d -j link show")
          .map(({ ifname, address, mtu, txqlen, flags, master, promiscuity, linkinfo }) => ({
            ifname,
            address,
            mtu,
            txqlen,
            // The kernel notices some time later whether there is a carrier.
            flags: (flags as string[]).filter((flag) => flag !== "NO-CARRIER"),
            master,
            promiscuity,
            port: portOf(linkinfo),
          })),
        addresses: netns
          .json<{
            ifname: string;
            addr_info: { local: string; prefixlen: number; broadcast?: string; nodad?: true }[];
          }>("ip -j address show")
          .flatMap(({ ifname, addr_info }) =>
            addr_info
              .filter(({ local }) => !local.startsWith("fe80"))
              .map(({ local, prefixlen, broadcast, nodad }) => ({ ifname, local, prefixlen, broadcast, nodad })),
          ),
        routes: netns.sh("ip route show table all | grep -v 'table local' | sed 's/ linkdown//' | sort"),
        rules: netns.sh("ip rule show; ip -6 rule show"),
        routes6: netns.sh(
          "ip -6 route show table all | grep -v -e 'table local' -e fe80 | sed 's/ linkdown//' | sort || true",
        ),
        nft: Bun.which("nft") === null ? "" : withoutOrigin(netns.sh("nft -s list ruleset")),
        qdiscs: Bun.which("tc") === null ? "" : netns.sh("tc -d qdisc show | sed 's/ refcnt [0-9]*//'"),
        filters: Bun.which("tc") === null ? "" : netns.sh(FILTERS),
        sysctls: netns.sh(`cd /proc/sys/net; grep -s . ${PARAMETERS.join(" ")} || true`),
      },
    ]),
  );
}

/** A test of the mark by iptables' module and a native one, which newer versions of iptables write, are the same. */
function withoutOrigin(ruleset: string): string {
  return ruleset.replace(/\bmark and (0x)(\w+) == 0x\2 /g, (_, __, bits) => {
    const mask = `0x${bits.padStart(8, "0")}`;
    return `meta mark & ${mask} == ${mask} `;
  });
}

function portOf(linkinfo: unknown): object {
  const data = (linkinfo as { info_slave_data?: { hairpin?: boolean; isolated?: boolean } } | undefined)
    ?.info_slave_data;
  return { hairpin: data?.hairpin, isolated: data?.isolated };
}

describe("pasting what --explain prints makes the same as ADD:", () => {
  for (const { title, fields, chained = [], tool, given: before = "true" } of configurations) {
    const test = needs(root, ...(tool === undefined ? [] : [program(tool)]));
    test(title, () => {
      const given = { type: "bridge", bridge: "ex0", ...fields } as { ipam?: unknown };
      const plugins = [given.ipam === "host-local" ? { ...given, ipam: hostLocal() } : given, ...chained];
      const fresh = (): Side => {
        const side = { host: namespaces.fresh(), container: namespaces.fresh() };
        side.host.sh(before);
        return side;
      };
      const byHand = fresh();
      const untouched = stateOf(byHand);
      const script = run(byHand, plugins, "--explain");
      expect(stateOf(byHand)).toEqual(untouched);
      byHand.host.sh(`set -e\n${script}`);

      rmSync(join(folder, "leases"), { recursive: true, force: true });
      const byAdd = fresh();
      run(byAdd, plugins);
      expect(stateOf(byHand)).toEqual(stateOf(byAdd));
      rmSync(join(folder, "leases"), { recursive: true, force: true });
      rmSync(join(folder, "run"), { recursive: true, force: true });
    });
  }
});
