/** Random histories on a real API server; see history.ts for what happens in them. */

import { afterAll } from "bun:test";
import { customResourceDefinitions } from "../../src/store/kubernetes/crds.ts";
import { kubeconfigAccess } from "../../src/store/kubernetes/kubeconfig.ts";
import { KubernetesStore } from "../../src/store/kubernetes/kubernetes-store.ts";
import { clusterResources, customResource, GROUP, type Resource } from "../../src/store/kubernetes/resources.ts";
import { type ApiServer, startApiServer } from "../kubernetes/apiserver.ts";
import { kubernetes } from "../kubernetes/built.ts";
import { needs, program } from "../support/needs.ts";
import type { MakeStore } from "./run.ts";
import { expectHistories, historiesIn } from "./switches.ts";

/** Each has resources and a namespace of its own, for a cluster has no more than one block of a name. */
const LANES = 6;
const COUNT = historiesIn("kubernetes", 6);

/** The resources of a lane, by the kind of their documents. */
interface Lane {
  readonly group: string;
  readonly namespace: string;
  readonly resources: Readonly<Record<string, Resource>>;
}

const lanes: readonly Lane[] = Array.from({ length: Math.min(LANES, COUNT) }, (_, i) => {
  const [group, namespace] = [`lane${i}.${GROUP}`, `lane${i}`];
  const resources = {
    ...clusterResources(namespace),
    nodes: customResource("tendrilnodes", "TendrilNode", group),
    pools: customResource("pools", "Pool", group),
    blocks: customResource("blocks", "Block", group),
    reservations: customResource("reservations", "Reservation", group),
  };
  return { group, namespace, resources };
});
const KINDS = ["nodes", "heartbeats", "pools", "blocks", "reservations"];

let server: ApiServer | undefined;
afterAll(async () => server?.dispose());

/** The definitions as they are installed, in the lane's group. */
async function install({ kubectl }: ApiServer, { group, namespace }: Lane): Promise<void> {
  const definitions = JSON.parse(JSON.stringify(customResourceDefinitions()).replaceAll(GROUP, group)) as object[];
  const items = [{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }, ...definitions];
  await kubectl(["apply", "-f", "-"], { apiVersion: "v1", kind: "List", items });
}

async function empty(store: KubernetesStore): Promise<void> {
  for (const kind of KINDS) {
    for (const { name, revision } of (await store.list(kind)).entries) await store.delete(kind, name, revision);
  }
}

const test = needs(kubernetes, program("etcd"), program("openssl"), () =>
  COUNT === 0 ? "histories in another kind of store are asked for" : undefined,
);

test(`in ${COUNT} random histories in Kubernetes no address is held twice, and none is lost`, async () => {
  server = await startApiServer();
  for (const lane of lanes) await install(server, lane);
  await server.kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=120s"]);
  const source = kubeconfigAccess([server.kubeconfig]);
  const stores = lanes.map(({ resources }) => new KubernetesStore({ source, resources, timeout: 60_000 }));
  const make: MakeStore = async (lane) => {
    const store = stores[lane] as KubernetesStore;
    return { store, dispose: () => empty(store) };
  };
  try {
    await expectHistories("kubernetes", COUNT, make, { lanes: lanes.length });
  } finally {
    for (const store of stores) await store.close();
  }
}, 36_000_000);
