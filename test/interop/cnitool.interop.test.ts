/**
 * cnitool, which is the reference library, and our runtime side, with our plugins and Go's in one chain: whichever adds
 * an attachment, the other checks, removes and collects it.
 */

import { describe, expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { type Finished, type TestHost, testHost } from "../support/host.ts";
import { needs, program, root } from "../support/needs.ts";
import { built, cnitool, hasCnitool, ourPlugins, peerPlugins, peers, tendril } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

const test = needs(
  root,
  built,
  hasCnitool,
  peers("1.1.0", "bridge", "host-local", "portmap", "bandwidth", "tuning"),
  program("ip"),
  program("nft"),
  program("tc"),
  program("iptables"),
  program("busybox"),
);

const theHost = testHost();
expectNothingLeft();

const NETWORKS = "/run/networks";

/** Go's bridge and host-local under other names, for those names are ours in `tendril`. */
const RENAMED = "/run/renamed";

const runtimes = { cnitool, tendril } as const;
type Runtime = keyof typeof runtimes;
const others: Readonly<Record<Runtime, Runtime>> = { cnitool: "tendril", tendril: "cnitool" };
const names = Object.keys(runtimes) as Runtime[];

const CAP_ARGS = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] };

interface Stage {
  readonly host: TestHost;
  readonly network: string;
  readonly netns: string;
  /** Runs a verb of one of the two to its end. */
  run(runtime: Runtime, verb: string, env?: Readonly<Record<string, string>>): Finished;
  /** The output of a verb that must succeed. */
  call(runtime: Runtime, verb: string): string;
  /** What the network holds on the host; what stays there for all its containers is left out. */
  held(): string[];
}

let count = 0;

/** A network of the plugins, and a network namespace to attach to it. */
async function stage(plugins: readonly object[], cniVersion = "1.1.0"): Promise<Stage> {
  const host = await theHost();
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
          CNI_PATH: `${ourPlugins}:${peerPlugins}:${RENAMED}`,
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
    held: () => held(host, network),
  };
}

/** The links but bridges, port mappings, and files of leases, records and results that name the network. */
function held(host: TestHost, network: string): string[] {
  const links = host.json<Link>(["ip", "-d", "-j", "link"]);
  const mappings = host.sh("nft list ruleset").split("\n");
  return [
    ...links.filter(({ linkinfo }) => linkinfo?.info_kind === "veth" || linkinfo?.info_kind === "ifb").map(nameOf),
    ...mappings.map((line) => line.trim()).filter((line) => /dnat to|CNI-DN|elements = /.test(line)),
    ...filesIn(host, "/var/lib/cni/results", (name) => name.startsWith(`${network}-`)),
    ...filesIn(host, `/var/lib/cni/networks/${network}`, (name) => /^[0-9a-f.:]+$/.test(name) && /[.:]/.test(name)),
    ...filesIn(host, `/run/tendril/attachments/${network}`, () => true),
  ].sort();
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

const meta = [
  { type: "portmap", capabilities: { portMappings: true } },
  { type: "bandwidth", ingressRate: 8_000_000, ingressBurst: 800_000, egressRate: 8_000_000, egressBurst: 800_000 },
  { type: "tuning", mtu: 1400, sysctl: { "net.ipv4.conf.IFNAME.log_martians": "1" } },
];

const ourChain = [{ type: "bridge", bridge: "BRIDGE", isDefaultGateway: true, ipMasq: true, ipam }, ...meta];

for (const cniVersion of ["0.4.0", "1.0.0", "1.1.0"]) {
  describe(`our bridge with Go's portmap, bandwidth and tuning, version ${cniVersion}`, () => {
    for (const adder of names) {
      const other = others[adder];
      test(`${adder} adds what ${other} checks and deletes`, async () => {
        const { call, held } = await stage(ourChain, cniVersion);
        call(adder, "add");
        expect(held()).not.toEqual([]);
        call(other, "check");
        call(adder, "check");
        call(other, "del");
        expect(held()).toEqual([]);
        // Once more, as runtimes do.
        call(adder, "del");
        call(other, "del");
      });
    }

    test("both print the same result and keep the same in the cache", async () => {
      const made = await stage(ourChain, cniVersion);
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

describe("one chain of our bridge and Go's plugins", () => {
  for (const runtime of names) {
    test(`each plugin has done its part when ${runtime} has added`, async () => {
      const { host, call, netns } = await stage(ourChain);
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
      const { host, call, run, netns } = await stage(ourChain);
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
    const { host, call, run } = await stage(ourChain);
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
    const { host, call, held, network } = await stage(ourChain);
    call("tendril", "add");
    call("cnitool", "gc");
    expect(held()).toEqual([]);

    call("cnitool", "add");
    const alive = held();
    const gone = host.netns(`${network}-gone`);
    const env = { NETCONFPATH: NETWORKS, CNI_PATH: `${ourPlugins}:${peerPlugins}`, CAP_ARGS: '{"portMappings":[]}' };
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

describe("Go's interface plugins", () => {
  const goChain = [
    { type: "go-bridge", bridge: "BRIDGE", isDefaultGateway: true, ipam: { ...ipam, type: "go-host-local" } },
    ...meta,
  ];
  const chains = {
    "Go's bridge and host-local": goChain,
    "Go's bridge with our host-local": [{ ...goChain[0], ipam }, ...meta],
    "our bridge with Go's host-local": [{ ...ourChain[0], ipam: { ...ipam, type: "go-host-local" } }, ...meta],
    "Go's ptp with our host-local": [{ type: "ptp", ipam }, ...meta],
  };

  function linkPeers(host: TestHost): void {
    host.sh(`mkdir -p ${RENAMED} && ln -sf ${peerPlugins}/bridge ${RENAMED}/go-bridge`);
    host.sh(`ln -sf ${peerPlugins}/host-local ${RENAMED}/go-host-local`);
  }

  for (const [title, chain] of Object.entries(chains)) {
    test(`${title}: tendril drives them through all verbs as cnitool does`, async () => {
      const made = await stage(chain);
      const { call, held, run } = made;
      linkPeers(made.host);
      for (const adder of names) {
        const other = others[adder];
        call(adder, "status");
        call(adder, "add");
        call(adder, "check");
        call(other, "check");
        expect(held()).not.toEqual([]);
        call(other, "del");
        expect(held()).toEqual([]);
        call(adder, "add");
        call(other, "gc");
        const isAlive = other === "tendril";
        expect(held().length > 0).toBe(isAlive);
        call(adder, "del");
        expect(held()).toEqual([]);
      }
      // An error of theirs comes through as it is.
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
    const made = await stage([...ourChain, broken]);
    for (const runtime of names) {
      const { exitCode, stdout, stderr } = made.run(runtime, "add");
      expect(exitCode).toBe(1);
      expect(stdout + stderr).toContain("tuning");
      made.call(runtime, "del");
      expect(made.held()).toEqual([]);
    }
  });
});
