import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { source, startChild } from "../../test/support/child.ts";
import { needs, program, root } from "../../test/support/needs.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import { FileError } from "../core/errors.ts";
import { fileErrorCode, readTextIfExists, removeFileIfExists, tryWithLock, withLock, writeFileAtomic } from "./file.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-file-"));
});
afterAll(() => rmSync(folder, { recursive: true }));
expectNothingLeft();

const FILE_MODULE = source("linux/file.ts");

function refusal(work: () => unknown): FileError {
  try {
    work();
  } catch (error) {
    if (error instanceof FileError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("writeFileAtomic", () => {
  test("makes folder and file, for the owner alone unless another mode is given", () => {
    const path = join(folder, "a/b/state.json");
    writeFileAtomic(path, "ä\n");
    expect(readFileSync(path, "utf8")).toBe("ä\n");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    writeFileAtomic(join(folder, "a/b/other"), "", { mode: 0o644, sync: true });
    expect(statSync(join(folder, "a/b/other")).mode & 0o777).toBe(0o644);
    expect(readdirSync(join(folder, "a/b")).sort()).toEqual(["other", "state.json"]);
  });

  test("puts a shorter content in the place of a longer one", () => {
    const path = join(folder, "shorter");
    writeFileAtomic(path, "x".repeat(1_000_000));
    writeFileAtomic(path, "y");
    expect(readFileSync(path, "utf8")).toBe("y");
  });

  test("leaves the old content and no temporary file when it fails", () => {
    const target = join(folder, "is-a-folder");
    mkdirSync(join(target, "child"), { recursive: true });
    const error = refusal(() => writeFileAtomic(target, "x"));
    expect(error.message).toBe(`Cannot write "${target}": EISDIR`);
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    expect(refusal(() => writeFileAtomic(join(folder, "shorter/below"), "x")).message).toContain("ENOTDIR");
  });

  needs(root, program("mount"))("leaves the old content when the disk is full", () => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk]).exitCode).toBe(0);
    try {
      const path = join(disk, "state");
      writeFileAtomic(path, "old");
      expect(refusal(() => writeFileAtomic(path, "n".repeat(1_000_000))).message).toContain("ENOSPC");
      expect(readFileSync(path, "utf8")).toBe("old");
      expect(readdirSync(disk)).toEqual(["state"]);
    } finally {
      expect(Bun.spawnSync(["umount", disk]).exitCode).toBe(0);
    }
  });

  test("shows a reader the old content or the new, never a part, however often the writer is killed", async () => {
    const path = join(folder, "killed");
    const size = 400_000;
    const whole = (letter: string) => letter.repeat(size);
    writeFileAtomic(path, whole("a"));
    const seen = new Set<string>();
    let reads = 0;
    for (let round = 0; round < 12; round++) {
      const child = startChild(`
        import { writeFileAtomic } from ${FILE_MODULE};
        const contents = ["a", "b", "c"].map((letter) => letter.repeat(${size}));
        console.log("ready");
        for (let i = 0; ; i++) writeFileAtomic(${JSON.stringify(path)}, contents[i % 3]);
      `);
      expect(await child.line()).toBe("ready");
      // Each round is killed at another place; what happened until then differs anyway.
      for (let i = 0; i <= 3 * round; i++) {
        const content = readFileSync(path, "utf8");
        reads++;
        if (content !== whole(content.charAt(0))) throw new Error(`A part: ${content.length} of ${size} characters`);
        seen.add(content.charAt(0));
      }
      child.kill("SIGKILL");
      expect(await child.ended()).toBe("SIGKILL");
      const after = readFileSync(path, "utf8");
      expect(after.length).toBe(size);
      expect(after === whole(after.charAt(0))).toBe(true);
      // A killed writer may leave its own temporary file, and nothing else.
      const others = readdirSync(folder).filter((name) => name.startsWith("killed."));
      for (const name of others) {
        expect(name).toBe("killed.tmp");
        rmSync(join(folder, name));
      }
    }
    expect(reads).toBeGreaterThan(100);
    expect(seen.size).toBeGreaterThan(1);
  });
});

describe("reading and removing", () => {
  test("take a missing file, or a missing folder, as nothing there", () => {
    writeFileSync(join(folder, "plain"), "text");
    expect(readTextIfExists(join(folder, "plain"))).toBe("text");
    for (const path of ["missing", "missing/below", "plain/below"]) {
      expect(readTextIfExists(join(folder, path))).toBeUndefined();
      expect(removeFileIfExists(join(folder, path))).toBe(false);
    }
    expect(removeFileIfExists(join(folder, "plain"))).toBe(true);
    expect(removeFileIfExists(join(folder, "plain"))).toBe(false);
  });

  test("name the file in their errors, with the cause", () => {
    const read = refusal(() => readTextIfExists(folder));
    expect(read.message).toBe(`Cannot read "${folder}": EISDIR`);
    expect(fileErrorCode(read.cause)).toBe("EISDIR");
    expect(refusal(() => removeFileIfExists(folder)).message).toStartWith(`Cannot remove "${folder}": E`);
    expect(fileErrorCode(new Error("x"))).toBeUndefined();
    expect(fileErrorCode("x")).toBeUndefined();
  });
});

describe("locks", () => {
  const counting = (path: string, counter: string, times: number) => `
    import { readFileSync, writeFileSync } from "node:fs";
    import { withLock } from ${FILE_MODULE};
    for (let i = 0; i < ${times}; i++) {
      withLock(${JSON.stringify(path)}, "exclusive", () => {
        const count = Number(readFileSync(${JSON.stringify(counter)}, "utf8"));
        writeFileSync(${JSON.stringify(counter)}, String(count + 1));
      });
    }
  `;

  test("let one process at a time change a file", async () => {
    const counter = join(folder, "counter");
    writeFileSync(counter, "0");
    const code = counting(join(folder, "locks/lock"), counter, 200);
    const children = [1, 2, 3, 4].map(() => startChild(code));
    for (const child of children) expect(await child.ended()).toBe(0);
    expect(readFileSync(counter, "utf8")).toBe("800");
  });

  test("are refused at once to who only tries, until the holder is gone, even killed", async () => {
    const path = join(folder, "tried");
    const holder = startChild(`
      import { withLock } from ${FILE_MODULE};
      withLock(${JSON.stringify(path)}, "exclusive", () => { console.log("held"); Bun.sleepSync(60_000); });
    `);
    expect(await holder.line()).toBe("held");
    expect(tryWithLock(path, () => "mine")).toBeUndefined();
    holder.kill("SIGKILL");
    expect(await holder.ended()).toBe("SIGKILL");
    expect(tryWithLock(path, () => "mine")).toBe("mine");
  });

  test("are shared among readers and kept from a writer", async () => {
    const path = join(folder, "shared");
    const reader = startChild(`
      import { withLock } from ${FILE_MODULE};
      withLock(${JSON.stringify(path)}, "shared", () => { console.log("held"); Bun.sleepSync(60_000); });
    `);
    expect(await reader.line()).toBe("held");
    expect(withLock(path, "shared", () => "read")).toBe("read");
    expect(tryWithLock(path, () => "written")).toBeUndefined();
    reader.kill("SIGKILL");
    await reader.ended();
  });

  test("end with the work, also when that throws", () => {
    const path = join(folder, "thrown");
    const error = new Error("within");
    for (const run of [() => withLock(path, "exclusive", fail), () => tryWithLock(path, fail)]) {
      expect(run).toThrow(error);
      expect(tryWithLock(path, () => 1)).toBe(1);
    }
    function fail(): never {
      throw error;
    }
  });

  test("are not to be had on what is no file", () => {
    expect(refusal(() => withLock(folder, "exclusive", () => 1)).message).toBe(`Cannot open lock "${folder}": EISDIR`);
    expect(readdirSync(folder).every((name) => !name.endsWith(".tmp"))).toBe(true);
    chmodSync(folder, 0o700);
  });
});
