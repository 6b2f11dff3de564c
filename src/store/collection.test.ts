import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PoolRecord, poolDocuments } from "../core/cluster.ts";
import { Collection, type Picture } from "./collection.ts";
import { DirectoryStore } from "./directory/directory-store.ts";

let folder = "";
let store: DirectoryStore;
let pools: Collection<PoolRecord>;
const warnings: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-collection-"));
  store = new DirectoryStore(folder);
  pools = new Collection(store, poolDocuments, (sentence) => warnings.push(sentence));
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
  warnings.length = 0;
});

const pool = poolDocuments.parse({ version: 1, cidrs: ["10.0.0.0/16"] });

test("defaults are filled in, and fields of a newer program stay when a document is written again", async () => {
  const revision = await store.create("pools", "p", { version: 1, cidrs: ["10.0.0.0/16"], colour: "red" });
  const found = await pools.get("p");
  expect(found).toMatchObject({ revision, value: { blockBits: { ipv4: 26, ipv6: 122 }, masquerade: true } });
  if (found !== undefined) await pools.update(found, { ...found.value, masquerade: false });
  expect((await store.get("pools", "p"))?.value).toMatchObject({ colour: "red", masquerade: false });
});

test("a document that is not what it should be is passed over with a message", async () => {
  await store.create("pools", "bad", { version: 1, cidrs: ["nonsense"] });
  await store.create("pools", "new", { version: 2 });
  await pools.create("good", pool);
  expect([...(await pools.list()).keys()]).toEqual(["good"]);
  expect(await pools.get("bad")).toBeUndefined();
  expect(warnings.join("\n")).toContain('"pools/bad"');
  expect(warnings.join("\n")).toContain("cidrs[0]");
  expect(warnings.join("\n")).toContain("another version of this program");
});

test("following gives all documents, then what has changed", async () => {
  await pools.create("a", pool);
  const abort = new AbortController();
  const pictures = pools.follow(abort.signal)[Symbol.asyncIterator]();
  const next = async () => {
    const { documents, changed } = (await pictures.next()).value as Picture<PoolRecord>;
    return [[...documents.keys()].sort().join(), changed.join()];
  };
  expect(await next()).toEqual(["a", "a"]);
  const revision = await pools.create("b", pool);
  expect(await next()).toEqual(["a,b", "b"]);
  await pools.delete({ name: "b", value: pool, revision });
  expect(await next()).toEqual(["a", "b"]);
  abort.abort();
  expect((await pictures.next()).done).toBe(true);
});
