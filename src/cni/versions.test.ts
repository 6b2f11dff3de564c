import { expect, test } from "bun:test";
import { IncompatibleVersionError } from "../core/errors.ts";
import { verbs } from "./environment.ts";
import { checkVerb, formatVersions, versionHasVerb, versions } from "./versions.ts";

test("VERSION answers what the reference plugins do", () => {
  expect(formatVersions()).toBe(
    '{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}\n',
  );
});

test("CHECK came with 0.4.0, GC and STATUS with 1.1.0", () => {
  const allowed = versions.map((version) => verbs.filter((verb) => versionHasVerb(version, verb)).join(" "));
  expect(allowed).toEqual([
    ...new Array(4).fill("ADD DEL VERSION"),
    "ADD DEL CHECK VERSION",
    "ADD DEL CHECK VERSION",
    "ADD DEL CHECK GC STATUS VERSION",
  ]);
});

test("a verb that is newer than the version is refused with both", () => {
  expect(() => checkVerb("0.3.1", "CHECK")).toThrow(IncompatibleVersionError);
  expect(() => checkVerb("1.0.0", "GC")).toThrow(/GC.*"1\.0\.0"/);
});
