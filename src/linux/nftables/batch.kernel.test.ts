import { describe, expect } from "bun:test";
import { onBothKernels } from "../../../test/support/kernel.ts";
import { needs, root } from "../../../test/support/needs.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import type { NftElement, NftRule, NftSet } from "../../core/nftables.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { commit, commitWithoutDestroy, readGeneration, readUnchanged, transactIfUnchanged } from "./batch.ts";
import { addChain, createChain, deleteChain, destroyChain, findChain, listChains } from "./chain.ts";
import {
  addElements,
  createElements,
  deleteElements,
  destroyElements,
  findElement,
  listElements,
  removeOwnElements,
} from "./element.ts";
import { addRule, deleteRule, flushChain, insertRule, listRules, replaceRule } from "./rule.ts";
import { addSet, createSet, deleteSet, destroySet, findSet, listSets } from "./set.ts";
import { addTable, createTable, destroyTable, findTable, listTables } from "./table.ts";
import { netfilterNamespaces, refusal } from "./test-support/netfilter.ts";

const namespaces = netfilterNamespaces();
expectNothingLeft();
const kernelTest = needs(root);

const TABLE = { family: "inet", name: "t" } as const;
const IN_TABLE = { family: "inet", table: "t" } as const;
const CHAIN = { ...IN_TABLE, name: "c" };
const SET: NftSet = { ...IN_TABLE, name: "s", key: ["ipv4_addr"] };
const VERDICTS: NftSet = { ...IN_TABLE, name: "v", key: ["ipv4_addr"], data: "verdict" };

function rule(comment: string): NftRule {
  return { ...IN_TABLE, chain: "c", statements: [{ kind: "verdict", verdict: "accept" }], comment };
}

function prepare(socket: NetlinkSocket): void {
  commit(socket, [addTable(TABLE), addChain(CHAIN), addSet(SET), addSet(VERDICTS)]);
}

function comments(socket: NetlinkSocket): (string | undefined)[] {
  return listRules(socket, CHAIN).map(({ comment }) => comment);
}

describe("a batch", () => {
  kernelTest("changes nothing when one of its messages is refused, and the error names that one", () => {
    const { netfilter } = namespaces.fresh();
    const error = refusal(() =>
      commit(netfilter, [addTable(TABLE), addChain(CHAIN), deleteSet(SET), addSet(VERDICTS)]),
    );
    expect([error.code, error.operation]).toEqual(["ENOENT", `delete set inet "t" "s"`]);
    expect(listTables(netfilter)).toEqual([]);
  });

  kernelTest("that is empty is not sent", () => {
    const { netfilter } = namespaces.fresh();
    const before = readGeneration(netfilter);
    commit(netfilter, []);
    expect(readGeneration(netfilter)).toBe(before);
  });

  kernelTest("takes 5,000 elements at once, and deletes them again", () => {
    const { netfilter } = namespaces.fresh();
    const elements = Array.from(
      { length: 5000 },
      (_, i): NftElement => ({
        set: VERDICTS,
        key: [`10.0.${i >> 8}.${i & 255}`],
        verdict: { goto: "c" },
        comment: `net: a-rather-long-network-name eth0 container-${i}`,
      }),
    );
    commit(netfilter, [addTable(TABLE), addChain(CHAIN), addSet(VERDICTS), ...addElements(elements)]);
    const found = listElements(netfilter, VERDICTS);
    expect(found.length).toBe(5000);
    expect(new Set(found.map(({ key, comment }) => `${key} ${comment}`))).toEqual(
      new Set(elements.map(({ key, comment }) => `${key} ${comment}`)),
    );
    commit(netfilter, deleteElements(elements));
    expect(listElements(netfilter, VERDICTS)).toEqual([]);
  });

  kernelTest("in which 3,000 messages are refused fails at once, by the first", () => {
    const { netfilter } = namespaces.fresh();
    prepare(netfilter);
    const requests = Array.from({ length: 3000 }, (_, i) => deleteRule({ ...IN_TABLE, chain: "c" }, BigInt(i + 1000)));
    const error = refusal(() => commit(netfilter, requests));
    expect([error.code, error.operation]).toEqual(["ENOENT", `delete rule 1000 of chain inet "t" "c"`]);
    commit(netfilter, addRule(rule("after")));
    expect(comments(netfilter)).toEqual(["after"]);
  });
});

describe("a generation", () => {
  kernelTest("that has passed makes the batch fail by ERESTART, and nothing is changed", () => {
    const { netfilter, openAnother } = namespaces.fresh();
    const generation = readGeneration(netfilter);
    commit(openAnother(), [addTable({ ...TABLE, name: "other" })]);
    expect(refusal(() => commit(netfilter, [addTable(TABLE)], generation)).code).toBe("ERESTART");
    expect(listTables(netfilter).map(({ name }) => name)).toEqual(["other"]);
    commit(netfilter, [addTable(TABLE)], readGeneration(netfilter));
    expect(findTable(netfilter, TABLE)).toBeDefined();
  });

  kernelTest("that passes while a transaction reads makes it read again", () => {
    const { netfilter, openAnother } = namespaces.fresh();
    prepare(netfilter);
    const other = openAnother();
    let reads = 0;
    const state = transactIfUnchanged(
      netfilter,
      () => {
        reads++;
        const found = comments(netfilter);
        if (reads < 4) commit(other, addRule(rule(`theirs ${reads}`)));
        return found;
      },
      (found) => addRule(rule(`ours after ${found.length}`)),
    );
    expect(reads).toBe(4);
    expect(state).toEqual(["theirs 1", "theirs 2", "theirs 3"]);
    expect(comments(netfilter)).toEqual(["theirs 1", "theirs 2", "theirs 3", "ours after 3"]);
  });

  kernelTest("that passes while several lists are read makes them be read again", () => {
    const { netfilter, openAnother } = namespaces.fresh();
    prepare(netfilter);
    const other = openAnother();
    let reads = 0;
    const found = readUnchanged(netfilter, () => {
      const before = comments(netfilter).length;
      if (reads++ === 0) commit(other, addRule(rule("theirs")));
      return [before, comments(netfilter).length];
    });
    expect(found).toEqual([1, 1]);
  });

  kernelTest("does not pass by a transaction that writes nothing", () => {
    const { netfilter } = namespaces.fresh();
    const before = readGeneration(netfilter);
    expect(
      transactIfUnchanged(
        netfilter,
        () => "read",
        () => [],
      ),
    ).toBe("read");
    expect(readGeneration(netfilter)).toBe(before);
  });
});

describe("adding", () => {
  kernelTest("what is there already is fine, creating it is EEXIST", () => {
    const { netfilter } = namespaces.fresh();
    const element: NftElement = { set: SET, key: ["10.0.0.1"], comment: "mine" };
    const all = () => [addTable(TABLE), addChain(CHAIN), addSet(SET), ...addElements([element])];
    commit(netfilter, all());
    commit(netfilter, all());
    const creations = [[createTable(TABLE)], [createChain(CHAIN)], [createSet(SET)], createElements([element])];
    expect(creations.map((requests) => refusal(() => commit(netfilter, requests)).code)).toEqual([
      "EEXIST",
      "EEXIST",
      "EEXIST",
      "EEXIST",
    ]);
  });

  kernelTest("rules puts them at the end, at the start, before another, or in the place of another", () => {
    const { netfilter } = namespaces.fresh();
    prepare(netfilter);
    commit(netfilter, [...addRule(rule("b")), ...addRule(rule("d")), ...insertRule(rule("a"))]);
    const [, , last] = listRules(netfilter, CHAIN);
    commit(netfilter, insertRule(rule("c"), last?.handle));
    expect(comments(netfilter)).toEqual(["a", "b", "c", "d"]);
    commit(netfilter, replaceRule(rule("B"), listRules(netfilter, CHAIN)[1]?.handle ?? 0n));
    expect(comments(netfilter)).toEqual(["a", "B", "c", "d"]);
    commit(netfilter, [deleteRule({ ...IN_TABLE, chain: "c" }, listRules(netfilter, CHAIN)[0]?.handle ?? 0n)]);
    expect(comments(netfilter)).toEqual(["B", "c", "d"]);
    commit(netfilter, [flushChain(CHAIN)]);
    expect(comments(netfilter)).toEqual([]);
  });
});

describe("destroying", () => {
  const everything = () => [
    ...destroyElements([{ set: SET, key: ["10.0.0.1"] }]),
    destroySet(SET),
    destroyChain(CHAIN),
  ];

  for (const [how, destroy] of [
    ["by the kernel's own messages", commit],
    ["by deleting what is there, as older kernels need it", commitWithoutDestroy],
  ] as const) {
    kernelTest(`takes away what is there and passes over what is not, ${how}`, () => {
      const { netfilter } = namespaces.fresh();
      prepare(netfilter);
      commit(netfilter, addElements([{ set: SET, key: ["10.0.0.1"] }]));
      destroy(netfilter, everything());
      expect(listSets(netfilter, TABLE).map(({ name }) => name)).toEqual(["v"]);
      expect(listChains(netfilter, TABLE)).toEqual([]);
      destroy(netfilter, [destroySet(SET), destroyChain(CHAIN), destroyTable(TABLE)]);
      expect(findTable(netfilter, TABLE)).toBeUndefined();
      destroy(netfilter, [destroyTable(TABLE)]);
    });
  }

  kernelTest("a chain that something leads to is EBUSY", () => {
    const { netfilter } = namespaces.fresh();
    prepare(netfilter);
    commit(netfilter, addElements([{ set: VERDICTS, key: ["10.0.0.1"], verdict: { goto: "c" } }]));
    expect(refusal(() => commit(netfilter, [deleteChain(CHAIN)])).code).toBe("EBUSY");
    expect(refusal(() => commit(netfilter, [destroyChain(CHAIN)])).code).toBe("EBUSY");
    expect(findChain(netfilter, CHAIN)?.use).toBe(1);
  });
});

describe("looking up", () => {
  kernelTest("gives undefined for what is not there, and for all in a table that is not", () => {
    const { netfilter } = namespaces.fresh();
    const absent = () => [
      findTable(netfilter, TABLE),
      findChain(netfilter, CHAIN),
      findSet(netfilter, SET),
      findElement(netfilter, { set: SET, key: ["10.0.0.1"] }),
    ];
    expect(absent()).toEqual([undefined, undefined, undefined, undefined]);
    commit(netfilter, [addTable(TABLE), addSet(SET)]);
    expect(findElement(netfilter, { set: SET, key: ["10.0.0.1"] })).toBeUndefined();
    expect(listRules(netfilter, CHAIN)).toEqual([]);
  });

  kernelTest("an element gives it with its value, comment and time", () => {
    const { netfilter } = namespaces.fresh();
    const timed: NftSet = { ...VERDICTS, name: "timed", flags: ["timeout"] };
    const element: NftElement = { set: timed, key: ["10.0.0.1"], verdict: "drop", comment: "x", timeout: 600_000 };
    commit(netfilter, [addTable(TABLE), addSet(timed), ...addElements([element])]);
    const found = findElement(netfilter, { set: timed, key: ["10.0.0.1"] });
    expect(found).toMatchObject(element);
    expect(found?.expires).toBeGreaterThan(500_000);
  });

  // Kernels differ in what they answer to a question for the end of a range.
  needs(root, onBothKernels)("a range finds that range and none around, within or beside it", () => {
    const { netfilter } = namespaces.fresh();
    const ranges: NftSet = { ...SET, name: "ranges", flags: ["interval"] };
    const present: NftElement["key"][] = [
      ["10.0.0.0/8"],
      ["11.0.0.5"],
      ["11.0.0.6"],
      ["12.0.0.0/16"],
      ["12.1.0.0/16"],
      ["13.0.0.1"],
      ["255.0.0.0/8"],
    ];
    commit(netfilter, [addTable(TABLE), addSet(ranges), ...addElements(present.map((key) => ({ set: ranges, key })))]);
    const find = (key: NftElement["key"]) => findElement(netfilter, { set: ranges, key });
    for (const key of present) expect(find(key)).toEqual({ set: ranges, key });
    const others = ["10.0.0.0/16", "10.0.0.1", "10.255.255.255", "8.0.0.0/5", "11.0.0.4/30", "11.0.0.6/31"];
    for (const key of [...others, "12.0.0.0/8", "12.0.0.0/15", "255.0.0.0/16", "254.0.0.0/7", "255.255.255.255"]) {
      expect([key, find([key])]).toEqual([key, undefined]);
    }
    commit(
      netfilter,
      deleteElements([
        { set: ranges, key: ["10.0.0.0/8"] },
        { set: ranges, key: ["11.0.0.6"] },
      ]),
    );
    expect(listElements(netfilter, ranges).map(({ key }) => key)).toEqual(
      present.filter(([key]) => key !== "10.0.0.0/8" && key !== "11.0.0.6"),
    );
  });

  needs(root, onBothKernels)("networks side by side are found one by one, in whatever order they came", () => {
    const ranges: NftSet = { ...SET, name: "ranges", flags: ["interval"] };
    const networks = Array.from({ length: 9 }, (_, i) => `10.244.${i}.0/24`);
    for (const order of [networks, networks.toReversed(), [4, 7, 0, 8, 2, 1, 6, 3, 5].map((i) => networks[i] ?? "")]) {
      const { netfilter } = namespaces.fresh();
      commit(netfilter, [addTable(TABLE), addSet(ranges)]);
      for (const [i, network] of order.entries()) {
        commit(netfilter, createElements([{ set: ranges, key: [network] }]));
        for (const there of networks) {
          const found = findElement(netfilter, { set: ranges, key: [there] });
          expect([order, there, found !== undefined]).toEqual([order, there, order.indexOf(there) <= i]);
        }
      }
      for (const network of order) commit(netfilter, deleteElements([{ set: ranges, key: [network] }]));
      expect(listElements(netfilter, ranges)).toEqual([]);
    }
  });

  kernelTest("a tuple of ranges finds that one", () => {
    const { netfilter } = namespaces.fresh();
    const ranges: NftSet = { ...SET, name: "ranges", key: ["ipv4_addr", "inet_service"], flags: ["interval"] };
    const key: NftElement["key"] = ["10.0.0.0/8", { from: 80, to: 90 }];
    commit(netfilter, [addTable(TABLE), addSet(ranges), ...addElements([{ set: ranges, key, comment: "c" }])]);
    expect(findElement(netfilter, { set: ranges, key })).toEqual({ set: ranges, key, comment: "c" });
    expect(findElement(netfilter, { set: ranges, key: ["10.0.0.0/8", 80] })).toBeUndefined();
    commit(netfilter, deleteElements([{ set: ranges, key }]));
    expect(listElements(netfilter, ranges)).toEqual([]);
  });
});

describe("removing an owner's elements", () => {
  const element = (key: string, comment: string): NftElement => ({ set: SET, key: [key], comment });

  kernelTest("leaves those that are gone and those of others", () => {
    const { netfilter } = namespaces.fresh();
    prepare(netfilter);
    commit(netfilter, addElements([element("10.0.0.1", "mine"), element("10.0.0.2", "theirs")]));
    const mine = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((key) => element(key, "mine"));
    expect(removeOwnElements(netfilter, mine)).toBe(1);
    expect(listElements(netfilter, SET).map(({ key, comment }) => [key, comment])).toEqual([[["10.0.0.2"], "theirs"]]);
    expect(removeOwnElements(netfilter, mine)).toBe(0);
  });

  kernelTest("does not take one that got another owner after it was looked at", () => {
    const { netfilter, openAnother } = namespaces.fresh();
    prepare(netfilter);
    commit(netfilter, addElements([element("10.0.0.1", "mine")]));
    const other = openAnother();
    let looks = 0;
    const taken = transactIfUnchanged(
      netfilter,
      () => {
        const found = findElement(netfilter, element("10.0.0.1", "mine"));
        if (looks++ === 0) {
          commit(other, [
            ...deleteElements([element("10.0.0.1", "mine")]),
            ...addElements([element("10.0.0.1", "new")]),
          ]);
        }
        return found?.comment === "mine" ? [element("10.0.0.1", "mine")] : [];
      },
      deleteElements,
    );
    expect([looks, taken]).toEqual([2, []]);
    expect(findElement(netfilter, element("10.0.0.1", "mine"))?.comment).toBe("new");
  });
});
