import { expect, test } from "bun:test";
import { FileError } from "../core/errors.ts";
import { readProcessFile } from "./process-file.ts";

test("a process tells of itself until it is gone, at whatever moment it is asked", async () => {
  expect(readProcessFile(process.pid, "cmdline")?.split("\0").length).toBeGreaterThan(1);
  for (let i = 0; i < 100; i++) {
    const child = Bun.spawn(["sleep", "5"], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
    child.kill("SIGKILL");
    // It is never an error that it ends between two system calls.
    while (readProcessFile(child.pid, "cmdline") !== undefined) await Bun.sleep(0);
    await child.exited;
    expect(readProcessFile(child.pid, "status")).toBeUndefined();
  }
});

test("what else is wrong is told", () => {
  expect(() => readProcessFile(process.pid, "fd")).toThrow(FileError);
});
