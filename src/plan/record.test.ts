import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { instanceOf, listRecords, newRecord, readInstances, readRecord, removeRecord, writeRecord } from "./record.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-record-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const key = { network: "net", containerId: "c1", ifname: "eth0" };
const id = { key, plugin: "bridge" };
const record = newRecord(id, { netns: { path: "/run/netns/c1", id: "0:4:1" } }, []);
const noWarning = (sentence: string) => {
  throw new Error(sentence);
};

test("a record that was written is read and listed, and removed", () => {
  writeRecord(folder, record);
  expect(readRecord(folder, id, noWarning)).toEqual(record);
  expect(listRecords(folder, noWarning)).toEqual([record]);
  expect(listRecords(folder, noWarning, "other")).toEqual([]);
  removeRecord(folder, id);
  removeRecord(folder, id);
  expect(readRecord(folder, id, noWarning)).toBeUndefined();
});

test("plugins of one chain have records of their own", () => {
  writeRecord(folder, record);
  writeRecord(folder, { ...record, plugin: "portmap" });
  expect(listRecords(folder, noWarning).map(({ plugin }) => plugin)).toEqual(["bridge", "portmap"]);
});

test("long container IDs that begin alike do not share a record", () => {
  const long = (end: string) => ({ key: { ...key, containerId: `${"x".repeat(220)}${end}` }, plugin: "bridge" });
  writeRecord(folder, { ...record, key: long("a").key });
  expect(readRecord(folder, long("b"), noWarning)).toBeUndefined();
  expect(readRecord(folder, long("a"), noWarning)?.key).toEqual(long("a").key);
});

describe("a record that does not parse", () => {
  for (const [what, text] of [
    ["is empty", ""],
    ["is cut off", '{"version":1,"resour'],
    ["is of another version", '{"version":2,"resources":[]}'],
    ["is no object", "null"],
  ] as const) {
    test(`because it ${what} is set aside with a message, and the others are listed`, () => {
      writeRecord(folder, record);
      writeRecord(folder, { ...record, key: { ...key, containerId: "c2" } });
      writeFileSync(join(folder, "attachments/net/c1@bridge@eth0.json"), text);
      const warnings: string[] = [];
      expect(readRecord(folder, id, (sentence) => warnings.push(sentence))).toBeUndefined();
      expect(warnings).toEqual([expect.stringContaining("c1@bridge@eth0.json")]);
      expect(existsSync(join(folder, "attachments/net/c1@bridge@eth0.json.unreadable"))).toBe(true);
      expect(listRecords(folder, noWarning).map(({ key: { containerId } }) => containerId)).toEqual(["c2"]);
    });
  }
});

test("no temporary file stays", () => {
  writeRecord(folder, record);
  expect(readdirSync(join(folder, "attachments/net"))).toEqual(["c1@bridge@eth0.json"]);
});

test("the places of a plugin in one chain are read in order", () => {
  for (const instance of [0, 1, 2])
    writeRecord(folder, { ...record, ...instanceOf(id, instance), config: `${instance}` });
  expect(readInstances(folder, id, noWarning).map(({ config }) => config)).toEqual(["0", "1", "2"]);
  removeRecord(folder, instanceOf(id, 2));
  expect(readInstances(folder, id, noWarning).map(({ config }) => config)).toEqual(["0", "1"]);
});
