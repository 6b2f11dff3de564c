/**
 * cnitool, which is the reference library, and our runtime side, with our plugins and Go's in one chain: whichever adds
 * an attachment, the other checks, removes and collects it.
 */

import { describe, expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import type { Finished } from "../support/command.ts";
import { held } from "../support/held.ts";
import { type TestHost, testHost } from "../support/host.ts";
import { needs, program, root } from "../support/needs.ts";
import { built, cnitool, hasCnitool, ourPlugins, peerPlugins, peers, tendril } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

const theHost = testHost();
expectNothingLeft();

const NETWORKS = "/run/networks";

/** Go's plugins under other names, with `go-` before, for their own are ours. */
const RENAMED = "/run/renamed";
const GO_PLUGINS = ["bridge", "ptp", "host-local", "portmap", "bandwidth", "firewall", "tuning"];

const test = needs(
  root,
  built,
  hasCnitool,
  peers("1.1.0", ...GO_PLUGINS),
  program("ip"),
  program("nft"),
  program("tc"),
  program("iptables"),
  program("busybox"),
);

const runtimes = { cnitool, tendril } as const;
type Runtime = keyof typeof runtimes;
const other: Readonly<Record<Runtime, Runtime>> = { cnitool: "tendril", tendril: "cnitool" };
const names = Object.keys(runtimes) as Runtime[];

const CNI_PATH = `${ourPlugins}:${RENAMED}`;
const CAP_ARGS = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] };

interface Stage {
  readonly host: TestHost;
  readonly network: string;
  readonly netns: string;
  /** Runs a verb of one of the two to its end. */
  run(runtime: Runtime, verb: string, env?: Readonly<Record<string, string>>): Finished;
  /** The output of a verb that must succeed. */
  call(runtime: Runtime, verb: string): string;
  /** What networks hold on the host; what stays there for all their containers is left out. */
  held(): string[];
}

let count = 0;

function linkPeers(host: TestHost): void {
  host.sh(`mkdir -p ${RENAMED}`);
  for (const name of GO_PLUGINS) host.sh(`ln -s ${peerPlugins}/${name} ${RENAMED}/go-${name}`);
}

/** A network of the plugins, and a network namespace to attach to it. */
async function stage(plugins: readonly object[], cniVersion = "1.1.0"): Promise<Stage> {
  const host = await theHost();
  if (count === 0) linkPeers(host);
  count++;
  const network = `net${count}`;
  const names = JSON.parse(JSON.stringify(plugins).replaceAll("BRIDGE", `br${count}`).replaceAll("NET", `${count}`));
  host.write(`${NETWORKS}/${network}.conflist`, { cniVersion, name: network, plugins: names });
  const netns = host.netns(`pod${count}`);
  const run: Stage["run"] = (runtime, verb, env) =>
    host.run(
      [
        runtimes[runtime],
        verb,
        network,
        ...(runtime === "tendril" && verb !== "add" && verb !== "check" && verb !== "del" ? [] : [netns]),
      ],
      {
        env: {
          NETCONFPATH: NETWORKS,
          CNI_PATH,
          CAP_ARGS: JSON.stringify(CAP_ARGS),
          ...env,
        },
      },
    );
  return {
    host,
    network,
    netns,
    run,
    call(runtime, verb) {
      const { exitCode, stdout, stderr } = run(runtime, verb);
      if (exitCode !== 0) throw new Error(`${runtime} ${verb}: ${stderr}${stdout}`);
      return stdout;
    },
    held: () => held(host),
  };
}

interface Link {
  readonly ifname: string;
  readonly address: string;
  readonly mtu: number;
  readonly linkinfo?: { readonly info_kind?: string };
}

const nameOf = ({ ifname }: Link) => ifname;

function filesIn(host: TestHost, folder: string, chosen: (name: string) => boolean): string[] {
  const path = `${host.root}${folder}`;
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter(chosen)
    .map((name) => `${folder}/${name}`);
}

interface CniResult {
  readonly interfaces: readonly { readonly name: string; readonly mac: string; readonly sandbox?: string }[];
  readonly ips: readonly { readonly address: string; readonly gateway?: string }[];
}

/** A result, or a cached one, without the hardware address of bandwidth's own link, which the kernel chooses. */
function comparable(text: string): unknown {
  return JSON.parse(text, (_, value) =>
    typeof value?.name === "string" && value.name.startsWith("bwp") ? { ...value, mac: "" } : value,
  );
}

/** Lets host-local begin with the first address again. */
function forgetLastAddress({ host, network }: Stage): void {
  host.sh(`rm -f /var/lib/cni/networks/${network}/last_reserved_ip.*`);
}

const ipam = { type: "host-local", ranges: [[{ subnet: "10.NET.0.0/24" }]] };

const fivePlugins = [
  { type: "bridge", bridge: "BRIDGE", isDefaultGateway: true, ipMasq: true, ipam },
  { type: "portmap", capabilities: { portMappings: true } },
  { type: "bandwidth", ingressRate: 8_000_000, ingressBurst: 800_000, egressRate: 8_000_000, egressBurst: 800_000 },
  { type: "firewall" },
  { type: "tuning", mtu: 1400, sysctl: { "net.ipv4.conf.IFNAME.log_martians": "1" } },
];

/** The chain with Go's plugins at some places, and for IPAM. */
function mixed(pattern: string, goIpam = false): readonly object[] {
  return fivePlugins.map((plugin, i) => ({
    ...plugin,
    ...(pattern[i] === "G" ? { type: `go-${plugin.type}` } : {}),
    ...(plugin.ipam !== undefined && goIpam ? { ipam: { ...plugin.ipam, type: "go-host-local" } } : {}),
  }));
}

const mixtures: Readonly<Record<string, readonly object[]>> = {
  "our five plugins": mixed("ooooo"),
  "our bridge, then Go's plugins": mixed("oGGGG"),
  "Go's bridge, then our plugins": mixed("Goooo"),
  "by turns, ours first": mixed("oGoGo"),
  "by turns, Go's first": mixed("GoGoG"),
  "our bridge with Go's host-local": mixed("ooooo", true),
  "Go's five plugins with our host-local": mixed("GGGGG"),
  "Go's five plugins with Go's host-local": mixed("GGGGG", true),
};

for (const cniVersion of ["0.4.0", "1.0.0", "1.1.0"]) {
  describe(`${cniVersion}:`, () => {
    for (const [title, plugins] of Object.entries(mixtures)) {
      // What differs from version to version is the result that one hands to the next.
      if (cniVersion !== "1.1.0" && !title.startsWith("by turns")) continue;
      test(`${title}: both runtimes drive them through all verbs, and take down what the other put up`, async () => {
        const { call, held } = await stage(plugins, cniVersion);
        const before = held();
        const [first, second] = count % 2 === 0 ? names : names.toReversed();
        for (const [adder, deleter] of [
          [first, second],
          [second, first],
        ] as [Runtime, Runtime][]) {
          call(adder, "add");
          expect(held()).not.toEqual(before);
          call(deleter, "check");
          call(adder, "check");
          call(deleter, "del");
          expect(held()).toEqual(before);
        }
        // Once more, as runtimes do.
        for (const runtime of names) call(runtime, "del");
      });
    }

    test("both print the same result and keep the same in the cache", async () => {
      const made = await stage(fivePlugins, cniVersion);
      const [theirs, ours] = (["cnitool", "tendril"] as const).map((runtime) => {
        forgetLastAddress(made);
        const result = made.call(runtime, "add");
        const [cached = ""] = filesIn(made.host, "/var/lib/cni/results", (name) => name.startsWith(`${made.network}-`));
        const outcome = { result: comparable(result), cached, content: comparable(made.host.read(cached)) };
        made.call(runtime, "del");
        return outcome;
      });
      expect(ours).toEqual(theirs);
    });
  });
}

describe("one chain of five plugins", () => {
  for (const runtime of names) {
    test(`each plugin has done its part when ${runtime} has added`, async () => {
      const { host, call, netns } = await stage(fivePlugins);
      const { ips, interfaces } = JSON.parse(call(runtime, "add")) as CniResult;
      const [address = ""] = ips[0]?.address.split("/") ?? [];
      const inside = ["nsenter", `--net=${netns}`];
      const [eth0] = host.json<Link>([...inside, "ip", "-j", "link", "show", "eth0"]);
      expect(eth0).toMatchObject({ mtu: 1400, address: interfaces.find(({ name }) => name === "eth0")?.mac ?? "" });
      expect(host.output([...inside, "cat", "/proc/sys/net/ipv4/conf/eth0/log_martians"])).toBe("1\n");
      const veth = interfaces.find(({ name, sandbox }) => name.startsWith("veth") && !sandbox)?.name ?? "";
      expect(host.json<{ kind: string }>(["tc", "-j", "qdisc", "show", "dev", veth])).toContainEqual(
        expect.objectContaining({ kind: "tbf", root: true }),
      );
      // Through portmap's rule, over our bridge, to the container and back.
      host.start([...inside, "busybox", "nc", "-l", "-p", "80", "-e", "busybox", "echo", "hello"], "/run/nc.log");
      const gateway = ips[0]?.gateway ?? "";
      const hello = `for i in $(seq 50); do busybox nc -w 2 ${gateway} 8080 && exit; sleep 0.1; done; exit 1`;
      expect(host.sh(hello)).toBe("hello\n");
      expect(host.output([...inside, "ping", "-c", "1", "-W", "2", gateway])).toContain(" 0% packet loss");
      expect(address).not.toBe("");
      call(runtime, "del");
    });

    test(`${runtime} is told by CHECK what somebody has changed`, async () => {
      const { host, call, run, netns } = await stage(fivePlugins);
      const { ips } = JSON.parse(call(runtime, "add")) as CniResult;
      const address = ips[0]?.address ?? "";
      host.sh(`nsenter --net=${netns} ip address del ${address} dev eth0`);
      const { exitCode, stderr } = run(runtime, "check");
      expect(exitCode).toBe(1);
      expect(stderr).toContain(address);
      call(runtime, "del");
    });
  }

  test("STATUS of both finds what stands in the way of ADD", async () => {
    const { host, call, run } = await stage(fivePlugins);
    for (const runtime of names) call(runtime, "status");
    const bridge = `br${count}`;
    host.sh(`ip link add ${bridge} type veth peer name ${bridge}p`);
    for (const runtime of names) {
      const { exitCode, stderr } = run(runtime, "status");
      expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining(`"${bridge}"`) });
    }
    host.sh(`ip link del ${bridge}`);
  });

  test("cnitool's GC removes all that we have added, ours what has lost its namespace", async () => {
    const { host, call, held, network } = await stage(fivePlugins);
    call("tendril", "add");
    call("cnitool", "gc");
    expect(held()).toEqual([]);

    call("cnitool", "add");
    const alive = held();
    const gone = host.netns(`${network}-gone`);
    const env = { NETCONFPATH: NETWORKS, CNI_PATH, CAP_ARGS: '{"portMappings":[]}' };
    host.output([cnitool, "add", network, gone], { env });
    expect(held().length).toBeGreaterThan(alive.length);
    host.sh(`ip netns del ${network}-gone`);
    call("tendril", "gc");
    expect(held()).toEqual(alive);
    host.output([tendril, "gc", "--all", network], { env });
    expect(held()).toEqual([]);
    expect(host.json<Link>(["ip", "-j", "link"]).map(nameOf)).not.toContain(`br${count}`);
  });
});

describe("other vendors' plugins", () => {
  for (const [title, plugins] of [
    ["Go's five plugins with our host-local", mixed("GGGGG")],
    ["Go's ptp with our host-local, then our plugins", [{ type: "go-ptp", ipam }, ...fivePlugins.slice(1)]],
  ] as const) {
    test(`${title}: STATUS and GC by both runtimes, and an error that comes through as it is`, async () => {
      const made = await stage(plugins);
      const { call, held, run } = made;
      const before = held();
      for (const adder of names) {
        call(adder, "status");
        call(adder, "add");
        call(other[adder], "gc");
        // cnitool's takes down whatever is attached, ours what has lost its namespace.
        expect(Bun.deepEquals(held(), before)).toBe(other[adder] === "cnitool");
        call(adder, "del");
        expect(held()).toEqual(before);
      }
      call("tendril", "add");
      made.host.sh(`nsenter --net=${made.netns} ip link set eth0 mtu 1300`);
      const [ours, theirs] = (["tendril", "cnitool"] as const).map((runtime) => run(runtime, "check"));
      expect(ours?.exitCode).toBe(1);
      expect(ours?.stderr).toContain("tuning");
      expect(theirs?.exitCode).toBe(1);
      call("tendril", "del");
    });
  }

  test("what fails in the middle of a chain leaves nothing after DEL", async () => {
    const broken = { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.no_such": "1" } };
    const made = await stage([...fivePlugins, broken]);
    for (const runtime of names) {
      const { exitCode, stdout, stderr } = made.run(runtime, "add");
      expect(exitCode).toBe(1);
      expect(stdout + stderr).toContain("tuning");
      made.call(runtime, "del");
      expect(made.held()).toEqual([]);
    }
  });
});
