import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import {
  DecodeError,
  DelegateError,
  FileError,
  NotAvailableError,
  PluginFailureError,
  TendrilError,
} from "../core/errors.ts";
import type { Call, NetworkConfig } from "../core/plugin.ts";
import { delegate, resolvePlugin } from "./delegate.ts";
import { type TestFolder, testFolders } from "./testing/folders.ts";
import { fakePlugin } from "./testing/in-process.ts";

const freshFolder = testFolders();

/** A call whose plugins lie in a folder. */
function call(folder: TestFolder, more: Partial<Call> = {}): Call & { warnings: string[] } {
  const config: NetworkConfig = { cniVersion: "1.1.0", name: "net", type: "bridge", ipam: { type: "peer" } };
  const warnings: string[] = [];
  return {
    config,
    stdin: JSON.stringify(config),
    path: [folder.path],
    warn: (sentence) => warnings.push(sentence),
    containerId: "c1",
    ifname: "eth0",
    netns: "/run/netns/a",
    cniArgs: "IgnoreUnknown=1;A=b",
    args: new Map(),
    warnings,
    ...more,
  };
}

function errorOf(work: () => unknown): TendrilError {
  try {
    work();
  } catch (error) {
    if (error instanceof TendrilError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const answer = (json: object) => `echo '${JSON.stringify(json)}'`;

/** Notes each verb in a file of the folder. */
const note = `echo "$CNI_COMMAND" >> "$(dirname "$0")/verbs"`;
const verbsOf = (folder: TestFolder) =>
  existsSync(`${folder.path}/verbs`) ? readFileSync(`${folder.path}/verbs`, "utf8").trim().split("\n") : [];

describe("an executable that works", () => {
  test("gets the environment of the call and the whole configuration", () => {
    const folder = freshFolder();
    folder.script("peer", `cat > ${folder.path}/stdin`, `env | sort > ${folder.path}/env`, "echo '{}'");
    const made = call(folder);
    delegate("peer", { PATH: process.env.PATH, KEPT: "yes", CNI_COMMAND: "DEL", CNI_IFNAME: "old" }).add(made);
    expect(readFileSync(`${folder.path}/stdin`, "utf8")).toBe(made.stdin);
    const env = readFileSync(`${folder.path}/env`, "utf8").split("\n");
    expect(env).toEqual(
      expect.arrayContaining([
        "KEPT=yes",
        "CNI_COMMAND=ADD",
        "CNI_CONTAINERID=c1",
        "CNI_NETNS=/run/netns/a",
        "CNI_IFNAME=eth0",
        "CNI_ARGS=IgnoreUnknown=1;A=b",
        `CNI_PATH=${folder.path}`,
      ]),
    );
  });

  test("answers ADD with a result in the newest form", () => {
    const folder = freshFolder();
    folder.script("peer", answer({ cniVersion: "0.4.0", ips: [{ version: "4", address: "10.1.0.5/16" }] }));
    expect(delegate("peer").add(call(folder))).toEqual({ ips: [{ address: "10.1.0.5/16" }] });
  });

  test("a result that does not tell its version is in that of the configuration", () => {
    const folder = freshFolder();
    folder.script("peer", answer({ ip4: { ip: "10.1.0.5/16" } }));
    const config = { cniVersion: "0.2.0", name: "net", type: "bridge" };
    expect(delegate("peer").add(call(folder, { config }))).toEqual({ ips: [{ address: "10.1.0.5/16" }] });
  });

  test("serves the other verbs, whatever it prints", () => {
    const folder = freshFolder();
    folder.script("peer", note, "echo what a nice day");
    const plugin = delegate("peer");
    const made = call(folder);
    plugin.check(made);
    plugin.del({ ...made, netns: undefined });
    plugin.gc(made);
    plugin.status(made);
    expect(verbsOf(folder)).toEqual(["CHECK", "DEL", "GC", "STATUS"]);
  });

  test("GC and STATUS carry no attachment", () => {
    const folder = freshFolder();
    folder.script("peer", `echo "$CNI_CONTAINERID,$CNI_NETNS,$CNI_IFNAME,$CNI_ARGS" >> ${folder.path}/seen`);
    const plugin = delegate("peer", { PATH: process.env.PATH, CNI_CONTAINERID: "old" });
    plugin.gc(call(folder));
    plugin.status(call(folder));
    expect(readFileSync(`${folder.path}/seen`, "utf8")).toBe(",,,\n,,,\n");
  });

  test("its standard error is handed on", () => {
    const folder = freshFolder();
    folder.script("peer", "echo careful >&2");
    const made = call(folder);
    delegate("peer").del(made);
    expect(made.warnings).toEqual(["careful"]);
  });

  test("need not read its input, however long that is", () => {
    const folder = freshFolder();
    folder.script("peer", "exit 0");
    delegate("peer").del(call(folder, { stdin: JSON.stringify({ text: "x".repeat(1 << 20) }) }));
  });

  test("is the first regular file of its name in CNI_PATH", () => {
    const [first, second] = [freshFolder(), freshFolder()];
    first.write("peer/inside", "a folder is no executable");
    second.script("peer", note);
    delegate("peer").del(call(first, { path: ["/there/is/none", first.path, second.path] }));
    expect(verbsOf(second)).toEqual(["DEL"]);
  });
});

describe("an executable that fails", () => {
  test("its error is passed on with its code, message and details", () => {
    const folder = freshFolder();
    folder.script("peer", answer({ cniVersion: "1.1.0", code: 4711, msg: "no IP", details: "range set 0" }), "exit 1");
    const error = errorOf(() => delegate("peer").check(call(folder)));
    expect(error).toBeInstanceOf(DelegateError);
    expect(error).toMatchObject({ code: 4711, message: "no IP", details: "range set 0" });
  });

  test("an error without a code that can be used is code 999", () => {
    for (const code of [undefined, 0, -1, "7", 1.5]) {
      const folder = freshFolder();
      folder.script("peer", answer({ code, msg: "no" }), "exit 1");
      expect(errorOf(() => delegate("peer").del(call(folder)))).toMatchObject({ code: 999, message: "no" });
    }
  });

  const ends: [what: string, lines: string[], words: string[], details: string | undefined][] = [
    ["an exit without output", ["exit 3"], ["exit status 3", "no output"], undefined],
    ["an exit with words on standard error", ["echo oh no >&2", "exit 1"], ["exit status 1"], "standard error: oh no"],
    ["garbage", ["echo garbage", "exit 1"], ["exit status 1", "no CNI error", "garbage"], undefined],
    ["JSON that is no error", ["echo '[1]'", "exit 1"], ["no CNI error", "[1]"], undefined],
    ["a signal", ["kill -KILL $$"], ["signal SIGKILL"], undefined],
  ];
  for (const [what, lines, words, details] of ends) {
    test(`${what} is an error that says so, with the plugin's type and the verb`, () => {
      const folder = freshFolder();
      folder.script("peer", ...lines);
      const error = errorOf(() => delegate("peer").check(call(folder)));
      expect(error).toBeInstanceOf(PluginFailureError);
      for (const word of ['"peer"', "CHECK", ...words]) expect(error.message).toContain(word);
      expect(error.details).toBe(details as string);
    });
  }

  const answers: [what: string, line: string, words: string][] = [
    ["garbage", "echo garbage", "garbage"],
    ["a list", "echo '[]'", '"result"'],
    ["a wrong address", answer({ cniVersion: "1.1.0", ips: [{ address: "x" }] }), '"result.ips[0].address"'],
    ["an unknown version", answer({ cniVersion: "7.0.0" }), '"result.cniVersion"'],
  ];
  for (const [what, line, words] of answers) {
    test(`ADD that answers with ${what} is an error that says so`, () => {
      const folder = freshFolder();
      folder.script("peer", line);
      const error = errorOf(() => delegate("peer").add(call(folder)));
      expect(error).toBeInstanceOf(DecodeError);
      expect(error.message).toContain('"peer"');
      expect(error.message).toContain(words);
    });
  }

  test("ADD that succeeds without a result is an error", () => {
    const folder = freshFolder();
    folder.script("peer", "exit 0");
    expect(errorOf(() => delegate("peer").add(call(folder)))).toBeInstanceOf(PluginFailureError);
  });
});

describe("rollback", () => {
  const failures: [what: string, lines: string[]][] = [
    ["an error", [answer({ code: 7, msg: "no" }), "exit 1"]],
    ["a signal", ["kill -KILL $$"]],
    ["a result that cannot be read", ["echo garbage"]],
  ];
  for (const [what, lines] of failures) {
    test(`ADD that ends with ${what} is followed by DEL`, () => {
      const folder = freshFolder();
      folder.script("peer", note, '[ "$CNI_COMMAND" = ADD ] || exit 0', ...lines);
      const made = call(folder);
      expect(() => delegate("peer").add(made)).toThrow(TendrilError);
      expect(verbsOf(folder)).toEqual(["ADD", "DEL"]);
      expect(made.warnings).toEqual([]);
    });
  }

  test("the error of ADD stays the answer when DEL fails too, which is told", () => {
    const folder = freshFolder();
    folder.script("peer", `echo "{\\"code\\": 7, \\"msg\\": \\"$CNI_COMMAND failed\\"}"; exit 1`);
    const made = call(folder);
    expect(errorOf(() => delegate("peer").add(made)).message).toBe("ADD failed");
    expect(made.warnings.join()).toContain("DEL failed");
  });

  test("ADD that succeeds is not", () => {
    const folder = freshFolder();
    folder.script("peer", note, "echo '{}'");
    delegate("peer").add(call(folder));
    expect(verbsOf(folder)).toEqual(["ADD"]);
  });
});

describe("an executable that is not there", () => {
  test("is named with the folders that were searched", () => {
    const folder = freshFolder();
    for (const verb of ["add", "check", "del", "gc"] as const) {
      const error = errorOf(() => delegate("peer")[verb](call(folder, { path: [folder.path, "/opt/none"] })));
      expect(error).toBeInstanceOf(FileError);
      expect(error.message).toContain(`"peer": it is not in ${folder.path}, /opt/none`);
    }
  });

  test("without any folder in CNI_PATH the message says that", () => {
    const error = errorOf(() => delegate("peer").del(call(freshFolder(), { path: [] })));
    expect(error.message).toContain("CNI_PATH names no folder");
  });

  test("makes STATUS say that ADD could not succeed", () => {
    expect(errorOf(() => delegate("peer").status(call(freshFolder())))).toBeInstanceOf(NotAvailableError);
  });

  test("or cannot be started, is an error with the errno's name", () => {
    const folder = freshFolder();
    chmodSync(folder.script("peer", "exit 0"), 0o644);
    expect(errorOf(() => delegate("peer").del(call(folder))).message).toBe(`Cannot run "${folder.path}/peer": EACCES`);
  });
});

describe("resolving a type", () => {
  const own = fakePlugin();
  const builtin = (type: string) => (type === "fake" ? own : undefined);

  test("prefers the plugin of this process", () => {
    expect(resolvePlugin("fake", builtin)).toBe(own);
  });

  test("finds another one in CNI_PATH", () => {
    const folder = freshFolder();
    folder.script("peer", note);
    resolvePlugin("peer", builtin).del(call(folder));
    expect(verbsOf(folder)).toEqual(["DEL"]);
  });
});
