/** What pods ask for of their network by annotations, on three nodes in two subnets. */

import { describe, expect } from "bun:test";
import { needs } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { askCommand, type Pod, podsOf } from "./asking.ts";
import { kubernetesNeeds } from "./built.ts";
import type { Cluster } from "./cluster.ts";
import { AGNHOST } from "./images.ts";
import { hasImage, install } from "./installed.ts";
import { THREE_NODES, testCluster } from "./test-cluster.ts";
import { until } from "./until.ts";

type Annotations = Readonly<Record<string, string>>;

const container = {
  name: "web",
  image: AGNHOST,
  args: ["netexec", "--http-port=80"],
  readinessProbe: { httpGet: { path: "/healthz", port: 80 }, periodSeconds: 1 },
};

/** A web server on a node. */
function pod(name: string, annotations: Annotations, nodeName: string, namespace = "default"): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, annotations },
    spec: { nodeName, terminationGracePeriodSeconds: 0, containers: [container] },
  };
}

describe("pods that ask for something of their network", () => {
  const test = needs(...kubernetesNeeds, hasImage);
  const start = testCluster({
    name: "annotations",
    families: [4, 6],
    nodes: THREE_NODES,
  });
  let installed: Promise<Cluster> | undefined;
  const cluster = (): Promise<Cluster> => {
    installed ??= start().then(async (made) => {
      await install(made);
      return made;
    });
    return installed;
  };

  const isReady = async (...pods: readonly string[]) => {
    const { kubectl } = await cluster();
    for (const each of pods) {
      const [namespace = "", name = ""] = each.includes("/") ? each.split("/") : ["default", each];
      await kubectl("wait", "--for=condition=Ready", `pod/${name}`, `--namespace=${namespace}`, "--timeout=90s");
    }
  };
  const addressesOf = async (name: string, namespace = "default") => {
    const { get } = await cluster();
    return (await get<Pod>("pod", name, "-n", namespace)).status.podIPs.map(({ ip }) => ip);
  };
  const isGone = async (name: string) => {
    const { kubectl } = await cluster();
    await kubectl("delete", "pod", name, "--wait=true", "--timeout=60s");
  };
  /** Waits until a description of a pod has a sentence. */
  const isDescribed = async (name: string, sentence: string) => {
    const { kubectl } = await cluster();
    const describePod = () => kubectl("describe", "pod", name);
    await until(`${name} is described`, async () => (await describePod()).replace(/\s+/g, " ").includes(sentence), {
      details: describePod,
    });
  };

  test("have the address, the MAC and the pool that they name, and are reached by them from another node", async () => {
    const { apply, exec } = await cluster();
    const pool = {
      apiVersion: "tendril.dev/v1",
      kind: "Pool",
      metadata: { name: "storage" },
      spec: { version: 1, cidrs: ["10.245.0.0/24"], blockBits: { ipv4: 28, ipv6: 122 } },
    };
    await apply(pool);
    const fixed = {
      "tendril.dev/addresses": "10.244.77.7, fd00:10:244::77:7",
      "tendril.dev/mac": "02:00:5e:10:00:07",
    };
    await apply([
      pod("fixed", fixed, "node1"),
      pod("stored", { "tendril.dev/pool": "storage" }, "node2"),
      pod("asker", {}, "node3"),
    ]);
    await isReady("fixed", "stored", "asker");
    expect(await addressesOf("fixed")).toEqual(["10.244.77.7", "fd00:10:244::77:7"]);
    expect(await exec("fixed", ["cat", "/sys/class/net/eth0/address"])).toBe("02:00:5e:10:00:07\n");
    const [stored = ""] = await addressesOf("stored");
    expect(stored).toStartWith("10.245.0.");
    for (const [name, address] of [
      ["fixed", "10.244.77.7"],
      ["fixed", "fd00:10:244::77:7"],
      ["stored", stored],
    ] as const) {
      expect(await exec("asker", ["sh", "-c", askCommand(address)])).toEndWith(`\r\n\r\n${name}`);
    }
  });

  test("have their address on another node, too, when they are made anew there; another pod has it once they are gone", async () => {
    const { apply, get } = await cluster();
    const annotations = { "tendril.dev/addresses": "10.244.77.7" };
    await isGone("fixed");
    await apply(pod("fixed", annotations, "node3"));
    await isReady("fixed");
    expect(await addressesOf("fixed")).toContain("10.244.77.7");
    await apply(pod("second", annotations, "node2"));
    await isDescribed("second", 'Address 10.244.77.7 is kept for "default/fixed"');
    await isGone("fixed");
    await isReady("second");
    expect(await addressesOf("second")).toContain("10.244.77.7");
    await isGone("second");
    await until("nothing is kept any more", async () => {
      const { items } = await get<{ items: readonly object[] }>("reservations");
      return items.length === 0;
    });
  });

  test("of a StatefulSet keep their addresses when they are deleted, moved to another node, and scaled", async () => {
    const { apply, kubectl } = await cluster();
    const labels = { app: "db" };
    await apply({
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "db" },
      spec: {
        serviceName: "db",
        replicas: 2,
        podManagementPolicy: "Parallel",
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations: { "tendril.dev/sticky": "true" } },
          spec: { terminationGracePeriodSeconds: 0, containers: [container] },
        },
      },
    });
    const isUp = () => kubectl("rollout", "status", "statefulset/db", "--timeout=90s");
    await isUp();
    const nodeOf = async (name: string) =>
      (await podsOf(await cluster(), "app=db")).find(({ metadata }) => metadata.name === name)?.spec.nodeName ?? "";
    const before = await addressesOf("db-0");
    const scaled = await addressesOf("db-1");
    for (let moves = 0; moves < 3; moves++) {
      const node = await nodeOf("db-0");
      await kubectl("cordon", node);
      await isGone("db-0");
      await until("it is there again", async () => (await nodeOf("db-0")) !== "");
      await isReady("db-0");
      await kubectl("uncordon", node);
      expect(await nodeOf("db-0")).not.toBe(node);
      expect(await addressesOf("db-0")).toEqual(before);
    }
    await kubectl("scale", "statefulset/db", "--replicas=1");
    await until("one is left", async () => (await podsOf(await cluster(), "app=db")).length === 1);
    await kubectl("scale", "statefulset/db", "--replicas=2");
    await until("two are there", async () => (await podsOf(await cluster(), "app=db")).length === 2);
    await isUp();
    expect(await addressesOf("db-1")).toEqual(scaled);
    await kubectl("delete", "statefulset", "db");
  });

  test("have what their namespace asks for, unless they ask for something else", async () => {
    const { apply } = await cluster();
    const annotations = { "tendril.dev/pool": "storage" };
    await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", annotations } });
    await until("its account is there", async () => {
      const { tryKubectl } = await cluster();
      return (await tryKubectl(["get", "serviceaccount", "default", "-n", "shop"])).exitCode === 0;
    });
    await apply([pod("usual", {}, "node1", "shop"), pod("own", { "tendril.dev/pool": "default" }, "node1", "shop")]);
    await isReady("shop/usual", "shop/own");
    expect((await addressesOf("usual", "shop"))[0]).toStartWith("10.245.0.");
    expect((await addressesOf("own", "shop"))[0]).toStartWith("10.244.");
  });

  test("are told what is wrong with what they ask for, where kubectl describe shows it, and run once it is right", async () => {
    const { apply, kubectl, get } = await cluster();
    await apply([
      pod("wrong", { "tendril.dev/sticky": "yes" }, "node1"),
      pod("nowhere", { "tendril.dev/addresses": "192.0.2.7" }, "node2"),
      pod("poolless", { "tendril.dev/pool": "none-such" }, "node3"),
    ]);
    await isDescribed("wrong", 'Annotation "tendril.dev/sticky" of pod "default/wrong" must be true or false: "yes"');
    await isDescribed("nowhere", "Address 192.0.2.7 is of no pool");
    await isDescribed("poolless", 'There is no pool "none-such"');
    for (const name of ["wrong", "nowhere", "poolless"]) {
      const { items } = await get<{ items: { reportingController: string; count?: number }[] }>(
        "events.v1.events.k8s.io",
        `--field-selector=regarding.name=${name}`,
      );
      expect(items.filter(({ reportingController }) => reportingController === "tendril.dev/agent")).toHaveLength(1);
    }
    await kubectl("annotate", "pod", "wrong", "--overwrite", "tendril.dev/sticky=false");
    await isReady("wrong");
  });

  test("send and receive no faster than they say", async () => {
    const { apply, exec } = await cluster();
    const limits = { "kubernetes.io/ingress-bandwidth": "16M", "kubernetes.io/egress-bandwidth": "8M" };
    await apply([pod("limited", limits, "node1"), pod("free", {}, "node3")]);
    await isReady("limited", "free");
    const [limited = ""] = await addressesOf("limited");
    const [free = ""] = await addressesOf("free");
    /** Megabits a second of four megabytes from one to another; the first megabit goes at once. */
    const rate = async (from: string, to: string, address: string): Promise<number> => {
      // busybox's nc ends what it sends when its own input does, and so what it receives.
      const receive = "mkfifo /f; sleep 60 >/f 2>/dev/null & nc -l -p 9 </f >/got; kill $!; rm /f; wc -c </got";
      const receiving = exec(to, ["sh", "-c", receive]);
      // By the pod's own clock: starting a command in it takes a while.
      const send = [
        "while :; do read begun rest </proc/uptime",
        `dd if=/dev/zero bs=64k count=64 2>/dev/null | nc ${address} 9 && break; sleep 0.05; done`,
        "read ended rest </proc/uptime; echo $begun $ended",
      ].join("; ");
      const [begin = 0, end = 0] = (await exec(from, ["sh", "-c", send])).trim().split(" ").map(Number);
      expect(Number(await receiving)).toBe(64 * 65536);
      return (64 * 65536 * 8) / 1e6 / (end - begin);
    };
    const sent = await rate("limited", "free", free);
    const received = await rate("free", "limited", limited);
    expect(sent).toBeLessThan(9.5);
    expect(received).toBeLessThan(19);
    expect(received).toBeGreaterThan(sent);
  });

  test("are not kept waiting by an API server that is away, once their node has heard of them", async () => {
    const { control, node } = await cluster();
    const { output } = node("node3");
    const adds = async () => {
      const metrics = await output(["curl", "-s", "http://127.0.0.1:9095/metrics"]);
      const line = /^tendril_call_duration_seconds_count\{verb="ADD",type="tendril",[^}]*status="0"[^}]*\} (\d+)$/m;
      return Number(line.exec(metrics)?.[1] ?? 0);
    };
    const before = await adds();
    await control.machine.kill("kube-apiserver");
    try {
      // The kubelet has the runtime make the pod's sandbox anew when what holds it has ended.
      const ofPod = `'labels."io.kubernetes.pod.name"==free,labels."io.cri-containerd.kind"==sandbox'`;
      const sandbox = (await output(["sh", "-c", `ctr -n k8s.io containers ls -q ${ofPod}`])).trim();
      await output(["ctr", "-n", "k8s.io", "tasks", "kill", "--signal", "KILL", sandbox]);
      await until("it is attached again", async () => (await adds()) > before);
    } finally {
      await control.startApiserver();
    }
  });
});

expectNothingLeft();
