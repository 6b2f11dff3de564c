import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TendrilError } from "../core/errors.ts";
import { ApiError } from "../store/kubernetes/client.ts";
import { Agents } from "./agents.ts";
import type { KubeconfigChoice } from "./cluster-access.ts";
import { get } from "./get.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-agents-"));
});
afterAll(() => rmSync(folder, { recursive: true }));
const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

/** What a command in an agent's pod writes, and how it ends; undefined for one that cannot be run. */
type Answer = { readonly stdout?: string; readonly stderr?: string; readonly exitCode?: number } | undefined;

interface Served {
  /** By the names of pods. */
  readonly agents?: Readonly<Record<string, Answer>>;
  /** By `NAMESPACE/NAME`. */
  readonly pods?: Readonly<Record<string, object>>;
  readonly mayExec?: boolean;
}

/** An API server with an agent's pod on each node, named after it, and what it was asked. */
function serve({ agents = {}, pods = {}, mayExec = true }: Served) {
  const asked: string[] = [];
  const refused = (status: number, message: string) => Response.json({ message, reason: "x" }, { status });
  const server = Bun.serve<string>({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request, own) {
      const { pathname, searchParams } = new URL(request.url);
      asked.push(`${pathname}?${searchParams}`);
      const [, namespace, name, verb] = /namespaces\/([^/]+)\/pods\/?([^/]*)\/?(.*)$/.exec(pathname) ?? [];
      if (verb === "exec") {
        if (!mayExec) return refused(403, "may not");
        const headers = { "Sec-WebSocket-Protocol": "v5.channel.k8s.io" };
        return own.upgrade(request, { data: name ?? "", headers }) ? undefined : refused(400, "upgrade");
      }
      const pod = pods[`${namespace}/${name}`];
      if (name !== "") return pod === undefined ? refused(404, "none") : Response.json(pod);
      const items = Object.keys(agents).map((agent) => ({
        metadata: { name: agent },
        spec: { nodeName: agent.replace("agent-", "") },
        status: { phase: "Running" },
      }));
      if (items.length === 0) return Response.json({ items });
      // One that has been followed by another, and one that has yet to start.
      const old = { metadata: { name: "old" }, spec: { nodeName: "node1" }, status: { phase: "Failed" } };
      const starting = { metadata: { name: "new" }, spec: { nodeName: "node11" }, status: { phase: "Pending" } };
      return Response.json({ items: [...items, old, starting] });
    },
    websocket: {
      open(socket) {
        const answer = agents[socket.data];
        const send = (channel: number, text: string) => socket.send(new Uint8Array([channel, ...Buffer.from(text)]));
        if (answer === undefined) send(3, JSON.stringify({ status: "Failure", message: "container not found" }));
        else {
          const { stdout = "", stderr = "", exitCode = 0 } = answer;
          send(1, stdout);
          send(2, stderr);
          const details = { causes: [{ reason: "ExitCode", message: String(exitCode) }] };
          const failure = { status: "Failure", reason: "NonZeroExitCode", details };
          send(3, JSON.stringify(exitCode === 0 ? { status: "Success" } : failure));
        }
        socket.close(1000);
      },
      message() {},
    },
  });
  ending.push(() => server.stop(true));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      "current-context": "x",
      contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "shop" } }],
      clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${server.port}` } }],
      users: [{ name: "u", user: { token: "t" } }],
    }),
  );
  const choice: KubeconfigChoice = { kubeconfig };
  const made = new Agents(choice);
  ending.push(() => made.close());
  return { choice, agents: made, asked };
}

const status = (node: string, podName: string, ready = true) => {
  const attachment = { owner: "o", network: "tendril", containerId: "0123456789", netns: "/run/netns/x" };
  const pods = ["eth0", "net1"].map((ifname) => ({ ...attachment, ifname, podNamespace: "shop", podName }));
  return JSON.stringify({ ready, node, pods });
};

describe("agents are asked by the API server", () => {
  test("each by a command in its own pod, also one that is not ready", async () => {
    const { agents, asked } = serve({
      agents: {
        "agent-node10": { stdout: status("node10", "b") },
        "agent-node1": { stdout: status("node1", "c") },
        "agent-node2": { stdout: status("", "a", false), exitCode: 1 },
      },
    });
    const answers = await agents.each((node) => agents.status(node));
    expect(answers.map(({ node, value }) => [node, value?.node, value?.ready])).toEqual([
      ["node1", "node1", true],
      ["node2", "node2", false],
      ["node10", "node10", true],
      ["node11", undefined, undefined],
    ]);
    expect(answers.at(-1)?.error?.message).toBe('No agent runs on node "node11": its pod "new" is Pending');
    expect(asked[0]).toBe(
      `/api/v1/namespaces/tendril-system/pods?labelSelector=${encodeURIComponent("app.kubernetes.io/name=tendril,app.kubernetes.io/component=agent")}`,
    );
    const words = ["/usr/bin/tendril", "status", "--output", "json"];
    const command = words.map((word) => `command=${encodeURIComponent(word)}`).join("&");
    expect(asked).toContain(
      `/api/v1/namespaces/tendril-system/pods/agent-node10/exec?container=agent&stdout=true&stderr=true&${command}`,
    );
    await expect(agents.status("node3")).rejects.toThrow('No agent runs on node "node3"');
  });

  test("of which some may not tell; who may not ask is told so once", async () => {
    const { agents, choice } = serve({
      agents: {
        "agent-node1": { stdout: status("node1", "a") },
        "agent-node2": undefined,
        "agent-node3": { stderr: "error: unknown option\nmore", exitCode: 2 },
      },
    });
    const errors = (await agents.each((node) => agents.status(node))).map(({ error }) => error?.message);
    expect(errors).toEqual([
      undefined,
      'Cannot run the command in container "agent" of pod "agent-node2": container not found',
      'The agent of node "node3" gives no answer that can be read: error: unknown option',
      'No agent runs on node "node11": its pod "new" is Pending',
    ]);
    const printed: string[] = [];
    const question = { kind: "pods", output: "table", ...choice } as const;
    const shown = get(question, new AbortController().signal, (line) => printed.push(line));
    await expect(shown).rejects.toThrow('Some pods are missing, those of node "node2": Cannot run');
    expect(printed).toEqual([
      "POD     NODE   ADDRESSES  INTERFACE  NETWORK  CONTAINER",
      "shop/a  node1  -          eth0       tendril  0123456789",
      "shop/a  node1  -          net1       tendril  0123456789",
    ]);
    const strange = serve({ agents: { "agent-node1": { stdout: "" } }, mayExec: false });
    const error = await strange.agents.each((node) => strange.agents.status(node)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    expect(String(error)).toContain("/pods/agent-node1/exec: may not");
    await expect(serve({}).agents.status("node1")).rejects.toThrow('No agent runs in namespace "tendril-system"');
  });
});

test("a pod is found in the context's namespace or its own, with its node and addresses, or it is said why not", async () => {
  const podIPs = [{ ip: "10.1.0.2" }, { ip: "fd00::2" }];
  const { agents } = serve({
    pods: {
      "shop/web": { spec: { nodeName: "node1" }, status: { podIPs } },
      "kube-system/dns": { spec: { nodeName: "node2" }, status: { podIPs } },
      "shop/host": { spec: { nodeName: "node1", hostNetwork: true }, status: { podIPs } },
      "shop/new": { spec: {}, status: {} },
    },
  });
  const web = { name: "shop/web", node: "node1", addresses: ["10.1.0.2", "fd00::2"] };
  expect(await agents.pod("web")).toEqual(web);
  expect(await agents.pod("kube-system/dns")).toEqual({ ...web, name: "kube-system/dns", node: "node2" });
  const said = async (text: string) => {
    const error = await agents.pod(text).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TendrilError);
    return (error as TendrilError).message;
  };
  expect(await said("none")).toBe('There is no pod "none" in namespace "shop"');
  expect(await said("host")).toBe(`Pod "shop/host" has its node's own network, which no way leads into`);
  expect(await said("new")).toBe('Pod "shop/new" has no address yet');
  expect(await said("a/b/c")).toBe('"a/b/c" is no pod of the cluster');
});
