import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Assembler, at } from "../src/entry/x86-64.ts";
import { segmentsOf, setNumber64, viewOf } from "./elf.ts";
import { type EntryCode, withEntryCode } from "./entry-point.ts";
import { alignCode } from "./huge-pages.ts";

const folder = mkdtempSync(join(tmpdir(), "tendril-entry-point-"));
afterAll(() => rmSync(folder, { recursive: true }));

const runtime = alignCode(new Uint8Array(readFileSync(process.execPath)));

/** Ends with status 7 when there are no arguments; else leaves all to the program. */
const ending: EntryCode = (address, programEntry) => {
  const code = new Assembler(address);
  code.load("rax", at("rsp"));
  code.cmp("rax", 1);
  code.jumpIf("notEqual", "program");
  code.mov("rdi", 7);
  code.mov("rax", 231);
  code.syscall();
  code.label("program");
  code.jumpTo(programEntry);
  return code.assemble();
};

function run(bytes: Uint8Array, ...args: string[]): { readonly exitCode: number | null; readonly output: string } {
  const path = join(folder, "runtime");
  writeFileSync(path, bytes, { mode: 0o755 });
  const { stdout, exitCode } = Bun.spawnSync([path, ...args]);
  return { exitCode, output: stdout.toString() };
}

const test64 = test.skipIf(process.arch !== "x64");

test64("the code runs first, and may leave all to the program", () => {
  const changed = withEntryCode(runtime, ending);
  expect(run(changed)).toEqual({ exitCode: 7, output: "" });
  expect(run(changed, "-e", "console.log(6 * 7)")).toEqual({ exitCode: 0, output: "42\n" });
});

test64("code may be longer than what is left of a page", () => {
  const long: EntryCode = (address, programEntry) =>
    Uint8Array.from([...ending(address, programEntry), ...new Uint8Array(3 * 4096)]);
  const changed = withEntryCode(runtime, long);
  expect(run(changed)).toEqual({ exitCode: 7, output: "" });
  expect(run(changed, "-e", "console.log(6 * 7)")).toEqual({ exitCode: 0, output: "42\n" });
});

test("nothing but the headers and the free place is changed", () => {
  const length = 100;
  const changed = withEntryCode(runtime, () => new Uint8Array(length).fill(0xcc));
  const different: number[] = [];
  for (let i = 0; i < runtime.length; i++) if (runtime[i] !== changed[i]) different.push(i);
  const code = segmentsOf(viewOf(changed)).find(({ isCode }) => isCode);
  const inCode = different.filter((i) => i >= (code?.offset ?? 0));
  expect(inCode).toEqual(Array.from({ length }, (_, i) => (code?.offset ?? 0) + i));
  expect(different.every((i) => i < 4096 || inCode.includes(i))).toBe(true);
});

test("where there is no room, that is said", () => {
  const full = runtime.slice();
  const view = viewOf(full);
  const segments = segmentsOf(view);
  const code = segments.find(({ isCode }) => isCode);
  const before = segments.find(({ isLoaded, isCode }) => isLoaded && !isCode);
  if (code === undefined || before === undefined) throw new Error("the runtime has no segments");
  // So much memory that it ends where the code begins.
  setNumber64(view, before.at + 40, code.address - before.address);
  expect(() => withEntryCode(full, ending)).toThrow("bytes free before the code");
});
