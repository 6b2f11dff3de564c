/** Who reaches whom in every topology that the lab has as an example, and in mode bgp on one link. */

import { describe, expect } from "bun:test";
import { podAddresses } from "../../src/lab/attachment.ts";
import { podResult } from "../../src/lab/change.ts";
import { EXAMPLE_NAMES, type ExampleName } from "../../src/lab/example.ts";
import type { LabMode, LabNode } from "../../src/lab/lab.ts";
import { requireRecord } from "../../src/lab/record.ts";
import { type Need, needs, program } from "../support/needs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { clusterNeeds, expectGood, outputInMember, stage } from "./stage.ts";

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
    const { lab, play } = stage(word, example, { mode }, more);

    const test = needs(...clusterNeeds, ...more);

    test("has everybody reach whom they should", async () => {
      expectGood(await play("reachability"));
    });

    test("has a trace from the first node's pod to the last one's find nothing wrong", async () => {
      const record = requireRecord(lab);
      const [first, last] = [record.lab.nodes[0], record.lab.nodes.at(-1)] as [LabNode, LabNode];
      for (const address of podAddresses(podResult(record.lab, `${last.name}/${last.pods[0]}`) ?? {})) {
        const to = address.includes(":") ? `[${address}]` : address;
        const shown = await outputInMember(
          record,
          first.name,
          "trace",
          `default/${first.name}-${first.pods[0]}`,
          `${to}:80`,
        );
        expect(shown).toContain(`is of node "${last.name}", and it is sent `);
        expect(shown).toEndWith("Nothing is wrong on this way.\n");
      }
    });
  });
}
