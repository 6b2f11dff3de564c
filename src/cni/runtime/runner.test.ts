import { expect, test } from "bun:test";
import { FileError } from "../../core/errors.ts";
import { testFolders } from "../testing/folders.ts";
import { configuration, environment, fakePlugin } from "../testing/in-process.ts";
import { pluginRunner } from "./runner.ts";

const freshFolder = testFolders();

test("a plugin of this process answers through the whole protocol, also with its error", () => {
  const plugin = fakePlugin({ result: { ips: [{ address: "10.1.0.5/16" }] } });
  const run = pluginRunner({ builtin: (type) => (type === "fake" ? plugin : undefined), inherited: {} });
  const added = run("fake", "ADD", environment("ADD"), JSON.stringify(configuration()));
  expect(added).toMatchObject({ exitCode: 0, stderr: "" });
  expect(JSON.parse(added.stdout)).toEqual({ cniVersion: "1.1.0", ips: [{ address: "10.1.0.5/16" }] });
  const refused = run("fake", "ADD", environment("ADD"), "{}");
  expect(refused.exitCode).toBe(1);
  expect(JSON.parse(refused.stdout)).toMatchObject({ code: 7 });
});

test("another one is an executable in CNI_PATH, which inherits what it is given", () => {
  const folder = freshFolder();
  folder.script("peer", 'echo "$KEPT $CNI_COMMAND"; cat; echo told >&2; exit 3');
  const run = pluginRunner({ builtin: () => undefined, inherited: { PATH: process.env.PATH, KEPT: "kept" } });
  expect(run("peer", "DEL", environment("DEL", { CNI_PATH: folder.path }), "input")).toEqual({
    exitCode: 3,
    signal: undefined,
    stdout: "kept DEL\ninput",
    stderr: "told\n",
  });
  expect(() => run("none", "DEL", environment("DEL", { CNI_PATH: folder.path }), "")).toThrow(FileError);
});
