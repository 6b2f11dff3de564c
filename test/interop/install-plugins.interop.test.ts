/** The plugins' folder, while plugins run in it and installers come and are killed. */

import { beforeAll, expect, test } from "bun:test";
import { copyFileSync, existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { testFolders } from "../../src/cni/testing/folders.ts";
import { pluginTypes } from "../../src/plugins/types.ts";
import { expectBuilt } from "../support/plugin-calls.ts";
import { tendril } from "../support/programs.ts";

beforeAll(expectBuilt);
const folders = testFolders();

async function install(folder: string, ...args: string[]): Promise<string> {
  const child = Bun.spawn([tendril, "install-plugins", ...args, folder], { stdout: "pipe", stderr: "pipe" });
  const [said, problem] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(problem);
  return said;
}

/** What a plugin answers to VERSION. Throws when it does not run. */
async function askVersion(path: string): Promise<string> {
  const child = Bun.spawn([path], { env: { CNI_COMMAND: "VERSION" }, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const said = await new Response(child.stdout).text();
  expect({ path, status: await child.exited }).toEqual({ path, status: 0 });
  return said;
}

/** A program that says it is a version of ours. */
function pretend(folder: string, version: string): string {
  const path = join(folder, "tendril");
  writeFileSync(path, `#!/bin/sh\necho ${version}\n`, { mode: 0o755 });
  return path;
}

function files(folder: string): string[] {
  return readdirSync(folder).sort();
}

test("the executable is there with a link for each plugin, and all run", async () => {
  const folder = join(folders().path, "opt/cni/bin");
  expect(await install(folder)).toContain("installed version");
  expect(files(folder)).toEqual([...pluginTypes].sort());
  expect(readFileSync(join(folder, "tendril")).equals(readFileSync(tendril))).toBe(true);
  expect(readlinkSync(join(folder, "bridge"))).toBe("tendril");
  for (const type of ["bridge", "loopback", "tendril"]) {
    expect(await askVersion(join(folder, type))).toContain("supportedVersions");
  }
  const before = lstatSync(join(folder, "tendril"));
  expect(await install(folder)).toContain("already");
  expect(lstatSync(join(folder, "tendril")).ino).toBe(before.ino);
  await install(folder, "--remove");
  expect(files(folder)).toEqual([]);
});

test("other programs under the names of plugins stay, also when ours are removed", async () => {
  const folder = folders().path;
  writeFileSync(join(folder, "bridge"), "#!/bin/sh\n", { mode: 0o755 });
  expect(await install(folder)).toContain(`left ${folder}/bridge as it is`);
  await install(folder, "--remove");
  expect(files(folder)).toEqual(["bridge"]);
  expect(readFileSync(join(folder, "bridge"), "utf8")).toBe("#!/bin/sh\n");
});

test("a newer version stays; an older one and one that does not run are replaced", async () => {
  const folder = folders().path;
  const path = pretend(folder, "99.0.0");
  expect(await install(folder)).toContain("its version 99.0.0 is newer");
  expect(readFileSync(path, "utf8")).toContain("99.0.0");
  pretend(folder, "0.0.1");
  expect(await install(folder)).toContain("in place of 0.0.1");
  writeFileSync(path, readFileSync(tendril).subarray(0, 4096), { mode: 0o755 });
  await install(folder);
  expect(await askVersion(path)).toContain("supportedVersions");
});

test("plugins that start and run while the executable is replaced never miss it", async () => {
  const folder = folders().path;
  await install(folder);
  const path = join(folder, "tendril");
  // It waits for its input.
  const running = Bun.spawn([join(folder, "bridge")], {
    env: { CNI_COMMAND: "VERSION" },
    stdin: "pipe",
    stdout: "pipe",
  });
  let isDone = false;
  const asked = (async () => {
    let count = 0;
    for (; !isDone; count++) expect(await askVersion(join(folder, "loopback"))).toContain("supportedVersions");
    return count;
  })();
  for (let i = 0; i < 3; i++) {
    // Another build of the same version.
    writeFileSync(`${path}.other`, Buffer.concat([readFileSync(tendril), Buffer.from(`${i}`)]), { mode: 0o755 });
    Bun.spawnSync(["mv", `${path}.other`, path]);
    await Promise.all([install(folder), install(folder)]);
    expect(readFileSync(path).equals(readFileSync(tendril))).toBe(true);
  }
  isDone = true;
  expect(await asked).toBeGreaterThan(3);
  await running.stdin.end();
  expect(await new Response(running.stdout).text()).toContain("supportedVersions");
  expect(await running.exited).toBe(0);
});

test("an installer that is killed leaves the old executable whole, and the next one its leftovers not", async () => {
  const folder = folders().path;
  copyFileSync("/bin/true", join(folder, "tendril"));
  const old = readFileSync(join(folder, "tendril"));
  let leftovers = 0;
  for (let wait = 100; wait < 2_000 && leftovers === 0; wait += 40) {
    copyFileSync("/bin/true", join(folder, "tendril"));
    const child = Bun.spawn([tendril, "install-plugins", folder], { stdout: "ignore", stderr: "ignore" });
    const isWriting = () => files(folder).some((name) => name.endsWith(".tmp"));
    while (!isWriting() && child.exitCode === null) await Bun.sleep(1);
    child.kill("SIGKILL");
    await child.exited;
    if (!isWriting()) continue;
    leftovers++;
    expect(readFileSync(join(folder, "tendril")).equals(old)).toBe(true);
  }
  expect(leftovers).toBe(1);
  await install(folder);
  expect(files(folder)).toEqual([...pluginTypes].sort());
  expect(existsSync(join(folder, "tendril"))).toBe(true);
});
