import { afterAll, describe, expect } from "bun:test";
import { existsSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Need, needs, root } from "../../test/support/needs.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import { ConflictError, TendrilError } from "../core/errors.ts";
import { deleteAddress } from "../linux/netlink/rtnetlink/address.ts";
import { changeLink, deleteLink, findLink } from "../linux/netlink/rtnetlink/link/link.ts";
import { deleteRoute } from "../linux/netlink/rtnetlink/route.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../linux/netlink/socket.ts";
import {
  closeNetns,
  createNamedNetns,
  deleteNamedNetns,
  inNetns,
  listNamedNetns,
  namedNetnsPath,
  openNetns,
} from "../linux/netns.ts";
import { testConnectivity } from "./connectivity.ts";
import { takeDown } from "./down.ts";
import { drawLab } from "./drawing.ts";
import { execInMember, netnsOfMember } from "./exec.ts";
import { setLink } from "./link-state.ts";
import { LABS_FOLDER, labFolder, netnsName } from "./names.ts";
import { attachmentCommands, tracePaths } from "./path.ts";
import { startFlow } from "./probe/flow.ts";
import { measureStream } from "./probe/stream.ts";
import { listLabs, netnsNamesOf, requireRecord } from "./record.ts";
import { labStatus } from "./status.ts";
import { exampleLab, smallLab } from "./test-support/fixtures.ts";
import { bringUp } from "./up.ts";

const ours = join(import.meta.dir, "../../dist/cni");
const plugins = existsSync(join(ours, "bridge")) ? ours : (process.env.TENDRIL_PEER_PLUGINS ?? "");
const cniPlugins: Need = () =>
  existsSync(join(plugins, "bridge")) ? undefined : "neither dist/cni/bridge (npm run build) nor TENDRIL_PEER_PLUGINS";
const labTest = needs(root, cniPlugins);

/** Names of labs of this process, so that test runs side by side do not meet. */
const nameOf = (word: string) => `t${process.pid}${word}`;
/** Labs without agents start none. */
const program: readonly string[] = [];
const helper = [process.execPath, join(import.meta.dir, "test-support/process.ts")];

/** All that a lab of a name could leave behind. */
function tracesOf(lab: string): string[] {
  const folders = existsSync(labFolder(lab)) ? [labFolder(lab)] : [];
  return [...netnsNamesOf(lab), ...folders, ...processesOf(lab)];
}

/** Processes that name the lab in their environment or words, or live in one of its namespaces. */
function processesOf(lab: string): string[] {
  const namespaces = new Set(
    netnsNamesOf(lab).map((name) => {
      const netns = openNetns(namedNetnsPath(name));
      closeNetns(netns);
      return netns.id.split(":").at(-1);
    }),
  );
  return readdirSync("/proc").filter((pid) => {
    if (!/^[0-9]+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return namespaces.has(readlinkSync(`/proc/${pid}/ns/net`).replace(/\D/g, ""));
    } catch {
      return false;
    }
  });
}

/** Runs requests in the network namespace of a member. */
function inMember<T>(lab: string, member: string, work: (socket: NetlinkSocket) => T): T {
  const netns = openNetns(namedNetnsPath(netnsName(lab, member)));
  const socket = inNetns(netns, () => new NetlinkSocket(NETLINK_ROUTE));
  try {
    return work(socket);
  } finally {
    socket.close();
    closeNetns(netns);
  }
}

expectNothingLeft();

describe("a lab", () => {
  const name = nameOf("main");
  const lab = exampleLab(name);
  afterAll(() => {
    takeDown(name);
    expect(tracesOf(name)).toEqual([]);
  });

  labTest("comes up, and everybody reaches whom they should, seen under the right address", async () => {
    const steps: string[] = [];
    await bringUp(lab, { plugins, program, progress: (step) => steps.push(step) });
    expect(steps.filter((step) => step.startsWith("pod ")).length).toBe(6);
    const { findings } = testConnectivity(lab);
    // 540 small ones; from pod to pod in two protocols and families one that fills the MTU and one beyond it.
    expect(findings.length).toBe(540 + 30 * 2 * 2 * 2);
    expect(findings.filter(({ problem }) => problem !== undefined)).toEqual([]);
  });

  labTest("is whole, each member verified", async () => {
    const { state, members } = await labStatus(name);
    expect(members.filter(({ findings }) => findings.length > 0)).toEqual([]);
    expect(state).toBe("up");
  });

  labTest("has the outside host see pods under their node's address, because it has no route to them", () => {
    const { findings } = testConnectivity(lab);
    const toOutside = findings.filter(({ expected }) => expected.to === "outside" && expected.from === "node3/web");
    expect([...new Set(toOutside.map(({ seen }) => seen.source))].sort()).toEqual(["172.20.2.13", "fd20:2::13"]);
    const fromOutside = findings.filter(({ expected }) => expected.from === "outside" && expected.to === "node3/web");
    expect(fromOutside.map(({ seen }) => seen.reached)).toEqual(new Array(6).fill(false));
  });

  labTest("comes up once only", async () => {
    const again = bringUp(lab, { plugins, program });
    await expect(again).rejects.toThrow(ConflictError);
    await expect(again).rejects.toThrow(`Lab "${name}" is up already`);
    expect((await labStatus(name)).state).toBe("up");
  });

  labTest("shows the way from node1 to node3 by way of the router", () => {
    for (const { hops } of tracePaths(lab, "node1/web", "node3/web")) {
      expect(hops.map(({ member }) => member)).toEqual(["node1", "router", "node3", "node3/web"]);
      expect(hops.at(-1)?.arrived).toBe(true);
    }
    const [first] = tracePaths(lab, "node1/web", "node2/web");
    expect(first?.hops.map(({ member }) => member)).toEqual(["node1", "node2", "node2/web"]);
    if (plugins === ours)
      expect(attachmentCommands(lab, "node1/web")?.join("\n")).toMatch(/ip link add name cni0 .* type bridge/);
  });

  labTest("is drawn as a tree with everybody's addresses", () => {
    const drawing = drawLab(lab).join("\n");
    expect(drawing).toMatch(/└─ node3 .*172\.20\.2\.13 +fd20:2::13\n +├─ web +10\.244\.3\.2 +fd44:0:0:3::2/);
  });

  labTest("runs commands in a member's network namespace and passes on how they end", async () => {
    const record = requireRecord(name);
    const inode = inMember(name, "node1/web", () => openNetnsId(netnsName(name, "node1/web")));
    const isInside = `test "$(readlink /proc/self/ns/net)" = "net:[${inode}]"`;
    expect(await execInMember(record, "node1/web", ["sh", "-c", isInside])).toBe(0);
    expect(await execInMember(record, "node1", ["sh", "-c", isInside])).toBe(1);
    expect(
      await execInMember(record, "node1", ["sh", "-c", `test "$TENDRIL_RUN_DIR" = ${labFolder(name)}/nodes/node1`]),
    ).toBe(0);
    expect(await execInMember(record, "node1/web", ["sh", "-c", "exit 7"])).toBe(7);
    expect(await execInMember(record, "node1/web", ["sh", "-c", "kill -9 $$"])).toBe(137);
    expect(await execInMember(record, "node1/web", ["/no/such/program"])).toBe(127);
    expect(() => netnsOfMember(lab, "node9")).toThrow(/has no "node9"/);
  });

  labTest("carries a stream from pod to pod", async () => {
    const ends = { from: netnsName(name, "node1/web"), to: netnsName(name, "node3/web"), address: "10.244.3.2" };
    const { bytes, seconds } = await measureStream(ends, helper, 50);
    expect(bytes).toBeGreaterThan(1_000_000);
    expect(seconds).toBeGreaterThan(0);
  });

  labTest("carries a flow, of which it is counted what is lost while the way is broken", async () => {
    const ends = { from: netnsName(name, "node1/web"), to: netnsName(name, "node3/web"), address: "10.244.3.2" };
    const whole = await startFlow(ends, helper);
    await Bun.sleep(500);
    const { requests, stream } = await whole.stop();
    expect(requests.sent).toBeGreaterThan(5);
    expect([requests.answered, requests.lostAt, stream.error]).toEqual([requests.sent, [], undefined]);
    expect(stream.echoed).toBe(stream.sent);
    const broken = await startFlow(ends, helper);
    setLink(netnsName(name, "rack2"), "node3", "down");
    await Bun.sleep(100);
    setLink(netnsName(name, "rack2"), "node3", "up");
    await Bun.sleep(100);
    const figure = await broken.stop();
    expect(figure.requests.answered).toBeLessThan(figure.requests.sent);
    expect(figure.requests.lostAt.length).toBeGreaterThan(0);
    await expect(startFlow({ ...ends, address: "10.244.3.99" }, helper)).rejects.toThrow("EADDRNOTAVAIL");
  });

  labTest("with a route deleted fails its test, says what does not arrive, and status names the route", async () => {
    inMember(name, "router", (socket) =>
      socket.execute(deleteRoute({ destination: "10.244.3.0/24", gateway: "172.20.2.13" })),
    );
    const { findings } = testConnectivity(lab);
    const broken = findings.filter(({ problem }) => problem !== undefined);
    expect(broken.length).toBeGreaterThan(0);
    for (const { expected } of broken) {
      expect(expected.family).toBe(4);
      expect([expected.from, expected.to].some((end) => end.startsWith("node3/"))).toBe(true);
    }
    expect(broken.some(({ expected }) => expected.from === "node1/web" && expected.to === "node3/db")).toBe(true);
    const { state, members } = await labStatus(name);
    expect(state).toBe("broken");
    expect(members.flatMap(({ name: member, findings: words }) => words.map((word) => `${member}: ${word}`))).toEqual([
      "router: route 10.244.3.0/24 via 172.20.2.13 dev rack2 is missing",
    ]);
    const way = tracePaths(lab, "node1/web", "node3/web").find(({ family }) => family === 4);
    expect(way?.hops.at(-1)?.arrived).toBe(false);
  });

  labTest(
    "with an address, a link, a pod's interface or a namespace gone tells which, and the test still ends",
    async () => {
      inMember(name, "node2", (socket) => {
        const index = findLink(socket, "eth0")?.index ?? 0;
        socket.execute(deleteAddress({ index, ip: "172.20.1.12", prefixLength: 24 }));
      });
      inMember(name, "node1/db", (socket) => socket.execute(changeLink({ name: "eth0", flags: 0, change: 1 })));
      inMember(name, "node3/db", (socket) => socket.execute(deleteLink({ name: "eth0" })));
      deleteNamedNetns(netnsName(name, "outside"));
      const broken = new Map(
        (await labStatus(name)).members.map(({ name: member, findings }) => [member, findings.join("; ")]),
      );
      expect(broken.get("node2")).toContain("172.20.1.12/24");
      expect(broken.get("node1/db")).not.toBe("");
      expect(broken.get("node3/db")).not.toBe("");
      expect(broken.get("outside")).toBe("its network namespace is gone");
      const { findings } = testConnectivity(lab);
      const problemsOf = (from: string) =>
        findings.filter(({ expected, problem }) => expected.from === from && problem);
      expect(problemsOf("outside").length).toBeGreaterThan(0);
      expect(problemsOf("node3/db").length).toBe(54);
    },
  );

  labTest("goes down with all that is in it, also processes", async () => {
    const netns = openNetns(namedNetnsPath(netnsName(name, "node1/web")));
    const sleeper = inNetns(netns, () =>
      Bun.spawn(["sleep", "1000"], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }),
    );
    closeNetns(netns);
    const removal = takeDown(name);
    expect(removal).toMatchObject({ processes: 1 });
    expect(await sleeper.exited).not.toBe(0);
    expect(tracesOf(name)).toEqual([]);
    expect(takeDown(name)).toBeUndefined();
    expect(() => requireRecord(name)).toThrow(`There is no lab "${name}"`);
  });
});

describe("two labs", () => {
  const [one, two] = [nameOf("one"), nameOf("two")];
  afterAll(() => {
    for (const name of [one, two]) takeDown(name);
  });

  labTest("of one description stand side by side, and one going down leaves the other whole", async () => {
    await bringUp(smallLab(one), { plugins, program });
    await bringUp(smallLab(two), { plugins, program });
    expect(listLabs()).toEqual(expect.arrayContaining([one, two]));
    for (const name of [one, two]) {
      expect(testConnectivity(smallLab(name)).findings.filter(({ problem }) => problem !== undefined)).toEqual([]);
    }
    expect(takeDown(one)).toMatchObject({ namespaces: 6 });
    expect(tracesOf(one)).toEqual([]);
    expect((await labStatus(two)).state).toBe("up");
    expect(testConnectivity(smallLab(two)).findings.every(({ problem }) => problem === undefined)).toBe(true);
    takeDown(two);
    expect(tracesOf(two)).toEqual([]);
  });
});

describe("a lab that does not come up", () => {
  const name = nameOf("half");
  afterAll(() => {
    takeDown(name);
    rmSync(namedNetnsPath(netnsName(name, "stale")), { force: true });
  });

  for (const step of [1, 4, 9, 12, 15]) {
    labTest(`because it was killed at step ${step} is taken down without a trace`, async () => {
      const child = Bun.spawn([...helper, "up", name, plugins], { stdout: "pipe", stderr: "inherit" });
      let seen = "";
      for await (const chunk of child.stdout) {
        seen += new TextDecoder().decode(chunk);
        if (seen.split("\n").length > step) child.kill("SIGKILL");
      }
      await child.exited;
      expect(listLabs()).toContain(name);
      expect((await labStatus(name)).state).toBe("half-finished");
      await expect(bringUp(exampleLab(name), { plugins, program })).rejects.toThrow("is not whole");
      expect(takeDown(name)?.namespaces).toBe(13);
      expect(tracesOf(name)).toEqual([]);
    });
  }

  labTest("leaves no trace when a plugin fails, and passes on the plugin's words", async () => {
    const folder = `${LABS_FOLDER}-${name}-plugins`;
    rmSync(folder, { recursive: true, force: true });
    await Bun.write(`${folder}/bridge`, `#!/bin/sh\necho '{"code": 42, "msg": "out of cables"}'\nexit 1\n`);
    Bun.spawnSync(["chmod", "755", `${folder}/bridge`]);
    try {
      await expect(bringUp(exampleLab(name), { plugins: folder, program })).rejects.toThrow(
        'Cannot attach pod "node1/web": CNI plugin "bridge" failed at ADD: out of cables',
      );
      expect(tracesOf(name)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  labTest("leaves no trace when it is interrupted", async () => {
    const interruption = new AbortController();
    const progress = (step: string) => {
      if (step === "node node2") interruption.abort();
    };
    const up = bringUp(exampleLab(name), { plugins, program, progress, signal: interruption.signal });
    await expect(up).rejects.toThrow(TendrilError);
    expect(tracesOf(name)).toEqual([]);
  });

  labTest("is taken down by its names alone, when its folder is lost and a name is no namespace", async () => {
    closeNetns(createNamedNetns(netnsName(name, "node1")));
    // What stays when making a namespace is killed between its two steps.
    writeFileSync(namedNetnsPath(netnsName(name, "stale")), "");
    expect((await labStatus(name)).state).toBe("half-finished");
    expect(takeDown(name)?.namespaces).toBe(2);
    expect(listNamedNetns().filter((other) => other.includes(name))).toEqual([]);
    expect(tracesOf(name)).toEqual([]);
  });
});

function openNetnsId(name: string): string {
  const netns = openNetns(namedNetnsPath(name));
  closeNetns(netns);
  return netns.id.split(":").at(-1) ?? "";
}
