/** Temporary folders with plugins that are shell scripts, taken away after the tests of a file. */

import { afterAll } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface TestFolder {
  readonly path: string;
  /** Writes a file below the folder and returns its path; a value that is no text is written as JSON. */
  write(name: string, content: unknown): string;
  /** Writes an executable shell script and returns its path. */
  script(name: string, ...lines: readonly string[]): string;
}

/** Makes folders for the tests of one file. To be called at the file's top level. */
export function testFolders(): () => TestFolder {
  const made: string[] = [];
  afterAll(() => {
    for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
  });
  return () => {
    const path = mkdtempSync(join(tmpdir(), "tendril-cni-"));
    made.push(path);
    const write = (name: string, content: unknown): string => {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
      return file;
    };
    return {
      path,
      write,
      script(name, ...lines) {
        const file = write(name, ["#!/bin/sh", ...lines, ""].join("\n"));
        chmodSync(file, 0o755);
        return file;
      },
    };
  };
}
