import { expect, test } from "bun:test";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { releaseExecutablePages } from "./executable-pages.ts";

/** What the kernel says of the mapping of the executable's code. @see proc_pid_smaps(5) */
function code(): { readonly resident: number; readonly flags: readonly string[] } {
  const executable = readlinkSync("/proc/self/exe");
  const mapping = readFileSync("/proc/self/smaps", "latin1")
    .split(/^(?=[0-9a-f]+-)/m)
    .find((one) => one.includes(" r-xp ") && one.split("\n")[0]?.endsWith(executable));
  const resident = Number(/^Rss: +(\d+) kB$/m.exec(mapping ?? "")?.[1]);
  return {
    resident,
    flags:
      /^VmFlags: (.*)$/m
        .exec(mapping ?? "")?.[1]
        ?.trim()
        .split(" ") ?? [],
  };
}

/** Whether the kernel knows UFFD_FEATURE_WP_ASYNC. @see Documentation/admin-guide/sysctl/vm.rst unprivileged_userfaultfd */
function knowsWpAsync(): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(readFileSync("/proc/sys/kernel/osrelease", "utf8")) ?? [];
  return Number(major) * 1000 + Number(minor) >= 6007 && existsSync("/proc/sys/vm/unprivileged_userfaultfd");
}

test("code that is not needed any more leaves memory, and the process goes on", () => {
  const before = code();
  expect(before.resident).toBeGreaterThan(0);
  expect(before.flags).not.toContain("uw");
  releaseExecutablePages();
  const after = code();
  // By single pages a small part of it comes back; by pieces of 64 KiB it is most.
  const isBySinglePages = after.flags.includes("uw");
  expect(isBySinglePages).toBe(knowsWpAsync());
  expect(after.resident).toBeLessThan(isBySinglePages ? before.resident / 4 : before.resident);
  // What is released comes back when it is used.
  expect(JSON.parse(JSON.stringify([..."abc"].map((letter) => letter.toUpperCase())))).toEqual(["A", "B", "C"]);
  expect(new Intl.NumberFormat("en").format(1234.5)).toBe("1,234.5");
});
