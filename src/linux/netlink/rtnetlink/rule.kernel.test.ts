import { describe, expect } from "bun:test";
import { alike, ruleAsIp } from "../../../../test/support/ip-json.ts";
import { type TestNetns, testNamespaces } from "../../../../test/support/namespaces.ts";
import { needs, program, root } from "../../../../test/support/needs.ts";
import { expectNothingLeft } from "../../../../test/support/snapshot.ts";
import { NetlinkError } from "../error.ts";
import { addRule, deleteRule, listRules, type RuleSpec } from "./rule.ts";

const namespaces = testNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("nsenter"));

const SPECS: readonly RuleSpec[] = [
  { family: 4, priority: 100, table: 100, from: "10.1.0.0/16" },
  { family: 4, priority: 101, table: 1000, to: "10.2.0.5/32", inputName: "in0" },
  { family: 4, priority: 102, table: 100, mark: 0x10, markMask: 0xf0, outputName: "out0" },
  { family: 4, priority: 103, table: 254, mark: 7 },
  { family: 6, priority: 104, table: 70000, from: "fd00::/64", to: "fd01::1/128" },
  { family: 6, priority: 105, table: 100 },
];

/** Compares all rules, in all fields that we know, with what ip(8) prints. */
function expectAsPrinted({ socket, json }: TestNetns): void {
  const ours = listRules(socket).map(ruleAsIp);
  const theirs = [...json<object>("ip -j -4 rule show"), ...json<object>("ip -j -6 rule show")];
  expect(ours).toHaveLength(theirs.length);
  for (const [i, rule] of ours.entries()) expect(rule).toEqual(alike(theirs[i], rule));
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof NetlinkError) return error.code;
    throw error;
  }
  return "none";
}

describe("rules", () => {
  kernelTest("are added, listed as ip(8) prints them, and deleted", () => {
    const namespace = namespaces.fresh();
    const { socket, json } = namespace;
    const before = listRules(socket).length;
    for (const rule of SPECS) socket.execute(addRule(rule));
    expect(json("ip -j rule show")).toMatchObject([
      { priority: 0, table: "local" },
      { priority: 100, src: "10.1.0.0", srclen: 16, table: "100" },
      { priority: 101, dst: "10.2.0.5", iif: "in0", table: "1000" },
      { priority: 102, fwmark: "0x10", fwmask: "0xf0", oif: "out0" },
      { priority: 103, fwmark: "0x7", table: "main" },
      { priority: 32766 },
      { priority: 32767 },
    ]);
    expect(json("ip -j -6 rule show")).toMatchObject([
      { priority: 0 },
      { priority: 104, src: "fd00::", srclen: 64, dst: "fd01::1", table: "70000" },
      { priority: 105, src: "all", table: "100" },
      { priority: 32766 },
    ]);
    expectAsPrinted(namespace);
    for (const rule of SPECS) {
      expect(codeOf(() => socket.execute(addRule(rule)))).toBe("EEXIST");
      socket.execute(deleteRule(rule));
      expect(codeOf(() => socket.execute(deleteRule(rule)))).toBe("ENOENT");
    }
    expect(listRules(socket)).toHaveLength(before);
    expectAsPrinted(namespace);
  });

  kernelTest("that differ in one respect are not deleted", () => {
    const { socket } = namespaces.fresh();
    const rule = SPECS[0] as RuleSpec;
    socket.execute(addRule(rule));
    for (const other of [
      { ...rule, table: 101 },
      { ...rule, from: "10.1.0.0/17" },
      { ...rule, priority: 99 },
      { ...rule, mark: 1 },
    ]) {
      expect(codeOf(() => socket.execute(deleteRule(other)))).toBe("ENOENT");
    }
    expect(listRules(socket).some(({ priority }) => priority === 100)).toBe(true);
  });
});
