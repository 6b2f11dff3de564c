/** What every cluster's network owes to pods, services and nodes: tests for a cluster in any mode and family. */

import { expect } from "bun:test";
import type { Trace } from "../../src/trace/trace.ts";
import { hostnameAt, type Pod, podsOf, type Service } from "./asking.ts";
import type { Cluster } from "./cluster.ts";
import { coreDns, NODE_LOCAL, nodeLocalDns } from "./coredns.ts";
import { operator } from "./operators.ts";
import {
  answersAt,
  type Datagram,
  datagramsAt,
  inPod,
  onNode,
  outside,
  type Place,
  runAt,
  untilAnswered,
  url,
} from "./places.ts";
import { until } from "./until.ts";
import { PORTS, workloads } from "./workloads.ts";

export type Test = (name: string, work: () => Promise<void>) => void;

/** The overhead of ICMP and of the families' headers, in bytes. */
const ICMP_HEADERS = { 4: 28, 6: 48 } as const;

const ROLLOUT = "--timeout=120s";

/** Registers the tests. The first of them runs the {@link workloads}. */
export function provesNetwork(test: Test, cluster: () => Promise<Cluster>): void {
  const facts = async () => factsOf(await cluster());

  test("what has probes of each kind gets ready, is not started twice, and has an address of each family", async () => {
    const up = await cluster();
    await up.apply([...workloads(), ...coreDns(up.families)]);
    await rolledOut(up);
    const pods = [...(await podsOf(up, "app=web")), ...(await podsOf(up, "app=single"))];
    expect(pods).toHaveLength(up.nodes().length + 1);
    for (const { status } of pods) {
      expect(status.podIPs).toHaveLength(up.families.length);
      expect(status.containerStatuses.map(({ restartCount }) => restartCount)).toEqual([0]);
    }
    const addresses = pods.flatMap(({ status }) => status.podIPs.map(({ ip }) => ip));
    expect(new Set(addresses).size).toBe(addresses.length);
  });

  test("pods and nodes reach all pods, those in nodes' own networks, and host ports", async () => {
    await expectReach(await facts());
  });

  test("services: by their addresses, by node ports from everywhere, and by their own pods", async () => {
    const { up, web, single, places, beyond } = await facts();
    const names = web.map(({ metadata }) => metadata.name);
    const [own, nodes, ofSingle] = await Promise.all(
      ["web", "web-nodes", "single"].map((name) => addressesOf(up, name)),
    );
    const nodePorts = up.nodes().flatMap(({ addresses }) => addresses.map((address) => url(address, PORTS.node)));
    await untilAnswered(beyond, nodePorts);
    for (const place of places) {
      const urls = [...(own ?? []), ...(nodes ?? [])].map((address) => url(address));
      await untilAnswered(place, [...urls, ...nodePorts]);
      for (const answer of await answersAt(place, urls)) expect(names).toContain(answer);
    }
    for (const place of [...places, beyond]) {
      for (const answer of await answersAt(place, nodePorts))
        expect([place.name, names]).toEqual([place.name, expect.arrayContaining([answer])]);
    }
    // All of them, and not the nearest alone.
    const answering = async () => {
      const many = await answersAt(places[0] as Place, Array(40).fill(url(own?.[0] ?? "")));
      return [...new Set(many)].sort();
    };
    // A node's kube-proxy hears of a pod that is ready after a while.
    await until("all pods of the service answer", async () => (await answering()).length >= names.length);
    expect(await answering()).toEqual([...names].sort());
    const itself = single.metadata.name;
    const answers = await answersAt(
      await inPod(up, single),
      (ofSingle ?? []).map((address) => url(address)),
    );
    expect(answers).toEqual(answers.map(() => itself));
    expect(answers).toHaveLength(up.families.length);
  });

  test("a client of a service with affinity stays with one pod", async () => {
    const { up, web, places } = await facts();
    const names = web.map(({ metadata }) => metadata.name);
    for (const address of await addressesOf(up, "web-sticky")) {
      for (const place of places) {
        await untilAnswered(place, [url(address)]);
        const [first = "", ...others] = await answersAt(place, Array(12).fill(url(address)));
        expect(names).toContain(first);
        expect(others).toEqual(others.map(() => first));
      }
    }
  });

  test("externalTrafficPolicy Local: the pod's own node answers, and sees who asks; no other node does", async () => {
    const { up, single, beyond } = await facts();
    for (const { name, addresses } of up.nodes()) {
      const urls = addresses.map((address) => url(address, PORTS.local, "clientip"));
      const isThere = name === single.spec.nodeName;
      const answers = (await answersAt(beyond, urls, isThere ? 5 : 1)).map((answer) => answer.replace(/:\d+$/, ""));
      expect([name, ...answers]).toEqual([name, ...(isThere ? up.outside : addresses.map(() => ""))].map(bracketed));
    }
  });

  test("datagrams reach pods, services, node ports and host ports, cut to pieces too", async () => {
    const { up, web, places, beyond } = await facts();
    const names = web.map(({ metadata }) => metadata.name);
    const hostname = (address: string, port: number): Datagram => ({ address, port, text: "hostname" });
    const services = await addressesOf(up, "web");
    for (const place of places) {
      const asked = [
        ...web.flatMap(({ status }) => status.podIPs.map(({ ip }) => hostname(ip, PORTS.udp))),
        ...services.map((address) => hostname(address, PORTS.udp)),
      ];
      for (const answer of await datagramsAt(place, asked))
        expect([place.name, names]).toEqual([place.name, expect.arrayContaining([answer])]);
    }
    for (const { name, addresses } of up.nodes()) {
      const there = web.find(({ spec }) => spec.nodeName === name)?.metadata.name ?? "";
      const asked = addresses.flatMap((address) => [
        hostname(address, PORTS.hostUdp),
        hostname(address, PORTS.nodeUdp),
      ]);
      for (const [i, answer] of (await datagramsAt(beyond, asked)).entries()) {
        if (i % 2 === 0) expect(answer).toBe(there);
        else expect(names).toContain(answer);
      }
    }
    const long = "x".repeat(1900);
    for (const place of places) {
      const asked = [...web.flatMap(({ status }) => status.podIPs.map(({ ip }) => ip)), ...services].map((address) => ({
        ...{ address, port: PORTS.udp, text: `echo ${long}` },
      }));
      const lengths = (await datagramsAt(place, asked)).map(({ length }) => length);
      expect([place.name, ...lengths]).toEqual([place.name, ...asked.map(() => long.length)]);
    }
  });

  test("packets of pods' full size come through uncut, and longer ones are none of a pod's", async () => {
    await expectFullSize(await facts());
  });

  test("a megabyte comes whole", async () => {
    const { web, places } = await facts();
    const command = encodeURIComponent("head -c 1000000 /dev/zero | tr '\\0' x");
    const urls = web.flatMap(({ status }) => status.podIPs.map(({ ip }) => url(ip, PORTS.web, `shell?cmd=${command}`)));
    for (const place of places) {
      for (const answer of await answersAt(place, urls, 20)) expect(answer.match(/x+/)?.[0]).toHaveLength(1_000_000);
    }
  });

  test("names: of services, of a headless one's pods, and none of what is not there", async () => {
    const { up, web } = await facts();
    const connect = ["/agnhost", "connect", "--timeout=5s"];
    for (const { metadata } of web) {
      await up.exec(metadata.name, [...connect, "web.default.svc.cluster.local:80"]);
      await expect(up.exec(metadata.name, [...connect, "nobody.default.svc:80"])).rejects.toThrow("DNS");
    }
    const [server = ""] = await addressesOf(up, "kube-dns", "kube-system");
    expect(await resolved(up, web[0] as Pod, server)).toEqual(addressesOfPods(web));
  });

  test("names by a server on the pod's own node, at an address that every node has", async () => {
    const { up, web } = await facts();
    const address = NODE_LOCAL[up.families[0] ?? 4];
    for (const { output } of up.nodes()) await output(["ip", "address", "add", address, "dev", "lo"]);
    await up.apply(nodeLocalDns());
    await up.kubectl("rollout", "status", "daemonset/node-local-dns", "--namespace=kube-system", ROLLOUT);
    for (const pod of web) {
      await until(`${pod.metadata.name} is answered`, async () => (await resolved(up, pod, address)).length > 0);
      expect(await resolved(up, pod, address)).toEqual(addressesOfPods(web));
    }
    // It is the node's own: without it only that node's pods have no answer.
    const [alone] = web as [Pod];
    await up
      .node(alone.spec.nodeName)
      .output(["ip", "address", "del", `${address}/${up.families[0] === 6 ? 128 : 32}`, "dev", "lo"]);
    const answers = await Promise.all(
      web.map(async (pod) => [pod.spec.nodeName, (await resolved(up, pod, address)).length > 0]),
    );
    expect(answers).toEqual(web.map(({ spec }) => [spec.nodeName, spec.nodeName !== alone.spec.nodeName]));
  });

  test("what leaves the cluster comes from its node", async () => {
    const { up, web, beyond } = await facts();
    const served = Bun.spawn([...beyond.enter, process.execPath, "-e", WHO_ASKS], { stdin: "ignore", stdout: "pipe" });
    try {
      await served.stdout.getReader().read();
      for (const pod of web) {
        const asked = await answersAt(
          await inPod(up, pod),
          up.outside.map((address) => url(address, 8000)),
        );
        expect(asked).toEqual([...up.node(pod.spec.nodeName).addresses]);
      }
    } finally {
      served.kill();
      await served.exited;
    }
  });

  test("a trace follows packets from each node's pod to those of all others and back, and finds nothing wrong", async () => {
    await expectTraced(await facts());
  });

  test("kubectl exec, logs and port-forward work on each node", async () => {
    const { up, web } = await facts();
    for (const pod of web) {
      expect(await up.exec(pod.metadata.name, ["cat", "/etc/hostname"])).toBe(`${pod.metadata.name}\n`);
      expect(await hostnameAt(up, pod, pod.status.podIPs[0]?.ip ?? "")).toBe(pod.metadata.name);
      expect(await up.logs(pod.metadata.name)).toContain("GET /hostname");
      expect(await forwardedAnswer(up, pod)).toBe(pod.metadata.name);
    }
  });
}

/** A name's addresses by a name server, in both families, as JSON. */
async function resolved(up: Cluster, pod: Pod, server: string): Promise<string[]> {
  const name = "web-headless.default.svc.cluster.local";
  const asked = await runAt(await inPod(up, pod), [process.execPath, "-e", RESOLVE, server, name]);
  expect(asked.stderr).toBe("");
  return JSON.parse(asked.stdout) as string[];
}

function addressesOfPods(pods: readonly Pod[]): string[] {
  return pods.flatMap(({ status }) => status.podIPs.map(({ ip }) => ip)).sort();
}

const RESOLVE = `
const { Resolver } = await import("node:dns/promises");
const [server, name] = process.argv.slice(1);
const resolver = new Resolver();
resolver.setServers([server]);
setTimeout(() => { console.log("[]"); process.exit(); }, 5000).unref();
const found = await Promise.all([resolver.resolve4(name), resolver.resolve6(name)].map((asked) => asked.catch(() => [])));
console.log(JSON.stringify(found.flat().sort()));
`;

/** Tells everybody the address that he has here. */
const WHO_ASKS = `
const fetch = (request, server) => new Response(server.requestIP(request).address.replace(/^::ffff:/, ""));
Bun.serve({ hostname: "::", port: 8000, fetch });
console.log("ready");
`;

interface Facts {
  readonly up: Cluster;
  /** One on each node, and one of another kind on one of them. */
  readonly web: readonly Pod[];
  readonly single: Pod;
  /** The web pods, and the nodes. */
  readonly places: readonly Place[];
  readonly beyond: Place;
}

async function factsOf(up: Cluster): Promise<Facts> {
  const [web, [single]] = [await podsOf(up, "app=web"), await podsOf(up, "app=single")];
  if (single === undefined) throw new Error("No pod is single");
  const pods = await Promise.all(web.map((pod) => inPod(up, pod)));
  const nodes = up.nodes().map(({ name }) => onNode(up, name));
  return { up, web, single, places: [...pods, ...nodes], beyond: outside(up) };
}

/** Waits until the {@link workloads} are all there. */
export async function rolledOut({ kubectl }: Cluster): Promise<void> {
  for (const name of ["daemonset/web", "daemonset/host", "deployment/single"]) {
    await kubectl("rollout", "status", name, ROLLOUT);
  }
  await kubectl("rollout", "status", "deployment/coredns", "--namespace=kube-system", ROLLOUT);
}

/** Everybody reaches every pod, in a node's own network too, and from outside the host ports. */
export async function provesReach(up: Cluster): Promise<void> {
  const facts = await factsOf(up);
  await expectReach(facts);
  await expectFullSize(facts);
  await expectTraced(facts);
}

async function expectReach({ up, web, places, beyond }: Facts): Promise<void> {
  const inPods = web.flatMap(({ metadata, status }) =>
    status.podIPs.map(({ ip }) => [url(ip), metadata.name] as const),
  );
  const onHosts = up.nodes().flatMap(({ name, addresses }) => {
    const there = web.find(({ spec }) => spec.nodeName === name)?.metadata.name ?? "";
    return addresses.flatMap((address) => [
      [url(address, PORTS.host), name] as const,
      [url(address, PORTS.hostWeb), there] as const,
    ]);
  });
  const expectAnswers = async (place: Place, list: readonly (readonly [string, string])[]) => {
    const answers = await answersAt(
      place,
      list.map(([asked]) => asked),
    );
    expect([place.name, ...list.map(([asked], i) => [asked, answers[i]])]).toEqual([
      place.name,
      ...list.map((pair) => [...pair]),
    ]);
  };
  for (const place of places) await expectAnswers(place, [...inPods, ...onHosts]);
  await expectAnswers(beyond, onHosts);
}

/** By `tendril trace` at a machine that is no node, in each family. */
async function expectTraced({ up, web }: Facts): Promise<void> {
  const admin = operator(up, up.control.kubeconfig);
  const named = ({ metadata }: Pod) => `default/${metadata.name}`;
  for (const from of web) {
    for (const to of web.filter((pod) => pod !== from)) {
      const end = `${named(to)}:${PORTS.web}`;
      const traces: Trace[] = JSON.parse(await admin.output("trace", named(from), end, "-o", "json"));
      const ways = traces.map(({ legs }) => legs.map(({ hops }) => [...new Set(hops.map(({ where }) => where))]));
      const there = [named(from), from.spec.nodeName, to.spec.nodeName, named(to)];
      expect(ways).toEqual(up.families.map(() => [there, there.toReversed()]));
      expect(traces.map(({ wrong }) => wrong)).toEqual(up.families.map(() => undefined));
    }
  }
}

async function expectFullSize({ up, web }: Facts): Promise<void> {
  const targets = web.flatMap(({ status }) => status.podIPs.map(({ ip }) => ip));
  for (const pod of web) {
    const place = await inPod(up, pod);
    const link = await runAt(place, ["ip", "-json", "link", "show", "eth0"]);
    const [{ mtu }] = JSON.parse(link.stdout) as [{ mtu: number }];
    expect(mtu).toBeGreaterThanOrEqual(1280);
    const ping = (address: string, more: number) => {
      const size = mtu - ICMP_HEADERS[address.includes(":") ? 6 : 4] + more;
      return runAt(place, ["ping", "-M", "do", "-c", "1", "-W", more > 0 ? "1" : "5", "-s", String(size), address]);
    };
    for (const address of targets) {
      const { exitCode, stdout } = await ping(address, 0);
      expect([place.name, address, mtu, exitCode, stdout]).toEqual([place.name, address, mtu, 0, expect.any(String)]);
    }
    const others = targets.filter((address) => !pod.status.podIPs.some(({ ip }) => ip === address));
    for (const address of others.slice(0, pod.status.podIPs.length))
      expect((await ping(address, 1)).exitCode).not.toBe(0);
  }
}

/** A service's addresses, in the order of the cluster's families. */
async function addressesOf({ get }: Cluster, service: string, namespace = "default"): Promise<readonly string[]> {
  return (await get<Service>("service", service, "--namespace", namespace)).spec.clusterIPs;
}

/** As Go writes an address with a port, without the port. */
function bracketed(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

/** What a pod answers to whom its port is forwarded to. */
async function forwardedAnswer(up: Cluster, pod: Pod): Promise<string> {
  const control = { name: "control", enter: ["nsenter", `--net=${up.netns("control")}`] };
  const command = [...up.kubectlCommand, "port-forward", pod.metadata.name, `:${PORTS.web}`];
  const forwarding = Bun.spawn([...control.enter, ...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  try {
    const { value } = await forwarding.stdout.getReader().read();
    const said = new TextDecoder().decode(value);
    const port = /127\.0\.0\.1:(\d+)/.exec(said)?.[1];
    if (port === undefined) throw new Error(`kubectl port-forward said ${said}`);
    return (await answersAt(control, [url("127.0.0.1", Number(port))]))[0] ?? "";
  } finally {
    forwarding.kill();
    await forwarding.exited;
  }
}
