/** The commands as a person starts them: what they print, and with which status they end. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asKubectls, runCli } from "./command.ts";
import { testClusters } from "./test-support/cluster.ts";

const MAIN = join(import.meta.dir, "../main.ts");
const clusters = testClusters();

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-commands-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** In a process of its own, without an agent. */
function tendril(store: string, ...args: readonly string[]) {
  const env = { ...process.env, HOME: folder, KUBECONFIG: "", TENDRIL_STORE: store, TENDRIL_RUN_DIR: folder };
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, MAIN, ...args], { env });
  return { status: exitCode, out: stdout.toString(), err: stderr.toString() };
}

describe("a cluster's commands", () => {
  test("change the store and show it, without colours where nobody sees them", () => {
    const { url } = clusters.fresh();
    const made = tendril(url, "pool", "create", "default", "--cidr", "10.244.0.0/16", "--exclude", "10.244.9.9");
    expect(made).toEqual({ status: 0, out: 'Pool "default" is made: 10.244.0.0/16\n', err: "" });
    expect(tendril(url, "reserve", "default/web-0", "10.244.7.7").out).toBe("10.244.7.7 kept for default/web-0\n");
    const shown = tendril(url, "get", "pools", "default", "-o", "json");
    expect(JSON.parse(shown.out)).toMatchObject({ name: "default", excluded: ["10.244.9.9/32"], masquerade: true });
    expect(tendril(url, "get", "reservations").out).toBe(
      "OWNER          ADDRESSES   NODE  EXPIRES\ndefault/web-0  10.244.7.7  -     never\n",
    );
    expect(tendril(url, "pool", "delete", "default").status).toBe(0);
  });

  test("end with 1 and a sentence when they fail, with 2 for a wrong line", () => {
    const { url } = clusters.fresh();
    const missing = tendril(url, "pool", "delete", "none");
    expect(missing).toMatchObject({ status: 1, out: "", err: expect.stringContaining('There is no pool "none"') });
    expect(tendril(url, "get", "cats").status).toBe(2);
    expect(tendril(url, "pool", "create", "x").status).toBe(2);
    const away = tendril("dir:/nonexistent/store", "get", "nodes");
    expect(away).toMatchObject({ status: 1, err: 'tendril: The store "/nonexistent/store" is not there\n' });
    expect(tendril("http://x", "get", "nodes").err).toContain('"TENDRIL_STORE" must be dir:/FOLDER');
  });

  test("of a node say that there is no agent, and what to start", () => {
    const status = tendril("", "status");
    expect(status).toMatchObject({ status: 1, out: "", err: expect.stringContaining("No agent answers at") });
    expect(JSON.parse(tendril("", "status", "-o", "json").out)).toMatchObject({ ready: false });
    expect(tendril("", "get", "pods")).toMatchObject({ status: 1, out: "" });
    expect(tendril("", "trace", "default/a", "10.1.0.2").err).toContain('There is no pod "default/a"');
  });
});

test("as kubectl's plugin it has the name by which it is called there", () => {
  expect(asKubectls("tendril: no\n`tendril get` (tendril --help tells)\ntendril.dev/x is /opt/tendril x")).toBe(
    "kubectl tendril: no\n`kubectl tendril get` (kubectl tendril --help tells)\ntendril.dev/x is /opt/tendril x",
  );
});

test("each has help with an example", async () => {
  const written: string[] = [];
  const write = process.stdout.write;
  process.stdout.write = ((text: string) => written.push(String(text)) > 0) as typeof write;
  try {
    for (const words of [
      "get",
      "pool create",
      "pool delete",
      "pool resize",
      "reserve",
      "unreserve",
      "node forget",
      "status",
      "doctor",
      "trace",
    ]) {
      for (const [isKubectls, name] of [
        [false, "tendril"],
        [true, "kubectl tendril"],
      ] as const) {
        written.length = 0;
        expect(await runCli([...words.split(" "), "--help"], isKubectls)).toBe(0);
        const help = written.join("");
        expect({ words, help }).toEqual({ words, help: expect.stringContaining(`  ${name} ${words}`) });
        expect(help).toStartWith(`Usage: ${name} ${words.split(" ")[0]} `);
      }
    }
  } finally {
    process.stdout.write = write;
  }
});
