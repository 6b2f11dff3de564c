import { describe, expect, test } from "bun:test";
import { ACCEPTED_MARK } from "../../core/accepted-mark.ts";
import type { ResourceOf } from "../../core/plan.ts";
import type { Facts } from "../../core/planner.ts";
import type { Result } from "../../core/result.ts";
import { configError, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { firewall } from "./firewall.ts";

const prevResult: Result = {
  interfaces: [
    { name: "br0", mac: "02:00:00:00:00:01" },
    { name: "veth7", mac: "02:00:00:00:00:02" },
    { name: "eth0", mac: "02:00:00:00:00:03", sandbox: NETNS },
  ],
  ips: [
    { address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 2 },
    { address: "fd01::5/64", interface: 2 },
  ],
  routes: [{ dst: "0.0.0.0/0" }],
};

const plan = (fields: Record<string, unknown> = {}, facts: Partial<Facts> = {}) =>
  planWith(firewall, fields, { prevResult, ...facts });

/** Elements as `set: key`, an owner's with an asterisk. */
const elementsOf = (planned: ReturnType<typeof plan>) =>
  ofKind(planned, "nft-element").map(
    ({ element: { set, key, comment }, shared }) =>
      `${set.family} ${set.name}: ${key.join(" . ")}${comment === "net eth0 c1" && !shared ? " *" : ""}`,
  );

const ADDRESSES = ["inet firewall_ipv4: 10.1.0.5 *", "inet firewall_ipv6: fd01::5 *"];

describe("a plan", () => {
  test("hands the result on as it came", () => {
    expect(plan().result).toEqual(prevResult);
  });

  test("has an element for each address, its owner's", () => {
    expect(elementsOf(plan())).toEqual(ADDRESSES);
  });

  test("for no addresses has no elements", () => {
    const bare = plan({}, { prevResult: { interfaces: prevResult.interfaces ?? [] } });
    expect(elementsOf(bare)).toEqual([]);
    expect(ofKind(bare, "nft-iptables")).toEqual([]);
  });

  test("shares all but the elements", () => {
    const own = plan({ ingressPolicy: "same-bridge" }).resources.filter(({ shared }) => !shared);
    expect(own.map(({ kind }) => kind)).toEqual(["nft-element", "nft-element"]);
  });

  test("is the same for every container, but for what names it", () => {
    const other = plan({}, { key: { network: "net", containerId: "c2", ifname: "eth0" } });
    const shared = (planned: typeof other) => planned.resources.filter((resource) => resource.shared);
    expect(shared(other)).toEqual(shared(plan()));
  });

  test("goes through iptables in the families of the addresses", () => {
    const ways = (fields: Record<string, unknown>, ips: Result["ips"]) =>
      ofKind(plan(fields, { prevResult: { ...prevResult, ips: ips ?? [] } }), "nft-iptables").map(
        ({ family }) => family,
      );
    const [v4, v6] = prevResult.ips ?? [];
    for (const backend of ["", "iptables", "firewalld"]) {
      expect(ways({ backend }, prevResult.ips)).toEqual(["ip", "ip6"]);
    }
    expect(ways({}, v4 && [v4, { address: "10.2.0.5/16" }])).toEqual(["ip"]);
    expect(ways({}, v6 && [v6])).toEqual(["ip6"]);
    expect(ways({ backend: "nftables" }, prevResult.ips)).toEqual([]);
  });

  test("marks what is accepted from the first rule to the last, and behind iptables no more", () => {
    const chains = ofKind(plan(), "nft-table")[0]?.chains ?? [];
    const priorities = chains.map(({ chain }) => chain.base?.priority);
    expect(priorities).toEqual([undefined, "filter + 20", "filter - 10"]);
    const forward = chains[2]?.rules ?? [];
    const mark = { kind: "set", key: "meta mark" } as const;
    expect(forward.at(0)?.statements).toEqual([{ ...mark, value: { key: "meta mark", or: 0x1000 } }]);
    for (const last of [forward.at(-1), chains[1]?.rules.at(-1)]) {
      expect(last?.statements).toEqual([{ ...mark, value: { key: "meta mark", and: 0xffffefff } }]);
    }
    expect(ofKind(plan(), "nft-iptables").map((way) => way.mark)).toEqual([ACCEPTED_MARK, ACCEPTED_MARK]);
  });

  test("asks the administrator's chain in our table and in that of iptables", () => {
    for (const [fields, name] of [
      [{}, "CNI-ADMIN"],
      [{ iptablesAdminChainName: "" }, "CNI-ADMIN"],
      [{ iptablesAdminChainName: "my_admin.1" }, "my_admin.1"],
    ] as const) {
      const planned = plan(fields);
      expect(ofKind(planned, "nft-admin-chain").map(({ chain }) => chain.name)).toEqual([name]);
      expect(ofKind(planned, "nft-rule").map(({ rule }) => rule)).toEqual([
        {
          family: "inet",
          table: "tendril",
          chain: "firewall-admin",
          statements: [{ kind: "verdict", verdict: { jump: name } }],
          comment: name,
        },
      ]);
      expect(ofKind(planned, "nft-iptables").map(({ adminChain }) => adminChain)).toEqual([name, name]);
    }
  });
});

describe("ingressPolicy", () => {
  test("same-bridge guards the bridge and lets it meet itself", () => {
    expect(elementsOf(plan({ ingressPolicy: "same-bridge" }))).toEqual([
      "inet same_bridge: br0 . br0",
      "inet guarded_bridges: br0",
      ...ADDRESSES,
    ]);
  });

  test("isolated guards the bridge, and the port in the bridge's own table", () => {
    const planned = plan({ ingressPolicy: "isolated" });
    expect(elementsOf(planned)).toEqual([
      "inet isolated_bridges: br0 . br0",
      "inet guarded_bridges: br0",
      "bridge isolated_ports: veth7 *",
      ...ADDRESSES,
    ]);
    expect(ofKind(planned, "nft-table").map(({ table }) => table.family)).toEqual(["inet", "bridge"]);
  });

  test("isolated of a routed interface has no port to isolate", () => {
    const interfaces = (prevResult.interfaces ?? []).slice(1);
    const planned = plan({ ingressPolicy: "isolated" }, { prevResult: { ...prevResult, interfaces } });
    expect(elementsOf(planned)).toEqual([
      "inet isolated_bridges: veth7 . veth7",
      "inet guarded_bridges: veth7",
      ...ADDRESSES,
    ]);
  });

  for (const interfaces of [[], [{ name: "eth0", mac: "02:00:00:00:00:03", sandbox: NETNS }]]) {
    test(`is refused with ${interfaces.length} interfaces, none of them on the host`, () => {
      const without = { ...prevResult, interfaces };
      const error = configError(() => plan({ ingressPolicy: "isolated" }, { prevResult: without }));
      expect({ field: error.field, message: error.message }).toEqual({
        field: "ingressPolicy",
        message:
          'Invalid configuration: "ingressPolicy" needs a bridge, and the plugin before has made no interface on the host: "isolated"',
      });
      // But whoever takes an attachment away is not in the way of it.
      const adopted = plan({ ingressPolicy: "isolated" }, { prevResult: without, adopted: without });
      expect(ofKind(adopted, "nft-accepted")).toHaveLength(2);
    });
  }
});

test("of an attachment without a record it is not known who has accepted its addresses", () => {
  const planned = plan({ ingressPolicy: "isolated" }, { adopted: prevResult });
  const accepted = ofKind(planned, "nft-accepted").map(({ element: { set, key, comment }, ...rest }) => ({
    element: `${set.name}: ${key.join()} ${comment}`,
    ...rest,
  }));
  const common = { kind: "nft-accepted", where: "host", chain: "CNI-FORWARD" } as const;
  expect(accepted).toEqual([
    { ...common, element: "firewall_ipv4: 10.1.0.5 net eth0 c1", family: "ip", address: "10.1.0.5" },
    { ...common, element: "firewall_ipv6: fd01::5 net eth0 c1", family: "ip6", address: "fd01::5" },
  ]);
  expect(ofKind(planned, "nft-owned").flatMap(({ sets }) => sets.map(({ name }) => name))).toEqual(["isolated_ports"]);
  expect(planned.resources).toHaveLength(3);
});

test("without record and result whatever carries the owner's comment goes", () => {
  const planned = planWith(firewall, { ingressPolicy: "isolated" }, { recovering: true });
  const lost = ofKind(planned, "nft-owned");
  const sets = (one: ResourceOf<"nft-owned">) => one.sets.map(({ family, name }) => `${family} ${name}`);
  expect(lost.map(({ comment }) => comment)).toEqual(["net eth0 c1", "net eth0 c1"]);
  expect(lost.flatMap(sets)).toEqual(["inet firewall_ipv4", "inet firewall_ipv6", "bridge isolated_ports"]);
  expect(planned.resources.filter(({ shared, kind }) => !shared && kind !== "nft-owned")).toEqual([]);
});

describe("fields", () => {
  test("have defaults, and empty words are absent ones", () => {
    const defaults = { ingressPolicy: "open", adminChain: "CNI-ADMIN", passIptables: true } as const;
    expect(parseWith(firewall, {})).toEqual(defaults);
    expect(
      parseWith(firewall, { backend: "", ingressPolicy: "", iptablesAdminChainName: "", firewalldZone: "" }),
    ).toEqual(defaults);
  });

  for (const [field, value, problem] of [
    ["backend", "ipchains", "must be one of"],
    ["backend", 1, "must be one of"],
    ["ingressPolicy", "closed", "must be one of"],
    ["ingressPolicy", ["open"], "must be one of"],
    ["iptablesAdminChainName", 5, "must be a string"],
    ["iptablesAdminChainName", "my chain", "must be a letter, then"],
    ["iptablesAdminChainName", "-j", "must be a letter, then"],
    ["iptablesAdminChainName", "1ST", "must be a letter, then"],
    ["iptablesAdminChainName", "a".repeat(29), "must not be longer than 28 characters"],
    ["iptablesAdminChainName", "FORWARD", "is the name of a chain that is no administrator's"],
    ["iptablesAdminChainName", "TENDRIL-FORWARD", "is the name of a chain that is no administrator's"],
    ["iptablesAdminChainName", "forward", "is the name of a chain that is no administrator's"],
    ["iptablesAdminChainName", "firewall-admin", "is the name of a chain that is no administrator's"],
    ["iptablesAdminChainName", "DROP", "is the name of a chain that is no administrator's"],
    ["firewalldZone", {}, "must be a string"],
  ] as const) {
    test(`${field} is not ${JSON.stringify(value)}`, () => {
      const error = configError(() => parseWith(firewall, { [field]: value }));
      expect(error.field).toBe(field);
      expect(error.message).toStartWith(`Invalid configuration: "${field}" ${problem}`);
      expect(error.message).toContain(JSON.stringify(value));
    });
  }

  test("each chain of the firewall's is no administrator's", () => {
    const chains = ofKind(plan({ ingressPolicy: "isolated" }), "nft-table").flatMap(({ chains }) => chains);
    for (const { chain } of chains) {
      expect(configError(() => parseWith(firewall, { iptablesAdminChainName: chain.name })).field).toBe(
        "iptablesAdminChainName",
      );
    }
  });
});
