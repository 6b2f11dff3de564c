/** Who reaches whom in every topology that the lab has as an example, and in mode bgp on one link. */

import { describe } from "bun:test";
import { EXAMPLE_NAMES, type ExampleName } from "../../src/lab/example.ts";
import type { LabMode } from "../../src/lab/lab.ts";
import { type Need, needs, program } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { clusterNeeds, expectGood, stage } from "./stage.ts";

expectNothingLeft();

const bird = program("bird");
interface Case {
  readonly word: string;
  readonly example: ExampleName;
  readonly mode?: LabMode;
  readonly more: readonly Need[];
}

const cases: readonly Case[] = [
  ...EXAMPLE_NAMES.filter((name) => name !== "static" && name !== "default").map((example) => ({
    word: example,
    example,
    more: example === "routed" ? [bird] : [],
  })),
  { word: "flatbgp", example: "flat", mode: "bgp", more: [bird] },
];

for (const { word, example, mode, more } of cases) {
  describe(`the example ${example}${mode === undefined ? "" : ` in mode ${mode}`}`, () => {
    const { play } = stage(word, example, { mode }, more);

    needs(...clusterNeeds, ...more)("has everybody reach whom they should", async () => {
      expectGood(await play("reachability"));
    });
  });
}
