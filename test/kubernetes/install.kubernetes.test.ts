/** Tendril installed by its manifest, as a user does it, on three nodes in two subnets; and nothing left of it. */

import { describe, expect } from "bun:test";
import { join } from "node:path";
import type { BunPlugin } from "bun";
import { compileTendril } from "../../scripts/build.ts";
import { imageOf } from "../../scripts/image.ts";
import { testFolders } from "../../src/cni/testing/folders.ts";
import { finish, outputOf } from "../support/command.ts";
import { needs } from "../support/needs.ts";
import { tendril } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { hostnameAt, type Pod, podsOf, type Service } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import { coreDns } from "./coredns.ts";
import { hasImage, install, manifest, NAMESPACE } from "./installed.ts";
import { whileAsking } from "./load.ts";
import { provesOperators } from "./operator-proof.ts";
import { THREE_NODES, testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";
import { PORTS, webServers } from "./workloads.ts";

const AGENTS = "app.kubernetes.io/component=agent";
const folders = testFolders();

/** Our program as it would be with another version. */
async function buildVersion(version: string, path: string): Promise<void> {
  const src = join(import.meta.dir, "../../src");
  const other: BunPlugin = {
    name: "version",
    setup(build) {
      const contents = `export const VERSION = ${JSON.stringify(version)};`;
      build.onLoad({ filter: /\/agent\/version\.ts$/ }, () => ({ contents, loader: "ts" }));
    },
  };
  await compileTendril(join(src, "main.ts"), path, [other]);
}

describe("a cluster of three nodes without a network", () => {
  const test = needs(...kubernetesNeeds, hasImage);
  const cluster = testCluster({
    name: "install",
    families: [4, 6],
    nodes: THREE_NODES,
  });
  const ask = async (from: Pod, address: string, port?: number) => hostnameAt(await cluster(), from, address, port);

  const rolledOut = async () => {
    const { kubectl } = await cluster();
    await kubectl("rollout", "status", "daemonset/tendril-agent", `--namespace=${NAMESPACE}`, "--timeout=120s");
  };
  test("has one once the manifest is applied: its nodes are Ready, and no pod of it was started twice", async () => {
    const { kubectl, get, ...rest } = await cluster();
    await install({ kubectl, get, ...rest });
    const agents = await podsOf(await cluster(), AGENTS, NAMESPACE);
    expect(agents.map(({ spec }) => spec.nodeName).sort()).toEqual(["node1", "node2", "node3"]);
    for (const { status } of agents) {
      expect(status.containerStatuses.map(({ restartCount }) => restartCount)).toEqual([0]);
    }
    // A policy whose expressions do not fit the resources would deny what it should not, or nothing.
    const policies = await get<{ items: { metadata: { name: string }; status?: { typeChecking?: object } }[] }>(
      "validatingadmissionpolicies",
    );
    const own = policies.items.filter(({ metadata }) => metadata.name.startsWith("tendril-"));
    expect(own).toHaveLength(12);
    for (const { metadata, status } of own) {
      expect({ name: metadata.name, ...status?.typeChecking }).toEqual({ name: metadata.name });
    }
  });

  test("pods on all nodes reach each other by address, by service and by host port", async () => {
    const { apply, kubectl, get, nodes } = await cluster();
    await apply(webServers());
    await kubectl("rollout", "status", "daemonset/web", "--timeout=60s");
    const pods = await podsOf(await cluster(), "app=web");
    expect(pods.map(({ spec }) => spec.nodeName).sort()).toEqual(["node1", "node2", "node3"]);
    const names = pods.map(({ metadata }) => metadata.name);
    const { spec } = await get<Service>("service", "web");
    for (const from of pods) {
      for (const { metadata, status } of pods) {
        expect(status.podIPs).toHaveLength(2);
        for (const { ip } of status.podIPs) expect(await ask(from, ip)).toBe(metadata.name);
      }
      expect(spec.clusterIPs).toHaveLength(2);
      for (const address of spec.clusterIPs) expect(names).toContain(await ask(from, address));
      for (const { name, addresses } of nodes()) {
        const there = pods.find((pod) => pod.spec.nodeName === name)?.metadata.name ?? "";
        for (const address of addresses) expect(await ask(from, address, PORTS.hostWeb)).toBe(there);
      }
    }
  });

  test("pods have the cluster's names", async () => {
    const { apply, kubectl, exec, families } = await cluster();
    await apply(coreDns(families));
    await kubectl("rollout", "status", "deployment/coredns", "--namespace=kube-system", "--timeout=60s");
    const connect = ["/agnhost", "connect", "--timeout=5s"];
    for (const { metadata } of await podsOf(await cluster(), "app=web")) {
      await exec(metadata.name, [...connect, "web.default.svc.cluster.local:80"]);
      await expect(exec(metadata.name, [...connect, "nobody.default.svc:80"])).rejects.toThrow("DNS");
    }
  });

  test("the agents serve the runtime's calls, from their containers", async () => {
    const { kubectl } = await cluster();
    for (const { metadata } of await podsOf(await cluster(), AGENTS, NAMESPACE)) {
      const status = await kubectl("exec", "-n", NAMESPACE, metadata.name, "--", "/usr/bin/tendril", "status");
      expect(status).toMatch(/pods +[1-9]/);
    }
    for (const { run } of (await cluster()).nodes()) {
      const metrics = (await run(["curl", "-s", "http://127.0.0.1:9095/metrics"])).stdout;
      expect(metrics).toMatch(/tendril_call_duration_seconds_count\{verb="ADD",type="tendril",[^}]*\} [1-9]/);
    }
  });

  provesOperators(test, cluster, folders);

  test("an agent may write what is its own node's, and nothing of another one's", async () => {
    const { kubectl, tryKubectl, get } = await cluster();
    const [own, other] = ["node1", "node2"];
    const agents = await podsOf(await cluster(), AGENTS, NAMESPACE);
    const agent = agents.find(({ spec }) => spec.nodeName === own);
    const bound = ["--bound-object-kind=Pod", `--bound-object-name=${agent?.metadata.name}`];
    const token = await kubectl("create", "token", "tendril-agent", `--namespace=${NAMESPACE}`, ...bound);
    const asAgent = (...args: readonly string[]) =>
      tryKubectl([
        ...[
          "--kubeconfig=/dev/null",
          `--server=${serverOf()}`,
          "--insecure-skip-tls-verify",
          `--token=${token.trim()}`,
        ],
        ...[...args, "--dry-run=server"],
      ]);
    const patch = (resource: string, change: object) =>
      asAgent("patch", resource, "--type=merge", "--patch", JSON.stringify(change));
    /** kubectl would read the status first, which an agent does not. */
    const tell = async (node: string, status: object) => {
      const url = `${serverOf()}/api/v1/nodes/${node}/status?dryRun=All`;
      const headers = [`Authorization: Bearer ${token.trim()}`, "Content-Type: application/strategic-merge-patch+json"];
      const { stdout } = await (await cluster())
        .node(own)
        .run([
          ...["curl", "-sk", "-X", "PATCH", ...headers.flatMap((header) => ["-H", header])],
          ...["--data", JSON.stringify({ status }), url],
        ]);
      const { kind, message } = JSON.parse(stdout) as { kind: string; message?: string };
      return { exitCode: kind === "Node" ? 0 : 1, stderr: kind === "Node" ? "" : `${message}` };
    };
    const condition = (type: string) => ({
      conditions: [{ type, status: "True", reason: "Test", message: "of an agent" }],
    });
    const taints = [{ key: "example.com/mine", effect: "NoSchedule" }];
    const { control } = await cluster();
    function serverOf(): string {
      return control.server;
    }
    const blocks = await get<{ items: { metadata: { name: string }; spec: { node: string; lent?: object } }[] }>(
      "blocks",
    );
    const blockOf = (node: string) => blocks.items.find(({ spec }) => spec.node === node)?.metadata.name;
    const allowed = await Promise.all([
      patch(`tendrilnode/${own}`, { spec: { mtu: 1400 } }),
      patch(`block/${blockOf(own)}`, { spec: { offered: ["10.244.0.1"] } }),
      patch(`block/${blockOf(other)}`, { spec: { lent: { "10.244.0.1": own } } }),
      asAgent("delete", `block/${blockOf(own)}`),
      tell(own, condition("NetworkUnavailable")),
    ]);
    expect(allowed.map(({ stderr }) => stderr)).toEqual(["", "", "", "", ""]);
    const denied = await Promise.all([
      patch(`tendrilnode/${other}`, { spec: { mtu: 1400 } }),
      patch(`tendrilnode/${other}`, { spec: { gone: true } }),
      patch(`block/${blockOf(other)}`, { spec: { node: own } }),
      patch(`block/${blockOf(own)}`, { spec: { node: other } }),
      patch(`block/${blockOf(own)}`, { spec: { lent: { "10.244.0.1": other } } }),
      patch("pool/default", { spec: { masquerade: false } }),
      patch(`lease/${other}`, { spec: { holderIdentity: "me" } }),
      tell(other, condition("NetworkUnavailable")),
      tell(own, condition("MemoryPressure")),
      tell(own, { capacity: { cpu: "999" } }),
      patch(`node/${own}`, { metadata: { labels: { mine: "yes" } } }),
      patch(`node/${own}`, { spec: { unschedulable: true } }),
      patch(`node/${own}`, { spec: { taints } }),
      asAgent("delete", `block/${blockOf(other)}`),
      asAgent("delete", `lease/${other}`, `--namespace=${NAMESPACE}`),
    ]);
    expect(denied.map(({ exitCode }) => exitCode)).toEqual(denied.map(() => 1));
    expect(denied[0]?.stderr).toContain("An agent writes its own node alone");
    expect(denied[2]?.stderr).toContain("An agent takes no block that is another node's");
    const told = [
      "its own node alone",
      "NetworkUnavailable and no other",
      "nothing of its node but",
      "nothing of its node but",
      "nothing of its node but",
      "agent-not-ready and no other",
    ];
    for (const [i, words] of told.entries()) expect(denied[7 + i]?.stderr).toContain(words);
    expect(denied.at(-2)?.stderr).toContain("An agent gives back blocks of its own node alone");
    expect(denied.at(-1)?.stderr).toContain("An agent takes back signs of life of its own node alone");
    expect(denied[4]?.stderr).toContain("An agent borrows addresses for its own node alone");
  });

  test("agents that are restarted one after the other lose no request", async () => {
    const { kubectl } = await cluster();
    const load = await whileAsking(await cluster(), async () => {
      await kubectl("rollout", "restart", "daemonset/tendril-agent", `--namespace=${NAMESPACE}`);
      await rolledOut();
    });
    expect(load.asked).toBeGreaterThan(100);
    expect(load).toMatchObject({ lost: 0, reasons: [] });
  });

  test("another version takes its place, and the plugins too, without a request lost; the older one leaves them", async () => {
    const { nodes, apply, kubectl } = await cluster();
    const folder = folders().path;
    const image = "tendril.dev/tendril:99.0.0";
    await buildVersion("99.0.0", join(folder, "tendril"));
    await Bun.write(join(folder, "image.tar"), imageOf(join(folder, "tendril"), image));
    await Promise.all(nodes().map(({ importImages }) => importImages(join(folder, "image.tar"))));
    const plugins = () => Promise.all(nodes().map(({ output }) => output(["/opt/cni/bin/tendril", "--version"])));
    const load = await whileAsking(await cluster(), async () => {
      await apply(await manifest(await cluster(), "--image", image));
      await rolledOut();
    });
    expect(load.asked).toBeGreaterThan(100);
    expect(load).toMatchObject({ lost: 0, reasons: [] });
    expect(await plugins()).toEqual(nodes().map(() => "99.0.0\n"));
    await apply(await manifest(await cluster()));
    await rolledOut();
    expect(await plugins()).toEqual(nodes().map(() => "99.0.0\n"));
    await kubectl("rollout", "restart", "daemonset/web");
    await kubectl("rollout", "status", "daemonset/web", "--timeout=60s");
    const [from, to] = await podsOf(await cluster(), "app=web");
    expect(await ask(from as Pod, to?.status.podIPs[0]?.ip ?? "")).toBe(to?.metadata.name ?? "");
  });

  test("a changed manifest restarts the agents with the new configuration", async () => {
    const { apply, kubectl, get } = await cluster();
    await apply(await manifest(await cluster(), "--log", "debug"));
    await kubectl("rollout", "status", "daemonset/tendril-agent", `--namespace=${NAMESPACE}`, "--timeout=120s");
    const { data } = await get<{ data: Record<string, string> }>("configmap", "tendril-agent", "-n", NAMESPACE);
    expect(data["agent.yaml"]).toContain('log: "debug"');
    await until("all agents are ready", async () => {
      const agents = await podsOf(await cluster(), AGENTS, NAMESPACE);
      return agents.length === 3 && agents.every(({ status }) => status.containerStatuses.every(({ ready }) => ready));
    });
  });

  test("is as it was before once Tendril is taken off its nodes", async () => {
    const { kubectl, apply, nodes, get, tryKubectl } = await cluster();
    await kubectl("delete", "daemonset", "tendril-agent", `--namespace=${NAMESPACE}`);
    const names = nodes().map(({ name }) => `node/${name}`);
    const command = [tendril, "uninstall", "--print", ...names];
    await apply(await outputOf("tendril", command, finish(command)));
    const jobs = ["job", "--selector=app.kubernetes.io/component=cleanup", `--namespace=${NAMESPACE}`];
    await kubectl("wait", "--for=condition=complete", ...jobs, "--timeout=120s");
    const { items } = await get<{ items: { spec: { gone?: boolean } }[] }>("tendrilnodes");
    expect(items.map(({ spec }) => spec.gone)).toEqual([true, true, true]);
    for (const { output } of nodes()) {
      // Records of loopback are of pods that still run.
      const left = "find /var/lib/tendril /run/tendril/attachments -type f | grep -v /cni-loopback/ || true";
      expect(await output(["sh", "-c", left])).toBe("");
      expect(await output(["ls", "-A", "/opt/cni/bin", "/etc/cni/net.d"])).toBe("/etc/cni/net.d:\n\n/opt/cni/bin:\n");
      expect(await output(["ip", "-o", "link", "show", "type", "vxlan"])).toBe("");
      expect(await output(["ip", "route", "show", "proto", "84"])).toBe("");
      expect(await output(["nft", "list", "tables"])).not.toContain("tendril");
    }
    const { exitCode, stderr } = await tryKubectl(["delete", "-f", "-"], { input: await manifest(await cluster()) });
    expect({ exitCode, stderr: stderr.replace(/.*NotFound.*\n/g, "") }).toEqual({ exitCode: 1, stderr: "" });
    expect(await kubectl("get", "crds", "--output=name")).not.toContain("tendril");
  });
});

expectNothingLeft();
