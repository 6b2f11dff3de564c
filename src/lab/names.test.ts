import { expect, test } from "bun:test";
import fc from "fast-check";
import { members } from "./lab.ts";
import { namePrefix, netnsName } from "./names.ts";
import { exampleLab } from "./test-support/fixtures.ts";

test("No name of one lab's things begins like those of another lab", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,19}$/);
  fc.assert(
    fc.property(name, name, fc.stringMatching(/^[a-z0-9-]{1,15}$/), (one, two, member) => {
      fc.pre(one !== two);
      expect(netnsName(one, member).startsWith(namePrefix(two))).toBe(false);
    }),
  );
});

test("No two members of a lab share a network namespace", () => {
  const all = members(exampleLab());
  expect(new Set(all.map((member) => netnsName("demo", member))).size).toBe(all.length);
  // A node "a-b" and a pod "b" of node "a" are two.
  expect(netnsName("demo", "a-b")).not.toBe(netnsName("demo", "a/b"));
});
