import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import {
  DelegateError,
  EnvironmentError,
  IncompatibleVersionError,
  PluginFailureError,
  UnknownContainerError,
} from "../../core/errors.ts";
import type { Outcome } from "../executable.ts";
import { type TestFolder, testFolders } from "../testing/folders.ts";
import type { CniVersion } from "../versions.ts";
import { type Attachment, cnitoolContainerId } from "./attachment.ts";
import { type Network, parseList } from "./network.ts";
import { addNetwork, checkNetwork, delNetwork, gcNetwork, type Runtime, statusNetwork } from "./operations.ts";

const freshFolder = testFolders();

interface Step {
  readonly plugin: string;
  readonly verb: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly request: Record<string, unknown>;
}

interface FakeRuntime extends Runtime {
  readonly steps: Step[];
  readonly warnings: string[];
}

const succeed = (stdout = ""): Outcome => ({ exitCode: 0, stdout, stderr: "" });
const failWith = (code: number, msg: string): Outcome => ({
  exitCode: 1,
  stdout: JSON.stringify({ code, msg }),
  stderr: "",
});

/** A plugin that adds an address to the result that it is given: the first 10.1.0.1, the next 10.1.0.2. */
function addAddress({ verb, request }: Step): Outcome {
  if (verb !== "ADD") return succeed();
  const before = (request.prevResult as { ips: object[] } | undefined)?.ips ?? [];
  const ips = [...before, { address: `10.1.0.${before.length + 1}/16` }];
  return succeed(JSON.stringify({ cniVersion: request.cniVersion, ips }));
}

function fakeRuntime(folder: TestFolder, answer: (step: Step) => Outcome = addAddress): FakeRuntime {
  const steps: Step[] = [];
  const warnings: string[] = [];
  return {
    steps,
    warnings,
    run: (plugin, verb, env, stdin) => {
      const step = { plugin, verb, env, request: JSON.parse(stdin) as Record<string, unknown> };
      steps.push(step);
      return answer(step);
    },
    path: ["/opt/a", "/opt/b"],
    cacheFolder: folder.path,
    warn: (sentence) => warnings.push(sentence),
  };
}

function chain(more: Record<string, unknown> = {}): Network {
  const raw = {
    cniVersion: "1.1.0",
    name: "net",
    plugins: [
      { type: "first", own: { a: [1] }, name: "of the plugin", cniVersion: "0.1.0" },
      { type: "second", capabilities: { portMappings: true, mac: false, ips: true } },
      { type: "third" },
    ],
    ...more,
  };
  return parseList(raw, JSON.stringify(raw), () => []);
}

const attachment: Attachment = {
  containerId: "c1",
  netns: "/run/netns/a",
  ifname: "eth0",
  args: [
    ["IgnoreUnknown", "1"],
    ["A", "b"],
  ],
  capabilityArgs: { portMappings: [{ hostPort: 80 }], mac: "02:00:00:00:00:01", other: 1 },
};

const cached = (folder: TestFolder) =>
  existsSync(`${folder.path}/results`) ? readdirSync(`${folder.path}/results`) : [];
const order = ({ steps }: FakeRuntime) => steps.map(({ plugin, verb }) => `${verb} ${plugin}`);

describe("ADD", () => {
  test("runs the chain in order, each plugin with the result of the one before, and returns the last one's", () => {
    const runtime = fakeRuntime(freshFolder());
    const result = addNetwork(chain(), attachment, runtime);
    expect(order(runtime)).toEqual(["ADD first", "ADD second", "ADD third"]);
    const before = runtime.steps.map(
      ({ request }) => (request.prevResult as { ips?: object[] } | undefined)?.ips?.length ?? 0,
    );
    expect(before).toEqual([0, 1, 2]);
    expect(runtime.steps[0]?.request).not.toHaveProperty("prevResult");
    expect(result.ips?.map(({ address }) => address)).toEqual(["10.1.0.1/16", "10.1.0.2/16", "10.1.0.3/16"]);
  });

  test("gives each plugin name, version, its own fields and the capabilities that it declares", () => {
    const runtime = fakeRuntime(freshFolder());
    addNetwork(chain({ cniVersion: "0.4.0" }), attachment, runtime);
    expect(runtime.steps[0]?.request).toEqual({ type: "first", own: { a: [1] }, name: "net", cniVersion: "0.4.0" });
    const { prevResult: _, ...second } = runtime.steps[1]?.request ?? {};
    expect(second).toEqual({
      type: "second",
      name: "net",
      cniVersion: "0.4.0",
      runtimeConfig: { portMappings: [{ hostPort: 80 }] },
    });
  });

  test("gives the environment of the protocol", () => {
    const runtime = fakeRuntime(freshFolder());
    addNetwork(chain(), attachment, runtime);
    expect(runtime.steps[2]?.env).toEqual({
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "c1",
      CNI_NETNS: "/run/netns/a",
      CNI_IFNAME: "eth0",
      CNI_ARGS: "IgnoreUnknown=1;A=b",
      CNI_PATH: "/opt/a:/opt/b",
    });
  });

  test("hands results on in the version of the network", () => {
    const runtime = fakeRuntime(freshFolder(), ({ verb }) =>
      verb === "ADD" ? succeed('{"cniVersion":"0.3.1","ips":[{"version":"4","address":"10.1.0.1/16"}]}') : succeed(),
    );
    addNetwork(chain({ cniVersion: "0.2.0" }), attachment, runtime);
    expect(runtime.steps[1]?.request.prevResult).toEqual({
      cniVersion: "0.2.0",
      ip4: { ip: "10.1.0.1/16" },
      dns: {},
    });
  });

  test("keeps the result in the file and form of the reference library, for its owner alone", () => {
    const folder = freshFolder();
    const network = chain();
    addNetwork(network, attachment, fakeRuntime(folder));
    expect(cached(folder)).toEqual(["net-c1-eth0"]);
    const path = `${folder.path}/results/net-c1-eth0`;
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({
      kind: "cniCacheV1",
      containerId: "c1",
      config: Buffer.from(network.source).toString("base64"),
      ifName: "eth0",
      networkName: "net",
      netns: "/run/netns/a",
      cniArgs: [
        ["IgnoreUnknown", "1"],
        ["A", "b"],
      ],
      capabilityArgs: attachment.capabilityArgs,
      result: {
        cniVersion: "1.1.0",
        ips: [{ address: "10.1.0.1/16" }, { address: "10.1.0.2/16" }, { address: "10.1.0.3/16" }],
      },
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(`${folder.path}/results`).mode & 0o777).toBe(0o700);
  });

  test("stops at the plugin that fails and leaves rollback to the caller: nothing is cached, nothing deleted", () => {
    const folder = freshFolder();
    const runtime = fakeRuntime(folder, (step) =>
      step.plugin === "second" ? failWith(11, "later") : addAddress(step),
    );
    try {
      addNetwork(chain(), attachment, runtime);
      throw new Error("nothing was thrown");
    } catch (error) {
      expect(error).toBeInstanceOf(DelegateError);
      expect(error).toMatchObject({ code: 11, message: 'CNI plugin "second" failed at ADD: later' });
    }
    expect(order(runtime)).toEqual(["ADD first", "ADD second"]);
    expect(cached(folder)).toEqual([]);
  });

  test("a plugin that dies is named", () => {
    const died: Outcome = { exitCode: undefined, signal: "SIGKILL", stdout: "", stderr: "oh" };
    const runtime = fakeRuntime(freshFolder(), () => died);
    expect(() => addNetwork(chain(), attachment, runtime)).toThrow(PluginFailureError);
    expect(() => addNetwork(chain(), attachment, runtime)).toThrow(/"first" failed at ADD with signal SIGKILL/);
    expect(runtime.warnings).toContain("oh");
  });

  const wrong: Partial<Attachment>[] = [
    { containerId: "" },
    { containerId: "../x" },
    { ifname: "" },
    { ifname: "a/b" },
  ];
  for (const names of wrong) {
    test(`${JSON.stringify(names)} is refused before any plugin runs`, () => {
      const runtime = fakeRuntime(freshFolder());
      expect(() => addNetwork(chain(), { ...attachment, ...names }, runtime)).toThrow(EnvironmentError);
      expect(runtime.steps).toEqual([]);
    });
  }
});

describe("DEL", () => {
  test("runs the chain backwards, each plugin with the result of the whole chain, and forgets it", () => {
    const folder = freshFolder();
    addNetwork(chain(), attachment, fakeRuntime(folder));
    const runtime = fakeRuntime(folder);
    delNetwork(chain(), attachment, runtime);
    expect(order(runtime)).toEqual(["DEL third", "DEL second", "DEL first"]);
    for (const { request } of runtime.steps) expect((request.prevResult as { ips: [] }).ips).toHaveLength(3);
    expect(cached(folder)).toEqual([]);
  });

  test("goes without a result when nothing is cached, and when what is cached cannot be read", () => {
    const folder = freshFolder();
    for (const content of [undefined, "", "{", '{"kind":"cniCacheV1"}', '{"kind":"cniCacheV1","result":{"ips":5}}']) {
      if (content !== undefined) folder.write("results/net-c1-eth0", content);
      const runtime = fakeRuntime(folder);
      delNetwork(chain(), attachment, runtime);
      expect(runtime.steps.map(({ request }) => request.prevResult)).toEqual([undefined, undefined, undefined]);
      expect(runtime.warnings).toHaveLength(content === undefined ? 0 : 1);
      expect(cached(folder)).toEqual([]);
    }
  });

  test("reads the bare result that old libraries cached", () => {
    const folder = freshFolder();
    folder.write("results/net-c1-eth0", { cniVersion: "0.4.0", ips: [{ version: "4", address: "10.1.0.9/16" }] });
    const runtime = fakeRuntime(folder);
    delNetwork(chain(), attachment, runtime);
    expect(runtime.steps[0]?.request.prevResult).toEqual({ cniVersion: "1.1.0", ips: [{ address: "10.1.0.9/16" }] });
  });

  test("gives no result before version 0.4.0", () => {
    const folder = freshFolder();
    const network = chain({ cniVersion: "0.3.1" });
    addNetwork(network, attachment, fakeRuntime(folder));
    const runtime = fakeRuntime(folder);
    delNetwork(network, attachment, runtime);
    expect(runtime.steps[0]?.request).not.toHaveProperty("prevResult");
    expect(cached(folder)).toEqual([]);
  });

  test("stops at a plugin that fails, and the result stays for the next DEL", () => {
    const folder = freshFolder();
    addNetwork(chain(), attachment, fakeRuntime(folder));
    const runtime = fakeRuntime(folder, ({ plugin }) => (plugin === "second" ? failWith(5, "no") : succeed()));
    expect(() => delNetwork(chain(), attachment, runtime)).toThrow('CNI plugin "second" failed at DEL: no');
    expect(order(runtime)).toEqual(["DEL third", "DEL second"]);
    expect(cached(folder)).toEqual(["net-c1-eth0"]);
  });
});

describe("CHECK", () => {
  test("runs the chain in order, each plugin with the result of the whole chain", () => {
    const folder = freshFolder();
    addNetwork(chain(), attachment, fakeRuntime(folder));
    const runtime = fakeRuntime(folder);
    checkNetwork(chain(), attachment, runtime);
    expect(order(runtime)).toEqual(["CHECK first", "CHECK second", "CHECK third"]);
    for (const { request } of runtime.steps) expect((request.prevResult as { ips: [] }).ips).toHaveLength(3);
  });

  test("runs nothing when the network disables it", () => {
    const runtime = fakeRuntime(freshFolder());
    checkNetwork(chain({ disableCheck: true }), attachment, runtime);
    expect(runtime.steps).toEqual([]);
  });

  test("is refused before version 0.4.0, and for what was never added", () => {
    const runtime = fakeRuntime(freshFolder());
    expect(() => checkNetwork(chain({ cniVersion: "0.3.1" }), attachment, runtime)).toThrow(IncompatibleVersionError);
    expect(() => checkNetwork(chain(), attachment, runtime)).toThrow(UnknownContainerError);
    expect(runtime.steps).toEqual([]);
  });
});

describe("GC", () => {
  function folderWith(...ids: string[]): TestFolder {
    const folder = freshFolder();
    for (const containerId of ids) addNetwork(chain(), { ...attachment, containerId }, fakeRuntime(folder));
    return folder;
  }

  test("deletes what is cached but not valid, with what it was added with, then asks each plugin", () => {
    const folder = folderWith("c1", "c2", "c3");
    const runtime = fakeRuntime(folder);
    gcNetwork(chain(), [{ containerId: "c2", ifname: "eth0" }], runtime);
    expect(runtime.steps.map(({ plugin, verb, env }) => `${verb} ${plugin} ${env.CNI_CONTAINERID}`)).toEqual([
      ...["c1", "c3"].flatMap((id) => ["third", "second", "first"].map((plugin) => `DEL ${plugin} ${id}`)),
      ...["first", "second", "third"].map((plugin) => `GC ${plugin} `),
    ]);
    expect(runtime.steps[0]?.env).toMatchObject({ CNI_NETNS: "/run/netns/a", CNI_ARGS: "IgnoreUnknown=1;A=b" });
    expect(runtime.steps[1]?.request.runtimeConfig).toEqual({ portMappings: [{ hostPort: 80 }] });
    expect(cached(folder)).toEqual(["net-c2-eth0"]);
  });

  test("tells plugins which are valid by the key of today and the older one", () => {
    const runtime = fakeRuntime(freshFolder());
    const valid = [{ containerId: "c2", ifname: "eth0" }];
    gcNetwork(chain(), valid, runtime);
    const attachments = [{ containerID: "c2", ifname: "eth0" }];
    expect(runtime.steps[0]?.request).toEqual({
      type: "first",
      own: { a: [1] },
      name: "net",
      cniVersion: "1.1.0",
      "cni.dev/valid-attachments": attachments,
      "cni.dev/attachments": attachments,
    });
  });

  test("an empty list is handed on as one, and no list as none", () => {
    const keys = (valid: [] | undefined) => {
      const runtime = fakeRuntime(freshFolder());
      gcNetwork(chain(), valid, runtime);
      return runtime.steps[0]?.request["cni.dev/valid-attachments"];
    };
    expect(keys([])).toEqual([]);
    expect(keys(undefined)).toBeUndefined();
  });

  test("leaves other networks, whose names may begin alike, and files that it cannot read", () => {
    const folder = folderWith("c1");
    const other = chain({ name: "net-c1" });
    addNetwork(other, attachment, fakeRuntime(folder));
    folder.write("results/net-broken-eth0", "{");
    const runtime = fakeRuntime(folder);
    gcNetwork(chain(), [], runtime);
    expect(order(runtime)).toEqual([
      ...["third", "second", "first"].map((plugin) => `DEL ${plugin}`),
      ...["first", "second", "third"].map((plugin) => `GC ${plugin}`),
    ]);
    expect(cached(folder).sort()).toEqual(["net-broken-eth0", "net-c1-c1-eth0"]);
    expect(runtime.warnings.join()).toContain("net-broken-eth0");
  });

  test("asks no plugin before version 1.1.0, and nobody when the network disables it", () => {
    const folder = folderWith("c1");
    const disabled = fakeRuntime(folder);
    gcNetwork(chain({ disableGC: true }), [], disabled);
    expect(disabled.steps).toEqual([]);
    const old = fakeRuntime(folder);
    gcNetwork(chain({ cniVersion: "1.0.0" }), [], old);
    expect(order(old)).toEqual(["DEL third", "DEL second", "DEL first"]);
  });

  test("goes on after errors and throws all of them at the end", () => {
    const folder = folderWith("c1", "c2");
    const runtime = fakeRuntime(folder, ({ plugin, verb, env }) =>
      (verb === "DEL" && env.CNI_CONTAINERID === "c1") || (verb === "GC" && plugin === "second")
        ? failWith(5, `${verb} of ${plugin}`)
        : succeed(),
    );
    expect(() => gcNetwork(chain(), [], runtime)).toThrow(/DEL of third; .*GC of second/);
    expect(order(runtime)).toEqual([
      "DEL third",
      "DEL third",
      "DEL second",
      "DEL first",
      "GC first",
      "GC second",
      "GC third",
    ]);
    expect(cached(folder)).toEqual(["net-c1-eth0"]);
  });
});

describe("STATUS", () => {
  test("asks each plugin, without an attachment", () => {
    const runtime = fakeRuntime(freshFolder());
    statusNetwork(chain(), runtime);
    expect(order(runtime)).toEqual(["STATUS first", "STATUS second", "STATUS third"]);
    expect(runtime.steps[0]?.env).toMatchObject({ CNI_CONTAINERID: "", CNI_NETNS: "", CNI_IFNAME: "", CNI_ARGS: "" });
    expect(runtime.steps[1]?.request).toEqual({ type: "second", name: "net", cniVersion: "1.1.0" });
  });

  test("stops at the first that cannot serve, with its code", () => {
    const runtime = fakeRuntime(freshFolder(), ({ plugin }) =>
      plugin === "second" ? failWith(50, "full") : succeed(),
    );
    expect(() => statusNetwork(chain(), runtime)).toThrow('CNI plugin "second" failed at STATUS: full');
    expect(order(runtime)).toEqual(["STATUS first", "STATUS second"]);
  });

  for (const cniVersion of ["0.4.0", "1.0.0"] satisfies CniVersion[]) {
    test(`succeeds without asking in ${cniVersion}`, () => {
      const runtime = fakeRuntime(freshFolder());
      statusNetwork(chain({ cniVersion }), runtime);
      expect(runtime.steps).toEqual([]);
    });
  }
});

test("the container ID of a namespace is the one that cnitool gives it", () => {
  // printf /run/netns/a | sha512sum | cut -c1-20
  expect(cnitoolContainerId("/run/netns/a")).toBe("cnitool-a145bc1ace582bff43bd");
});
