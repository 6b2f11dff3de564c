import { expect, test } from "bun:test";
import { IncompatibleVersionError } from "../core/errors.ts";
import { verbs } from "./environment.ts";
import { checkVerb, formatVersions, versionHasVerb, versions } from "./versions.ts";

test("VERSION answers in the version of its input", () => {
  const answerOf = (cniVersion: string) =>
    `{"cniVersion":"${cniVersion}","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}\n`;
  for (const version of ["0.1.0", "1.0.0", "9.9.9"]) {
    expect(formatVersions(JSON.stringify({ cniVersion: version }))).toBe(answerOf(version));
  }
  for (const input of ["", "x", "null", "{}", '{"cniVersion":""}', '{"cniVersion":1}']) {
    expect(formatVersions(input)).toBe(answerOf("1.1.0"));
  }
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
