import { beforeEach, describe, expect, test } from "bun:test";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { type ClusterStore, clusterStore } from "../cluster/cluster-store.ts";
import { logTo } from "../cluster/log.ts";
import { DecodeError } from "../core/errors.ts";
import { ApiError } from "../store/kubernetes/client.ts";
import { parseAgentConfig } from "./config.ts";
import { type ClusterFacts, OwnPool } from "./own-pool.ts";

let store: ClusterStore;
let now = 0;
let lines: string[] = [];
beforeEach(() => {
  now = 0;
  lines = [];
  store = clusterStore(new MemoryStore(), (sentence) => {
    throw new Error(sentence);
  });
});

const KUBEADM = { networks: ["10.32.0.0/12", "fd00::/56"], source: "ConfigMap kube-system/kubeadm-config" };

function ownPool(fields: object, facts?: Partial<ClusterFacts>, name = "default"): OwnPool {
  const { cluster: config } = parseAgentConfig(JSON.stringify({ store: "kubernetes:", node: "n1", ...fields }));
  if (config === undefined) throw new Error("no cluster");
  const nothing: ClusterFacts = {
    networks: async () => undefined,
    podCidrs: async () => [],
    services: async () => ["10.96.0.0/16"],
  };
  const log = logTo((line) => void lines.push((JSON.parse(line) as { message: string }).message), "warn");
  const given = facts === undefined ? undefined : { ...nothing, ...facts };
  return new OwnPool({ name, config, store, facts: given, log, clock: () => now });
}

/** The networks of the pool that there is. */
async function networks(name = "default"): Promise<readonly string[] | undefined> {
  return (await store.pools.get(name))?.value.cidrs;
}

describe("where there is no pool it is made", () => {
  test("of the networks that the configuration names, before all others", async () => {
    const pool = ownPool({ subnet: "10.1.0.0/16", blockSize: { ipv4: 28 } }, { networks: async () => KUBEADM });
    await pool.ensure();
    expect(await networks()).toEqual(["10.1.0.0/16"]);
    expect((await store.pools.get("default"))?.value.blockBits).toEqual({ ipv4: 28, ipv6: 122 });
    expect(pool).toMatchObject({ isThere: true, problem: undefined });
  });

  test("of those that the cluster says, before the fallback; no block is larger than them", async () => {
    const small = { ...KUBEADM, networks: ["10.32.0.0/28"] };
    await ownPool({ fallbackSubnet: "10.244.0.0/16" }, { networks: async () => small }).ensure();
    expect(await networks()).toEqual(["10.32.0.0/28"]);
    expect((await store.pools.get("default"))?.value.blockBits).toEqual({ ipv4: 28, ipv6: 122 });
  });

  test("of the fallback once the Node has had the time to be given networks of its own", async () => {
    const pool = ownPool({ fallbackSubnet: "10.244.0.0/16" }, {});
    await pool.ensure();
    expect([await networks(), pool.isThere]).toEqual([undefined, false]);
    expect(pool.problem).toContain("has had the time to be given podCIDRs");
    now = 3000;
    await pool.ensure();
    expect(await networks()).toEqual(["10.244.0.0/16"]);
  });

  test("of the fallback at once where it holds what the Node has been given", async () => {
    await ownPool({ fallbackSubnet: "10.244.0.0/16" }, { podCidrs: async () => ["10.244.3.0/24"] }).ensure();
    expect(await networks()).toEqual(["10.244.0.0/16"]);
  });

  test("by one of several nodes, and not again when an operator deletes it", async () => {
    const [first, second] = [ownPool({ subnet: "10.1.0.0/16" }), ownPool({ subnet: "10.2.0.0/16" })];
    await first.ensure();
    await second.ensure();
    expect(await networks()).toEqual(["10.1.0.0/16"]);
    expect(lines).toEqual(['"subnet" is not what the pool "default" has, which counts']);
    const known = await store.pools.get("default");
    if (known !== undefined) await store.pools.delete(known);
    await first.ensure();
    expect(await networks()).toBeUndefined();
  });

  test("of none in a cluster without Kubernetes and without a subnet: an operator makes it", async () => {
    const pool = ownPool({});
    await pool.ensure();
    expect([await networks(), pool.isThere, pool.problem]).toEqual([undefined, false, undefined]);
  });
});

describe("it is not made, and the reason names the field to set", () => {
  const refused = async (fields: object, facts: Partial<ClusterFacts>): Promise<string> => {
    now = 10_000;
    const pool = ownPool(fields, facts);
    await pool.ensure();
    await pool.ensure();
    expect([await networks(), pool.isThere]).toEqual([undefined, false]);
    // Once, however often it is looked for.
    expect(lines).toEqual([pool.problem ?? ""]);
    expect(pool.problem).toContain('"subnet"');
    return pool.problem ?? "";
  };

  test("where nothing says which networks", async () => {
    expect(await refused({}, {})).toContain("such as 10.244.0.0/16");
  });

  test("where only the Node's own networks are known", async () => {
    const facts = { podCidrs: async () => ["10.42.3.0/24"] };
    expect(await refused({}, facts)).toContain(
      "the --cluster-cidr of the kube-controller-manager, of which the Node has 10.42.3.0/24",
    );
  });

  test("where the Node has been given others", async () => {
    const facts = { podCidrs: async () => ["10.42.3.0/24"] };
    expect(await refused({ fallbackSubnet: "10.244.0.0/16" }, facts)).toStartWith(
      `The pods' networks are 10.244.0.0/16 by "fallbackSubnet" of the agent's configuration, and the Node has 10.42.3.0/24`,
    );
  });

  test("where Services have addresses of them", async () => {
    const facts = { networks: async () => ({ ...KUBEADM, networks: ["10.0.0.0/8"] }) };
    expect(await refused({}, facts)).toContain("Services have addresses of them, 10.96.0.0/16");
  });

  test("where a node has an address of them", async () => {
    const node = { addresses: ["10.33.0.7/24"], modes: [], labels: {}, epoch: 1, version: 1 } as const;
    await store.nodes.create("n2", node);
    expect(await refused({}, { networks: async () => KUBEADM })).toContain("a node has an address of them, 10.33.0.7");
  });

  test("where what the cluster says cannot be understood, or blocks would be larger", async () => {
    const broken = async () => {
      throw new DecodeError("ConfigMap kube-system/kubeadm-config cannot be understood");
    };
    expect(await refused({}, { networks: broken })).toContain("kubeadm-config cannot be understood");
    lines = [];
    const facts = { networks: async () => KUBEADM };
    expect(await refused({ blockSize: { ipv4: 11 } }, facts)).toContain(
      "is larger than a network of pods, which is a /12",
    );
  });

  test("where the API server refuses it", async () => {
    const request = { method: "POST", path: "/apis/tendril.dev/v1/pools" } as const;
    const networksOf = async () => {
      throw new ApiError(request, 422, { message: "overlaps 10.96.0.0/16, the addresses of Services" });
    };
    expect(await refused({}, { networks: networksOf })).toContain("overlaps 10.96.0.0/16");
  });
});

describe("where nodes are given their networks", () => {
  const IPAM = { ipam: "node-cidr" };

  test("a block is what a node is given, and before it is given any there is no pool", async () => {
    let podCidrs: string[] = [];
    const facts = { networks: async () => KUBEADM, podCidrs: async () => podCidrs };
    const pool = ownPool(IPAM, facts);
    await pool.ensure();
    expect([await networks(), pool.isThere, pool.problem]).toEqual([undefined, false, undefined]);
    podCidrs = ["10.32.7.0/24", "fd00:0:0:7::/64"];
    await pool.ensure();
    expect((await store.pools.get("default"))?.value).toMatchObject({
      cidrs: KUBEADM.networks,
      blockBits: { ipv4: 24, ipv6: 122 },
    });
  });

  test("a subnet that does not hold them makes no pool", async () => {
    const pool = ownPool({ ...IPAM, subnet: "10.1.0.0/16" }, { podCidrs: async () => ["10.32.7.0/24"] });
    await pool.ensure();
    expect([await networks(), pool.isThere]).toEqual([undefined, false]);
    expect(pool.problem).toContain("the Node has 10.32.7.0/24 in its podCIDRs, which is none of it");
  });
});
