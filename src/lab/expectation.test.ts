import { describe, expect, test } from "bun:test";
import type { Result } from "../core/result.ts";
import { judge } from "./connectivity.ts";
import { EXAMPLE_NAMES, type ExampleName, exampleFile } from "./example.ts";
import { type Expectation, expectMatrix, participants } from "./expectation.ts";
import { type LabMode, podPaths } from "./lab.ts";
import { parseLabFile } from "./lab-file.ts";
import { exampleLab, exampleObserved, smallLab } from "./test-support/fixtures.ts";

function matrixOf(lab = exampleLab()): Expectation[] {
  return expectMatrix(lab, participants(lab, exampleObserved(lab)));
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

describe("the matrix of a lab with agents", () => {
  /** What a lab's agents might have given: one pod's addresses after the other, the node's own at the tunnel. */
  function matrix(example: ExampleName, mode?: LabMode) {
    const lab = parseLabFile(exampleFile(example), { mode });
    const results = new Map(
      podPaths(lab).map((path, i) => {
        const ips = lab.families.map((family) => ({
          address: family === 4 ? `10.244.0.${i + 10}/32` : `fd44::${i + 10}/128`,
        }));
        return [path, { ips }] as const;
      }),
    );
    const mtus = new Map(podPaths(lab).map((path) => [path, 1450] as const));
    const tunnels = new Map(lab.nodes.map(({ name }, i) => [name, [`10.244.9.${i}`, `fd44::9:${i}`]] as const));
    const all = expectMatrix(lab, participants(lab, { results, mtus, tunnels }));
    return (from: string, to: string, family: 4 | 6 = 4) =>
      all.find((one) => one.from === from && one.to === to && one.family === family && one.size === undefined);
  }

  test("has pods seen as themselves by other pods in every mode", () => {
    for (const example of EXAMPLE_NAMES.filter((name) => name !== "static" && name !== "ipv6")) {
      expect(matrix(example)("node1/web", "node3/web")?.source).toBe("10.244.0.10");
    }
    expect(matrix("ipv6")("node1/web", "node3/web", 6)?.source).toBe("fd44::10");
  });

  test("has pods seen as themselves by nodes that are reached directly, as their node by those in a tunnel", () => {
    expect(matrix("default")("node1/web", "node1")?.source).toBe("10.244.0.10");
    expect(matrix("default")("node1/web", "node2")?.source).toBe("10.244.0.10");
    expect(matrix("default")("node1/web", "node3")?.source).toBe("172.20.1.11");
    expect(matrix("dual")("node1/web", "node2", 6)?.source).toBe("fd20:1::11");
    expect(matrix("flat")("node1/web", "node3")?.source).toBe("10.244.0.10");
    expect(matrix("default", "bgp")("node1/web", "node3")?.source).toBe("10.244.0.10");
  });

  test("has nodes seen under their end of the tunnel, where the answers have to come back by it", () => {
    expect(matrix("default")("node1", "node3/web")?.source).toBe("10.244.9.0");
    expect(matrix("default")("node1", "node2/web")?.source).toBe("172.20.1.11");
    expect(matrix("default")("node1", "node3")?.source).toBe("172.20.1.11");
  });

  test("has pods seen as their node outside, and none of them reached from there", () => {
    expect(matrix("routed")("node1/web", "outside")?.source).toBe("172.20.1.11");
    expect(matrix("routed")("outside", "node1/web")?.reaches).toBe(false);
  });

  test("has a packet that fills the MTU arrive from pod to pod, and a larger one refused by its sender", () => {
    const lab = parseLabFile(exampleFile("jumbo"));
    const results = new Map<string, Result>(
      podPaths(lab).map((path, i) => [path, { ips: [{ address: `10.244.0.${i}/32` }] }]),
    );
    const mtus = new Map(podPaths(lab).map((path) => [path, 8950] as const));
    const all = expectMatrix(lab, participants(lab, { results, mtus, tunnels: new Map() }));
    const sized = all.filter(({ from, to, size }) => from === "node1/web" && to === "node2/web" && size !== undefined);
    expect(sized.map(({ protocol, size, reaches, refused }) => [protocol, size, reaches, refused])).toEqual([
      ["icmp", 8950, true, undefined],
      ["icmp", 8951, false, true],
      ["udp", 8950, true, undefined],
      ["udp", 8951, false, true],
    ]);
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
      "a full packet that is lost",
      { ...reached, size: 1450 },
      { reached: false, error: "ETIMEDOUT" },
      "of 1450 bytes did not arrive",
    ],
    [
      "a packet that its sender refuses as too large",
      { ...reached, reaches: false, refused: true, size: 1451 },
      { reached: false, error: "EMSGSIZE" },
      undefined,
    ],
    [
      "a packet beyond the MTU that gets through",
      { ...reached, reaches: false, refused: true, size: 1451 },
      { reached: true, source: "10.0.0.1" },
      "of 1451 bytes was let through, but is more than the MTU",
    ],
    [
      "a packet beyond the MTU that is lost on its way",
      { ...reached, reaches: false, refused: true, size: 1451 },
      { reached: false, error: "ETIMEDOUT" },
      "of 1451 bytes was not refused by the sender (ETIMEDOUT)",
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
