import { describe, expect, test } from "bun:test";
import { DelegateError, NotAvailableError, VerificationError } from "../core/errors.ts";
import { configuration, environment, fakePlugin, runCall } from "./testing/in-process.ts";
import { versions } from "./versions.ts";

const verbsOfPlugins = ["ADD", "CHECK", "DEL", "GC", "STATUS"] as const;

describe("a call that is in order", () => {
  test("reaches the plugin with all that environment and configuration say", () => {
    const plugin = fakePlugin();
    const stdin = JSON.stringify(configuration({ bridge: "cni0" }));
    runCall(plugin, environment("ADD", { CNI_ARGS: "IgnoreUnknown=1;A=b", CNI_PATH: "/a:/b" }), stdin);
    expect(plugin.calls).toHaveLength(1);
    expect(plugin.calls[0]).toMatchObject({
      verb: "ADD",
      call: {
        containerId: "c1",
        ifname: "eth0",
        netns: "/run/netns/there-is-none",
        cniArgs: "IgnoreUnknown=1;A=b",
        path: ["/a", "/b"],
        stdin,
        config: { cniVersion: "1.1.0", name: "net", type: "fake", bridge: "cni0" },
      },
    });
    expect(plugin.calls[0]?.call.args?.get("A")).toBe("b");
  });

  for (const verb of verbsOfPlugins) {
    test(`${verb} calls that function of the plugin, once, and ends with status 0`, () => {
      const plugin = fakePlugin();
      const answer = runCall(plugin, environment(verb), configuration());
      expect(plugin.calls.map((call) => call.verb)).toEqual([verb]);
      expect(answer).toMatchObject({ status: 0, stderr: "" });
      // Only ADD has an answer.
      expect(answer.stdout === "").toBe(verb !== "ADD");
    });
  }

  for (const cniVersion of versions) {
    test(`ADD answers in version ${cniVersion} when the configuration is`, () => {
      const plugin = fakePlugin({ result: { ips: [{ address: "10.1.0.5/16" }] } });
      const { stdout } = runCall(plugin, environment("ADD"), configuration({ cniVersion }));
      const answer = JSON.parse(stdout);
      expect(answer.cniVersion).toBe(cniVersion);
      expect(answer.ips?.[0].address ?? answer.ip4.ip).toBe("10.1.0.5/16");
    });
  }

  test("GC gets no attachment but the list of those that are alive", () => {
    const plugin = fakePlugin();
    const attachments = [{ containerID: "c2", ifname: "eth0" }];
    runCall(plugin, environment("GC"), configuration({ "cni.dev/valid-attachments": attachments }));
    const call = plugin.calls[0]?.call;
    expect(call?.config.validAttachments).toEqual([{ containerId: "c2", ifname: "eth0" }]);
    expect(Object.keys(call ?? {}).sort()).toEqual(["config", "path", "stdin", "warn"]);
  });

  test("what a plugin warns of goes to standard error, a line each", () => {
    const plugin = { ...fakePlugin(), del: (call: { warn(sentence: string): void }) => call.warn("Careful") };
    expect(runCall(plugin, environment("DEL"), configuration())).toEqual({
      status: 0,
      stdout: "",
      stderr: "Careful\n",
    });
  });

  test("DEL goes on without a namespace", () => {
    const plugin = fakePlugin();
    expect(runCall(plugin, environment("DEL", { CNI_NETNS: "" }), configuration()).status).toBe(0);
    expect(plugin.calls[0]?.call.netns).toBeUndefined();
  });
});

describe("VERSION and the call by hand", () => {
  test("VERSION asks for no other variable, and answers in the version of its input", () => {
    for (const [input, cniVersion] of [
      ["", "1.1.0"],
      ['{"cniVersion":"0.4.0"}', "0.4.0"],
    ] as const) {
      const answer = runCall(fakePlugin(), { CNI_COMMAND: "VERSION" }, input);
      expect(answer).toMatchObject({ status: 0, stderr: "" });
      expect(JSON.parse(answer.stdout)).toEqual({ cniVersion, supportedVersions: [...versions] });
    }
  });

  for (const env of [{}, { CNI_COMMAND: "" }]) {
    test(`with ${JSON.stringify(env)} the plugin says on standard error what it is`, () => {
      expect(runCall(fakePlugin(), env, "")).toEqual({
        status: 0,
        stdout: "",
        stderr: "CNI plugin fake\nCNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n",
      });
    });
  }
});

describe("a call that is not in order", () => {
  const cases: [what: string, env: Record<string, string>, stdin: unknown, code: number, words: string][] = [
    ["an unknown verb", environment("UPDATE"), configuration(), 4, "UPDATE"],
    ["no container ID", environment("ADD", { CNI_CONTAINERID: "" }), configuration(), 4, "CNI_CONTAINERID"],
    ["a wrong interface name", environment("ADD", { CNI_IFNAME: "a/b" }), configuration(), 4, "a/b"],
    ["malformed CNI_ARGS", environment("ADD", { CNI_ARGS: "A" }), configuration(), 4, "CNI_ARGS"],
    ["no input", environment("ADD"), "", 6, "empty"],
    ["zero bytes", environment("ADD"), "\0\0", 6, "not JSON"],
    ["a list", environment("ADD"), "[]", 6, "JSON object"],
    ["no name", environment("ADD"), { cniVersion: "1.1.0", type: "fake" }, 7, '"name" is missing'],
    ["a wrong name", environment("ADD"), configuration({ name: "a b" }), 7, "a b"],
    ["no type", environment("ADD"), { cniVersion: "1.1.0", name: "net" }, 7, '"type" is missing'],
    ["an unknown version", environment("ADD"), configuration({ cniVersion: "9.9.9" }), 1, "9.9.9"],
    ["CHECK before 0.4.0", environment("CHECK"), configuration({ cniVersion: "0.3.1" }), 1, "CHECK"],
    ["GC before 1.1.0", environment("GC"), configuration({ cniVersion: "1.0.0" }), 1, "GC"],
    ["STATUS before 1.1.0", environment("STATUS"), configuration({ cniVersion: "1.0.0" }), 1, "STATUS"],
  ];
  for (const [what, env, stdin, code, words] of cases) {
    test(`${what} is code ${code}, and the plugin is not called`, () => {
      const plugin = fakePlugin();
      const { status, stdout, stderr } = runCall(plugin, env, stdin);
      expect(status).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({ code });
      expect(JSON.parse(stdout).msg).toContain(words);
      expect(stderr).toBe("");
      expect(plugin.calls).toEqual([]);
    });
  }

  test("standard input that cannot be read is code 5", () => {
    const { status, stdout } = runCall(fakePlugin(), environment("ADD"), "", {
      stdin: () => {
        throw new Error("EIO");
      },
    });
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ code: 5 });
  });

  test("an error is in the version of the configuration as soon as that is known", () => {
    const versionOf = (config: object) =>
      JSON.parse(runCall(fakePlugin(), environment("ADD"), config).stdout).cniVersion;
    expect(versionOf({ cniVersion: "0.3.1", type: "fake" })).toBe("0.3.1");
    expect(versionOf({ cniVersion: "9.9.9" })).toBe("1.1.0");
  });

  test("keys of CNI_ARGS that nobody looks at are refused where the known ones are given", () => {
    const call = (args: string) =>
      runCall(fakePlugin(), environment("ADD", { CNI_ARGS: args }), configuration(), { knownArgs: ["MAC"] }).status;
    expect(call("MAC=02:00:00:00:00:01")).toBe(0);
    expect(call("MACC=02:00:00:00:00:01")).toBe(1);
    expect(call("MACC=02:00:00:00:00:01;IgnoreUnknown=true")).toBe(0);
  });
});

describe("the namespace of the plugin itself", () => {
  const own = "/proc/self/ns/net";

  test("is refused on ADD with code 8, before the plugin is called", () => {
    const plugin = fakePlugin();
    const { status, stdout } = runCall(plugin, environment("ADD", { CNI_NETNS: own }), configuration());
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ code: 8 });
    expect(plugin.calls).toEqual([]);
  });

  test("is no namespace for DEL, which succeeds", () => {
    const plugin = fakePlugin();
    const { status, stderr } = runCall(plugin, environment("DEL", { CNI_NETNS: own }), configuration());
    expect(status).toBe(0);
    expect(stderr).toContain("CNI_NETNS");
    expect(plugin.calls[0]?.call.netns).toBeUndefined();
  });

  for (const yes of ["1", "true", "TRUE"]) {
    test(`is permitted by CNI_NETNS_OVERRIDE=${yes}`, () => {
      const plugin = fakePlugin();
      const env = environment("ADD", { CNI_NETNS: own, CNI_NETNS_OVERRIDE: yes });
      expect(runCall(plugin, env, configuration()).status).toBe(0);
      expect(plugin.calls[0]?.call.netns).toBe(own);
    });
  }
});

describe("a plugin that fails", () => {
  for (const verb of verbsOfPlugins) {
    test(`${verb} answers with its error and status 1`, () => {
      const plugin = fakePlugin({ error: new VerificationError(["a is gone", "b is wrong"]) });
      const { status, stdout, stderr } = runCall(plugin, environment(verb), configuration());
      expect(status).toBe(1);
      expect(JSON.parse(stdout)).toEqual({ cniVersion: "1.1.0", code: 104, msg: "a is gone; b is wrong" });
      expect(stderr).toBe("");
    });
  }

  test("STATUS of a plugin that cannot serve is code 50", () => {
    const plugin = fakePlugin({ error: new NotAvailableError("no address is left") });
    expect(JSON.parse(runCall(plugin, environment("STATUS"), configuration()).stdout)).toMatchObject({ code: 50 });
  });

  test("a delegate's error is passed on with code, message and details", () => {
    const plugin = fakePlugin({ error: new DelegateError("no IP", 4711, { details: "range set 0" }) });
    expect(JSON.parse(runCall(plugin, environment("ADD"), configuration()).stdout)).toEqual({
      cniVersion: "1.1.0",
      code: 4711,
      msg: "no IP",
      details: "range set 0",
    });
  });

  test("a bug is code 999 with its message, and its stack is on standard error alone", () => {
    const plugin = fakePlugin({ error: new TypeError("x is not a function") });
    const { stdout, stderr } = runCall(plugin, environment("ADD"), configuration());
    expect(JSON.parse(stdout)).toEqual({ cniVersion: "1.1.0", code: 999, msg: "x is not a function" });
    expect(stderr).toContain("TypeError: x is not a function\n");
    expect(stderr).toContain("dispatch.test.ts");
  });

  test("what is thrown may be anything", () => {
    for (const error of [undefined, null, 5, "text", Object.create(null), Symbol("s")]) {
      const { status, stdout } = runCall(fakePlugin({ error }), environment("ADD"), configuration());
      expect(status).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({ code: 999 });
    }
  });
});

describe("an output that is closed", () => {
  const closed = () => {
    throw new Error("EPIPE");
  };

  test("standard output: status 1, and standard error says so", () => {
    const { status, stderr } = runCall(fakePlugin(), environment("ADD"), configuration(), { stdout: closed });
    expect(status).toBe(1);
    expect(stderr).toContain("EPIPE");
  });

  test("standard error: the call goes on", () => {
    const plugin = { ...fakePlugin(), del: (call: { warn(sentence: string): void }) => call.warn("Careful") };
    expect(runCall(plugin, environment("DEL"), configuration(), { stderr: closed }).status).toBe(0);
    expect(runCall(plugin, {}, "", { stderr: closed }).status).toBe(0);
  });
});
