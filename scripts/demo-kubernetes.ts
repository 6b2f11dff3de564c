/**
 * The demo on Kubernetes: builds its programs (once) and ours, starts a cluster of three nodes in network namespaces,
 * installs Tendril by its manifest, shows who reaches whom and that agents are restarted without a request being lost,
 * and takes everything down. `--mode MODE` has packets get to other nodes in another way, `--keep` leaves the cluster up,
 * `--down` takes down one that was kept.
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { formatTable } from "../src/cli/output.ts";
import { netnsName } from "../src/lab/names.ts";
import { namedNetnsPath } from "../src/linux/netns.ts";
import { type Pod, podsOf, type Service } from "../test/kubernetes/asking.ts";
import { type Cluster, startCluster } from "../test/kubernetes/cluster.ts";
import { coreDns } from "../test/kubernetes/coredns.ts";
import { sweep, takeDown, traces } from "../test/kubernetes/down.ts";
import { install, NAMESPACE } from "../test/kubernetes/installed.ts";
import { whileAsking } from "../test/kubernetes/load.ts";
import { CONTROL, fabricName } from "../test/kubernetes/names.ts";
import { answersAt, inPod, outside, type Place, url } from "../test/kubernetes/places.ts";
import { PORTS, webServers } from "../test/kubernetes/workloads.ts";
import { cache } from "./setup/cache.ts";
import { findKubernetes } from "./setup/kubernetes.ts";
import { installTools } from "./setup/packages.ts";

const root = join(import.meta.dir, "..");
const NAME = "demo";
const AGENTS = "app.kubernetes.io/component=agent";

/** How packets get to other nodes, and the subnets of three nodes with which a mode is at home. */
const MODES: Readonly<Record<string, { readonly about: string; readonly subnets: readonly string[] }>> = {
  auto: { about: "as they are within a subnet, in VXLAN across the router", subnets: ["rack1", "rack1", "rack2"] },
  vxlan: { about: "in VXLAN", subnets: ["rack1", "rack1", "rack2"] },
  ipip: { about: "in IP", subnets: ["rack1", "rack1", "rack2"] },
  "host-gw": { about: "as they are: all nodes are on one link", subnets: ["rack1", "rack1", "rack1"] },
  bgp: { about: "as they are, by routes that the nodes tell each other", subnets: ["rack1", "rack1", "rack1"] },
};

const { values: options } = parseArgs({
  options: {
    keep: { type: "boolean", default: false },
    down: { type: "boolean", default: false },
    mode: { type: "string", default: "auto" },
  },
});
const bold = (text: string) => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text);
const say = (text = "") => console.log(text);
const start = performance.now();
const seconds = () => ((performance.now() - start) / 1000).toFixed(1);
const done = (what: string) => say(`  ✔ ${what} (${seconds()} s)`);
const chapter = (title: string) => say(`\n${bold(title)}\n`);

let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    say("\nInterrupted: taking it down …");
    takeDown(NAME).then(
      () => process.exit(130),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}

function run(script: string): boolean {
  const command = [process.execPath, join(import.meta.dir, script)];
  return Bun.spawnSync(command, { cwd: root, stdin: "ignore", stdout: "ignore", stderr: "inherit" }).exitCode === 0;
}

/** Everything that can be asked, by what it is called in the table. */
async function targetsOf(
  { get, nodes }: Cluster,
  pods: readonly Pod[],
): Promise<[name: string, ...address: [string, number]][]> {
  const { spec } = await get<Service>("service", "web");
  return [
    ...pods.flatMap(({ spec: { nodeName }, status }) =>
      status.podIPs.map(({ ip }, i): [string, string, number] => [`pod on ${nodeName}, ${family(i)}`, ip, 80]),
    ),
    ...spec.clusterIPs.map((ip, i): [string, string, number] => [`service, ${family(i)}`, ip, 80]),
    ...nodes().flatMap(({ name, addresses }): [string, string, number][] => [
      [`host port of ${name}`, addresses[0] ?? "", PORTS.hostWeb],
      [`node port of ${name}`, addresses[0] ?? "", PORTS.node],
    ]),
  ];
}

function family(index: number): string {
  return index === 0 ? "IPv4" : "IPv6";
}

/** Prints the table of who reaches whom. Returns how many did not that should. */
async function showReach(cluster: Cluster, pods: readonly Pod[]): Promise<number> {
  const targets = await targetsOf(cluster, pods);
  let wrong = 0;
  const cell = (isAnswered: boolean): string => {
    if (isAnswered) return "✔";
    wrong++;
    return "✘";
  };
  const ask = async (place: Place, list: typeof targets) =>
    answersAt(
      place,
      list.map(([, address, port]) => url(address, port)),
    );
  const inPods = await Promise.all(pods.map(async (pod) => ask(await inPod(cluster, pod), targets)));
  // Pods and services are not to be reached from elsewhere.
  const open = targets.filter(([, , port]) => port !== 80);
  const beyond = await ask(outside(cluster), open);
  const rows = targets.map((target, i) => [
    ...[target[0], target[1], ...inPods.map((answers) => cell(answers[i] !== ""))],
    open.includes(target) ? cell(beyond[open.indexOf(target)] !== "") : "-",
  ]);
  const byName = await Promise.all(
    pods.map(async ({ metadata }) => {
      const connect = ["/agnhost", "connect", "--timeout=5s", "web.default.svc.cluster.local:80"];
      const { exitCode } = await cluster.tryKubectl(["exec", metadata.name, "--", ...connect]);
      return cell(exitCode === 0);
    }),
  );
  rows.push(["service by its name", "web.default.svc", ...byName, "-"]);
  const head = ["TO", "ADDRESS", ...pods.map(({ spec }) => `FROM ${spec.nodeName}`), "FROM OUTSIDE"];
  for (const line of formatTable(head, rows)) say(`  ${line}`);
  return wrong;
}

/** Restarts all agents while the pods ask each other and their service. Returns how many requests were lost. */
async function restartAgents(cluster: Cluster): Promise<number> {
  const { kubectl } = cluster;
  const { asked, lost, slowest } = await whileAsking(cluster, async () => {
    await kubectl("rollout", "restart", "daemonset/tendril-agent", `--namespace=${NAMESPACE}`);
    await kubectl("rollout", "status", "daemonset/tendril-agent", `--namespace=${NAMESPACE}`, "--timeout=120s");
  });
  done(`all agents have been restarted; of ${asked} requests ${lost} were lost, and the slowest took ${slowest} ms`);
  return lost;
}

/** Returns what is not as it should be. */
async function show(programs: string): Promise<string | undefined> {
  const { mode, keep } = options;
  const shown = MODES[mode];
  chapter("A cluster of Kubernetes without a network");
  const cluster = await startCluster({
    ...{ name: NAME, programs, keep, families: [4, 6], progress: done },
    nodes: (shown?.subnets ?? []).map((subnet, i) => ({ name: `node${i + 1}`, subnet })),
  });
  const { kubectl, apply, families } = cluster;
  chapter(`Tendril by its manifest, mode ${mode}: packets get to other nodes ${shown?.about}`);
  await install(cluster, "--mode", mode);
  done("all nodes are Ready");
  await apply([...webServers(), nodePort, ...coreDns(families)]);
  await kubectl("rollout", "status", "daemonset/web", "--timeout=120s");
  await kubectl("rollout", "status", "deployment/coredns", "--namespace=kube-system", "--timeout=120s");
  done("a web server on each node, with a service, a node port and a host port, and CoreDNS");
  const pods = await podsOf(cluster, "app=web");
  chapter("Pods");
  const rows = pods.map(({ metadata, spec, status }) => [
    ...[metadata.name, spec.nodeName],
    ...status.podIPs.map(({ ip }) => ip),
  ]);
  for (const line of formatTable(["POD", "NODE", "IPv4", "IPv6"], rows)) say(`  ${line}`);
  chapter("Who reaches whom");
  const wrong = await showReach(cluster, pods);
  chapter("A rolling restart of the agents while requests flow");
  const lost = await restartAgents(cluster);
  const agents = await podsOf(cluster, AGENTS, NAMESPACE);
  if (agents.length !== pods.length) return "Not every node has an agent";
  if (wrong > 0) return `${wrong} of the ways above do not lead there`;
  return lost === 0 ? undefined : `${lost} requests were lost`;
}

const nodePort = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web-nodes" },
  spec: { type: "NodePort", selector: { app: "web" }, ports: [{ port: 80, nodePort: PORTS.node }] },
};

function tellKept(programs: string): void {
  const inside = `nsenter --net=${namedNetnsPath(netnsName(fabricName(NAME), CONTROL))}`;
  const kubeconfig = `/tmp/tendril-k8s/${NAME}/control-plane/admin.kubeconfig`;
  say("\nThe cluster is left up. To look at it:\n");
  const env = `env KUBECONFIG=${kubeconfig} PATH=${join(import.meta.dir, "../dist")}:$PATH`;
  say(`  alias k='${inside} ${env} ${join(programs, "kubectl")}'`);
  say("  k get pods --all-namespaces --output wide");
  say("  k get tendrilnodes,pools,blocks");
  say("  k tendril status --node node1");
  say("  k tendril get pods                    and of two of them: k tendril trace POD POD:80");
  say("\n  npm run demo:kubernetes -- --down     takes it down");
}

async function main(): Promise<number> {
  const { keep, down, mode } = options;
  if (process.getuid?.() !== 0) {
    console.error("The demo makes network namespaces, which needs root: sudo npm run demo:kubernetes");
    return 1;
  }
  if (down) {
    await takeDown(NAME);
    say("Nothing is left of the demo.");
    return 0;
  }
  if (MODES[mode] === undefined) {
    console.error(`There is no mode "${mode}" here; there are ${Object.keys(MODES).join(", ")}.`);
    return 1;
  }
  await sweep();
  if (traces(NAME).length > 0) {
    console.error("The demo's cluster is up already: npm run demo:kubernetes -- --down takes it down.");
    return 1;
  }
  chapter("Building");
  installTools((line) => say(`  ${line}`));
  const kubernetes = await findKubernetes(cache, (line) => say(`  ${line}`));
  if ("problem" in kubernetes) {
    console.error(`There is no Kubernetes to show: ${kubernetes.problem}`);
    return 1;
  }
  if (!run("build.ts") || !run("image.ts")) return 1;
  done("Kubernetes' programs, dist/tendril and dist/tendril-image.tar");
  let problem: string | undefined;
  try {
    problem = await show(kubernetes.folder);
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  // What is being taken down fails in some way, and the process ends with it.
  if (interrupted) return await new Promise<never>(() => {});
  if (keep) {
    tellKept(kubernetes.folder);
  } else {
    chapter("Taking it down");
    await takeDown(NAME);
    done("nothing is left");
  }
  say(problem === undefined ? `\nAll is as it should be (${seconds()} s).` : `\n${problem}.`);
  return problem === undefined ? 0 : 1;
}

process.exit(await main());
