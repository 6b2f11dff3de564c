/** Mode bgp with the real BIRD: what nodes tell each other, what routers are told, and what becomes of sessions. */

import { describe, expect } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askBird, BirdError } from "../../src/agent/bird-control.ts";
import { removeBirdRoutes } from "../../src/agent/bird-routes.ts";
import { type BirdNode, birdSite, eventually } from "../support/bird.ts";
import { source, startChild } from "../support/child.ts";
import { needs, program, root } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

const site = birdSite();
expectNothingLeft();
const test = needs(root, program("bird"), program("ip"), program("nsenter"));
const TIMEOUT = 120_000;

const same = (wanted: readonly string[]) => (seen: readonly string[]) => Bun.deepEquals(seen, wanted);

/** The states of a node's sessions and since when they are so: `node2:4 Established 1795999570`. */
async function sessionsOf({ bird }: Pick<BirdNode, "bird">): Promise<string[]> {
  return (await bird.sessions()).map(({ name, state, since }) => `${name} ${state} ${since}`);
}

const allUp = (seen: readonly string[]) => seen.length > 0 && seen.every((line) => line.includes(" Established "));

const othersOf = (node: BirdNode, all: readonly BirdNode[]) => ({
  nodes: all.filter((one) => one !== node).map(({ asPeer }) => asPeer),
});

/** A mesh of nodes on one link that has come up. */
async function mesh(count: number, settings: Readonly<Record<string, unknown>> = {}): Promise<BirdNode[]> {
  const fabric = site.fabric();
  const nodes = Array.from({ length: count }, (_, i) => fabric.node(i + 1));
  await Promise.all(nodes.map((node) => node.bird.apply(node.input(othersOf(node, nodes), settings))));
  for (const node of nodes) {
    const seen = await eventually(() => sessionsOf(node), allUp);
    expect(seen.filter((line) => !line.includes(" Established "))).toEqual([]);
  }
  return nodes;
}

/** BIRD takes its routes along, but for one that has been killed and may still wait for its neighbours. */
async function endAll(nodes: readonly BirdNode[], wasKilled = false): Promise<void> {
  for (const node of nodes) node.bird.leave();
  for (const node of nodes) {
    await node.supervisor().stop();
    if (wasKilled) removeBirdRoutes(node.netns.socket);
    expect([...node.routes(4), ...node.routes(6)]).toEqual([]);
  }
}

describe("nodes on one link", () => {
  test(
    "know the way to each other's pods, and to a new block without the end of a session",
    async () => {
      const settings = { password: "fabric words", bfd: true };
      const nodes = await mesh(3, settings);
      const [a, b, c] = nodes as [BirdNode, BirdNode, BirdNode];
      const wanted = ["10.244.2.0/26 via 172.20.1.12 dev eth0", "10.244.3.0/26 via 172.20.1.13 dev eth0"];
      expect(await eventually(() => a.routes(4), same(wanted))).toEqual(wanted);
      const wanted6 = ["fd44:2::/122", "fd44:3::/122"];
      const six = () => a.routes(6).map((line) => line.split(" ")[0] as string);
      expect(await eventually(six, same(wanted6))).toEqual(wanted6);
      // The node's own networks are in nobody's way in its kernel.
      expect(a.netns.sh("ip route show 10.244.1.0/26; ip route show type blackhole")).toBe("");

      const watched = async () =>
        (await askBird(join(a.folder, "bird.ctl"), "show bfd sessions")).filter(({ text }) => /\sUp\s/.test(text))
          .length;
      expect(await eventually(watched, (count) => count === 4)).toBe(4);

      const before = await sessionsOf(a);
      const prefixes = ["10.244.1.0/26", "fd44:1::/122", "10.244.77.0/26", "10.244.2.9/32"];
      a.netns.sh(
        "ip link add pod0 type veth peer name peer0 && ip link set pod0 up && ip route add 10.244.2.9 dev pod0",
      );
      await a.bird.apply(a.input({ ...othersOf(a, nodes), prefixes }, settings));
      for (const node of [b, c]) {
        const found = () => node.routes(4).filter((line) => line.includes("172.20.1.11"));
        const more = ["10.244.1.0/26", "10.244.2.9", "10.244.77.0/26"].map((to) => `${to} via 172.20.1.11 dev eth0`);
        expect(await eventually(found, same(more))).toEqual(more);
      }
      expect(await sessionsOf(a)).toEqual(before);
      // A pod that has come from b: here the route to it counts, there the one to here.
      expect(a.netns.sh("ip route get 10.244.2.9")).toContain("dev pod0");
      expect(b.netns.sh("ip route get 10.244.2.9")).toContain("via 172.20.1.11");
      await endAll(nodes);
    },
    TIMEOUT,
  );

  test(
    "learn by a reflector where there is one",
    async () => {
      const fabric = site.fabric();
      const [a, b, r] = [1, 2, 3].map((i) => fabric.node(i)) as [BirdNode, BirdNode, BirdNode];
      const nodes = [a, b, r];
      for (const node of nodes) {
        const others = othersOf(node, nodes).nodes.map((one) => ({ ...one, routeReflector: one.name === r.name }));
        await node.bird.apply(node.input({ nodes: others }, { routeReflector: node === r }));
      }
      const wanted = ["10.244.2.0/26 via 172.20.1.12 dev eth0", "10.244.3.0/26 via 172.20.1.13 dev eth0"];
      expect(await eventually(() => a.routes(4), same(wanted))).toEqual(wanted);
      expect((await a.bird.sessions()).map(({ name }) => name)).toEqual(["node3:4", "node3:6"]);
      await endAll(nodes);
    },
    TIMEOUT,
  );
});

describe("nodes behind a router", () => {
  test(
    "are reached by it, or by tunnels when it knows no pods",
    async () => {
      const fabric = site.fabric();
      const [a, b, c] = [fabric.node(1, 1), fabric.node(2, 2), fabric.node(3, 1)];
      const nodes = [a, b, c];
      // Any link serves: what is looked at is the route.
      a.netns.sh(
        "ip link add tendril.ipip type veth peer name peer0 && ip link set tendril.ipip up && ip link set peer0 up",
      );
      a.netns.sh("ip address add 10.244.1.1/32 dev tendril.ipip");
      for (const node of nodes) await node.bird.apply(node.input(othersOf(node, nodes)));
      const routed = ["10.244.2.0/26 via 172.20.1.1 dev eth0", "10.244.3.0/26 via 172.20.1.13 dev eth0"];
      expect(await eventually(() => a.routes(4), same(routed))).toEqual(routed);
      await a.bird.apply(a.input(othersOf(a, nodes), { tunnel: "ipip" }));
      const tunnelled = [
        "10.244.2.0/26 via 172.20.2.12 dev tendril.ipip src 10.244.1.1 onlink",
        "10.244.3.0/26 via 172.20.1.13 dev eth0",
      ];
      expect(await eventually(() => a.routes(4), same(tunnelled))).toEqual(tunnelled);
      await endAll(nodes);
    },
    TIMEOUT,
  );
});

test(
  "a router with the password is told of the node's own blocks alone, and what it tells beyond the pools is not taken",
  async () => {
    const fabric = site.fabric();
    const [a, b] = [fabric.node(1), fabric.node(2)];
    const router = site.namespaces.fresh();
    fabric.netns.sh(
      `ip link add router type veth peer name eth0 netns ${router.name} && ip link set router master br1 up`,
    );
    router.sh("ip link set lo up && ip link set eth0 up && ip address add 172.20.1.99/24 dev eth0");
    const folder = mkdtempSync(join(tmpdir(), "tb-"));
    const [conf, ctl, pid] = ["conf", "ctl", "pid"].map((name) => join(folder, name)) as [string, string, string];
    await Bun.write(
      conf,
      `router id 172.20.1.99;
      protocol device {}
      protocol static { ipv4; route 0.0.0.0/0 blackhole; route 192.0.2.0/24 blackhole; route 10.244.200.0/26 blackhole; }
      protocol bgp { local 172.20.1.99 as 65000; neighbor 172.20.1.11 as 64512; password "secret words";
        connect delay time 1; connect retry time 1; ipv4 { import all; export all; }; }`,
    );
    const command = ["nsenter", `--net=${router.netns.path}`, "bird", "-f", "-c", conf, "-s", ctl, "-P", pid];
    const process = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
    const peers = [{ address: "172.20.1.99", as: 65000, password: "secret words" }];
    try {
      await b.bird.apply(b.input(othersOf(b, [a, b])));
      // First with another password: no session.
      const wrong = [{ ...peers[0], password: "other words" }];
      await a.bird.apply(a.input(othersOf(a, [a, b]), { peers: wrong }));
      const learnt = ["10.244.2.0/26 via 172.20.1.12 dev eth0"];
      expect(await eventually(() => a.routes(4), same(learnt))).toEqual(learnt);
      expect((await a.bird.sessions()).find(({ as }) => as === 65000)?.state).not.toBe("Established");
      await a.bird.apply(a.input(othersOf(a, [a, b]), { peers }));
      const told = async () =>
        (await askBird(ctl, "show route protocol bgp1")).flatMap(({ text }) => /^(\d\S+)/.exec(text)?.[1] ?? []).sort();
      expect(await eventually(told, same(["10.244.1.0/26"]))).toEqual(["10.244.1.0/26"]);
      const more = ["10.244.2.0/26 via 172.20.1.12 dev eth0", "10.244.200.0/26 via 172.20.1.99 dev eth0"];
      expect(await eventually(() => a.routes(4), same(more))).toEqual(more);
      // Nor do other nodes learn of it what it is not its own to tell.
      expect(b.routes(4)).toEqual(["10.244.1.0/26 via 172.20.1.11 dev eth0"]);
    } finally {
      process.kill("SIGKILL");
      await process.exited;
      rmSync(folder, { recursive: true });
    }
    await endAll([a, b]);
  },
  TIMEOUT,
);

describe("BIRD", () => {
  test(
    "outlives its agent, and the next one goes on with it and its sessions",
    async () => {
      const nodes = await mesh(2);
      const [a, b] = nodes as [BirdNode, BirdNode];
      await a.bird.stop();
      const config = a.input(othersOf(a, nodes));
      const agent = startChild(`
        const { Bird } = await import(${source("agent/bird.ts")});
        const bird = new Bird({ folder: ${JSON.stringify(a.folder)}, program: "bird",
          prefix: ["nsenter", ${JSON.stringify(`--net=${a.netns.netns.path}`)}] });
        await bird.apply(${JSON.stringify(config)});
        console.log(bird.pid);
        setInterval(() => {}, 1000);
      `);
      const pid = Number(await agent.line());
      expect(pid).toBeGreaterThan(0);
      a.bird = a.supervisor();
      expect(await eventually(() => sessionsOf(a), allUp)).toHaveLength(2);
      const before = [await sessionsOf(a), await sessionsOf(b)];
      agent.kill("SIGKILL");
      expect(await agent.ended()).toBe("SIGKILL");

      await a.bird.apply(config);
      expect(a.bird.pid).toBe(pid);
      const prefixes = ["10.244.1.0/26", "10.244.77.0/26"];
      await a.bird.apply(a.input({ ...othersOf(a, nodes), prefixes }));
      const told = ["10.244.1.0/26 via 172.20.1.11 dev eth0", "10.244.77.0/26 via 172.20.1.11 dev eth0"];
      expect(await eventually(() => b.routes(4), same(told))).toEqual(told);
      expect([await sessionsOf(a), await sessionsOf(b)]).toEqual(before);
      await endAll(nodes);
    },
    TIMEOUT,
  );

  test(
    "that is killed comes back, and no route goes meanwhile",
    async () => {
      const nodes = await mesh(2);
      const [a, b] = nodes as [BirdNode, BirdNode];
      const here = ["10.244.2.0/26 via 172.20.1.12 dev eth0"];
      const there = ["10.244.1.0/26 via 172.20.1.11 dev eth0"];
      expect(await eventually(() => a.routes(4), same(here))).toEqual(here);
      expect(await eventually(() => b.routes(4), same(there))).toEqual(there);
      const lost: string[] = [];
      const [gone, goneB] = [a, b].map(({ netns }) =>
        Bun.spawn(["nsenter", `--net=${netns.netns.path}`, "ip", "-4", "monitor", "route"], { stdout: "pipe" }),
      ) as [Bun.Subprocess<"ignore", "pipe">, Bun.Subprocess<"ignore", "pipe">];
      try {
        const before = a.bird.pid as number;
        process.kill(before, "SIGKILL");
        const after = await eventually(
          () => a.bird.pid,
          (pid) => pid !== undefined && pid !== before,
        );
        expect(after).not.toBe(before);
        expect(await eventually(() => sessionsOf(a), allUp)).toHaveLength(2);
        expect(await eventually(() => sessionsOf(b), allUp)).toHaveLength(2);
      } finally {
        for (const monitor of [gone, goneB]) {
          monitor.kill();
          lost.push(
            ...(await new Response(monitor.stdout).text())
              .split("\n")
              .filter((line) => line.startsWith("Deleted 10.244")),
          );
        }
      }
      expect(lost).toEqual([]);
      expect([a.routes(4), b.routes(4)]).toEqual([here, there]);
      await endAll(nodes, true);
    },
    TIMEOUT,
  );

  test(
    "that is stopped leaves no routes, also while it waits for its neighbours, or when it was killed before",
    async () => {
      const nodes = await mesh(2);
      const [a, b] = nodes as [BirdNode, BirdNode];
      for (const node of nodes)
        expect(
          await eventually(
            () => node.routes(4),
            ({ length }) => length > 0,
          ),
        ).toHaveLength(1);
      b.bird.leave();
      b.bird = b.supervisor();
      const [pidOfA, pidOfB] = nodes.map(({ folder }) => Number(readFileSync(join(folder, "bird.pid"), "utf8")));
      process.kill(pidOfB as number, "SIGKILL");
      process.kill(pidOfA as number, "SIGKILL");
      await eventually(
        () => a.bird.pid,
        (pid) => pid !== undefined && pid !== pidOfA,
      );
      const status = await askBird(join(a.folder, "bird.ctl"), "show status");
      expect(status.map(({ text }) => text)).toContain("Graceful restart recovery in progress");
      expect([a.routes(4), b.routes(4)].map(({ length }) => length)).toEqual([1, 1]);
      // Of another BIRD.
      a.netns.sh("ip route add 198.51.100.0/24 dev eth0 proto bird metric 32");
      a.bird.leave();
      await a.supervisor().stop();
      expect(removeBirdRoutes(a.netns.socket).sort()).toEqual(["10.244.2.0/26", "fd44:2::/122"]);
      expect(a.routes(4)).toEqual(["198.51.100.0/24 dev eth0 scope link"]);
      expect(readdirSync(a.folder)).toEqual([]);
      await endAll([b], true);
    },
    TIMEOUT,
  );

  test(
    "goes on with what it has when it is given what it does not take",
    async () => {
      const nodes = await mesh(2);
      const [a] = nodes as [BirdNode];
      const [pid, before] = [a.bird.pid, await sessionsOf(a)];
      const refused = a.bird.apply("protocol nonsense {}\n");
      await expect(refused).rejects.toThrow(BirdError);
      await expect(refused).rejects.toThrow(/BIRD does not take its configuration: .*bird\.conf\.new:1/);
      expect([a.bird.pid, await sessionsOf(a)]).toEqual([pid, before]);
      await endAll(nodes);
    },
    TIMEOUT,
  );

  test("that is not installed is told with what to do", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tb-"));
    try {
      const { Bird } = await import("../../src/agent/bird.ts");
      const bird = new Bird({ folder, program: "no-such-bird" });
      await expect(bird.apply("x")).rejects.toThrow('Cannot run BIRD: no program "no-such-bird"');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
