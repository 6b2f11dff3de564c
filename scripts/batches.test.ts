import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BatchOutcome, runBatches } from "./batches.ts";

const FILES = {
  "good.test.ts": `test("one", () => {}); test.skip("two", () => {});`,
  "bad.test.ts": `test("three", () => { console.log("said"); expect(1).toBe(2); });`,
  "broken.test.ts": `throw new Error("cannot be loaded");`,
  "none.test.ts": `export {};`,
  "hook.test.ts": `test("four", () => {}); afterAll(() => { throw new Error("left behind"); });`,
};

let root = "";

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "tendril-batches-"));
  const imports = 'import { afterAll, expect, test } from "bun:test";';
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(root, name), `${imports}\n${text}\n`);
});

afterAll(() => {
  rmSync(root, { recursive: true });
});

/** What batches of those files come to, and what they print. */
async function runOf(...batches: (keyof typeof FILES)[][]): Promise<{ outcomes: BatchOutcome[]; printed: string }> {
  const cache = join(root, "cache");
  let printed = "";
  const output = (bytes: Uint8Array) => {
    printed += Buffer.from(bytes).toString();
  };
  const options = { root, cache, environment: {}, atOnce: 2, isRoot: false, output };
  const outcomes = await runBatches(
    batches.map((files) => ({ suite: "mine", files })),
    options,
  );
  expect(readdirSync(cache)).toEqual([]);
  return { outcomes, printed };
}

test("batches are counted, and what failed is told with what it said", async () => {
  const { outcomes, printed } = await runOf(["good.test.ts"], ["bad.test.ts", "good.test.ts"]);
  expect(outcomes.toSorted((a, b) => a.failed - b.failed)).toMatchObject([
    { suite: "mine", passed: 1, failed: 0, skipped: 1, failures: [] },
    { suite: "mine", passed: 1, failed: 1, skipped: 1, failures: [expect.stringContaining("Received: 1")] },
  ]);
  for (const part of ["… mine: good.test.ts\n", "… mine: bad.test.ts and 1 more\n", "said", "(fail) three"]) {
    expect(printed).toContain(part);
  }
});

test("a file that cannot be loaded is a failure, and so is what a hook finds", async () => {
  const { outcomes } = await runOf(["broken.test.ts"]);
  expect(outcomes).toMatchObject([{ passed: 0, failed: 1 }]);
  expect(outcomes[0]?.failures.join()).toContain("cannot be loaded");
  const hook = await runOf(["hook.test.ts"]);
  expect(hook.outcomes).toMatchObject([{ failed: 1 }]);
  expect(hook.outcomes[0]?.failures.join()).toContain("left behind");
});

test("files without a test are nothing", async () => {
  const { outcomes } = await runOf(["none.test.ts"]);
  expect(outcomes).toEqual([{ suite: "mine", passed: 0, failed: 0, skipped: 0, failures: [], skips: [] }]);
});

test("no batch is nothing", async () => {
  expect(await runOf()).toEqual({ outcomes: [], printed: "" });
});
