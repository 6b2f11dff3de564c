/** Random histories of three agents on a real etcd; see src/agent/test-support/history.ts for what happens in them. */

import { afterAll, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type MakeStore, runHistories, USABLE } from "../../src/agent/test-support/history.ts";
import { EtcdStore } from "../../src/store/etcd/etcd-store.ts";
import { type EtcdServer, startEtcd } from "../support/etcd.ts";
import { needs, program } from "../support/needs.ts";
import { seededRandom } from "../support/random.ts";

/** Each asks the server some thousand times, one after the other. */
const HISTORIES = Number(process.env.TENDRIL_TEST_HISTORIES_ETCD ?? 4);

const folder = mkdtempSync(join(tmpdir(), "tendril-histories-etcd-"));
let etcd: EtcdServer | undefined;
afterAll(async () => {
  await etcd?.kill();
  rmSync(folder, { recursive: true });
});

const test = needs(program("etcd"));

test("on etcd no address is held twice, and none is lost", async () => {
  etcd = await startEtcd({ folder });
  const { endpoint } = etcd;
  let count = 0;
  const make: MakeStore = async () => {
    const store = new EtcdStore({ endpoints: [endpoint], prefix: `/history-${count++}` });
    return { store, dispose: () => store.close() };
  };
  const { seed } = seededRandom("histories of three agents on etcd");
  const happened = await runHistories(seed, HISTORIES, make);
  console.log(JSON.stringify(happened));
  expect(happened.given).toBeGreaterThan(HISTORIES * USABLE);
}, 600_000);
