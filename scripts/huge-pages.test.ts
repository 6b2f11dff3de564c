import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alignCode } from "./huge-pages.ts";

const folder = mkdtempSync(join(tmpdir(), "tendril-huge-pages-"));
afterAll(() => rmSync(folder, { recursive: true }));

const runtime = new Uint8Array(readFileSync(process.execPath));
const aligned = alignCode(runtime);

const number = (bytes: Uint8Array, at: number) => Number(Buffer.from(bytes.buffer, at, 8).readBigUInt64LE());
const short = (bytes: Uint8Array, at: number) => Buffer.from(bytes.buffer, at, 2).readUInt16LE();

/** The bytes that a program has in memory from its file, by their addresses. */
function loaded(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (let i = 0; i < short(bytes, 56); i++) {
    const at = number(bytes, 32) + i * short(bytes, 54);
    const offset = number(bytes, at + 8);
    if (bytes[at] === 1) found.set(number(bytes, at + 16), bytes.subarray(offset, offset + number(bytes, at + 32)));
  }
  return found;
}

test("code lies in the file as it does in memory, but for whole huge pages", () => {
  const entry = number(aligned, 24);
  const places = [...loaded(aligned)]
    .filter(([address, { length }]) => address <= entry && entry < address + length)
    .map(([address, { byteOffset }]) => [address % 0x20_0000, byteOffset % 0x20_0000]);
  expect(places).toHaveLength(1);
  for (const [inMemory, inFile] of places) expect(inFile).toBe(inMemory);
});

test("what is loaded and where is the same", () => {
  const [before, after] = [loaded(runtime), loaded(aligned)];
  expect([...after.keys()]).toEqual([...before.keys()]);
  for (const [address, bytes] of before) {
    // The first segment has the headers in it, which say where the others are.
    const from = bytes.byteOffset === 0 ? 0x1000 : 0;
    const same = Buffer.compare(bytes.subarray(from), after.get(address)?.subarray(from) ?? new Uint8Array());
    expect(same).toBe(0);
  }
});

test("the program runs", () => {
  const path = join(folder, "runtime");
  writeFileSync(path, aligned, { mode: 0o755 });
  const { stdout, exitCode } = Bun.spawnSync([path, "-e", "console.log(6 * 7)"]);
  expect({ exitCode, output: stdout.toString() }).toEqual({ exitCode: 0, output: "42\n" });
});

test("a second time there is nothing to move", () => {
  expect(alignCode(aligned)).toBe(aligned);
});
