/**
 * Writes documents of so many nodes into a Kubernetes, or of as many changes of them. A process of its own, in the network
 * of the API server: `bun bench/kubernetes-documents.ts KUBECONFIG nodes|changes FROM TO`.
 */

import { clusterStore } from "../src/cluster/cluster-store.ts";
import { openStore } from "../src/store/open.ts";
import { addBlock, addNode } from "./documents.ts";

const [kubeconfig = "", what = "", from = "", to = ""] = process.argv.slice(2);
const raw = openStore(`kubernetes:${kubeconfig}`, {}, {});
const store = clusterStore(raw, () => {});
/** So many requests are under way at once. */
const AT_ONCE = 16;

const numbers = Array.from({ length: Number(to) - Number(from) }, (_, i) => Number(from) + i);
// Changes come one after the other, so that each is one for those who listen.
const writers = what === "nodes" ? AT_ONCE : 1;
await Promise.all(
  Array.from({ length: writers }, async () => {
    for (let next = numbers.shift(); next !== undefined; next = numbers.shift()) {
      if (what === "nodes") await addNode(store, next);
      else await addBlock(store, 1, next);
    }
  }),
);
await raw.close();
