import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inTemporaryFolder, networkConfig, runCall } from "../test-support/call.ts";
import { type Machine, releaseFormerBoot, thisMachine } from "./boot.ts";
import { makeHostLocal } from "./index.ts";

/** Ten minutes after a boot, at a moment in 2027. */
const NOW = 1_800_000_000_000;
const BEGAN = NOW - 600_000;
const machine = (bootId: string): Machine => ({ bootId: () => bootId, uptime: () => 600, now: () => NOW });

/** Runs the release on a folder with leases of these ages, and returns those that stay and what was said. */
function stays(recorded: string | undefined, mtimes: Record<string, number>): { left: string[]; warnings: string[] } {
  return inTemporaryFolder((directory) => {
    for (const [address, mtime] of Object.entries(mtimes)) {
      writeFileSync(join(directory, address), "c1\r\neth0");
      utimesSync(join(directory, address), mtime / 1000, mtime / 1000);
    }
    writeFileSync(join(directory, "last_reserved_ip.0"), "10.1.0.9");
    utimesSync(join(directory, "last_reserved_ip.0"), 1, 1);
    if (recorded !== undefined) writeFileSync(join(directory, "boot_id"), recorded);
    const warnings: string[] = [];
    expect(releaseFormerBoot(directory, machine("now"), (sentence) => warnings.push(sentence))).toBe("now");
    expect(readFileSync(join(directory, "boot_id"), "utf8").trim()).toBe("now");
    const left = readdirSync(directory).toSorted();
    expect(left).toContain("last_reserved_ip.0");
    return { left: left.filter((name) => /^(10\.|fd)/.test(name)), warnings };
  });
}

const LEASES = {
  "10.1.0.1": BEGAN - 86_400_000,
  "10.1.0.2": BEGAN - 1,
  "10.1.0.3": BEGAN,
  "10.1.0.4": NOW,
  "10.1.0.5": NOW + 1000,
  "10.1.0.6": NOW + 3_600_000,
  "fd00::1": BEGAN - 5000,
};

test("leases of a former boot and of the future are released, those of this boot stay", () => {
  const { left, warnings } = stays("before", LEASES);
  expect(left).toEqual(["10.1.0.3", "10.1.0.4", "10.1.0.5"]);
  expect(warnings).toEqual([expect.stringContaining("Released 4 leases of a former boot")]);
});

test("in the same boot nothing is released", () => {
  expect(stays("now\n", LEASES)).toEqual({ left: Object.keys(LEASES), warnings: [] });
});

test("without boot_id nothing is released: the host changes over while containers run", () => {
  expect(stays(undefined, LEASES)).toEqual({ left: Object.keys(LEASES), warnings: [] });
});

test("an empty boot_id is that of another boot", () => {
  expect(stays("", LEASES).left).toEqual(["10.1.0.3", "10.1.0.4", "10.1.0.5"]);
});

test("a folder with the name of an address is left alone", () =>
  inTemporaryFolder((directory) => {
    mkdirSync(join(directory, "10.1.0.2"));
    utimesSync(join(directory, "10.1.0.2"), 1, 1);
    writeFileSync(join(directory, "boot_id"), "before");
    releaseFormerBoot(directory, machine("now"), () => {});
    expect(existsSync(join(directory, "10.1.0.2"))).toBe(true);
  }));

test("this machine's boot began in the past, and its ID is a UUID that stays", () => {
  expect(thisMachine.bootId()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(thisMachine.bootId()).toBe(thisMachine.bootId());
  expect(thisMachine.uptime()).toBeGreaterThan(0);
  expect(thisMachine.now() - thisMachine.uptime() * 1000).toBeLessThan(Date.now());
});

test("a lease written a moment ago by another program stays at our first use in a boot", () =>
  inTemporaryFolder((directory) => {
    for (let i = 2; i < 250; i++) {
      writeFileSync(join(directory, "boot_id"), "before");
      writeFileSync(join(directory, `10.1.0.${i}`), "c1\r\neth0");
      releaseFormerBoot(directory, thisMachine, () => {});
      expect(existsSync(join(directory, `10.1.0.${i}`))).toBe(true);
    }
  }));

test("after a reboot the first ADD, DEL, CHECK, GC or STATUS releases, whichever it is", () => {
  for (const verb of ["add", "del", "check", "gc", "status"] as const) {
    inTemporaryFolder((folder) => {
      const config = networkConfig({ subnet: "10.1.0.0/29", dataDir: folder }, { validAttachments: [] });
      const former: Machine = { bootId: () => "before", uptime: () => 600, now: () => NOW - 3_600_000 };
      for (const containerId of ["c1", "c2", "c3", "c4", "c5"]) {
        expect(runCall(makeHostLocal(former), { verb: "add", containerId, config }).error).toBeUndefined();
      }
      for (let i = 2; i < 7; i++) utimesSync(join(folder, "net", `10.1.0.${i}`), NOW / 1000 - 3600, NOW / 1000 - 3600);
      expect(runCall(makeHostLocal(former), { verb: "status", containerId: "", config }).error?.name).toBe(
        "NotAvailableError",
      );
      const { error } = runCall(makeHostLocal(machine("now")), { verb, containerId: "c1", config });
      // The container of the former boot is gone, and CHECK says so.
      expect(error?.name).toBe(verb === "check" ? "VerificationError" : undefined);
      const left = readdirSync(join(folder, "net")).filter((name) => name.startsWith("10."));
      expect(left).toEqual(verb === "add" ? ["10.1.0.2"] : []);
    });
  }
});
