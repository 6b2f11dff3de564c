import { describe, expect, test } from "bun:test";
import { ConfigError } from "../../core/errors.ts";
import type { Resource } from "../../core/plan.ts";
import type { Facts, LinkFact } from "../../core/planner.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import type { Result } from "../../core/result.ts";
import { bandwidth } from "./bandwidth.ts";

const key = { network: "net", containerId: "c1", ifname: "eth0" };
const netns = "/run/netns/c1";
/** `printf netc1 | sha512sum`, as the reference plugin has it. */
const IFB = "bwp623e1c388032";
const FULL = { ingressRate: 100_000_000, ingressBurst: 1_000_000, egressRate: 20_000_000, egressBurst: 800_000 };

const prevResult: Result = {
  interfaces: [
    { name: "br0", mac: "02:00:00:00:00:01" },
    { name: "veth5", mac: "02:00:00:00:00:02" },
    { name: "eth0", mac: "02:00:00:00:00:03", sandbox: netns },
  ],
  ips: [{ address: "10.1.0.5/16", interface: 2 }],
};

function fact(fields: Partial<LinkFact>): LinkFact {
  return {
    name: "eth0",
    mac: "02:00:00:00:00:09",
    mtu: 1500,
    up: true,
    promisc: false,
    allmulticast: false,
    txQueueLength: 1000,
    kind: "veth",
    addresses: [],
    ...fields,
  };
}

const links: Facts["links"] = new Map([
  ["container/eth0", fact({ veth: { index: 2, peer: 7 } })],
  ["host/br0", fact({ kind: "bridge" })],
  ["host/veth5", fact({ veth: { index: 7, peer: 2 }, mtu: 1400 })],
]);

function parse(fields: Record<string, unknown>) {
  const config = { cniVersion: "1.1.0", name: "net", type: "bandwidth", ...fields } as NetworkConfig;
  return bandwidth.parse(config, new Map());
}

function plan(fields: Record<string, unknown>, facts: Partial<Facts> = {}) {
  return bandwidth.plan(parse(fields), {
    key,
    netns,
    bootId: "boot",
    ipam: undefined,
    prevResult,
    adopted: undefined,
    recovering: false,
    links,
    sysctls: new Map(),
    ...facts,
  });
}

function words(resources: readonly Resource[]): string[] {
  return resources.map((resource) => {
    if (resource.kind === "link") return `${resource.type} ${resource.name}`;
    if (resource.kind === "qdisc") return `${resource.qdisc.type} on ${resource.link}`;
    if (resource.kind === "filter") return `filter on ${resource.link} to ${resource.redirect}`;
    return `${resource.kind} ${"link" in resource ? resource.link : ""}`;
  });
}

function bucketOn(resources: readonly Resource[], link: string) {
  for (const resource of resources) {
    if (resource.kind === "qdisc" && resource.link === link && resource.qdisc.type === "tbf") return resource.qdisc;
  }
  throw new Error(`no bucket on ${link}`);
}

const fieldOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.field;
    throw error;
  }
  return "none";
};

describe("a plan", () => {
  test("has a bucket for each direction, and the one for what is sent before the first packet comes", () => {
    const { resources, result } = plan(FULL);
    expect(words(resources)).toEqual([
      `ifb ${IFB}`,
      `tbf on ${IFB}`,
      `link-settings ${IFB}`,
      "ingress on veth5",
      `filter on veth5 to ${IFB}`,
      "tbf on veth5",
    ]);
    const [ifb] = resources;
    if (ifb?.kind !== "link" || ifb.type !== "ifb") throw new Error("no ifb");
    expect(ifb.mtu).toBe(1400);
    expect(result).toEqual({
      ...prevResult,
      interfaces: [...(prevResult.interfaces ?? []), { name: IFB, mac: ifb.mac }],
    });
  });

  test("counts bytes, and lets wait what 25 ms more can send", () => {
    const { resources } = plan(FULL);
    expect(bucketOn(resources, "veth5")).toEqual({
      type: "tbf",
      handle: 1,
      rate: 12_500_000,
      burst: 125_000,
      limit: 437_500,
    });
    expect(bucketOn(resources, IFB)).toMatchObject({ rate: 2_500_000, burst: 100_000, limit: 162_500 });
  });

  test("of one direction has nothing of the other", () => {
    const inwards = plan({ ingressRate: 8000, ingressBurst: 80_000 });
    expect(words(inwards.resources)).toEqual(["tbf on veth5"]);
    expect(inwards.result).toEqual(prevResult);
    const outwards = plan({ egressRate: 8000, egressBurst: 80_000 });
    expect(words(outwards.resources)).not.toContain("tbf on veth5");
    expect(outwards.result.interfaces).toHaveLength(4);
  });

  test.each([
    ["no rate", {}],
    ["rates of 0", { ingressRate: 0, ingressBurst: 0, egressRate: 0, egressBurst: 0 }],
    ["null", { ingressRate: null, runtimeConfig: { bandwidth: null } }],
    ["no value of the runtime's", { runtimeConfig: { bandwidth: {} } }],
  ])("with %s is empty, and the result is handed on", (_, fields) => {
    expect(plan(fields)).toEqual({ resources: [], result: prevResult });
    // It asks for no veth pair then.
    expect(plan(fields, { links: new Map(), prevResult: {} })).toEqual({ resources: [], result: {} });
  });

  test("is JSON, and the same each time", () => {
    const { resources } = plan(FULL);
    expect(JSON.parse(JSON.stringify(resources))).toEqual(resources);
    expect(plan(FULL).resources).toEqual(resources);
  });

  test("holds at least one frame in a bucket", () => {
    const { resources } = plan({ ingressRate: 123, ingressBurst: 456 });
    expect(bucketOn(resources, "veth5")).toMatchObject({ rate: 15, burst: 1414, limit: 1414 });
  });

  test("stays within the kernel's 32 bits", () => {
    const { resources } = plan({ ingressRate: 2 ** 53 - 1, ingressBurst: 8 * (2 ** 32 - 1) - 1 });
    expect(bucketOn(resources, "veth5")).toMatchObject({ burst: 2 ** 32 - 2, limit: 2 ** 32 - 1 });
  });
});

describe("values of the runtime", () => {
  test("count where the configuration has none", () => {
    const { resources } = plan({ runtimeConfig: { bandwidth: FULL } });
    expect(resources).toEqual(plan(FULL).resources);
  });

  test("do not count where it has any", () => {
    const fields = { egressRate: 8000, egressBurst: 80_000, runtimeConfig: { bandwidth: FULL } };
    expect(words(plan(fields).resources)).not.toContain("tbf on veth5");
  });
});

describe("a wrong field is named:", () => {
  const cases: readonly (readonly [field: string, fields: Record<string, unknown>])[] = [
    ...["ingressRate", "ingressBurst", "egressRate", "egressBurst"].flatMap((field) =>
      ["1", -1, 1.5, true, [], {}, 2 ** 60].map((value) => [field, { ...FULL, [field]: value }] as const),
    ),
    ["ingressRate", { ingressBurst: 8 }],
    ["ingressBurst", { ingressRate: 8 }],
    ["egressRate", { egressBurst: 8, egressRate: 0 }],
    ["egressBurst", { egressRate: 8 }],
    ["ingressRate", { ingressRate: 7, ingressBurst: 8 }],
    ["ingressBurst", { ingressRate: 8, ingressBurst: 8 * (2 ** 32 - 1) }],
    ["runtimeConfig", { runtimeConfig: 5 }],
    ["runtimeConfig.bandwidth", { runtimeConfig: { bandwidth: "1M" } }],
    ["runtimeConfig.bandwidth.egressBurst", { runtimeConfig: { bandwidth: { egressRate: 8 } } }],
    ["runtimeConfig.bandwidth.ingressRate", { runtimeConfig: { bandwidth: { ingressRate: "1M" } } }],
  ];
  test.each(cases)("%s in %j", (field, fields) => {
    expect(fieldOf(() => parse(fields))).toBe(field);
  });
});

describe("the host's end", () => {
  const without = (...names: readonly string[]) => new Map([...links].filter(([name]) => !names.includes(name)));

  test("is the one that is the other end of the container's, whatever its name", () => {
    const result: Result = {
      interfaces: [{ name: "vetha" }, { name: "cali7" }, { name: "eth0", sandbox: netns }],
    };
    const found = new Map([
      ["container/eth0", fact({ veth: { index: 2, peer: 9 } })],
      ["host/vetha", fact({ veth: { index: 8, peer: 2 } })],
      ["host/cali7", fact({ veth: { index: 9, peer: 2 } })],
    ]);
    expect(words(plan(FULL, { prevResult: result, links: found }).resources)).toContain("tbf on cali7");
  });

  test("that is none of the result's is an error", () => {
    const elsewhere = new Map([...links, ["container/eth0", fact({ veth: { index: 2, peer: 8 } })] as const]);
    expect(fieldOf(() => plan(FULL, { links: elsewhere }))).toBe("prevResult");
    const macvlan = new Map([...links, ["container/eth0", fact({ kind: "macvlan", veth: undefined })] as const]);
    expect(fieldOf(() => plan(FULL, { links: macvlan }))).toBe("prevResult");
    expect(fieldOf(() => plan(FULL, { prevResult: {} }))).toBe("prevResult");
    expect(fieldOf(() => plan(FULL, { prevResult: { interfaces: [{ name: "eth0", sandbox: netns }] } }))).toBe(
      "prevResult",
    );
    expect(fieldOf(() => plan(FULL, { links: without("container/eth0") }))).toBe("prevResult");
  });

  test("is known by its name where nothing has been made yet, and the plan is only to be shown", () => {
    expect(words(plan(FULL, { links: new Map() }).resources)).toContain("tbf on veth5");
  });

  test("is asked for with all else that the plan needs", () => {
    const asked = bandwidth.links(parse(FULL), { containerId: "c1", ifname: "eth0", prevResult });
    expect(asked.map(({ where, name }) => `${where}/${name}`)).toEqual([
      "container/eth0",
      "host/br0",
      "host/veth5",
      `host/${IFB}`,
      expect.stringMatching(/^host\/bwp[0-9a-f]{12}$/),
    ]);
  });
});

describe("names of the ifb", () => {
  const nameOf = (resources: readonly Resource[]) =>
    resources.flatMap((resource) => (resource.kind === "link" ? [resource.name] : []))[0];

  test("where the reference's is taken, as by another interface in the same network, there is another", () => {
    const taken = new Map([...links, [`host/${IFB}`, fact({ kind: "ifb" })] as const]);
    const name = nameOf(plan(FULL, { links: taken }).resources);
    expect(name).toMatch(/^bwp[0-9a-f]{12}$/);
    expect(name).not.toBe(IFB);
    taken.set("container/net1", fact({ veth: { index: 2, peer: 7 } }));
    expect(nameOf(plan(FULL, { links: taken, key: { ...key, ifname: "net1" } }).resources)).not.toBe(name);
  });

  test("of another vendor's ADD is the one in its result, also when the rates have gone from the configuration", () => {
    const adopted: Result = { interfaces: [...(prevResult.interfaces ?? []), { name: IFB, mac: "02:00:00:00:00:77" }] };
    for (const fields of [FULL, {}]) {
      const { resources } = plan(fields, { prevResult: adopted, adopted });
      expect(resources[0]).toMatchObject({ type: "ifb", name: IFB, mac: "02:00:00:00:00:77" });
    }
    // The container is gone: nothing keeps DEL from removing what is left.
    const { resources } = plan(FULL, { prevResult: adopted, adopted, links: new Map() });
    expect(words(resources)).toContain(`ifb ${IFB}`);
    expect(words(resources)).toContain("tbf on veth5");
    const unnamed = { interfaces: [{ name: "cali7" }, { name: IFB }] };
    expect(words(plan(FULL, { prevResult: unnamed, adopted: unnamed, links: new Map() }).resources)).toEqual([
      `ifb ${IFB}`,
      `tbf on ${IFB}`,
      `link-settings ${IFB}`,
    ]);
  });

  test("without record and result are both looked for", () => {
    const lost = { prevResult: undefined, recovering: true };
    const theirs = new Map([[`host/${IFB}`, fact({ kind: "ifb", mac: "6a:01:02:03:04:05" })]]);
    expect(words(plan(FULL, { ...lost, links: theirs }).resources)).toEqual([`ifb ${IFB}`]);
    expect(plan(FULL, { ...lost, links: new Map() }).resources).toEqual([]);
  });

  test("without record and result one of the same container's other interface stays", () => {
    const [ifb] = plan(FULL).resources;
    if (ifb?.kind !== "link" || ifb.type !== "ifb") throw new Error("no ifb");
    const ours = new Map([[`host/${IFB}`, fact({ kind: "ifb", mac: ifb.mac })]]);
    const lost = { prevResult: undefined, recovering: true, links: ours };
    expect(words(plan(FULL, lost).resources)).toEqual([`ifb ${IFB}`]);
    expect(plan(FULL, { ...lost, key: { ...key, ifname: "net1" } }).resources).toEqual([]);
  });
});
