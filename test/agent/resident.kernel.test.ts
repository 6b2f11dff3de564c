/** Plugins whose calls a running agent serves: to their callers it is as if there were none. */

import { beforeAll, describe, expect } from "bun:test";
import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { askAgent } from "../../src/cni/resident.ts";
import { AGENT_SOCKET } from "../../src/core/resident.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { testAgents } from "../support/agent.ts";
import { hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { kernelLink } from "../support/kernel.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, program, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  type Config,
  call,
  expectBuilt,
  type Host,
  type Outcome,
  PLUGINS,
  type PluginCall,
  succeed,
  testHosts,
  withResult,
  withValid,
} from "../support/plugin-calls.ts";
import { tendril } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
const agents = testAgents();
expectNothingLeft();
const test = needs(root, program("ip"));

const bridge = (host: Host, fields: Record<string, unknown> = {}): Config => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "bridge",
  bridge: "br0",
  isGateway: true,
  ipam: hostLocal(host, V4, V6),
  ...fields,
});

/** A chain as Kubernetes has it. */
const chain = (host: Host): Config[] => [
  bridge(host, { isDefaultGateway: true, ipMasq: true, macspoofchk: true }),
  {
    cniVersion: "1.1.0",
    name: "net",
    type: "portmap",
    runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] },
  },
  { cniVersion: "1.1.0", name: "net", type: "firewall", ingressPolicy: "same-bridge" },
  { cniVersion: "1.1.0", name: "net", type: "tuning", mtu: 1400, sysctl: { "net.core.somaxconn": "500" } },
  ...(kernelLink("ifb")() === undefined
    ? [{ cniVersion: "1.1.0", name: "net", type: "bandwidth", ingressRate: 100_000_000, ingressBurst: 1_000_000 }]
    : []),
];

/** A text without what is another one on every host: the names of folders and of namespaces. */
function anywhere(text: string, host: Host): string {
  return text.replaceAll(host.path(""), "FOLDER/").replace(/\btt-\d+-\d+\b/g, "NAMESPACE");
}

/** Calls everything that a runtime calls in the life of a container, and says what came of it. */
async function life(host: Host): Promise<string[]> {
  const container = hosts.container("c1");
  const shown: string[] = [];
  const show = async (what: string, outcome?: Outcome) => {
    const state = await stateOf(host, [container.namespace]);
    // Records say which namespace it was.
    const lasting = state.filter((line) => !line.startsWith("file ") || /\/leases\//.test(line));
    const { status, answer, stderr } = outcome ?? {};
    const said = `${what}: ${status} ${JSON.stringify(answer)} ${stderr}`;
    for (const line of [said, ...lasting]) shown.push(`after ${what}: ${anywhere(line, host)}`);
  };
  const configs = chain(host);
  for (const config of configs) await show(`STATUS of ${config.type}`, await call(host, { verb: "STATUS", config }));
  let result: unknown;
  for (const config of configs) {
    const given = result === undefined ? config : withResult(config, result);
    const outcome = await call(host, { verb: "ADD", container, config: given });
    result = outcome.answer;
    await show(`ADD of ${config.type}`, outcome);
  }
  for (const config of configs) {
    const request: PluginCall = { verb: "CHECK", container, config: withResult(config, result) };
    await show(`CHECK of ${config.type}`, await call(host, request));
  }
  container.namespace.sh("ip address del 10.77.0.2/24 dev eth0 && ip link set eth0 mtu 1300");
  for (const config of configs) {
    const request: PluginCall = { verb: "CHECK", container, config: withResult(config, result) };
    await show(`CHECK of ${config.type} after damage`, await call(host, request));
  }
  await show(
    "a second ADD",
    await call(host, { verb: "ADD", container, config: configs[0] as Config, args: "IgnoreUnknown=1;K8S_POD_NAME=a" }),
  );
  for (const config of configs.toReversed()) {
    const request: PluginCall = { verb: "DEL", container, config: withResult(config, result) };
    await show(`DEL of ${config.type}`, await call(host, request));
    await show(`a second DEL of ${config.type}`, await call(host, request));
  }
  await call(host, { verb: "ADD", container, config: configs[0] as Config });
  for (const config of configs) {
    await show(`GC of ${config.type}`, await call(host, { verb: "GC", config: withValid(config, []) }));
  }
  return shown;
}

describe("with an agent", () => {
  test("a chain's calls have the answers, the errors and the effect that they have without", async () => {
    const alone = hosts.fresh();
    const served = hosts.fresh();
    const agent = await agents.start(served);
    const [expected, seen] = [await life(alone), await life(served)];
    expectSameState("a life with an agent", seen, expected);
    for (const { type } of chain(served)) {
      for (const verb of ["ADD", "CHECK", "DEL", "GC", "STATUS"]) {
        expect({ type, verb, served: (await agent.served(type, verb)) > 0 }).toEqual({ type, verb, served: true });
      }
    }
    await agent.stop();
  });

  test("wrong calls have the answers that they have without", async () => {
    const wrong = (host: Host): readonly PluginCall[] => {
      const container = hosts.container("c1");
      const nowhere = { ...container, netns: "/run/netns/there-is-none" };
      const config = bridge(host);
      return [
        { verb: "ADD", container, config, stdin: "" },
        { verb: "ADD", container, config, stdin: "{" },
        { verb: "ADD", container, config, stdin: "[]" },
        { verb: "ADD", container, config, stdin: '"Grüße"' },
        { verb: "ADD", container, config: { ...config, cniVersion: "9.9.9" } },
        { verb: "ADD", container, config: { ...config, name: "" } },
        { verb: "ADD", container, config: bridge(host, { vlan: "seven" }) },
        { verb: "ADD", container, config: bridge(host, { ipam: { type: "static", addresses: [{ address: "ü" }] } }) },
        { verb: "ADD", container, config: { ...config, type: "tendril", ipam: { type: "tendril" } } },
        { verb: "ADD", container: nowhere, config },
        { verb: "ADD", container: { ...container, id: "" }, config },
        { verb: "ADD", container: { ...container, ifname: "a/b" }, config },
        { verb: "ADD", container: { ...container, netns: "" }, config },
        { verb: "ADD", container, config, args: "no-pair" },
        { verb: "CHECK", container, config },
        { verb: "CHECK", container, config: withResult(config, { cniVersion: "1.1.0" }) },
        { verb: "DEL", container, config, stdin: "nothing" },
        { verb: "GC", config: { ...config, cniVersion: "1.0.0" } },
        { verb: "STATUS", config: bridge(host, { ipam: { type: "" } }) },
        { verb: "HELLO" as "ADD", container, config },
        { verb: "" as "ADD", container, config },
      ];
    };
    const outcomes = async (host: Host) => {
      const found: string[] = [];
      for (const request of wrong(host)) {
        const { status, stdout, stderr } = await call(host, request);
        found.push(anywhere(`${status} ${stdout}${stderr}`, host));
      }
      return found;
    };
    const served = hosts.fresh();
    const agent = await agents.start(served);
    expect(await outcomes(served)).toEqual(await outcomes(hosts.fresh()));
    expect(await agent.served("bridge", "ADD")).toBeGreaterThan(5);
    expect(agent.messages("error")).toEqual([]);
    await agent.stop();
  });

  test("each version of the protocol has its own form of result", async () => {
    const served = hosts.fresh();
    const agent = await agents.start(served);
    const alone = hosts.fresh();
    for (const cniVersion of ["0.1.0", "0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]) {
      const answers: unknown[] = [];
      for (const host of [served, alone]) {
        const container = hosts.container(`c${cniVersion}`);
        const config = { ...bridge(host), cniVersion };
        answers.push(
          JSON.parse(anywhere(JSON.stringify(await succeed(host, { verb: "ADD", container, config })), host)),
        );
        await succeed(host, { verb: "DEL", container, config });
      }
      expect(answers[0]).toEqual(answers[1]);
      expect(answers[0]).toMatchObject({ cniVersion });
    }
    expect(await agent.served("bridge", "ADD")).toBe(6);
    await agent.stop();
  });

  test("a plugin under the name of the executable is what the configuration names", async () => {
    const host = hosts.fresh();
    const agent = await agents.start(host);
    const folder = host.path("bin");
    mkdirSync(folder);
    symlinkSync(tendril, `${folder}/tendril`);
    const container = hosts.container("c1");
    const config = { ...bridge(host), type: "tendril" };
    const request: PluginCall = { verb: "ADD", container, config, stdin: JSON.stringify(bridge(host)), path: [folder] };
    await succeed(host, request);
    await succeed(host, { ...request, verb: "DEL" });
    await agent.stop();
  });

  test("its socket is for root alone, and what it does not know it refuses", async () => {
    const host = hosts.fresh();
    const agent = await agents.start(host);
    const unix = `${host.runFolder}/${AGENT_SOCKET}`;
    expect(statSync(unix).mode & 0o777).toBe(0o600);
    expect((await fetch("http://agent/what", { unix })).status).toBe(404);
    expect((await fetch("http://agent/cni", { unix })).status).toBe(404);
    expect((await fetch("http://agent/cni", { unix, method: "POST", body: "{" })).status).toBe(500);
    expect((await fetch("http://agent/cni", { unix, method: "POST", body: "7" })).status).toBe(500);
    expect(agent.process.exitCode).toBeNull();
    await agent.stop();
  });
});

describe("left to the plugin's own process is", () => {
  async function servedNone(host: Host, request: PluginCall): Promise<void> {
    const agent = await agents.start(host);
    const before = await stateOf(host);
    await succeed(host, request);
    await succeed(host, { ...request, verb: "DEL" });
    await succeed(host, { ...request, verb: "GC", config: withValid(request.config, []) });
    expectSameState("ADD, DEL, GC", await stateOf(host), before);
    expect(await agent.served(request.config.type, "ADD")).toBe(0);
    await agent.stop();
  }

  test("a call in another network namespace", async () => {
    const host = hosts.fresh();
    const elsewhere = { ...hosts.fresh(), runFolder: host.runFolder };
    const agent = await agents.start(host);
    const container = hosts.container("c1");
    const config = bridge(host);
    await succeed(elsewhere, { verb: "ADD", container, config });
    expect(elsewhere.netns.sh("ip -o link show br0")).toContain("br0");
    expect(host.netns.sh("ip -o link")).not.toContain("br0");
    await succeed(elsewhere, { verb: "DEL", container, config });
    expect(await agent.served("bridge", "ADD")).toBe(0);
    await agent.stop();
  });

  test("a call in another mount namespace", async () => {
    const host = hosts.fresh();
    const config = bridge(host);
    const container = hosts.container("c1");
    await servedNone(host, { verb: "ADD", container, config, prefix: ["unshare", "--mount"] });
  });

  test("a call with another vendor's IPAM plugin", async () => {
    const host = hosts.fresh();
    const folder = host.path("bin");
    mkdirSync(folder);
    const answer = { cniVersion: "1.1.0", ips: [{ address: "10.77.0.9/24", gateway: "10.77.0.1" }] };
    writeFileSync(`${folder}/fixed`, `#!/bin/sh\n[ "$CNI_COMMAND" != ADD ] || echo '${JSON.stringify(answer)}'\n`, {
      mode: 0o755,
    });
    const config = bridge(host, { ipam: { type: "fixed" } });
    await servedNone(host, { verb: "ADD", container: hosts.container("c1"), config, path: [PLUGINS, folder] });
  });
});

describe("an agent that is not there", () => {
  test("has left a socket: calls go on, and the next agent takes its place", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const config = bridge(host);
    const first = await agents.start(host);
    await first.kill();
    expect(existsSync(`${host.runFolder}/${AGENT_SOCKET}`)).toBe(true);
    await succeed(host, { verb: "ADD", container, config });
    const second = await agents.start(host);
    await succeed(host, { verb: "DEL", container, config });
    expect(await second.served("bridge", "DEL")).toBe(1);
    await second.stop();
    await succeed(host, { verb: "DEL", container, config });
  });

  test("has stopped: the process does the work itself, and once it goes on it does not do it again", async () => {
    const host = hosts.fresh();
    const agent = await agents.start(host);
    const container = hosts.container("c1");
    const before = await stateOf(host, [container.namespace]);
    agent.process.kill("SIGSTOP");
    const env = {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: container.id,
      CNI_NETNS: container.netns,
      CNI_IFNAME: "eth0",
      CNI_PATH: PLUGINS,
    };
    const ask = () => askAgent(host.runFolder, "bridge", env, JSON.stringify(bridge(host)), 100);
    expect(inNetns(host.netns.netns, ask)).toBeUndefined();
    agent.process.kill("SIGCONT");
    // What has been served by now was asked after it.
    expect((await agent.status()).ready).toBe(true);
    await Bun.sleep(50);
    expect(await agent.served("bridge", "ADD")).toBe(0);
    expectSameState("a call that nobody waits for", await stateOf(host, [container.namespace]), before);
    expect(inNetns(host.netns.netns, () => askAgent(host.runFolder, "bridge", env, "{", 5_000))?.status).toBe(1);
    await agent.stop();
  });

  test("is another one's second: it ends at once with one sentence, and the first one serves on", async () => {
    const host = hosts.fresh();
    const first = await agents.start(host);
    const { status, stderr } = await agents.run(host, []);
    expect(status).toBe(1);
    expect(stderr).toStartWith("tendril: Another agent runs already");
    await succeed(host, { verb: "STATUS", config: bridge(host) });
    expect(await first.served("bridge", "STATUS")).toBe(1);
    await first.kill();
    const third = await agents.start(host);
    await third.stop();
  });
});

describe("many calls at once", () => {
  const MANY = 50;

  test(`${MANY} ADDs have addresses of their own, and ${MANY} DELs leave nothing`, async () => {
    const host = hosts.fresh();
    const agent = await agents.start(host);
    const containers = Array.from({ length: MANY }, (_, i) => hosts.container(`c${i}`));
    const config = bridge(host, { isDefaultGateway: true, ipMasq: true });
    const before = await stateOf(host);
    const all = (verb: PluginCall["verb"]) =>
      Promise.all(containers.map((container) => succeed(host, { verb, container, config })));
    const results = await all("ADD");
    expect(new Set(results.flatMap(({ ips = [] }) => ips.map(({ address }) => address))).size).toBe(2 * MANY);
    containers[0]?.namespace.sh(`ping -c 1 -W 10 ${results[MANY - 1]?.ips?.[0]?.address.split("/")[0]}`);
    await all("DEL");
    // A runtime that hears of a DEL's end may take the names again.
    expect(host.netns.sh("ip -o link show type veth")).toBe("");
    // One's ADD meets the others' DELs.
    await Promise.all(
      containers.slice(0, 10).map(async (container) => {
        for (const verb of ["ADD", "DEL", "ADD", "DEL"] as const) await succeed(host, { verb, container, config });
      }),
    );
    await succeed(host, { verb: "GC", config: withValid(config, []) });
    expectSameState("ADDs, DELs, GC", await stateOf(host), before);
    expect(containers.flatMap(({ namespace }) => namespace.json("ip -j link"))).toHaveLength(MANY);
    await agent.stop();
  });
});
