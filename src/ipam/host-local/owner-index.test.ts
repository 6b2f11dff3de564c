import { describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, readFileSync, statSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import type { Result } from "../../core/result.ts";
import { inTemporaryFolder, networkConfig, type Outcome, runCall, type TestCall } from "../test-support/call.ts";
import { hostLocal } from "./index.ts";
import { leaseContent } from "./lease.ts";
import { removeLease, writeWhole } from "./lease-files.ts";
import { findLeases, noteLease, openOwnerIndex, sealOwnerIndex } from "./owner-index.ts";

const BOOT = "11111111-2222-3333-4444-555555555555";
const NOW = Date.now();

/** A folder with leases of c0, c1 and c2, indexed and sealed. */
function withIndexed(work: (directory: string) => void): void {
  inTemporaryFolder((directory) => {
    const index = openOwnerIndex(directory, BOOT, NOW);
    for (const id of [0, 1, 2]) {
      noteLease(directory, index, `10.1.0.${id}`, leaseContent(`c${id}`, "eth0"));
      writeWhole(directory, `10.1.0.${id}`, leaseContent(`c${id}`, "eth0"));
    }
    sealOwnerIndex(directory, index);
    work(directory);
  });
}

const find = (directory: string, id: string, bootId = BOOT) =>
  findLeases(directory, openOwnerIndex(directory, bootId, NOW), leaseContent(id, "eth0"));

describe("the index is believed", () => {
  test("after changes of our own, without reading the leases", () =>
    withIndexed((directory) => {
      expect(openOwnerIndex(directory, BOOT, NOW).fresh).toBe(false);
      expect(find(directory, "c1")).toEqual(["10.1.0.1"]);
      expect(find(directory, "c9")).toEqual([]);
    }));

  test("but what it finds is looked up in the lease", () =>
    withIndexed((directory) => {
      const index = openOwnerIndex(directory, BOOT, NOW);
      removeLease(directory, "10.1.0.1");
      sealOwnerIndex(directory, index);
      expect(openOwnerIndex(directory, BOOT, NOW).fresh).toBe(false);
      expect(find(directory, "c1")).toEqual([]);
    }));
});

describe("the index is made anew", () => {
  const changes: [string, (directory: string) => void][] = [
    ["another program has made a lease", (d) => writeFileSync(join(d, "10.1.0.9"), "c9\r\neth0")],
    ["another program has removed a lease", (d) => unlinkSync(join(d, "10.1.0.0"))],
    ["a process was killed before it sealed", (d) => writeWhole(d, "10.1.0.9", "c9\r\neth0")],
    ["it is missing", (d) => unlinkSync(join(d, ".owners"))],
    ["it is empty", (d) => writeInPlace(join(d, ".owners"), "")],
    ["its head is cut off", (d) => writeInPlace(join(d, ".owners"), "owners1 ")],
    ["it is of another form", (d) => writeInPlace(join(d, ".owners"), "\u0000\u0000\n")],
  ];
  for (const [when, change] of changes) {
    test(`when ${when}`, () =>
      withIndexed((directory) => {
        change(directory);
        expect(openOwnerIndex(directory, BOOT, NOW).fresh).toBe(true);
        expect(find(directory, "c2")).toEqual(["10.1.0.2"]);
      }));
  }

  test("in another boot, whose last writes may be lost", () =>
    withIndexed((directory) => {
      expect(openOwnerIndex(directory, "another", NOW).fresh).toBe(true);
    }));

  test("in a copy of the folder that keeps its times", () =>
    inTemporaryFolder((folder) => {
      withIndexed((directory) => {
        const copy = join(folder, "copy");
        cpSync(directory, copy, { recursive: true, preserveTimestamps: true });
        utimesSync(copy, statSync(directory).mtime, statSync(directory).mtime);
        expect(openOwnerIndex(copy, BOOT, NOW).fresh).toBe(true);
      });
    }));

  test("when lines of released leases outweigh the rest", () =>
    withIndexed((directory) => {
      const before = statSync(join(directory, ".owners")).size;
      const index = openOwnerIndex(directory, BOOT, NOW);
      for (let i = 0; i < 1000; i++) noteLease(directory, index, "10.1.0.9", leaseContent(`gone${i}`, "eth0"));
      sealOwnerIndex(directory, index);
      expect(openOwnerIndex(directory, BOOT, NOW).fresh).toBe(true);
      expect(statSync(join(directory, ".owners")).size).toBeLessThan(2 * before);
    }));

  test("when another program made a lease in the very moment of the seal", () =>
    withIndexed((directory) => {
      // However coarse the clock: a change sets the present, and the stamp is a day old.
      const stamp = statSync(directory).mtimeMs;
      writeFileSync(join(directory, "10.1.0.9"), "c9\r\neth0");
      expect(statSync(directory).mtimeMs - stamp).toBeGreaterThan(86_000_000);
      expect(find(directory, "c9")).toEqual(["10.1.0.9"]);
    }));
});

test("owners whose names hold spaces, quotes, line breaks or an index's own syntax are found, and no others", () => {
  const odd = fc.constantFrom("a", "b", " ", '"', "\\", "\n", "10.1.0.1", "\r", "é");
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ unit: odd, minLength: 1, maxLength: 8 }), { maxLength: 8 }), (names) => {
      inTemporaryFolder((directory) => {
        const contents = [...new Set(names.map((name) => leaseContent(name, `${name}x`)))];
        const index = openOwnerIndex(directory, BOOT, NOW);
        for (const [i, content] of contents.entries()) {
          noteLease(directory, index, `10.1.0.${i}`, content);
          writeWhole(directory, `10.1.0.${i}`, content);
        }
        sealOwnerIndex(directory, index);
        const reopened = openOwnerIndex(directory, BOOT, NOW);
        for (const [i, content] of contents.entries()) {
          expect(findLeases(directory, reopened, content)).toEqual(content === content.trim() ? [`10.1.0.${i}`] : []);
        }
      });
    }),
    { numRuns: 100 },
  );
});

test("calls of ours and changes by others in any order give what reading every lease gives", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom("add", "del", "otherAdd", "otherDel") as fc.Arbitrary<string>, id: fc.nat(5) }),
    fc.record({ kind: fc.constant("gc"), id: fc.nat(5) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      inTemporaryFolder((folder) => {
        const directory = join(folder, "net");
        mkdirSync(directory);
        const config = networkConfig({ subnet: "10.1.0.0/24", dataDir: folder });
        const call = (verb: TestCall["verb"], containerId: string, more = {}): Outcome =>
          runCall(hostLocal, { verb, containerId, config: { ...config, ...more } });
        const held = new Map<string, string>();
        let other = 100;
        for (const { kind, id } of steps) {
          const name = `c${id}`;
          const address = held.get(name);
          if (kind === "add") {
            const { result, error } = call("add", name);
            expect(error?.name).toBe(address === undefined ? undefined : "ConflictError");
            const given = (result as Result | undefined)?.ips?.[0]?.address.replace("/24", "");
            if (given !== undefined) held.set(name, given);
          } else if (kind === "otherAdd" && address === undefined) {
            held.set(name, `10.1.0.${++other}`);
            writeFileSync(join(directory, `10.1.0.${other}`), leaseContent(name, "eth0"));
          } else if (kind === "otherDel" && address !== undefined) {
            unlinkSync(join(directory, address));
            held.delete(name);
          } else if (kind === "gc") {
            const validAttachments = [{ containerId: name, ifname: "eth0" }];
            expect(call("gc", "", { validAttachments }).error).toBeUndefined();
            for (const each of [...held.keys()]) if (each !== name) held.delete(each);
          } else if (kind === "del") {
            expect(call("del", name).error).toBeUndefined();
            held.delete(name);
          }
          expect(call("check", name).error?.name).toBe(held.has(name) ? undefined : "VerificationError");
        }
        for (const [name, address] of held) {
          expect(readFileSync(join(directory, address), "utf8")).toBe(leaseContent(name, "eth0"));
        }
      });
    }),
    { numRuns: 100 },
  );
});

test("a lease that somebody wrote over in place is still found by DEL and CHECK", () =>
  inTemporaryFolder((folder) => {
    const config = networkConfig({ subnet: "10.1.0.0/24", dataDir: folder });
    runCall(hostLocal, { verb: "add", containerId: "c1", config });
    writeInPlace(join(folder, "net", "10.1.0.2"), "c7");
    expect(runCall(hostLocal, { verb: "check", containerId: "c7", config }).error).toBeUndefined();
    runCall(hostLocal, { verb: "del", containerId: "c7", config });
    expect(runCall(hostLocal, { verb: "check", containerId: "c7", config }).error?.name).toBe("VerificationError");
  }));

test("an index that cannot be written is no error", () =>
  inTemporaryFolder((folder) => {
    const config = networkConfig({ subnet: "10.1.0.0/24", dataDir: folder });
    mkdirSync(join(folder, "net", ".owners"), { recursive: true });
    for (const containerId of ["c1", "c2"]) {
      expect(runCall(hostLocal, { verb: "add", containerId, config }).error).toBeUndefined();
      expect(runCall(hostLocal, { verb: "add", containerId, config }).error?.name).toBe("ConflictError");
    }
    expect(runCall(hostLocal, { verb: "del", containerId: "c1", config }).error).toBeUndefined();
    expect(runCall(hostLocal, { verb: "check", containerId: "c2", config }).error).toBeUndefined();
  }));

/** Writes over a file without touching the folder that holds it. */
function writeInPlace(path: string, content: string): void {
  const before = statSync(dirname(path)).mtimeMs;
  writeFileSync(path, content);
  expect(statSync(dirname(path)).mtimeMs).toBe(before);
}
