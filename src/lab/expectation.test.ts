import { describe, expect, test } from "bun:test";
import { judge } from "./connectivity.ts";
import { type Expectation, expectMatrix, participants } from "./expectation.ts";
import { exampleLab, exampleResults, smallLab } from "./test-support/fixtures.ts";

function matrixOf(lab = exampleLab()): Expectation[] {
  return expectMatrix(lab, participants(lab, exampleResults(lab)));
}

function find(from: string, to: string, family: 4 | 6 = 4): Expectation {
  const found = matrixOf().find((one) => one.from === from && one.to === to && one.family === family);
  if (found === undefined) throw new Error(`Nobody expects anything from ${from} to ${to}`);
  return found;
}

describe("the matrix of expectations", () => {
  test("has everybody to everybody else, by three protocols and two families", () => {
    // Six pods, three nodes, one outside.
    expect(matrixOf().length).toBe(10 * 9 * 3 * 2);
    const keys = matrixOf().map(({ from, to, protocol, family }) => `${from} ${to} ${protocol} ${family}`);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("of a small lab has one family and nobody outside", () => {
    expect(matrixOf(smallLab()).length).toBe(4 * 3 * 3);
  });

  test("has pods seen under their own address within the cluster", () => {
    expect(find("node1/web", "node3/db")).toMatchObject({ address: "10.244.3.3", reaches: true, source: "10.244.1.2" });
    expect(find("node1/web", "node1", 6)).toMatchObject({ reaches: true, source: "fd44:0:0:1::2" });
    expect(find("node1/web", "node3")).toMatchObject({ address: "172.20.2.13", source: "10.244.1.2" });
  });

  test("has pods seen under their node's address outside", () => {
    expect(find("node3/web", "outside")).toMatchObject({ reaches: true, source: "172.20.2.13" });
    expect(find("node3/web", "outside", 6)).toMatchObject({ reaches: true, source: "fd20:2::13" });
  });

  test("has a node seen by its own pods under the bridge's address, by others under that of the fabric", () => {
    expect(find("node1", "node1/web").source).toBe("10.244.1.1");
    expect(find("node1", "node2/web").source).toBe("172.20.1.11");
  });

  test("has nobody outside reach a pod, but the nodes", () => {
    expect(matrixOf().filter(({ from, to, reaches }) => from === "outside" && to.includes("/") && reaches)).toEqual([]);
    expect(find("outside", "node2")).toMatchObject({ reaches: true, source: "198.51.100.2" });
  });
});

describe("the judgement", () => {
  const reached: Expectation = {
    from: "a",
    to: "b",
    protocol: "udp",
    family: 4,
    address: "10.0.0.2",
    reaches: true,
    source: "10.0.0.1",
  };
  const cases: readonly [
    what: string,
    expected: Expectation,
    seen: Parameters<typeof judge>[1],
    problem: string | undefined,
  ][] = [
    ["an answer and the right source", reached, { reached: true, source: "10.0.0.1" }, undefined],
    ["another source", reached, { reached: true, source: "10.0.0.9" }, "saw a as 10.0.0.9, not as 10.0.0.1"],
    ["silence", reached, { reached: false, error: "ETIMEDOUT" }, "no answer, and nothing arrived"],
    [
      "a request without an answer",
      reached,
      { reached: false, source: "10.0.0.1", error: "ETIMEDOUT" },
      "the request arrived, but no answer came back (ETIMEDOUT)",
    ],
    ["a refusal", reached, { reached: false, error: "EHOSTUNREACH" }, "not reached (EHOSTUNREACH)"],
    ["no connection", { ...reached, protocol: "tcp" }, { reached: false, error: "ETIMEDOUT" }, "no connection"],
    ["silence where it should be", { ...reached, reaches: false }, { reached: false, error: "ENETUNREACH" }, undefined],
    [
      "an answer where none should be",
      { ...reached, reaches: false },
      { reached: true, source: "10.0.0.1" },
      "was reached, but should not be",
    ],
    [
      "a request where none should arrive",
      { ...reached, reaches: false },
      { reached: false, source: "10.0.0.1" },
      "was not to get anything, but the request arrived",
    ],
  ];
  for (const [what, expected, seen, problem] of cases) {
    test(`of ${what} is: ${problem ?? "as expected"}`, () => {
      expect(judge(expected, seen).problem).toBe(problem as string);
    });
  }
});
