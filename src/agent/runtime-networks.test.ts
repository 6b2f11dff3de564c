import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logTo } from "../cluster/log.ts";
import { RuntimeNetworks } from "./runtime-networks.ts";

const folder = mkdtempSync(join(tmpdir(), "tendril-runtime-networks-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("what comes before our file is told as long as it is there, and logged once for each change", () => {
  const lines: string[] = [];
  const log = logTo((line) => void lines.push((JSON.parse(line) as { message: string }).message), "info");
  const networks = new RuntimeNetworks(join(folder, "10-tendril.conflist"), log);
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  networks.look();
  write("87-podman.conflist", '{"name":"podman","plugins":[{"type":"bridge"}]}');
  write("99-empty.conf", "");
  networks.look();
  expect(networks.problems).toEqual([]);
  expect(lines).toEqual([]);

  write("05-other.conflist", '{"name":"other","plugins":[{"type":"bridge"}]}');
  write("00-empty.conf", "");
  networks.look();
  networks.look();
  expect(networks.problems).toHaveLength(2);
  expect(networks.problems[0]).toContain(
    'which is "05-other.conflist" (network "other") and not "10-tendril.conflist"',
  );
  expect(networks.problems[1]).toContain('00-empty.conf" is empty');
  expect(lines).toEqual([...networks.problems]);

  rmSync(join(folder, "05-other.conflist"));
  networks.look();
  expect(networks.problems).toHaveLength(1);
  rmSync(join(folder, "00-empty.conf"));
  networks.look();
  expect(networks.problems).toEqual([]);
  expect(lines.slice(2)).toEqual(["container runtimes find the cluster's network first"]);
});
