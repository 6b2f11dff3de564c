/** The tables of the test's rules as models, with sets of every form and their elements. */

import type { NftElement, NftFamily, NftRule, NftSet } from "../../../core/nftables.ts";
import type { TableModel } from "../ruleset.ts";
import { type ChainCase, type TableCase, tables } from "./rules.ts";

function chainModel(family: NftFamily, table: string, { name, base, rules }: ChainCase) {
  return {
    chain: { family, table, name, ...(base === undefined ? {} : { base }) },
    rules: rules.map(
      ({ statements, comment }): NftRule => ({
        family,
        table,
        chain: name,
        statements,
        ...(comment === undefined ? {} : { comment }),
      }),
    ),
  };
}

function tableModel({ family, name, sets, chains }: TableCase): TableModel {
  return { table: { family, name }, sets, chains: chains.map((chain) => chainModel(family, name, chain)) };
}

const TABLE = { family: "inet", table: "sets" } as const;

function withElements(set: Omit<NftSet, "family" | "table">, ...contents: readonly Omit<NftElement, "set">[]) {
  const whole: NftSet = { ...TABLE, ...set };
  return { set: whole, elements: contents.map((content): NftElement => ({ set: whole, ...content })) };
}

const values = (...keys: NftElement["key"][]) => keys.map((key) => ({ key }));

/** Sets in each form; the elements out of order, as they may come. */
export const filledSets = [
  withElements(
    { name: "networks", key: ["ipv4_addr"], flags: ["interval"], comment: "all of them" },
    ...values(
      ["255.0.0.0/8"],
      ["10.0.0.2"],
      ["10.0.0.1"],
      [{ from: "11.0.0.0", to: "11.0.0.1" }],
      [{ from: "12.0.0.1", to: "13.0.0.9" }],
    ),
  ),
  withElements({ name: "everything", key: ["ipv6_addr"], flags: ["interval"] }, ...values(["::/0"])),
  withElements({ name: "some_marks", key: ["mark"] }, ...values([0x100], [1], [0x20000], [3], [4], [5], [6])),
  withElements({ name: "some_links", key: ["ifname"] }, ...values(["a2"], ["b1"], ["veth10"], ["veth1"], ["abc"])),
  withElements(
    { name: "senders", key: ["ifname", "ether_addr"] },
    { key: ["a2", "00:00:00:00:00:02"], comment: "net eth0 abc" },
    { key: ["b1", "00:00:00:00:00:01"] },
    { key: ["zz", "01:00:00:00:00:01"] },
  ),
  withElements(
    { name: "ranges", key: ["ipv4_addr", "inet_service"], flags: ["interval"] },
    ...values(["10.0.0.0/8", { from: 80, to: 90 }], ["9.0.0.0/8", 80], ["11.0.0.1", { from: 1, to: 2 }]),
  ),
  withElements({ name: "protocols", key: ["inet_proto"] }, ...values([99], ["udp"], ["tcp"])),
  withElements(
    { name: "services", key: ["inet_service"], flags: ["interval"] },
    ...values([{ from: 80, to: 90 }], [22]),
  ),
  withElements({ name: "hardware", key: ["ether_addr"], size: 100 }, ...values(["02:00:00:00:00:01"])),
  withElements({ name: "kinds", key: ["fib_addrtype"] }, ...values(["local"], ["unicast"])),
  withElements({ name: "states", key: ["ct_state"] }, ...values(["new"], ["established"])),
  withElements({ name: "types", key: ["ether_type"] }, ...values(["arp"], [0x9000], ["ip6"])),
  withElements({
    name: "small",
    key: ["ipv4_addr"],
    policy: "memory",
    gcInterval: 5000,
    flags: ["dynamic", "timeout"],
  }),
  withElements({ name: "short", key: ["ipv6_addr"], timeout: 90_061_500 }),
  withElements(
    { name: "verdicts", key: ["ipv4_addr"], data: "verdict" },
    { key: ["10.0.0.1"], verdict: { goto: "target" }, comment: "net: mynet eth0" },
    { key: ["10.0.0.2"], verdict: "accept" },
    { key: ["10.0.0.3"], verdict: { jump: "target" } },
  ),
  withElements(
    { name: "by_network", key: ["ipv4_addr"], data: "verdict", flags: ["interval"] },
    { key: ["10.1.0.0/16"], verdict: { goto: "target" }, comment: "y" },
    { key: [{ from: "10.2.0.0", to: "10.3.5.9" }], verdict: "drop" },
  ),
  withElements(
    { name: "places", key: ["ipv4_addr", "inet_service"], data: ["ipv4_addr", "inet_service"] },
    { key: ["10.0.0.1", 80], data: ["10.1.0.1", 8080], comment: "web" },
    { key: ["10.0.0.1", 443], data: ["10.1.0.1", 8443] },
  ),
  withElements(
    { name: "to_mark", key: ["ipv4_addr"], data: ["mark"] },
    { key: ["10.0.0.1"], data: [5] },
    { key: ["10.0.0.2"], data: [0xffffffff] },
  ),
  withElements({ name: "fixed", key: ["inet_service"], flags: ["constant"] }, ...values([80], [443])),
];

const setTable: TableModel = {
  table: { family: "inet", name: "sets", comment: "sets of every form" },
  sets: filledSets.map(({ set }) => set),
  chains: [{ chain: { ...TABLE, name: "target", comment: "nothing" }, rules: [] }],
  elements: filledSets.flatMap(({ elements }) => elements),
};

export const models: readonly TableModel[] = [...tables.map(tableModel), setTable];
