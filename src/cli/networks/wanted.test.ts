import { describe, expect, test } from "bun:test";
import { type PodFacts, wishesOf } from "../../agent/pods/annotations.ts";
import { AnnotationError, ConfigError } from "../../core/errors.ts";
import { attachmentOf, networkOf, type PodNetwork } from "./pod-network.ts";
import { type Around, leadsElsewhere, wantedNetworks } from "./wanted.ts";

const NETWORKS = "k8s.v1.cni.cncf.io/networks";
const INTERFACES = "tendril.dev/interfaces";
const DEFAULT_ROUTE = "tendril.dev/default-route";

const POOLS: Readonly<Record<string, readonly string[]>> = {
  default: ["10.244.0.0/16", "fd00::/56"],
  storage: ["10.245.0.0/24"],
};

const MACVLAN = { cniVersion: "1.0.0", type: "macvlan", capabilities: { ips: true, bandwidth: true } };

/** What the API server has, by namespace and name. */
const DEFINITIONS: Readonly<Record<string, unknown>> = {
  "shop/lan": MACVLAN,
  "other/lan": { ...MACVLAN, name: "lan-of-other" },
  "shop/chain": {
    cniVersion: "1.1.0",
    cniVersions: ["1.0.0", "1.1.0"],
    name: "chain",
    disableCheck: true,
    plugins: [
      { type: "bridge", capabilities: { mac: true } },
      { type: "tuning", args: { cni: { kept: 1 }, more: 2 } },
    ],
  },
  "shop/pool": { cniVersion: "1.0.0", type: "tendril", ipam: { type: "tendril", pool: "storage" } },
  "shop/routed": {
    cniVersion: "1.0.0",
    type: "tendril",
    ipam: { type: "tendril", pool: "storage", routes: [{ dst: "192.0.2.0/24" }] },
  },
  "shop/cluster": { cniVersion: "1.0.0", name: "tendril", type: "macvlan" },
  "shop/typeless": { cniVersion: "1.0.0", name: "typeless" },
  "shop/old": { cniVersion: "9.9.9", type: "macvlan" },
};

const around: Around = {
  network: "tendril",
  ifname: "eth0",
  definition: async (namespace, name) => {
    const found = DEFINITIONS[`${namespace}/${name}`];
    return found === undefined ? undefined : JSON.stringify(found);
  },
  poolNetworks: (pool) => POOLS[pool ?? "default"],
  complete: (config) => ({ mtu: 1400, ipam: { type: "tendril", pool: "default" }, ...config }),
};

function pod(
  annotations: Readonly<Record<string, string>>,
  ofNamespace: Readonly<Record<string, string>> = {},
): PodFacts {
  const own = { annotations, namespaceAnnotations: ofNamespace };
  return { namespace: "shop", name: "web", uid: "u", controller: undefined, ...own };
}

async function wanted(annotations: Readonly<Record<string, string>>, ofNamespace = {}): Promise<readonly PodNetwork[]> {
  const facts = pod(annotations, ofNamespace);
  return await wantedNetworks(wishesOf(facts), facts, around);
}

async function refusal(annotations: Readonly<Record<string, string>>, ofNamespace = {}): Promise<string> {
  try {
    await wanted(annotations, ofNamespace);
  } catch (error) {
    if (error instanceof AnnotationError) return error.message;
    throw error;
  }
  throw new Error("It is not refused");
}

/** The plugins of a network, which has to be there. */
const plugins = (network: PodNetwork | undefined) =>
  (network?.list.plugins ?? []) as readonly { readonly ipam?: object; readonly [field: string]: unknown }[];

describe("a pod's further networks", () => {
  test("are its interfaces, then those of definitions, in their order and with what they are called by", async () => {
    const found = await wanted({ [INTERFACES]: "data=storage,more", [NETWORKS]: "lan, other/lan@out, chain" });
    expect(found.map(({ name, ifname }) => [name, ifname])).toEqual([
      ["storage", "data"],
      ["tendril", "more"],
      ["shop/lan", "net1"],
      ["other/lan", "out"],
      ["shop/chain", "net3"],
    ]);
    // A definition without a name is called as its object.
    expect(found.map((network) => networkOf(network).name)).toEqual([
      ...["tendril.interfaces", "tendril.interfaces"],
      ...["lan", "lan-of-other", "chain"],
    ]);
    expect(await wanted({})).toEqual([]);
  });

  test("of the cluster lead to the networks of their pool alone", async () => {
    const [data, more] = await wanted({ [INTERFACES]: "data=storage,more" });
    expect(plugins(data)).toEqual([
      {
        type: "tendril",
        mtu: 1400,
        defaultRoute: false,
        ipam: { type: "tendril", pool: "storage", routes: [{ dst: "10.245.0.0/24" }] },
      },
    ]);
    expect(plugins(more)[0]?.ipam).toEqual({
      type: "tendril",
      routes: [{ dst: "10.244.0.0/16" }, { dst: "fd00::/56" }],
    });
  });

  test("of a definition of the cluster's plugin do, too, unless it names routes", async () => {
    const [pool, routed] = await wanted({ [NETWORKS]: "pool,routed" });
    expect(plugins(pool)[0]).toEqual({
      ...{ cniVersion: "1.0.0", name: "pool", type: "tendril", mtu: 1400, defaultRoute: false },
      ipam: { type: "tendril", pool: "storage", routes: [{ dst: "10.245.0.0/24" }] },
    });
    expect(plugins(routed)[0]?.ipam).toMatchObject({ routes: [{ dst: "192.0.2.0/24" }] });
  });

  test("are given what the pod asks for, where it is looked for", async () => {
    const [chain, lan] = await wanted({
      [NETWORKS]: JSON.stringify([
        { name: "chain", mac: "02:00:5e:10:00:01", "cni-args": { word: "given" } },
        { name: "lan", ips: ["10.9.0.5/24"], bandwidth: { ingressRate: 8 } },
      ]),
    });
    const asked = { mac: "02:00:5e:10:00:01", word: "given" };
    expect(plugins(chain).map(({ args }) => args)).toEqual([{ cni: asked }, { cni: { kept: 1, ...asked }, more: 2 }]);
    expect(chain?.list).toMatchObject({ cniVersions: ["1.0.0", "1.1.0"], disableCheck: true });
    expect(chain?.capabilities).toEqual({ mac: "02:00:5e:10:00:01" });
    expect(lan?.capabilities).toEqual({ bandwidth: { ingressRate: 8 }, ips: ["10.9.0.5/24"] });
    expect(
      lan && attachmentOf(lan, { containerId: "c1", netns: "/run/netns/c1", args: new Map([["K8S_POD_NAME", "web"]]) }),
    ).toEqual({
      ...{ containerId: "c1", netns: "/run/netns/c1", ifname: "net2", args: [["K8S_POD_NAME", "web"]] },
      capabilityArgs: lan?.capabilities ?? {},
    });
  });
});

describe("the default routes lead", () => {
  const elsewhere = (annotations: Readonly<Record<string, string>>) =>
    leadsElsewhere(wishesOf(pod(annotations)), "eth0");

  test("by the cluster's network unless the pod says otherwise", () => {
    expect(elsewhere({ [NETWORKS]: "lan" })).toBe(false);
    expect(elsewhere({ [DEFAULT_ROUTE]: "eth0", [NETWORKS]: "lan" })).toBe(false);
    for (const value of ["lan0", "none"]) expect(elsewhere({ [DEFAULT_ROUTE]: value })).toBe(true);
    expect(elsewhere({ [NETWORKS]: '[{"name":"lan","default-route":["10.9.0.1"]}]' })).toBe(true);
  });

  test("by an interface of the cluster's plugin, which sees to it itself", async () => {
    const [data] = await wanted({ [INTERFACES]: "data=storage", [DEFAULT_ROUTE]: "data" });
    expect(plugins(data).map(({ type, defaultRoute }) => [type, defaultRoute])).toEqual([["tendril", true]]);
  });

  test("by another plugin's, with one of ours behind it", async () => {
    const [lan, chain] = await wanted({ [NETWORKS]: "lan@lan0,chain", [DEFAULT_ROUTE]: "lan0" });
    expect(plugins(lan).map(({ type }) => type)).toEqual(["macvlan", "tendril-gateway"]);
    expect(plugins(chain).map(({ type }) => type)).toEqual(["bridge", "tuning"]);
    const [given] = await wanted({ [NETWORKS]: '[{"name":"lan","default-route":["10.9.0.1","fd09::1"]}]' });
    expect(plugins(given).at(-1)).toEqual({ type: "tendril-gateway", gateways: ["10.9.0.1", "fd09::1"] });
    // Both say the same; there is one of it.
    const [both] = await wanted({
      [NETWORKS]: '[{"name":"lan","interface":"lan0","default-route":["10.9.0.1"]}]',
      [DEFAULT_ROUTE]: "lan0",
    });
    expect(plugins(both).map(({ type }) => type)).toEqual(["macvlan", "tendril-gateway"]);
  });
});

describe("refused, with whose annotation it is, is", () => {
  test("what is not there", async () => {
    expect(await refusal({ [INTERFACES]: "a=none-such" })).toBe(
      'Annotation "tendril.dev/interfaces[0]" of pod "shop/web" names a pool that is not there: "none-such"',
    );
    expect(await refusal({}, { [NETWORKS]: "lan,none-such" })).toBe(
      `Annotation "${NETWORKS}[1]" of namespace "shop" names a NetworkAttachmentDefinition that is not there: "shop/none-such"`,
    );
    expect(await refusal({ [NETWORKS]: "lan", [DEFAULT_ROUTE]: "lan0" })).toContain(
      "must be an interface of the pod, eth0 or net1, or none",
    );
  });

  test("a definition that cannot be used, with why", async () => {
    const of = (name: string) => refusal({ [NETWORKS]: name });
    expect(await of("cluster")).toContain("is that of the cluster's own network");
    expect(await of("typeless")).toContain("cannot be used");
    expect(await of("old")).toContain("9.9.9");
    const ports = '[{"name":"lan","portMappings":[{"hostPort":80,"containerPort":80}]}]';
    expect(await of(ports)).toContain('has no plugin with the capability "portMappings"');
  });

  test("an interface that the pod has already", async () => {
    expect(await refusal({ [NETWORKS]: "lan@eth0" })).toBe(
      `Annotation "${NETWORKS}[0]" of pod "shop/web" names an interface that the pod has already: "eth0"`,
    );
    expect(await refusal({ [INTERFACES]: "net1", [NETWORKS]: "lan" })).toContain(`"${NETWORKS}[0]"`);
  });

  test("nothing else: what the API server does not tell is for the runtime to try again", async () => {
    const facts = pod({ [NETWORKS]: "lan" });
    const away = async () => {
      throw new ConfigError("spec", "is what this test throws");
    };
    await expect(wantedNetworks(wishesOf(facts), facts, { ...around, definition: away })).rejects.toThrow("this test");
  });
});
