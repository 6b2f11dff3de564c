import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AddressTable, WARM } from "./address-table.ts";

const V4 = { pool: "default", family: 4 } as const;
const ALL = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

let folder = "";
let table: AddressTable;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-addresses-"));
  table = new AddressTable(join(folder, "addresses.db"));
  table.addBlock("b1", V4, ALL);
});
afterEach(() => {
  table.close();
  rmSync(folder, { recursive: true });
});

function take(owner: string, now: number, cooledBefore = now): string | undefined {
  return table.take(V4, owner, now, cooledBefore)?.address;
}

describe("addresses", () => {
  test("are given in order, each once, and of the pool and family that was asked for", () => {
    expect(ALL.map((_, i) => take(`o${i}`, 1))).toEqual(ALL);
    expect(take("o3", 1)).toBeUndefined();
    expect(table.take({ pool: "other", family: 4 }, "o4", 1, 1)).toBeUndefined();
    expect(table.take({ pool: "default", family: 6 }, "o4", 1, 1)).toBeUndefined();
  });

  test("that were released first are given first, after they have cooled down", () => {
    for (const [i] of ALL.entries()) take(`o${i}`, 1);
    table.release("o1", 10);
    table.release("o0", 20);
    expect(take("p0", 25, 5)).toBeUndefined();
    expect(take("p0", 25, 15)).toBe("10.0.0.2");
    expect(take("p1", 25, 15)).toBeUndefined();
    expect(take("p1", 25)).toBe("10.0.0.1");
    table.release("p1", 1000);
    expect([take("p2", 30), take("p2", 30, WARM)]).toEqual([undefined, "10.0.0.1"]);
  });

  test("that were never given come before those that were", () => {
    take("o0", 1);
    table.release("o0", 2);
    expect([take("o1", 100), take("o2", 100), take("o3", 100)]).toEqual(["10.0.0.2", "10.0.0.3", "10.0.0.1"]);
  });

  test("can be asked for by name, unless somebody has them", () => {
    expect(table.takeThis("10.0.0.2", "default", "o", 1)).toBe(true);
    expect(table.takeThis("10.0.0.2", "default", "p", 1)).toBe(false);
    expect(table.takeThis("10.9.9.9", "default", "p", 1)).toBe(false);
    expect(table.of("o").map(({ address }) => address)).toEqual(["10.0.0.2"]);
  });

  test("and their cooling down outlast the process", () => {
    take("o0", 1);
    take("o1", 1);
    table.release("o0", 50);
    table.close();
    table = new AddressTable(join(folder, "addresses.db"));
    expect(table.holders()).toEqual(["o1"]);
    expect([take("p", 60, 40), take("q", 60, 40), take("q", 60, 50)]).toEqual(["10.0.0.3", undefined, "10.0.0.1"]);
  });
});

describe("a block", () => {
  test("that is closed gives nothing more; one that is in use is not closed", () => {
    take("o0", 1);
    expect(table.closeBlock("b1")).toBe(false);
    table.release("o0", 2);
    expect(table.closeBlock("b1")).toBe(true);
    expect(take("o1", 100)).toBeUndefined();
    expect(table.takeThis("10.0.0.1", "default", "o1", 100)).toBe(false);
    expect(table.blocks()).toMatchObject([{ block: "b1", closed: true, free: 0, used: 0 }]);
    expect(table.removeBlock("b1")).toEqual([]);
    expect(table.blocks()).toEqual([]);
  });

  test("that is removed names the owners that had some of it", () => {
    take("o0", 1);
    take("o1", 1);
    expect(table.removeBlock("b1").sort()).toEqual(["o0", "o1"]);
    expect(table.of("o0")).toEqual([]);
  });

  test("takes over an address that was borrowed of it, which stays in use", () => {
    table.addBlock("borrowed", V4, ["10.1.0.2"]);
    expect(table.takeThis("10.1.0.2", "default", "o", 1)).toBe(true);
    table.addBlock("b2", V4, ["10.1.0.1", "10.1.0.2"]);
    expect(table.of("o")).toMatchObject([{ address: "10.1.0.2", block: "b2" }]);
    expect(table.blocks().map(({ block, free, used }) => [block, free, used])).toEqual([
      ["b1", 3, 0],
      ["b2", 1, 1],
    ]);
  });
});

test("a certain address is kept back unless somebody has it, and one whose turn it is of certain blocks", () => {
  table.addBlock("b2", V4, ["10.0.1.1"]);
  take("o", 1);
  expect([table.keepThis("10.0.0.1", "b1"), table.keepThis("10.0.0.2", "b2")]).toEqual([false, false]);
  expect([table.keepThis("10.0.0.2", "b1"), table.keepThis("10.0.0.2", "b1")]).toEqual([true, true]);
  expect(table.keepAny(["b2"], 1)).toBe("10.0.1.1");
  expect(table.keepAny(["b2"], 1)).toBeUndefined();
  expect([table.peek(V4), table.freeIn("b1"), table.ownerOf("10.0.0.1")]).toEqual(["10.0.0.3", ["10.0.0.3"], "o"]);
  expect(table.given()).toMatchObject([{ owner: "o", address: "10.0.0.1", block: "b1" }]);
});

test("an address that was held apart comes back to its block kept back, and its owner is named", () => {
  table.keepThis("10.0.0.2", "b1");
  table.addBlock("apart", { pool: "reserved", family: 4 }, ["10.0.0.2"]);
  expect(table.takeThis("10.0.0.2", "default", "o", 1)).toBe(false);
  expect(table.takeThis("10.0.0.2", "reserved", "o", 1)).toBe(true);
  expect(table.ownersIn("apart")).toEqual(["o"]);
  expect(table.moveBack("apart", "b1", V4)).toEqual(["o"]);
  expect([table.of("o"), table.withheld("b1")]).toEqual([[], ["10.0.0.2"]]);
});

test("a block that comes with addresses kept back does not give them, and one that comes again is open", () => {
  table.addBlock("b2", { pool: "p2", family: 4 }, ["10.0.1.1", "10.0.1.2"], (address) => address === "10.0.1.1");
  expect(table.withheld("b2")).toEqual(["10.0.1.1"]);
  expect(table.closeBlock("b1")).toBe(true);
  table.addBlock("b1", V4, ALL);
  expect(take("o", 1)).toBe("10.0.0.1");
});

test("what is withheld is not given until it is restored", () => {
  expect(table.withhold("b1", 2).sort()).toEqual(["10.0.0.1", "10.0.0.2"]);
  expect(table.withheld("b1")).toEqual(["10.0.0.1", "10.0.0.2"]);
  expect(table.closeBlock("b1")).toBe(false);
  expect(table.takeThis("10.0.0.1", "default", "o", 1)).toBe(false);
  expect([take("o", 1), take("p", 1)]).toEqual(["10.0.0.3", undefined]);
  table.restore("10.0.0.2");
  expect(take("p", 1)).toBe("10.0.0.2");
});
