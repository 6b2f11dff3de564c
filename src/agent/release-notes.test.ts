import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorCodes } from "../cni/errors.ts";
import { offlineIpam, releaseFolder, releaseNotePath } from "../ipam/cluster/offline.ts";
import type { OwnerRecord } from "../ipam/cluster/owner.ts";
import { makeCall, networkConfig, runCall } from "../ipam/test-support/call.ts";
import { bootId } from "../linux/boot.ts";
import { uptime } from "../linux/uptime.ts";
import { ReleaseNotes } from "./release-notes.ts";

let folder = "";
let owners = new Map<string, number>();
const warnings: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-notes-"));
  owners = new Map();
  warnings.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

function notes(boot = bootId(), release = (owner: string) => void owners.delete(owner)): ReleaseNotes {
  return new ReleaseNotes({
    runFolder: folder,
    bootId: boot,
    owners: (network) =>
      [...owners].flatMap(([owner, since]) =>
        owner.startsWith(`${network}/`) ? [{ owner, since } as unknown as OwnerRecord] : [],
      ),
    release,
    warn: (sentence) => warnings.push(sentence),
  });
}

const config = networkConfig({ type: "tendril" });
const del = (containerId: string) =>
  runCall(offlineIpam("tendril", folder), { verb: "del", containerId, config }).error;
const left = () => (existsSync(releaseFolder(folder)) ? readdirSync(releaseFolder(folder)) : []);

test("a DEL without an agent is noted, twice as well as once, and the agent releases what it names", () => {
  owners = new Map([
    ["net/a/eth0", 1],
    ["net/b/eth0", 1],
  ]);
  expect([del("a"), del("a"), del("never-there")]).toEqual([undefined, undefined, undefined]);
  expect(left()).toHaveLength(2);
  notes().drain();
  expect([...owners.keys()]).toEqual(["net/b/eth0"]);
  expect(left()).toEqual([]);
  notes().drain();
});

test("an ADD drains its owner's note first, so what it is given then stays", () => {
  owners.set("net/a/eth0", 1);
  del("a");
  notes().drainOwner("net/a/eth0");
  expect(owners.size).toBe(0);
  owners.set("net/a/eth0", 2);
  notes().drain();
  expect([...owners]).toEqual([["net/a/eth0", 2]]);
});

test("killed between the release and the note's removal, the agent does it again", () => {
  owners.set("net/a/eth0", 1);
  del("a");
  const killed = notes(bootId(), (owner) => {
    owners.delete(owner);
    throw new Error("killed");
  });
  expect(() => killed.drain()).toThrow("killed");
  expect(left()).toHaveLength(1);
  notes().drainOwner("net/a/eth0");
  expect(left()).toEqual([]);
});

test("a GC's list spares those that came after it, and other networks", () => {
  const now = uptime();
  owners = new Map([
    ["net/valid/eth0", now - 100_000],
    ["net/stale/eth0", now - 100_000],
    ["net/young/eth0", now - 1_000],
    ["net/later/eth0", now + 100_000],
    ["other/stale/eth0", now - 100_000],
  ]);
  const plugin = offlineIpam("tendril", folder);
  plugin.gc(makeCall({ containerId: "", config }));
  expect(left()).toEqual([]);
  plugin.gc(
    makeCall({ containerId: "", config: { ...config, validAttachments: [{ containerId: "valid", ifname: "eth0" }] } }),
  );
  notes().drain();
  expect([...owners.keys()]).toEqual(["net/valid/eth0", "net/young/eth0", "net/later/eth0", "other/stale/eth0"]);
});

test("a note of another boot is removed, and one that cannot be read is set aside with a warning", () => {
  owners.set("net/a/eth0", 1);
  del("a");
  writeFileSync(join(releaseFolder(folder), "bad.json"), "{");
  writeFileSync(join(releaseFolder(folder), "new.json"), '{"version": 9, "verb": "del", "bootId": "x", "time": 1}');
  notes("another-boot").drain();
  expect(owners.size).toBe(1);
  expect(left().sort()).toEqual(["bad.json.unreadable", "new.json.unreadable"]);
  expect(warnings).toHaveLength(2);
  expect(existsSync(releaseNotePath(folder, "net/a/eth0"))).toBe(false);
});

test("the other verbs say what to start, with the codes that runtimes know", () => {
  const code = (verb: "add" | "check" | "status") => {
    try {
      offlineIpam("tendril", folder)[verb](makeCall({ containerId: "a", config }));
    } catch (error) {
      return [
        errorCodes.find((each) => error instanceof each.class)?.code,
        (error as Error).message.match(/`.*`/)?.[0],
      ];
    }
    return undefined;
  };
  expect([code("add"), code("check"), code("status")]).toEqual([
    [11, "`tendril agent`"],
    [11, "`tendril agent`"],
    [50, "`tendril agent`"],
  ]);
  rmSync(folder, { recursive: true });
  writeFileSync(folder, "");
  expect(del("a")).toMatchObject({ name: "FileError" });
});
