import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DOCUMENT_VERSION } from "../core/cluster.ts";
import { DirectoryStore } from "../store/directory/directory-store.ts";
import { clusterStore } from "./cluster-store.ts";
import { Reclaim } from "./reclaim.ts";

const PATIENCE = 60_000;

const folder = mkdtempSync(join(tmpdir(), "tendril-reclaim-"));
const raw = new DirectoryStore(folder);
const store = clusterStore(raw, () => {});
afterAll(async () => {
  await raw.close();
  rmSync(folder, { recursive: true });
});

async function addNode(name: string): Promise<void> {
  const fields = { addresses: ["192.0.2.1/24"], modes: [], labels: {} };
  await store.nodes.create(name, { version: DOCUMENT_VERSION, epoch: 1, ...fields });
  await store.heartbeats.create(name, { version: DOCUMENT_VERSION, incarnation: name, beats: 1 });
}

async function beat(name: string, beats: number): Promise<void> {
  const sign = await store.heartbeats.get(name);
  if (sign !== undefined) await store.heartbeats.update(sign, { ...sign.value, beats });
}

test("who looks at some nodes alone gives up those of them that are silent, and no others", async () => {
  for (const name of ["alive", "silent", "another"]) await addNode(name);
  let now = 0;
  const reclaim = new Reclaim(store, { clock: () => now, patience: PATIENCE });
  const givenUp: string[] = [];
  for (let beats = 2; now <= PATIENCE; now += PATIENCE / 4) {
    await beat("alive", beats++);
    givenUp.push(...(await reclaim.lookAt(["alive", "silent", "unknown"])));
  }
  expect(givenUp).toEqual(["silent"]);
  const gone = [...(await store.nodes.list()).values()].filter(({ value }) => value.gone).map(({ name }) => name);
  expect(gone).toEqual(["silent"]);
});
