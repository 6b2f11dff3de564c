/** After somebody has wiped the ruleset, the next ADD puts back what all attachments had in it. */

import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testNamespaces } from "../../test/support/namespaces.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import { VerificationError } from "../core/errors.ts";
import type { Call } from "../core/plugin.ts";
import { inNetns } from "../linux/netns.ts";
import { bridge } from "../plugins/interface/bridge.ts";
import { missedTableMark } from "../resources/kernel.ts";
import { kernelKinds } from "../resources/kinds.ts";
import { attachments } from "./attachment.ts";

const namespaces = testNamespaces();
const folder = mkdtempSync(join(tmpdir(), "tendril-restore-"));
afterAll(() => rmSync(folder, { recursive: true }));
expectNothingLeft();

let count = 0;

/** A host, and calls for containers of its own on a network that masquerades and checks senders. */
function stage() {
  const host = namespaces.fresh();
  const runFolder = join(folder, String(++count));
  const warnings: string[] = [];
  let last = 1;
  const call = (): Call => {
    const number = ++last;
    return {
      containerId: `c${number}`,
      ifname: "eth0",
      netns: namespaces.fresh().netns.path,
      args: new Map(),
      cniArgs: "",
      path: [],
      stdin: "{}",
      warn: (sentence) => warnings.push(sentence),
      config: {
        cniVersion: "1.1.0",
        name: "net",
        type: "bridge",
        bridge: "br0",
        ipMasq: true,
        macspoofchk: true,
        ipam: { type: "fake", address: `10.5.0.${number}/24` },
      },
    };
  };
  const nothing = () => {};
  const plugin = attachments(bridge, {
    runFolder,
    bootId: "boot",
    kinds: kernelKinds,
    resolveIpam: () => ({
      type: "fake",
      add: ({ config }) => ({ ips: [{ address: String(config.ipam?.address) }] }),
      check: nothing,
      del: nothing,
      gc: nothing,
      status: nothing,
    }),
  });
  const within = <T>(work: () => T): T => inNetns(host.netns, work);
  const add = (of: Call) => within(() => plugin.add(of));
  const check = (of: Call) => within(() => plugin.check(of));
  const del = (of: Call) => within(() => plugin.del(of));
  const ruleset = () => host.sh("nft -s list ruleset");
  return { host, call, add, check, del, ruleset, warnings, mark: missedTableMark(runFolder) };
}

test("what `nft flush ruleset` took away is noticed by CHECK, and the next ADD restores it for all", () => {
  const { host, call, add, check, del, ruleset, warnings, mark } = stage();
  const [first, second, third] = [call(), call(), call()];
  for (const one of [first, second, third]) add(one);
  const before = ruleset();
  del(third);
  const without = ruleset();
  expect(without).not.toBe(before);
  host.sh("nft flush ruleset");
  expect(() => check(first)).toThrow(VerificationError);
  add(third);
  expect(sortElements(ruleset())).toBe(sortElements(before));
  for (const one of [first, second, third]) check(one);
  expect(existsSync(mark)).toBe(false);
  expect(warnings).toEqual([]);
});

test("a container that has died since is not restored, as its address may be another's", () => {
  const { host, call, add, ruleset } = stage();
  const [first, second] = [call(), call()];
  add(first);
  expect(Bun.spawnSync(["umount", "--lazy", first.netns ?? ""]).exitCode).toBe(0);
  host.sh("nft flush ruleset");
  add(second);
  expect(ruleset()).not.toContain("10.5.0.2 ");
  expect(ruleset()).toContain("10.5.0.3 ");
});

/** The kernel lists a map's elements in no order. */
function sortElements(ruleset: string): string {
  return ruleset.replace(/elements = \{([^}]*)\}/g, (_, inside: string) =>
    inside
      .split(",")
      .map((element) => element.trim())
      .sort()
      .join(),
  );
}
