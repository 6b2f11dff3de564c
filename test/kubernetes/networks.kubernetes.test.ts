/** Pods with several networks, by NetworkAttachmentDefinitions and by annotations of our own. */

import { describe, expect } from "bun:test";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { askCommand, podsOf } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import type { Cluster } from "./cluster.ts";
import { AGNHOST } from "./images.ts";
import { hasImage, installText, NAMESPACE, printed } from "./installed.ts";
import { testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";

const NETWORKS = "k8s.v1.cni.cncf.io/networks";
const STATUS = "k8s.v1.cni.cncf.io/network-status";

function definition(name: string, config?: object): object {
  return {
    apiVersion: "k8s.cni.cncf.io/v1",
    kind: "NetworkAttachmentDefinition",
    metadata: { name, namespace: "default" },
    spec: config === undefined ? {} : { config: JSON.stringify(config) },
  };
}

/** Of the nodes' own LAN; the cluster's network has IPv4 alone. */
const LAN = ["10.246.0.0/24", "fd00:10:246::/112"] as const;

/** An interface on the nodes' own LAN, with an address of the cluster. */
function macvlan(routes: readonly object[]): object {
  return { cniVersion: "1.0.0", type: "macvlan", ipam: { type: "tendril", pool: "lan", routes } };
}

function pod(name: string, annotations: Readonly<Record<string, string>>, nodeName: string): object {
  const container = {
    name: "web",
    image: AGNHOST,
    args: ["netexec", "--http-port=80"],
    readinessProbe: { httpGet: { path: "/healthz", port: 80 }, periodSeconds: 1 },
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, annotations },
    spec: { nodeName, terminationGracePeriodSeconds: 0, containers: [container] },
  };
}

/** Another vendor's plugin, which is on the node alone: an interface with an address. */
const FOREIGN = `#!/bin/sh
cat >/dev/null
netns=\${CNI_NETNS##*/}
case $CNI_COMMAND in
ADD)
  ip netns exec "$netns" ip link add "$CNI_IFNAME" type bridge &&
  ip netns exec "$netns" ip address add 192.0.2.5/24 dev "$CNI_IFNAME" &&
  ip netns exec "$netns" ip link set "$CNI_IFNAME" up || exit 1
  touch "/var/lib/foreign-$CNI_CONTAINERID"
  echo '{"cniVersion":"1.0.0","interfaces":[{"name":"'"$CNI_IFNAME"'","sandbox":"'"$CNI_NETNS"'"}],"ips":[{"address":"192.0.2.5/24","interface":0}]}' ;;
DEL)
  rm -f "/var/lib/foreign-$CNI_CONTAINERID" ;;
VERSION)
  echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}' ;;
esac
`;

interface StatusOfNetwork {
  readonly name: string;
  readonly interface: string;
  readonly ips: readonly string[];
  readonly mac?: string;
  readonly default?: true;
}

/** What libcni keeps of an ADD. */
interface Kept {
  /** In base64. */
  readonly config: string;
  readonly cniArgs: readonly (readonly [string, string])[];
  readonly result: { readonly cniVersion: string };
}

interface Annotated {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
}

describe("pods with several networks", () => {
  const test = needs(...kubernetesNeeds, hasImage);
  const start = testCluster({
    name: "networks",
    nodes: [
      { name: "node1", subnet: "rack1" },
      { name: "node2", subnet: "rack1" },
    ],
  });
  let installed: Promise<Cluster> | undefined;
  const cluster = (): Promise<Cluster> => {
    installed ??= start().then(async (made) => {
      // Nothing in this cluster says which networks its pods have.
      await installText(made, await printed("--network-attachments"));
      expect((await made.get<{ spec: { cidrs: string[] } }>("pool", "default")).spec.cidrs).toEqual(["10.244.0.0/16"]);
      const pool = (name: string, ...cidrs: readonly string[]) => ({
        apiVersion: "tendril.dev/v1",
        kind: "Pool",
        metadata: { name },
        spec: { version: 1, cidrs, blockBits: { ipv4: 28, ipv6: 122 }, routed: name !== "lan" },
      });
      await made.apply([pool("storage", "10.245.0.0/24"), pool("lan", ...LAN)]);
      await made.apply([
        definition("lan", macvlan(LAN.map((dst) => ({ dst })))),
        definition("lan-again", macvlan([])),
        definition("local", {
          cniVersion: "1.0.0",
          name: "local",
          plugins: [
            {
              type: "bridge",
              bridge: "local0",
              isGateway: true,
              capabilities: { ips: true, mac: true },
              ipam: { type: "host-local", ranges: [[{ subnet: "10.247.0.0/24" }]] },
            },
            { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.log_martians": "1" } },
          ],
        }),
        definition("foreign", { cniVersion: "1.0.0", type: "foreign" }),
        definition("broken", { cniVersion: "1.0.0", type: "macvlan", mode: "unheard-of" }),
      ]);
      return made;
    });
    return installed;
  };

  const isReady = async (...pods: readonly string[]) => {
    const { kubectl, tryKubectl } = await cluster();
    for (const name of pods) {
      const isSo = async () =>
        (await tryKubectl(["wait", "--for=condition=Ready", `pod/${name}`, "--timeout=1s"])).exitCode === 0;
      await until(`${name} is ready`, isSo, { details: () => kubectl("describe", "pod", name) });
    }
  };
  const isGone = async (name: string) => {
    const { kubectl } = await cluster();
    await kubectl("delete", "pod", name, "--wait=true", "--timeout=60s");
  };
  /** What the pod is told of its networks. */
  const statusOf = async (name: string): Promise<readonly StatusOfNetwork[]> => {
    const { get } = await cluster();
    let status: readonly StatusOfNetwork[] = [];
    await until(`${name} is told of its networks`, async () => {
      const { metadata } = await get<Annotated>("pod", name);
      status = JSON.parse(metadata.annotations[STATUS] ?? "[]");
      return status.length > 0;
    });
    return status;
  };
  const addressesIn = async (name: string, ifname: string) => {
    const { exec } = await cluster();
    const shown = await exec(name, ["ip", "-o", "addr", "show", "dev", ifname, "scope", "global"]);
    return [...shown.matchAll(/inet6? (\S+)/g)].map(([, address]) => address);
  };
  const isDescribed = async (name: string, sentence: string) => {
    const { kubectl } = await cluster();
    const describePod = () => kubectl("describe", "pod", name);
    await until(`${name} is described`, async () => (await describePod()).replace(/\s+/g, " ").includes(sentence), {
      details: describePod,
    });
  };
  /** The runtime's identifiers of a pod on node1. */
  const sandboxesOf = async (name: string) => {
    const ofPod = `'labels."io.kubernetes.pod.name"==${name},labels."io.cri-containerd.kind"==sandbox'`;
    const ids = await (await cluster()).node("node1").output(["sh", "-c", `ctr -n k8s.io containers ls -q ${ofPod}`]);
    return ids.trim().split("\n");
  };
  /** What a node has of pods' further networks. */
  const leftOn = async (name: string) => {
    const { node } = await cluster();
    const files = "/run/tendril/networks /run/tendril/attachments/l* /run/tendril/attachments/tendril.interfaces";
    const leases = "/var/lib/cni/networks/local -name '10.*'";
    const list = `find ${files} -type f 2>/dev/null; find ${leases} 2>/dev/null; ls /var/lib/foreign-* 2>/dev/null; true`;
    return await node(name).output(["sh", "-c", list]);
  };

  /** The runtime takes a pod's sandbox away behind the pod's deletion. */
  const isClean = (name: string) =>
    until(`nothing is left on ${name}`, async () => (await leftOn(name)) === "", { details: () => leftOn(name) });

  test("have an interface of each that the agent attaches, in the order of the annotation, and are told so", async () => {
    const { apply, exec } = await cluster();
    const networks = JSON.stringify([
      { name: "lan", interface: "lan0", mac: "02:00:5e:10:00:21" },
      { name: "lan-again", namespace: "default" },
    ]);
    await apply([
      pod("a", { [NETWORKS]: networks, "tendril.dev/interfaces": "data=storage" }, "node1"),
      pod("b", { [NETWORKS]: "lan@lan0", "tendril.dev/interfaces": "data=storage" }, "node2"),
    ]);
    await isReady("a", "b");
    const status = await statusOf("a");
    expect(status.map((each) => [each.name, each.interface, each.default ?? false])).toEqual([
      ["tendril", "eth0", true],
      ["storage", "data", false],
      ["default/lan", "lan0", false],
      ["default/lan-again", "net2", false],
    ]);
    expect(status.map(({ ips }) => ips.length)).toEqual([1, 1, 2, 2]);
    for (const { interface: ifname, ips } of status) {
      expect((await addressesIn("a", ifname)).map((address) => address?.split("/")[0])).toEqual([...ips]);
    }
    expect(status[2]?.mac).toBe("02:00:5e:10:00:21");
    expect(await exec("a", ["cat", "/sys/class/net/lan0/address"])).toBe("02:00:5e:10:00:21\n");
    // By each of them the other pod answers: the cluster's, the pool's over the nodes, and the LAN of the two nodes.
    for (const address of (await statusOf("b")).flatMap(({ ips }) => ips)) {
      expect(await exec("a", ["sh", "-c", askCommand(address)])).toEndWith("\r\n\r\nb");
    }
  });

  test("are taken off all of them when they go", async () => {
    const { kubectl } = await cluster();
    await isGone("a");
    await isGone("b");
    for (const name of ["node1", "node2"]) await isClean(name);
    const agents = await podsOf(await cluster(), "app.kubernetes.io/component=agent", NAMESPACE);
    for (const { metadata } of agents) {
      const pods = await kubectl("exec", "-n", NAMESPACE, metadata.name, "--", "/usr/bin/tendril", "get", "pods");
      expect(pods).not.toContain("default/");
    }
  });

  test("have those, too, that need the node's files or another vendor's plugin, and are taken off these", async () => {
    const { apply, node, exec } = await cluster();
    const { output } = node("node1");
    await output(["sh", "-c", `cat >/opt/cni/bin/foreign <<'EOF'\n${FOREIGN}EOF\nchmod 755 /opt/cni/bin/foreign`]);
    const networks = JSON.stringify([
      { name: "local", ips: ["10.247.0.77/24"], mac: "02:00:5e:10:00:22" },
      { name: "foreign", interface: "other" },
      { name: "lan" },
    ]);
    await apply(pod("c", { [NETWORKS]: networks }, "node1"));
    await isReady("c");
    expect(await addressesIn("c", "net1")).toEqual(["10.247.0.77/24"]);
    expect(await exec("c", ["cat", "/sys/class/net/net1/address"])).toBe("02:00:5e:10:00:22\n");
    expect(await exec("c", ["cat", "/proc/sys/net/ipv4/conf/net1/log_martians"])).toBe("1\n");
    expect(await addressesIn("c", "other")).toEqual(["192.0.2.5/24"]);
    expect((await statusOf("c")).map((each) => each.interface)).toEqual(["eth0", "net1", "other", "net3"]);
    expect((await leftOn("node1")).split("\n").length).toBeGreaterThan(4);
    await isGone("c");
    await until("nothing is left of it", async () => (await leftOn("node1")) === "", {
      details: () => leftOn("node1"),
    });
  });

  test("lead out by the one that they choose, and reach pods and their node as before", async () => {
    const { apply, exec, nodes } = await cluster();
    await apply([
      pod("out", { [NETWORKS]: '[{"name":"local","default-route":["10.247.0.1"]}]' }, "node1"),
      pod("in", { "tendril.dev/interfaces": "data=storage", "tendril.dev/default-route": "data" }, "node2"),
      pod("none", { "tendril.dev/default-route": "none" }, "node2"),
    ]);
    await isReady("out", "in", "none");
    const routes = async (name: string) => await exec(name, ["ip", "route"]);
    expect(await routes("out")).toContain("default via 10.247.0.1 dev net1");
    expect(await routes("in")).toContain("default via 169.254.1.1 dev data");
    expect(await routes("none")).not.toContain("default");
    const { get } = await cluster();
    const address = (await get<{ status: { podIP: string } }>("pod", "none")).status.podIP;
    for (const name of ["out", "in"]) {
      expect(await exec(name, ["sh", "-c", askCommand(address)])).toEndWith("\r\n\r\nnone");
    }
    expect(nodes()).toHaveLength(2);
    for (const name of ["out", "in", "none"]) await isGone(name);
  });

  test("are told what is wrong with what they ask for", async () => {
    const { apply } = await cluster();
    await apply([
      pod("missing", { [NETWORKS]: "lan,none-such" }, "node1"),
      pod("unfit", { [NETWORKS]: "broken" }, "node1"),
      pod("twice", { [NETWORKS]: "lan@eth0" }, "node1"),
      pod("form", { [NETWORKS]: "a/b/c" }, "node2"),
      pod("poolless", { "tendril.dev/interfaces": "net1=none-such" }, "node2"),
    ]);
    const of = (name: string, field = `${NETWORKS}[0]`) => `Annotation "${field}" of pod "default/${name}"`;
    const missing = `${of("missing", `${NETWORKS}[1]`)} names a NetworkAttachmentDefinition that is not there: "default/none-such"`;
    await isDescribed("missing", missing);
    await isDescribed("unfit", 'Network "default/broken" (net1)');
    await isDescribed("twice", `${of("twice")} names an interface that the pod has already: "eth0"`);
    await isDescribed("form", `${of("form")} must be [NAMESPACE/]NAME[@INTERFACE], or a list in JSON: "a/b/c"`);
    await isDescribed("poolless", `${of("poolless", "tendril.dev/interfaces[0]")} names a pool that is not there`);
    for (const name of ["missing", "unfit", "twice", "form", "poolless"]) await isGone(name);
    for (const name of ["node1", "node2"]) await isClean(name);
  });

  test("are checked with the cluster's: each that is not as it was is named", async () => {
    const { apply, node, get } = await cluster();
    const { output, run } = node("node1");
    await apply(pod("checked", { [NETWORKS]: "lan,local" }, "node1"));
    await isReady("checked");
    const { podIP } = (await get<{ status: { podIP: string } }>("pod", "checked")).status;
    const isOfPod = `nsenter --net=$n ip -o addr show dev eth0 2>/dev/null | grep -qF ' ${podIP}/'`;
    const netns = (await output(["sh", "-c", `for n in /run/netns/*; do ${isOfPod} && echo $n; done; true`])).trim();
    const [sandbox = ""] = await sandboxesOf("checked");
    // As a runtime calls it, with what it has kept of the ADD.
    const kept = JSON.parse(await output(["cat", `/var/lib/cni/results/tendril-${sandbox}-eth0`])) as Kept;
    const { name: network, plugins } = JSON.parse(Buffer.from(kept.config, "base64").toString()) as {
      name: string;
      plugins: object[];
    };
    const { cniVersion } = kept.result;
    const stdin = JSON.stringify({ ...plugins[0], cniVersion, name: network, prevResult: kept.result });
    const env = [
      ...["CNI_COMMAND=CHECK", `CNI_CONTAINERID=${sandbox}`, "CNI_IFNAME=eth0", `CNI_NETNS=${netns}`],
      ...["CNI_PATH=/opt/cni/bin", `CNI_ARGS=${kept.cniArgs.map((pair) => pair.join("=")).join(";")}`],
    ];
    const check = () => run(["env", ...env, "/opt/cni/bin/tendril"], { input: stdin });
    const byHand = ["env", `CNI_CONTAINERID=${sandbox}`, "/opt/cni/bin/tendril", "check", "tendril", netns];
    for (const sound of [await check(), await run(byHand)]) {
      expect({ exitCode: sound.exitCode, said: sound.stdout + sound.stderr }).toEqual({ exitCode: 0, said: "" });
    }
    const inPod = (...command: readonly string[]) => output(["nsenter", `--net=${netns}`, ...command]);
    for (const [ifname, name] of [
      ["net2", "default/local"],
      ["net1", "default/lan"],
    ]) {
      await inPod("ip", "address", "flush", "dev", ifname ?? "");
      const { exitCode, stdout } = await check();
      expect(exitCode).not.toBe(0);
      expect((JSON.parse(stdout) as { msg: string }).msg).toStartWith(`Network "${name}" (${ifname}): `);
    }
    await isGone("checked");
    await isClean("node1");
  });

  test("are taken off while their node's agent is away, and what they had is free when it is back", async () => {
    const { apply, kubectl, node } = await cluster();
    const { run, output } = node("node1");
    await apply(pod("left", { [NETWORKS]: "lan,local,foreign" }, "node1"));
    await isReady("left");
    const had = (await statusOf("left")).flatMap(({ ips }) => ips);
    /** Where agents run; null for all nodes. */
    const agentsOn = async (hostname: string | null) => {
      const change = { spec: { template: { spec: { nodeSelector: { "kubernetes.io/hostname": hostname } } } } };
      await kubectl(
        "patch",
        "daemonset",
        "tendril-agent",
        `--namespace=${NAMESPACE}`,
        `--patch=${JSON.stringify(change)}`,
      );
    };
    await agentsOn("node2");
    const isAway = async () => (await run(["pgrep", "--full", "^/usr/bin/tendril agent"])).exitCode !== 0;
    await until("the agent of node1 is away", isAway);
    await isGone("left");
    await isClean("node1");
    expect(await output(["ls", "/run/tendril/releases"])).not.toBe("");
    await agentsOn(null);
    await kubectl("rollout", "status", "daemonset/tendril-agent", `--namespace=${NAMESPACE}`, "--timeout=120s");
    await until("what was noted is done", async () => (await output(["ls", "/run/tendril/releases"])) === "");
    const agents = await podsOf(await cluster(), "app.kubernetes.io/component=agent", NAMESPACE);
    const agent = agents.find(({ spec }) => spec.nodeName === "node1")?.metadata.name ?? "";
    const pods = await kubectl("exec", "-n", NAMESPACE, agent, "--", "/usr/bin/tendril", "get", "pods");
    for (const address of had) expect(pods).not.toContain(address);
  });

  test("are attached anew and taken off while the API server is away", async () => {
    const { apply, control, node, exec } = await cluster();
    await apply(pod("again", { [NETWORKS]: "lan,local" }, "node1"));
    await isReady("again");
    const { output } = node("node1");
    const sandboxes = () => sandboxesOf("again");
    const [before = ""] = await sandboxes();
    await control.machine.kill("kube-apiserver");
    try {
      await output(["ctr", "-n", "k8s.io", "tasks", "kill", "--signal", "KILL", before]);
      await until("it is attached again, and the former is gone", async () => {
        const left = await leftOn("node1");
        return !left.includes(before) && (await sandboxes()).some((id) => id !== before && left.includes(id));
      });
    } finally {
      await control.startApiserver();
    }
    await until("it runs", async () => (await exec("again", ["true"])) === "");
    expect((await addressesIn("again", "net2"))[0]).toStartWith("10.247.0.");
    await isGone("again");
    await until("nothing is left of it", async () => (await leftOn("node1")) === "", {
      details: () => leftOn("node1"),
    });
  });

  test("are written to by no agent but that of their node, which writes nothing else", async () => {
    const { kubectl, node, control, apply } = await cluster();
    await apply([pod("own", {}, "node1"), pod("foreign", {}, "node2")]);
    await isReady("own", "foreign");
    const agents = await podsOf(await cluster(), "app.kubernetes.io/component=agent", NAMESPACE);
    const agent = agents.find(({ spec }) => spec.nodeName === "node1");
    const bound = ["--bound-object-kind=Pod", `--bound-object-name=${agent?.metadata.name}`];
    const token = await kubectl("create", "token", "tendril-agent", `--namespace=${NAMESPACE}`, ...bound);
    const patch = async (name: string, change: object, subresource = "/status") => {
      const url = `${control.server}/api/v1/namespaces/default/pods/${name}${subresource}?dryRun=All`;
      const headers = [`Authorization: Bearer ${token.trim()}`, "Content-Type: application/merge-patch+json"];
      const { stdout } = await node("node1").run([
        ...["curl", "--silent", "--insecure", "--request", "PATCH", "--data", JSON.stringify(change)],
        ...[...headers.flatMap((header) => ["--header", header]), url],
      ]);
      const { kind, message = "" } = JSON.parse(stdout) as { kind: string; message?: string };
      return { kind, message };
    };
    const annotate = (name: string, value: string) => ({ metadata: { annotations: { [name]: value } } });
    expect(await patch("own", annotate(STATUS, "[]"))).toEqual({ kind: "Pod", message: "" });
    const refused = [
      await patch("foreign", annotate(STATUS, "[]")),
      await patch("own", annotate("other", "1")),
      await patch("own", { metadata: { labels: { a: "b" } } }),
      await patch("own", { status: { message: "no" } }),
      await patch("own", annotate(STATUS, "[]"), ""),
    ];
    expect(refused.map(({ kind }) => kind)).toEqual(refused.map(() => "Status"));
    expect(refused[0]?.message).toContain("An agent writes to pods of its own node alone");
    expect(refused[1]?.message).toContain("An agent writes nothing of a pod but the annotation");
  });
});

expectNothingLeft();
