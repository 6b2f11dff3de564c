import { describe, expect, test } from "bun:test";
import type { Plan, ResourceKindName } from "../../core/plan.ts";
import type { Result } from "../../core/result.ts";
import { configError, KEY, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { clusterTypes } from "../types.ts";
import { clusterPlanner, GATEWAYS } from "./tendril.ts";

const tendril = clusterPlanner("tendril");
const fields = { ipam: { type: "host-local" } };
const ipv4: Result = { ips: [{ address: "10.1.0.5/26", gateway: "10.1.0.1" }] };
const ipv6: Result = { ips: [{ address: "fd00::5/122" }] };
const dual: Result = { ips: [...(ipv4.ips ?? []), ...(ipv6.ips ?? [])] };

/** The pair that the plan has. */
function vethOf(plan: Plan) {
  const [veth] = ofKind(plan, "link");
  if (veth?.type !== "veth") throw new Error("no pair");
  return veth;
}

/** Where things of a kind are, and what they are about, in order. */
function shown<K extends ResourceKindName>(plan: Plan, kind: K, say: (one: never) => string): string[] {
  return ofKind(plan, kind).map((one) => `${one.where} ${say(one as never)}`);
}

const routes = (plan: Plan) =>
  shown(plan, "route", ({ destination, gateway }: { destination: string; gateway?: string }) =>
    gateway === undefined ? destination : `${destination} via ${gateway}`,
  );
const neighbours = (plan: Plan) =>
  shown(plan, "neighbour", ({ ip, mac }: { ip: string; mac: string }) => `${ip} ${mac}`);
const elements = (plan: Plan) =>
  ofKind(plan, "nft-element").map(({ element: { set, key } }) => `${set.family} ${set.name} ${key.join(" . ")}`);

describe("a routed pair", () => {
  test("has each address alone, and the gateway that is the same everywhere", () => {
    const plan = planWith(tendril, fields, { ipam: dual });
    const veth = vethOf(plan);
    expect(plan.result).toEqual({
      interfaces: [
        { name: veth.name, mac: veth.mac },
        { name: "eth0", mac: veth.peer.mac, sandbox: NETNS },
      ],
      ips: [
        { address: "10.1.0.5/32", gateway: "169.254.1.1", interface: 1 },
        { address: "fd00::5/128", gateway: "fe80::1", interface: 1 },
      ],
      routes: [
        { dst: "0.0.0.0/0", gw: "169.254.1.1" },
        { dst: "::/0", gw: "fe80::1" },
      ],
      dns: undefined,
    });
  });

  test("has the ways and the neighbours of its families, and no other", () => {
    const of = (ipam: Result) => {
      const plan = planWith(tendril, fields, { ipam });
      const { mac } = vethOf(plan);
      return [...routes(plan), ...neighbours(plan)].map((line) => line.replace(mac, "HOST"));
    };
    expect(of(ipv4)).toEqual([
      "container 169.254.1.1/32",
      "container 0.0.0.0/0 via 169.254.1.1",
      "host 10.1.0.5/32",
      "container 169.254.1.1 HOST",
    ]);
    expect(of(ipv6)).toEqual(["container ::/0 via fe80::1", "host fd00::5/128", "container fe80::1 HOST"]);
    expect(of(dual).toSorted()).toEqual([...of(ipv4), ...of(ipv6)].toSorted());
  });

  test("gives the host no address but the link-local gateway's", () => {
    const host = (ipam: Result) => {
      const addresses = ofKind(planWith(tendril, fields, { ipam }), "address");
      return addresses.filter(({ where }) => where === "host").map(({ address }) => address);
    };
    expect(host(ipv4)).toEqual([]);
    expect(host(dual)).toEqual(["fe80::1/64"]);
  });

  test("answers for the gateway and minds where packets come from, in the families of its addresses", () => {
    const names = (ipam: Result) => {
      const plan = planWith(tendril, fields, { ipam });
      return ofKind(plan, "sysctl").flatMap(({ where, name, value }) =>
        where === "host" ? [`${name.replace(vethOf(plan).name, "VETH")}=${value}`] : [],
      );
    };
    const of4 = ["proxy_arp=1", "proxy_delay=0", "rp_filter=1"].map((each) =>
      each.startsWith("proxy_delay") ? `net/ipv4/neigh/VETH/${each}` : `net/ipv4/conf/VETH/${each}`,
    );
    const of6 = ["net/ipv6/conf/VETH/accept_ra=0", "net/ipv6/conf/VETH/accept_dad=0"];
    expect(names(ipv4)).toEqual(["net/ipv4/ip_forward=1", ...of4]);
    expect(names(ipv6)).toEqual(["net/ipv6/conf/all/forwarding=1", ...of6]);
    expect(names(dual)).toEqual(["net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1", ...of4, ...of6]);
  });

  test("lets through its own addresses alone, before its link is up", () => {
    const plan = planWith(tendril, fields, { ipam: dual });
    const { name } = vethOf(plan);
    expect(elements(plan).toSorted()).toEqual([
      `inet pod_links ${name}`,
      `inet pod_sources_ipv4 ${name} . 10.1.0.5`,
      `inet pod_sources_ipv6 ${name} . fd00::5`,
    ]);
    const at = (kind: ResourceKindName) => plan.resources.findIndex((one) => one.kind === kind);
    expect(plan.resources.findLastIndex(({ kind }) => kind === "nft-element")).toBeLessThan(at("link"));
    expect(at("nft-table")).toBeLessThan(at("nft-element"));
  });

  test("has the routes that the IPAM plugin gives by its own gateway, and its own default where there is none", () => {
    const given = [{ dst: "10.9.0.0/16", gw: "10.1.0.77" }, { dst: "::/0" }];
    const plan = planWith(tendril, fields, { ipam: { ...dual, routes: given } });
    expect(plan.result.routes).toEqual([
      { dst: "10.9.0.0/16", gw: "169.254.1.1" },
      { dst: "::/0", gw: "fe80::1" },
      { dst: "0.0.0.0/0", gw: "169.254.1.1" },
    ]);
    expect(routes(plan)).toContain("container 10.9.0.0/16 via 169.254.1.1");
  });

  test("has the MTU at both ends, and the MAC that the runtime asks for", () => {
    expect(vethOf(planWith(tendril, { ...fields, mtu: 1450 }, { ipam: ipv4 })).mtu).toBe(1450);
    const mac = "02:00:5e:00:53:01";
    const plan = planWith(tendril, { ...fields, runtimeConfig: { mac } }, { ipam: ipv4 });
    expect(vethOf(plan).peer.mac).toBe(mac);
  });

  test("is another one for every attachment", () => {
    const named = (key: typeof KEY) => vethOf(planWith(tendril, fields, { ipam: ipv4, key }));
    const [first, second] = [named(KEY), named({ ...KEY, ifname: "net1" })];
    expect(first).toEqual(named(KEY));
    expect(first.name).not.toBe(second.name);
    expect(first.peer.mac).not.toBe(second.peer.mac);
  });

  test("passes on the configuration's DNS settings, or else those of the IPAM plugin", () => {
    const ipam = { ...ipv4, dns: { nameservers: ["10.0.0.1"] } };
    expect(planWith(tendril, fields, { ipam }).result.dns).toEqual({ nameservers: ["10.0.0.1"] });
    const dns = { domain: "a.example" };
    expect(planWith(tendril, { ...fields, dns }, { ipam }).result.dns).toEqual(dns);
  });
});

describe("masquerade", () => {
  const chains = (ipam: Partial<Parameters<typeof planWith>[2]>) =>
    ofKind(planWith(tendril, { ...fields, ipMasq: true }, ipam), "nft-chain").map(({ chain }) => chain.name);

  test("is the agent's, unless the configuration asks for it", () => {
    const plan = planWith(tendril, fields, { ipam: dual });
    expect(elements(plan).filter((line) => line.includes("masquerade"))).toEqual([]);
  });

  test("lets all of the network that the IPAM plugin tells see each other", () => {
    expect(chains({ ipam: dual })).toEqual(["masquerade-10.1.0.0-26", "masquerade-fd00__-122"]);
    const other = { ips: [{ address: "10.1.0.6/26" }, { address: "fd00::6/122" }] };
    expect(chains({ ipam: other })).toEqual(chains({ ipam: dual }));
  });

  test("is taken away by its owner's name where the network is not known any more", () => {
    const [ip] = planWith(tendril, fields, { ipam: dual }).result.ips ?? [];
    for (const facts of [
      { ipam: { ips: [] }, recovering: true },
      { ipam: { ips: [ip as never] }, adopted: {} },
    ]) {
      const plan = planWith(tendril, { ...fields, ipMasq: true }, facts);
      expect(chains(facts)).toEqual([]);
      expect(ofKind(plan, "nft-owned").some(({ sets }) => sets.some(({ name }) => name === "masquerade_ipv4"))).toBe(
        true,
      );
    }
  });
});

describe("a pod on a bridge", () => {
  const bridged = { ...fields, bridge: "cni0" };
  const ipam: Result = { ips: [{ address: "10.1.0.5/24", gateway: "10.1.0.1" }] };

  test("is a port of it, with the bridge's address as the gateway", () => {
    const plan = planWith(tendril, bridged, { ipam });
    const [bridge, veth] = ofKind(plan, "link");
    expect(bridge).toMatchObject({ type: "bridge", name: "cni0" });
    expect(veth).toMatchObject({ type: "veth", master: "cni0" });
    expect(plan.result.ips).toEqual([{ address: "10.1.0.5/24", gateway: "10.1.0.1", interface: 2 }]);
    expect(routes(plan)).toEqual(["container 0.0.0.0/0 via 10.1.0.1"]);
  });

  test("leaves the bridge the addresses of other blocks", () => {
    const addresses = ofKind(planWith(tendril, bridged, { ipam }), "address").filter(({ where }) => where === "host");
    expect(addresses).toMatchObject([{ link: "cni0", address: "10.1.0.1/24", shared: true }]);
    expect(addresses[0]?.others).toBeUndefined();
  });

  test("is guarded on the bridge, by address and by MAC", () => {
    const plan = planWith(tendril, bridged, { ipam });
    const [, veth] = ofKind(plan, "link");
    expect(elements(plan)).toContain(`bridge pod_sources_ipv4 ${veth?.name} . 10.1.0.5`);
    expect(elements(plan).some((line) => line.startsWith("bridge spoof_allowed"))).toBe(true);
  });
});

describe("host ports and rates", () => {
  const runtimeConfig = {
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
    bandwidth: { ingressRate: 1e6, ingressBurst: 1e6, egressRate: 2e6, egressBurst: 1e6 },
  };

  test("are those of portmap and bandwidth, in one plan", () => {
    const plan = planWith(tendril, { ...fields, runtimeConfig }, { ipam: dual });
    expect(elements(plan).filter((line) => line.includes("hostport")).length).toBeGreaterThan(1);
    expect(ofKind(plan, "link").map(({ type }) => type)).toEqual(["veth", "ifb"]);
    expect(plan.result.interfaces?.map(({ name }) => name).slice(0, 2)).toEqual([vethOf(plan).name, "eth0"]);
  });

  test("cost nothing where there are none", () => {
    const plan = planWith(tendril, fields, { ipam: dual });
    expect(elements(plan).filter((line) => line.includes("hostport"))).toEqual([]);
    expect(ofKind(plan, "link")).toHaveLength(1);
  });
});

describe("an attachment that left no record", () => {
  test("with the runtime's result has the plan that it had", () => {
    const made = planWith(tendril, fields, { ipam: dual });
    const again = planWith(tendril, fields, { ipam: { ips: made.result.ips ?? [] }, adopted: made.result });
    expect(again.resources).toEqual(made.resources as never);
  });

  test("without it has its link, and whatever elements are its own", () => {
    const plan = planWith(tendril, fields, { ipam: { ips: [] }, recovering: true });
    expect(vethOf(plan).name).toBe(vethOf(planWith(tendril, fields, { ipam: dual })).name);
    expect(ofKind(plan, "nft-owned").map(({ comment }) => comment)).toContain(`net eth0 ${KEY.containerId}`);
  });
});

describe("the configuration", () => {
  test("needs no ipam, which is the cluster's own then", () => {
    expect(tendril.defaultIpam).toBe("tendril");
    expect(() => parseWith(tendril, {})).not.toThrow();
  });

  test("is the same under each of the names", () => {
    for (const type of clusterTypes) {
      const planner = clusterPlanner(type);
      expect(planner.type).toBe(type);
      expect(planWith(planner, fields, { ipam: dual })).toEqual(planWith(tendril, fields, { ipam: dual }));
    }
  });

  test("may have the empty mode, which is none, and fields for the agent", () => {
    expect(() => parseWith(tendril, { mode: "", subnet: "10.244.0.0/16", storeOptions: 7 })).not.toThrow();
  });

  const wrong: readonly (readonly [field: string, value: unknown])[] = [
    ["mode", "ipvlan"],
    ["mode", 7],
    ["bridge", "a/b"],
    ["bridge", 7],
    ["ipMasq", "yes"],
    ["mtu", "1500"],
    ["mtu", 67],
  ];
  test.each(wrong)("is refused with %s %p", (field, value) => {
    const error = configError(() => parseWith(tendril, { ...fields, [field]: value }));
    expect(error.field).toBe(field);
  });

  test("is refused with a MAC that is none, and with host ports and rates that portmap and bandwidth refuse", () => {
    expect(configError(() => parseWith(tendril, { ...fields, runtimeConfig: { mac: "02:00" } })).field).toContain(
      "mac",
    );
    const wrongPort = { runtimeConfig: { portMappings: [{ hostPort: 70_000, containerPort: 80, protocol: "tcp" }] } };
    expect(configError(() => parseWith(tendril, { ...fields, ...wrongPort })).field).toContain("portMappings[0]");
    const rate = { runtimeConfig: { bandwidth: { ingressRate: -1, ingressBurst: 1 } } };
    expect(configError(() => parseWith(tendril, { ...fields, ...rate })).field).toContain("bandwidth");
  });
});

test("the gateways are valid on one link only", () => {
  expect(GATEWAYS).toEqual({ 4: "169.254.1.1", 6: "fe80::1" });
});
