/**
 * Nodes with the real agent in network namespaces, on two subnets with a router between them that knows nothing of pods.
 *
 * Less than a lab, and with more patience: for the virtual machine, where each program takes long to start.
 */

import { afterAll } from "bun:test";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROTOCOLS, type Probe, runProbes } from "../../src/lab/probe/probe.ts";
import { inNetns } from "../../src/linux/netns.ts";
import type { TestNetns } from "../support/namespaces.ts";
import { type Container, type Host, PLUGINS, type PluginCall, succeed, testHosts } from "../support/plugin-calls.ts";

const TENDRIL = join(PLUGINS, "../tendril");
const NETWORK = { cniVersion: "1.1.0", name: "tendril", type: "tendril" };

/** Milliseconds. */
const PATIENCE = 180_000;

export interface Pod {
  readonly container: Container & { readonly namespace: TestNetns };
  readonly addresses: readonly string[];
}

export interface AgentNode {
  readonly name: string;
  readonly host: Host;
  /** Starts its agent and waits until it is ready. */
  start(fields: Readonly<Record<string, unknown>>): Promise<void>;
  /** Ends the agent, and returns its exit status or the signal. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number | string | null>;
  cleanUp(): Promise<void>;
  attach(id: string): Promise<Pod>;
  detach(pod: Pod): Promise<void>;
}

export interface Subnets {
  /** The `number`th node, on one of the subnets 1 and 2. */
  node(number: number, subnet: 1 | 2): AgentNode;
}

export interface AgentStage {
  fresh(): Subnets;
}

/** Stages for the tests of one file, gone after them. To be called at the file's top level. */
export function agentStage(): AgentStage {
  const running = new Set<Bun.Subprocess>();
  afterAll(async () => {
    for (const child of running) child.kill("SIGKILL");
    await Promise.all([...running].map(({ exited }) => exited));
  });
  const hosts = testHosts();
  return {
    fresh() {
      const router = hosts.container("router").namespace;
      router.sh(`sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
        for i in 1 2; do ip link add net$i type bridge && ip link set net$i up
        ip address add 172.20.$i.1/24 dev net$i && ip address add fd20:$i::1/64 dev net$i nodad; done`);
      const store = `dir:${hosts.fresh().path("store")}`;
      return { node: (number, subnet) => makeNode({ hosts, running, router, store }, number, subnet) };
    },
  };
}

interface Surroundings {
  readonly hosts: ReturnType<typeof testHosts>;
  readonly running: Set<Bun.Subprocess>;
  readonly router: TestNetns;
  readonly store: string;
}

function makeNode({ hosts, running, router, store }: Surroundings, number: number, subnet: 1 | 2): AgentNode {
  const host = hosts.fresh();
  const name = `node${number}`;
  const addresses = [`172.20.${subnet}.1${number}/24`, `fd20:${subnet}::1${number}/64`];
  router.sh(`ip link add ${name} type veth peer name eth0 netns ${host.netns.name}
    ip link set ${name} master net${subnet} up`);
  host.netns.sh(`sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0
    ip link set lo up && ip link set eth0 up
    ip address add ${addresses[0]} dev eth0 && ip address add ${addresses[1]} dev eth0 nodad
    ip route add default via 172.20.${subnet}.1 && ip -6 route add default via fd20:${subnet}::1`);
  const config = host.path("agent.json");
  const log = host.path("agent.log");
  const env = { PATH: process.env.PATH ?? "", TENDRIL_RUN_DIR: host.runFolder, TENDRIL_STATE_DIR: host.path("state") };
  let agent: Bun.Subprocess | undefined;

  const run = (...args: string[]) => {
    const output = openSync(log, "a");
    const child = inNetns(host.netns.netns, () =>
      Bun.spawn([TENDRIL, "agent", ...args, "--config", config], { env, cwd: "/", stdout: output, stderr: output }),
    );
    closeSync(output);
    running.add(child);
    child.exited.then(() => running.delete(child));
    return child;
  };
  const request = (verb: PluginCall["verb"], container: Container): PluginCall => ({
    verb,
    container,
    config: NETWORK,
  });

  return {
    name,
    host,
    async start(fields) {
      const common = { node: name, store, subnet: ["10.244.0.0/16", "fd44::/48"], addresses, heartbeat: 2, grace: 60 };
      writeFileSync(config, JSON.stringify({ ...common, ...fields }));
      agent = run();
      await eventually(`${name} is ready`, async () => {
        if (agent?.exitCode != null) throw new Error(`The agent of ${name} has ended: ${readFileSync(log, "utf8")}`);
        return (await isReady(`${host.runFolder}/agent.sock`)) ? undefined : readFileSync(log, "utf8");
      });
    },
    async end(signal) {
      agent?.kill(signal);
      await agent?.exited;
      return agent?.signalCode ?? agent?.exitCode ?? null;
    },
    async cleanUp() {
      if ((await run("cleanup").exited) !== 0) throw new Error(`No cleanup of ${name}: ${readFileSync(log, "utf8")}`);
    },
    async attach(id) {
      const container = hosts.container(id);
      const { ips = [] } = await succeed(host, request("ADD", container));
      return { container, addresses: ips.map(({ address }) => address.slice(0, address.indexOf("/"))) };
    },
    async detach({ container }) {
      await succeed(host, request("DEL", container));
    },
  };
}

async function isReady(socket: string): Promise<boolean> {
  try {
    const answer = await fetch("http://agent/status", { unix: socket, signal: AbortSignal.timeout(PATIENCE) });
    return ((await answer.json()) as { ready: boolean }).ready;
  } catch (error) {
    // Nobody listens yet: what fetch throws then has many names.
    if (error instanceof Error) return false;
    throw error;
  }
}

/** Asks until nothing is missing. Throws what still is when patience is over. */
export async function eventually(what: string, missing: () => Promise<string | undefined>): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const problem = await missing();
    if (problem === undefined) return;
    if (performance.now() > deadline) throw new Error(`Waited in vain until ${what}: ${problem}`);
    await Bun.sleep(250);
  }
}

/** Who does not reach whom, by each protocol and with packets that fill the MTU and with small ones, each in one line. */
export function unreached(pods: readonly Pod[], mtu: number): string[] {
  const places = pods.map(({ container, addresses }) => ({
    member: container.id,
    netns: container.namespace.name,
    addresses,
  }));
  const probes = pods.flatMap((from) =>
    pods
      .filter((to) => to !== from)
      .flatMap((to) => to.addresses.flatMap((address) => probesTo(from.container.id, to.container.id, address, mtu))),
  );
  const outcomes = runProbes(probes, places);
  return probes.flatMap(({ from, to, protocol, address, size }, i) => {
    const { reached, error, source } = outcomes[i] ?? { reached: false };
    if (reached && pods.find(({ container }) => container.id === from)?.addresses.includes(source ?? "")) return [];
    return `${from} to ${to} at ${address}, ${protocol} ${size ?? "small"}: ${error ?? `from ${source}`}`;
  });
}

function probesTo(from: string, to: string, address: string, mtu: number): Probe[] {
  return PROTOCOLS.flatMap((protocol): Probe[] => {
    const probe = { from, to, protocol, address };
    return protocol === "tcp" ? [probe] : [probe, { ...probe, size: mtu }];
  });
}
