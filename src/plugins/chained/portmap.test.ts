import { describe, expect, test } from "bun:test";
import type { NftElement } from "../../core/nftables.ts";
import type { Plan } from "../../core/plan.ts";
import type { Facts } from "../../core/planner.ts";
import type { Result } from "../../core/result.ts";
import { configError, linkFact, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { portmap } from "./portmap.ts";

const prevResult: Result = {
  interfaces: [{ name: "br0" }, { name: "veth7" }, { name: "eth0", sandbox: NETNS }],
  ips: [
    { address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 2 },
    { address: "fd01::5/64", interface: 2 },
    { address: "10.1.0.6/16", interface: 2 },
  ],
  dns: { nameservers: ["10.1.0.1"] },
};

const WEB = { hostPort: 8080, containerPort: 80, protocol: "tcp" };
const DNS = { hostPort: 53, containerPort: 5353, protocol: "udp" };
const ROUTES: Facts["routes"] = new Map([["10.1.0.5", { link: "br0", kind: "bridge" }]]);
const LINKS: Facts["links"] = new Map([["host/br0", linkFact({ kind: "bridge" })]]);

type Fields = Readonly<Record<string, unknown>>;

const ported = (ports: unknown, fields: Fields = {}) => ({ runtimeConfig: { portMappings: ports }, ...fields });
const plan = (ports: unknown, fields: Fields = {}, facts: Partial<Facts> = {}) =>
  planWith(portmap, ported(ports, fields), { prevResult, routes: ROUTES, links: LINKS, ...facts });

/** Elements as `map: key -> where`. */
const elementsOf = (planned: Plan) => ofKind(planned, "nft-element").map(({ element }) => words(element));

function words({ set, key, data, verdict }: NftElement): string {
  const to = data?.join(" . ") ?? (typeof verdict === "object" && "jump" in verdict ? verdict.jump : verdict);
  return `${set.name}: ${key.join(" . ")} -> ${to}`;
}

const chainsOf = (planned: Plan) => ofKind(planned, "nft-chain").map(({ chain }) => chain.name);
const tablesOf = (planned: Plan) =>
  ofKind(planned, "nft-table").map(({ chains }) => chains.map(({ chain }) => chain.name).join(" "));

describe("a plan", () => {
  test("leads a port of each family to the container's first address in it", () => {
    expect(elementsOf(plan([WEB]))).toEqual([
      "hostport_any_target_ipv4: tcp . 8080 -> 10.1.0.5 . 80",
      "hostport_any_ipv4: tcp . 8080 -> hostport-any-10.1.0.0-16",
      "hostport_any_target_ipv6: tcp . 8080 -> fd01::5 . 80",
      "hostport_any_ipv6: tcp . 8080 -> hostport-any-fd01__-64",
    ]);
  });

  test("leads a port of one address there in its family alone", () => {
    expect(
      elementsOf(
        plan([
          { ...WEB, hostIP: "192.0.2.1" },
          { ...WEB, hostIP: "::" },
          { ...WEB, hostIP: "::ffff:192.0.2.2" },
        ]),
      ),
    ).toEqual([
      "hostport_address_target_ipv4: 192.0.2.1 . tcp . 8080 -> 10.1.0.5 . 80",
      "hostport_address_ipv4: 192.0.2.1 . tcp . 8080 -> hostport-address-10.1.0.0-16",
      "hostport_address_target_ipv4: 192.0.2.2 . tcp . 8080 -> 10.1.0.5 . 80",
      "hostport_address_ipv4: 192.0.2.2 . tcp . 8080 -> hostport-address-10.1.0.0-16",
      "hostport_any_target_ipv6: tcp . 8080 -> fd01::5 . 80",
      "hostport_any_ipv6: tcp . 8080 -> hostport-any-fd01__-64",
    ]);
  });

  test("hands the result on as it came, and makes nothing without ports or without addresses", () => {
    expect(plan([WEB]).result).toEqual(prevResult);
    for (const ports of [[], null, undefined]) expect(plan(ports)).toEqual({ resources: [], result: prevResult });
    const bare = { interfaces: prevResult.interfaces ?? [] };
    expect(plan([WEB], {}, { prevResult: bare })).toEqual({ resources: [], result: bare });
    expect(plan([{ ...WEB, hostIP: "192.0.2.1" }], {}, { prevResult: onlyIpv6 }).resources).toEqual([]);
  });

  const onlyIpv6: Result = { ips: [{ address: "fd01::5/64" }] };

  test("takes addresses of the container's interface, or of none", () => {
    const other: Result = {
      interfaces: [{ name: "eth0" }, { name: "eth0", sandbox: NETNS }, { name: "net1", sandbox: NETNS }],
      ips: [
        { address: "10.9.0.1/16", interface: 0 },
        { address: "10.9.0.2/16", interface: 2 },
        { address: "10.9.0.3/16", interface: 1 },
        { address: "fd09::1/64" },
      ],
    };
    expect(elementsOf(plan([WEB], {}, { prevResult: other })).map((line) => line.replace(/.*> /, ""))).toEqual([
      "10.9.0.3 . 80",
      "hostport-any-10.9.0.0-16",
      "fd09::1 . 80",
      "hostport-any-fd09__-64",
    ]);
  });

  test("says what is taken, and by whom", () => {
    const [first, second] = ofKind(plan([{ ...WEB, hostIP: "192.0.2.1" }]), "nft-element");
    expect([first?.exclusive, second?.exclusive]).toEqual(Array(2).fill("host port 8080/tcp of address 192.0.2.1"));
    expect(first?.element.comment).toBe("net eth0 c1");
  });

  test("costs the same rules for every container of a network", () => {
    const shared = (planned: Plan) => planned.resources.filter((resource) => resource.shared);
    const other: Result = { ...prevResult, ips: [{ address: "10.1.0.9/16", interface: 2 }, { address: "fd01::9/64" }] };
    const key = { network: "net", containerId: "c2", ifname: "eth0" };
    const routes: Facts["routes"] = new Map([["10.1.0.9", { link: "br0", kind: "bridge" }]]);
    expect(shared(plan([{ ...WEB, hostPort: 1 }], {}, { prevResult: other, key, routes }))).toEqual(
      shared(plan([WEB])),
    );
  });
});

describe("masquerading", () => {
  const rulesOf = (planned: Plan) =>
    ofKind(planned, "nft-chain").map(({ rules }) =>
      rules.map(({ statements }) => statements.map((one) => ("value" in one ? JSON.stringify(one.value) : one.kind))),
    );
  const mark = (or: number) => JSON.stringify({ key: "meta mark", or });

  test("is for the container's own network and for loopback", () => {
    expect(tablesOf(plan([WEB]))).toEqual([
      "hostport_ipv4 hostport_ipv6 hostport_output hostport_prerouting",
      "hostport_masquerade_13",
    ]);
    expect(rulesOf(plan([WEB]))).toEqual([
      [['"10.1.0.0/16"', mark(0x2000)], ['"127.0.0.0/8"', mark(0x2000)], ["dnat"]],
      [['"fd01::/64"', mark(0x2000)], ["dnat"]],
    ]);
  });

  test("is for all with masqAll, with the bit that is given", () => {
    const planned = plan([WEB], { masqAll: true, markMasqBit: 31 });
    expect(tablesOf(planned)).toContain("hostport_masquerade_31");
    expect(rulesOf(planned)).toEqual([
      [[mark(2 ** 31)], ["dnat"]],
      [[mark(2 ** 31)], ["dnat"]],
    ]);
  });

  test("is for nobody without snat, whatever masqAll says", () => {
    const planned = plan([WEB], { snat: false, masqAll: true });
    expect(tablesOf(planned)).toHaveLength(1);
    expect(rulesOf(planned)).toEqual([[["dnat"]], [["dnat"]]]);
    expect(ofKind(planned, "sysctl")).toEqual([]);
  });

  test("of different kinds goes by different chains", () => {
    const names = [
      {},
      { snat: false },
      { masqAll: true },
      { markMasqBit: 1 },
      { conditionsV4: ["-s", "10.0.0.0/8"], conditionsV6: ["-s", "fd00::/8"] },
    ].flatMap((fields) => chainsOf(plan([WEB], fields)));
    expect(new Set(names).size).toBe(names.length);
  });
});

test("conditions stand before all that a chain does, in their family", () => {
  const planned = plan([WEB], { conditionsV4: ["!", "-s", "10.0.0.0/8"] });
  const condition = { kind: "match", key: "ip saddr", operator: "!=", value: "10.0.0.0/8" } as const;
  const [four, six] = ofKind(planned, "nft-chain");
  expect(four?.rules.map(({ statements }) => statements[0])).toEqual([condition, condition, condition]);
  expect(six?.rules.some(({ statements }) => statements.some((one) => Bun.deepEquals(one, condition)))).toBe(false);
});

describe("loopback is let through", () => {
  const sysctlOf = (facts: Partial<Facts>, fields: Fields = {}) => ofKind(plan([WEB], fields, facts), "sysctl");

  test("on the bridge that leads to the container, for all that share it", () => {
    expect(sysctlOf({})).toEqual([
      {
        kind: "sysctl",
        where: "host",
        shared: true,
        link: "br0",
        name: "net/ipv4/conf/br0/route_localnet",
        value: "1",
      },
    ]);
  });

  test("on the host's end of a pair, which is the container's own", () => {
    const routes: Facts["routes"] = new Map([["10.1.0.5", { link: "veth7", kind: "veth" }]]);
    expect(sysctlOf({ routes })).toEqual([
      { kind: "sysctl", where: "host", link: "veth7", name: "net/ipv4/conf/veth7/route_localnet", value: "1" },
    ]);
  });

  test("on the link that the result names first, while an ADD is but foreseen", () => {
    const links: Facts["links"] = new Map([["host/br0", undefined]]);
    const routes: Facts["routes"] = new Map([["10.1.0.5", { link: "uplink0", kind: undefined }]]);
    expect(sysctlOf({ links, routes })).toMatchObject([{ link: "br0", shared: true }]);
    const pair: Result = { ...prevResult, interfaces: [{ name: "veth7" }, { name: "eth0", sandbox: NETNS }] };
    const ips = [{ address: "10.1.0.5/16", interface: 1 }];
    expect(sysctlOf({ links, routes, prevResult: { ...pair, ips } })).toEqual([
      expect.not.objectContaining({ shared: true }),
    ]);
  });

  test("nowhere without a way to the container or an address of IPv4", () => {
    expect(sysctlOf({ routes: new Map([["10.1.0.5", undefined]]) })).toEqual([]);
    expect(sysctlOf({ prevResult: { ips: [{ address: "fd01::5/64" }] } })).toEqual([]);
  });

  test("the way is asked for where it is needed", () => {
    const about = { containerId: "c1", ifname: "eth0", prevResult };
    const asked = (fields: Fields) => portmap.routes?.(parseWith(portmap, fields), about);
    expect(asked(ported([WEB]))).toEqual(["10.1.0.5"]);
    expect(asked(ported([WEB], { snat: false }))).toEqual([]);
    expect(asked(ported([]))).toEqual([]);
    expect(portmap.links(parseWith(portmap, ported([WEB])), about).map(({ name }) => name)).toEqual(["br0", "veth7"]);
    expect(portmap.links(parseWith(portmap, ported([])), about)).toEqual([]);
  });
});

describe("UDP clients find the new way", () => {
  test("once all is made, and once all is removed", () => {
    const kinds = plan([DNS, WEB, { ...DNS, hostPort: 54, hostIP: "192.0.2.1" }]).resources;
    expect(kinds.at(0)).toEqual({
      kind: "conntrack",
      where: "host",
      when: "removed",
      flows: [
        { family: 4, protocol: "udp", port: 53, answeredBy: "10.1.0.5" },
        { family: 4, protocol: "udp", port: 54, destination: "192.0.2.1", answeredBy: "10.1.0.5" },
        { family: 6, protocol: "udp", port: 53, answeredBy: "fd01::5" },
      ],
    });
    expect(kinds.at(-1)).toEqual({
      kind: "conntrack",
      where: "host",
      when: "made",
      flows: [
        { family: 4, protocol: "udp", port: 53 },
        { family: 4, protocol: "udp", port: 54, destination: "192.0.2.1" },
        { family: 6, protocol: "udp", port: 53 },
      ],
    });
  });

  test("without a look where there is no port of UDP", () => {
    expect(ofKind(plan([WEB, { ...WEB, hostPort: 1, protocol: "sctp" }]), "conntrack")).toEqual([]);
  });
});

test("without record and result DEL takes all that bears the owner's name, ours or the reference plugin's", () => {
  const planned = planWith(portmap, ported([WEB]), { recovering: true });
  const [owned, adopted] = planned.resources;
  expect(owned).toMatchObject({ kind: "nft-owned", comment: "net eth0 c1" });
  expect(ofKind(planned, "nft-owned")[0]?.sets).toHaveLength(8);
  expect(adopted).toMatchObject({ kind: "nft-adopted-ports", elements: [], containerId: "c1" });
});

test("of an attachment without a record it is not known who leads its ports", () => {
  const planned = plan([WEB, DNS], {}, { adopted: prevResult });
  expect(planned.resources.map(({ kind }) => kind)).toEqual(["conntrack", "nft-adopted-ports"]);
  const [adopted] = ofKind(planned, "nft-adopted-ports");
  const made = ofKind(plan([WEB, DNS]), "nft-element").map(({ element }) => element);
  expect(adopted).toEqual({
    kind: "nft-adopted-ports",
    where: "host",
    elements: made,
    families: ["ip", "ip6"],
    // printf netc1 | sha512sum
    chain: "CNI-DN-623e1c388032b20529218",
    containerId: "c1",
  });
});

describe("the configuration", () => {
  const parse = (fields: Fields) => parseWith(portmap, fields);

  test("has defaults", () => {
    expect(parse({})).toEqual({
      mappings: [],
      snat: true,
      masqAll: false,
      markBit: 13,
      conditions: { 4: [], 6: [] },
    });
  });

  test("has protocols in capitals too, empty addresses, and what is given twice once", () => {
    const { mappings } = parse(ported([{ ...WEB, protocol: "TCP", hostIP: "" }, WEB, { ...WEB, hostIP: "0.0.0.0" }]));
    expect(mappings).toEqual([
      { hostPort: 8080, containerPort: 80, protocol: "tcp", families: [4, 6], hostAddress: undefined },
    ]);
    const families = parse(ported([{ ...WEB, hostIP: "0.0.0.0" }, WEB])).mappings.map((one) => one.families);
    expect(families).toEqual([[4], [6]]);
  });

  test("takes either backend's words, and both backends' names", () => {
    expect(parse({ backend: "nftables", conditionsV4: ["ip saddr 1.2.3.4"] }).conditions[4]).toHaveLength(1);
    expect(parse({ backend: "iptables", conditionsV4: ["-s", "1.2.3.4"] }).conditions[4]).toHaveLength(1);
    expect(parse({ conditionsV4: ["-s", "1.2.3.4"], conditionsV6: ["ip6 saddr fd00::1"] }).conditions[6]).toHaveLength(
      1,
    );
    expect(parse({ externalSetMarkChain: "KUBE-MARK-MASQ" }).markBit).toBe(13);
  });

  const wrong: readonly (readonly [Fields, field: string])[] = [
    [ported({}), "runtimeConfig.portMappings"],
    [ported([1]), "runtimeConfig.portMappings[0]"],
    [ported([WEB, { ...WEB, hostPort: 0 }]), "runtimeConfig.portMappings[1].hostPort"],
    [ported([{ ...WEB, hostPort: 65536 }]), "runtimeConfig.portMappings[0].hostPort"],
    [ported([{ ...WEB, hostPort: "80" }]), "runtimeConfig.portMappings[0].hostPort"],
    [ported([{ ...WEB, hostPort: undefined }]), "runtimeConfig.portMappings[0].hostPort"],
    [ported([{ ...WEB, containerPort: -1 }]), "runtimeConfig.portMappings[0].containerPort"],
    [ported([{ ...WEB, containerPort: 1.5 }]), "runtimeConfig.portMappings[0].containerPort"],
    [ported([{ ...WEB, protocol: "icmp" }]), "runtimeConfig.portMappings[0].protocol"],
    [ported([{ ...WEB, protocol: undefined }]), "runtimeConfig.portMappings[0].protocol"],
    [ported([{ ...WEB, hostIP: "localhost" }]), "runtimeConfig.portMappings[0].hostIP"],
    [ported([{ ...WEB, hostIP: "10.0.0.0/8" }]), "runtimeConfig.portMappings[0].hostIP"],
    [ported([WEB, { ...WEB, containerPort: 81 }]), "runtimeConfig.portMappings[1].hostPort"],
    [ported([WEB, { ...WEB, containerPort: 81, hostIP: "0.0.0.0" }]), "runtimeConfig.portMappings[1].hostPort"],
    [{ snat: "yes" }, "snat"],
    [{ masqAll: 1 }, "masqAll"],
    [{ markMasqBit: 32 }, "markMasqBit"],
    [{ markMasqBit: -1 }, "markMasqBit"],
    [{ backend: "ipvs" }, "backend"],
    [{ conditionsV4: "-s 1.2.3.4" }, "conditionsV4"],
    [{ conditionsV6: ["-s", "1.2.3.4"] }, "conditionsV6[1]"],
    [{ backend: "nftables", conditionsV4: ["-s", "1.2.3.4"] }, "conditionsV4"],
    [{ backend: "iptables", conditionsV6: ["ip6 saddr fd00::1"] }, "conditionsV6"],
    [{ externalSetMarkChain: "X", markMasqBit: 1 }, "externalSetMarkChain"],
    [{ externalSetMarkChain: "X", backend: "nftables" }, "externalSetMarkChain"],
    [{ externalSetMarkChain: 7 }, "externalSetMarkChain"],
  ];
  for (const [fields, field] of wrong) {
    test(`${JSON.stringify(fields)} is refused, naming ${field}`, () => {
      expect(configError(() => parse(fields)).field).toBe(field);
    });
  }
});
