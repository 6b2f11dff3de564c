/** The lab itself with agents: what it says of them, how they are handled, and what is left of a lab that fails. */

import { afterAll, describe, expect } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConflictError, TendrilError } from "../../src/core/errors.ts";
import {
  agentLogPath,
  agentPid,
  agentProcess,
  killAgent,
  pauseAgent,
  startAgent,
} from "../../src/lab/agent-process.ts";
import { agentStatus, waitForAgent } from "../../src/lab/agent-status.ts";
import { podAddresses } from "../../src/lab/attachment.ts";
import { addNode, addPod, deletePod, removeNode, requireNode } from "../../src/lab/change.ts";
import { startStore, stopStore } from "../../src/lab/cluster-store.ts";
import { takeDown } from "../../src/lab/down.ts";
import { exampleFile } from "../../src/lab/example.ts";
import { parseLabFile } from "../../src/lab/lab-file.ts";
import { labFolder } from "../../src/lab/names.ts";
import { tracePaths } from "../../src/lab/path.ts";
import { netnsNamesOf, requireRecord } from "../../src/lab/record.ts";
import { labStatus } from "../../src/lab/status.ts";
import { bringUp } from "../../src/lab/up.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { clusterTest, outputInMember, plugins, stage, tendril } from "./stage.ts";

expectNothingLeft();

async function findingsOf(lab: string): Promise<string[]> {
  const { members } = await labStatus(lab);
  return members.flatMap(({ name, findings }) => findings.map((finding) => `${name}: ${finding}`));
}

describe("a lab with agents", () => {
  const { lab } = stage("whole", "default");

  clusterTest("is whole, agents and pods verified", async () => {
    expect(await findingsOf(lab)).toEqual([]);
    expect((await labStatus(lab)).state).toBe("up");
    expect((await agentStatus(lab, "node1"))?.peers.map(({ name, direct }) => [name, direct]).sort()).toEqual([
      ["node2", true],
      ["node3", false],
    ]);
  });

  clusterTest("shows the way through the tunnel with everybody's names", () => {
    for (const { hops } of tracePaths(requireRecord(lab).lab, "node1/web", "node3/web")) {
      expect(hops.map(({ member }) => member)).toEqual(["node1", "node3", "node3/web"]);
    }
  });

  clusterTest("has commands on a node find its agent and the cluster's store", async () => {
    const record = requireRecord(lab);
    const nodes = JSON.parse(await outputInMember(record, "node1", "get", "nodes", "-o", "json")) as { name: string }[];
    expect(nodes.map(({ name }) => name)).toEqual(["node1", "node2", "node3"]);
  });

  clusterTest("says which agent does not run, which is paused, and that the store is away", async () => {
    await killAgent(lab, "node1");
    pauseAgent(lab, "node2");
    await stopStore(requireRecord(lab).lab);
    try {
      const findings = await findingsOf(lab);
      expect(findings).toContain("node1: its agent does not run");
      expect(findings).toContain("node2: its agent is paused");
      expect(findings).toContain("router: the agents' store is stopped");
      expect([agentProcess(lab, "node1"), agentProcess(lab, "node2")]).toEqual(["stopped", "paused"]);
      expect(await agentStatus(lab, "node2")).toBeUndefined();
    } finally {
      await startStore(requireRecord(lab).lab);
      process.kill(agentPid(lab, "node2") ?? 0, "SIGCONT");
      startAgent(requireRecord(lab), requireNode(requireRecord(lab).lab, "node1"));
    }
    await waitForAgent(lab, "node1", { within: 20_000 });
    expect(readFileSync(agentLogPath(lab, "node1"), "utf8").match(/"serving"/g)?.length).toBe(2);
  });

  clusterTest("starts no second agent on a node", () => {
    const { lab: description } = requireRecord(lab);
    expect(() => startAgent(requireRecord(lab), requireNode(description, "node1"))).toThrow("runs already");
    expect(() => requireNode(description, "node9")).toThrow('has no node "node9"');
    expect(() => pauseAgent(lab, "node9")).toThrow("does not run");
  });

  clusterTest("has pods come and go, each once", () => {
    const result = addPod(lab, "node2/api");
    expect(podAddresses(result).length).toBe(2);
    expect(requireRecord(lab).lab.nodes.find(({ name }) => name === "node2")?.pods).toEqual(["web", "db", "api"]);
    expect(() => addPod(lab, "node2/api")).toThrow(ConflictError);
    expect(() => addPod(lab, "node2/A_b")).toThrow("does not name a pod");
    expect(() => addPod(lab, "node9/api")).toThrow('has no node "node9"');
    deletePod(lab, "node2/api");
    expect(() => deletePod(lab, "node2/api")).toThrow('has no pod "node2/api"');
    expect(netnsNamesOf(lab).some((name) => name.endsWith(".api"))).toBe(false);
  });

  clusterTest("refuses a node whose name is taken or whose subnet is none, and forgets one that has left", async () => {
    await expect(addNode(lab, { name: "node1", subnet: "rack1" })).rejects.toThrow('"name" is taken');
    await expect(addNode(lab, { name: "node9", subnet: "rack9" })).rejects.toThrow("there are rack1, rack2");
    expect(netnsNamesOf(lab).some((name) => name.includes("node9"))).toBe(false);
    removeNode(lab, "node2");
    expect(existsSync(`${labFolder(lab)}/nodes/node2`)).toBe(false);
    expect(netnsNamesOf(lab).filter((name) => name.includes("node2"))).toEqual([]);
    expect((await labStatus(lab)).members.some(({ name }) => name.startsWith("node2"))).toBe(false);
  });

  clusterTest("goes down with agents that are paused", () => {
    pauseAgent(lab, "node1");
    expect(takeDown(lab)?.processes).toBe(2);
    expect(netnsNamesOf(lab)).toEqual([]);
  });
});

describe("a lab whose agents do not come up", () => {
  const name = `t${process.pid}fails`;
  const folder = mkdtempSync(join(tmpdir(), "tendril-lab-"));
  afterAll(() => {
    takeDown(name);
    rmSync(folder, { recursive: true, force: true });
  });
  const lab = parseLabFile(exampleFile("flat"), { name });

  clusterTest("because they end shows what they wrote, and leaves nothing", async () => {
    const program = ["/bin/sh", "-c", "echo the kernel is on fire; exit 3", "agent"];
    const failed = await bringUp(lab, { plugins, program }).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(TendrilError);
    expect((failed as TendrilError).message).toBe('The agent of node "node1" has ended');
    expect((failed as TendrilError).details).toContain("the kernel is on fire");
    expect(netnsNamesOf(name)).toEqual([]);
    expect(existsSync(labFolder(name))).toBe(false);
  });

  clusterTest("because it is interrupted while they start leaves nothing", async () => {
    const interruption = new AbortController();
    setTimeout(() => interruption.abort(), 200);
    const program = ["/bin/sh", "-c", "sleep 1000", "agent"];
    const up = bringUp(lab, { plugins, program, signal: interruption.signal });
    await expect(up).rejects.toThrow("was interrupted");
    expect(netnsNamesOf(name)).toEqual([]);
    expect(existsSync(labFolder(name))).toBe(false);
  });

  clusterTest("because etcd is not there says what to do", async () => {
    const path = process.env.PATH;
    process.env.PATH = folder;
    try {
      const etcd = parseLabFile(exampleFile("flat"), { name, store: "etcd" });
      const failed = await bringUp(etcd, { plugins, program: tendril }).catch((error: unknown) => error);
      expect((failed as TendrilError).message).toBe(`Lab "${name}" needs the program "etcd", which is not in PATH`);
      expect((failed as TendrilError).details).toContain("store: directory");
    } finally {
      process.env.PATH = path;
    }
    expect(netnsNamesOf(name)).toEqual([]);
  });

  clusterTest("because it was killed is taken down with the agents that run on", async () => {
    const script = join(import.meta.dir, "../../src/lab/test-support/process.ts");
    const child = Bun.spawn([process.execPath, script, "cluster", name, plugins, ...tendril], {
      stdout: "pipe",
      stderr: "inherit",
    });
    let seen = "";
    for await (const chunk of child.stdout) {
      seen += new TextDecoder().decode(chunk);
      if (seen.includes("agent of node2")) child.kill("SIGKILL");
    }
    await child.exited;
    expect((await labStatus(name)).state).toBe("half-finished");
    expect(takeDown(name)?.processes).toBe(3);
    expect(netnsNamesOf(name)).toEqual([]);
    expect(existsSync(labFolder(name))).toBe(false);
  });
});
