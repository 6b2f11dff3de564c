/** An agent that has a mount namespace of its own, as in a container, on a host with its process numbers. */

import { beforeAll, describe, expect } from "bun:test";
import { DEFAULT_RUN_FOLDER } from "../../src/linux/run-folder.ts";
import { until } from "../support/agent.ts";
import { type TestHost, testHost } from "../support/host.ts";
import { needs, program, root } from "../support/needs.ts";
import { expectBuilt } from "../support/plugin-calls.ts";
import { ourPlugins, tendril } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const theHost = testHost();
expectNothingLeft();
const test = needs(root, program("ip"), program("unshare"), program("curl"));

const LOG = "/run/agent.log";
const loopback = { cniVersion: "1.1.0", name: "net", type: "loopback" };
const bridge = {
  ...loopback,
  type: "bridge",
  bridge: "br0",
  ipam: { type: "host-local", ranges: [[{ subnet: "10.77.0.0/24" }]] },
};

/** Runs the work while an agent serves whose mounts are its own. */
async function withAgent(config: object, work: (host: TestHost) => void): Promise<void> {
  const host = await theHost();
  // As systemd has it on a host: what is mounted there later is mounted in containers, too.
  host.sh("mount --make-rshared /");
  host.write("/run/agent.yaml", config);
  const command = ["unshare", "--mount", "--propagation", "slave", tendril, "agent", "--config", "/run/agent.yaml"];
  host.start(["sh", "-c", 'echo $$ >/run/agent.pid; exec "$@"', "sh", ...command], LOG);
  await until("the agent serves", () => host.read(LOG).includes('"serving"'), { log: () => host.read(LOG) });
  try {
    work(host);
  } finally {
    host.sh("pid=$(cat /run/agent.pid); kill $pid; while [ -e /proc/$pid ]; do sleep 0.02; done");
  }
}

function call(host: TestHost, verb: string, config: { readonly type: string }, netns: string, prefix: string[] = []) {
  const env = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: "c1",
    CNI_IFNAME: config.type === "loopback" ? "lo" : "eth0",
    CNI_NETNS: netns,
    CNI_PATH: ourPlugins,
  };
  host.output([...prefix, `${ourPlugins}/${config.type}`], { env, input: JSON.stringify(config) });
}

/** How many calls of a type and verb the agent has served. */
function served(host: TestHost, type: string, verb: string): number {
  const socket = `${DEFAULT_RUN_FOLDER}/agent.sock`;
  const metrics = host.output(["curl", "--silent", "--unix-socket", socket, "http://agent/metrics"]);
  const line = new RegExp(
    `^tendril_call_duration_seconds_count\\{verb="${verb}",type="${type}",[^}]*\\} (\\d+)$`,
    "gm",
  );
  return [...metrics.matchAll(line)].reduce((sum, [, count]) => sum + Number(count), 0);
}

describe("an agent in a mount namespace of its own", () => {
  test("serves the host's plugins from a container, in namespaces that are younger than it", async () => {
    await withAgent({ inContainer: true }, (host) => {
      const netns = host.netns("young");
      call(host, "ADD", loopback, netns);
      expect(host.sh("ip -n young -o link show lo up")).toContain("lo");
      call(host, "DEL", loopback, netns);
      expect([served(host, "loopback", "ADD"), served(host, "loopback", "DEL")]).toEqual([1, 1]);
    });
  });

  test("leaves to themselves calls that need the host's files, and processes that have other files", async () => {
    await withAgent({ inContainer: true }, (host) => {
      const netns = host.netns("other");
      call(host, "ADD", bridge, netns);
      call(host, "DEL", bridge, netns);
      call(host, "ADD", loopback, netns, ["unshare", "--mount"]);
      expect([served(host, "bridge", "ADD"), served(host, "loopback", "ADD")]).toEqual([0, 0]);
    });
  });

  test("serves nobody else unless it is told that it is in a container", async () => {
    await withAgent({}, (host) => {
      call(host, "ADD", loopback, host.netns("third"));
      expect(served(host, "loopback", "ADD")).toBe(0);
    });
  });
});
