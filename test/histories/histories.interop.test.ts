/** Random histories on a real etcd; see history.ts for what happens in them. */

import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EtcdStore } from "../../src/store/etcd/etcd-store.ts";
import { type EtcdServer, startEtcd } from "../support/etcd.ts";
import { needs, program } from "../support/needs.ts";
import type { MakeStore } from "./run.ts";
import { expectHistories, historiesIn } from "./switches.ts";

/** One server for all of them, each with a prefix of its own. Side by side they do not wait for its answers. */
const LANES = 8;
const COUNT = historiesIn("etcd", 8);

/** What ten thousand histories have written is more than etcd would keep. */
const COMPACTION = ["--auto-compaction-mode", "revision", "--auto-compaction-retention", "20000"];

const folder = mkdtempSync(join(tmpdir(), "tendril-histories-etcd-"));
let etcd: EtcdServer | undefined;
afterAll(async () => {
  await etcd?.kill();
  rmSync(folder, { recursive: true });
});

const test = needs(program("etcd"), () =>
  COUNT === 0 ? "histories in another kind of store are asked for" : undefined,
);

test(`in ${COUNT} random histories on etcd no address is held twice, and none is lost`, async () => {
  etcd = await startEtcd({ folder, flags: COMPACTION });
  const { endpoint } = etcd;
  let count = 0;
  const make: MakeStore = async () => {
    const store = new EtcdStore({ endpoints: [endpoint], prefix: `/history-${count++}`, timeout: 60_000 });
    return { store, dispose: () => store.close() };
  };
  await expectHistories("etcd", COUNT, make, { lanes: LANES });
}, 36_000_000);
