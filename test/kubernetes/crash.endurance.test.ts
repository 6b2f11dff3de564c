/** Clusters side by side, and one whose starter is killed. */

import { describe, expect } from "bun:test";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { kubernetesNeeds, kubernetesPrograms } from "./built.ts";
import { sweep, traces } from "./down.ts";
import { testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";

const NAME = `killed${process.pid}`;

/** Starts a cluster, says so, and would stay. */
const STARTER = `
const { startCluster } = await import(${JSON.stringify(new URL("./cluster.ts", import.meta.url).pathname)});
const cluster = await startCluster({
  name: ${JSON.stringify(NAME)},
  programs: ${JSON.stringify(kubernetesPrograms)},
  nodes: [{ name: "node1", subnet: "rack1" }],
});
console.log(await cluster.kubectl("get", "nodes", "--output=name"));
await new Promise(() => setInterval(() => {}, 1000));
`;

describe("two clusters side by side", () => {
  const test = needs(...kubernetesNeeds);
  const cluster = testCluster({ name: "living", nodes: [{ name: "node1", subnet: "rack1" }] });

  test("are alike and do not meet; nothing is left of the one whose starter is killed, and the other goes on", async () => {
    const starter = Bun.spawn([process.execPath, "-e", STARTER], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    try {
      const [living, said] = await Promise.all([cluster(), starter.stdout.getReader().read()]);
      expect(new TextDecoder().decode(said.value)).toBe("node/node1\n\n");
      expect(await living.kubectl("get", "nodes", "--output=name")).toBe("node/node1\n");
      const uid = async () => (await living.get<{ metadata: { uid: string } }>("node", "node1")).metadata.uid;
      const before = await uid();
      expect(traces(NAME).length).toBeGreaterThan(10);
      starter.kill("SIGKILL");
      await starter.exited;
      // Its programs and mounts go by themselves: each machine's first process sees that its starter is no more.
      await until("no process is left of it", () => !traces(NAME).some((trace) => /^(process|mount)/.test(trace)), {
        details: () => traces(NAME).join("\n"),
      });
      // The rest is for whoever starts the next one.
      await sweep();
      expect(traces(NAME)).toEqual([]);
      expect(await uid()).toBe(before);
    } finally {
      starter.kill("SIGKILL");
    }
  });
});

expectNothingLeft();
