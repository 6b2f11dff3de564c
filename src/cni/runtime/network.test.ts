import { describe, expect, test } from "bun:test";
import { ConfigError, FileError, IncompatibleVersionError, type TendrilError } from "../../core/errors.ts";
import { type TestFolder, testFolders } from "../testing/folders.ts";
import { loadNetwork, type Network, parseList } from "./network.ts";

const freshFolder = testFolders();

const list = (name: string, ...types: string[]) => ({
  cniVersion: "1.1.0",
  name,
  plugins: types.map((type) => ({ type })),
});
const typesOf = (network: Network) => network.plugins.map(({ type }) => type);
const load = (folder: TestFolder, name = "net") => loadNetwork(folder.path, name);

function errorOf(work: () => unknown): TendrilError {
  try {
    work();
  } catch (error) {
    return error as TendrilError;
  }
  throw new Error("nothing was thrown");
}

describe("finding a network", () => {
  test("the first list of its name counts, by the order of file names", () => {
    const folder = freshFolder();
    folder.write("20-b.conflist", list("net", "second"));
    folder.write("10-a.conflist", list("net", "first"));
    folder.write("00-other.conflist", list("other", "third"));
    expect(typesOf(load(folder))).toEqual(["first"]);
  });

  test("lists come before single plugins in .conf and .json files", () => {
    const folder = freshFolder();
    folder.write("10-a.conf", { name: "net", type: "single" });
    folder.write("20-b.json", { name: "net2", type: "json" });
    folder.write("30-c.conflist", list("net", "listed"));
    expect(typesOf(load(folder))).toEqual(["listed"]);
    expect(typesOf(load(folder, "net2"))).toEqual(["json"]);
  });

  test("a single plugin becomes a list of one", () => {
    const folder = freshFolder();
    const single = { cniVersion: "0.4.0", name: "net", type: "single", bridge: "b0", capabilities: { mac: true } };
    folder.write("10-a.conf", single);
    expect(load(folder)).toEqual({
      name: "net",
      cniVersion: "0.4.0",
      disableCheck: false,
      disableGC: false,
      plugins: [{ type: "single", capabilities: ["mac"], config: single }],
      source: JSON.stringify({ cniVersion: "0.4.0", name: "net", plugins: [single] }),
    });
  });

  test("other files and folders are left alone", () => {
    const folder = freshFolder();
    folder.write("10-a.conflist.bak", "{");
    folder.write("README", "no configuration");
    folder.write("x.conflist/inside", "a folder");
    folder.write("20-b.conflist", list("net", "listed"));
    expect(typesOf(load(folder))).toEqual(["listed"]);
  });

  test("a broken file does not keep another network from being found", () => {
    const folder = freshFolder();
    folder.write("10-a.conflist", "{");
    folder.write("20-b.conflist", list("net", "listed"));
    expect(typesOf(load(folder))).toEqual(["listed"]);
  });

  test("a name that is not there is an error with the names that are, and with broken files", () => {
    const folder = freshFolder();
    folder.write("10-a.conflist", "{");
    folder.write("20-b.conflist", list("other", "listed"));
    const error = errorOf(() => load(folder));
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toBe(`Cannot find network "net" in "${folder.path}"`);
    expect(error.details).toContain("Networks there: other");
    expect(error.details).toContain("10-a.conflist");
  });

  test("so is a folder that is not there", () => {
    expect(errorOf(() => loadNetwork("/there/is/none", "net"))).toBeInstanceOf(FileError);
  });
});

describe("a list of plugins", () => {
  const wrong: [raw: object, field: string][] = [
    [{ plugins: undefined }, "plugins"],
    [{ plugins: {} }, "plugins"],
    [{ plugins: [] }, "plugins"],
    [{ plugins: undefined, loadOnlyInlinedPlugins: true }, "plugins"],
    [{ plugins: [{ type: "a" }, {}] }, "plugins[1].type"],
    [{ plugins: [{ type: "../a" }] }, "plugins[0].type"],
    [{ plugins: [{ type: "a", capabilities: ["mac"] }] }, "plugins[0].capabilities"],
    [{ plugins: [{ type: "a", capabilities: { mac: "yes" } }] }, "plugins[0].capabilities.mac"],
    [{ cniVersion: 1 }, "cniVersion"],
    [{ cniVersions: "1.1.0" }, "cniVersions"],
    [{ cniVersions: ["1.1.0", 1] }, "cniVersions[1]"],
    [{ disableCheck: "maybe" }, "disableCheck"],
    [{ disableGC: 1 }, "disableGC"],
    [{ loadOnlyInlinedPlugins: [] }, "loadOnlyInlinedPlugins"],
  ];
  for (const [raw, field] of wrong) {
    test(`${JSON.stringify(raw)} is refused with "${field}", also when the list comes from a file`, () => {
      const folder = freshFolder();
      folder.write("10-a.conflist", { ...list("net", "a"), ...raw });
      const error = errorOf(() => load(folder));
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).field).toBe(field);
    });
  }

  test("truth values may be text, as the reference takes them", () => {
    const raw = { ...list("net", "a"), disableCheck: "True", disableGC: "false" };
    expect(parseList(raw, "", () => [])).toMatchObject({ disableCheck: true, disableGC: false });
  });

  const selections: [cniVersion: string | undefined, cniVersions: string[] | undefined, chosen: string][] = [
    [undefined, undefined, "0.1.0"],
    ["", undefined, "0.1.0"],
    ["0.4.0", undefined, "0.4.0"],
    ["0.4.0", ["0.3.1", "1.0.0"], "1.0.0"],
    ["1.1.0", ["0.3.1", "1.0.0"], "1.1.0"],
    [undefined, ["1.0.0", "0.3.1", "2.0.0"], "1.0.0"],
    ["2.0.0", ["0.4.0"], "0.4.0"],
    ["0.4.0", [], "0.4.0"],
  ];
  for (const [cniVersion, cniVersions, chosen] of selections) {
    test(`of cniVersion ${cniVersion} and cniVersions ${cniVersions} the version ${chosen} is chosen`, () => {
      expect(parseList({ ...list("net", "a"), cniVersion, cniVersions }, "", () => []).cniVersion as string).toBe(
        chosen,
      );
    });
  }

  for (const raw of [{ cniVersion: "2.0.0" }, { cniVersion: "2.0.0", cniVersions: ["3.0.0"] }]) {
    test(`${JSON.stringify(raw)} has no version that is known`, () => {
      expect(() => parseList({ ...list("net", "a"), ...raw }, "", () => [])).toThrow(IncompatibleVersionError);
    });
  }
});

describe("plugins from the network's folder", () => {
  function folderWithMore(more: object): TestFolder {
    const folder = freshFolder();
    folder.write("10-a.conflist", { ...list("net", "inlined"), ...more });
    folder.write("net/20-b.conf", { type: "b", capabilities: { mac: true, ips: false } });
    folder.write("net/10-a.conf", { type: "a" });
    folder.write("net/30-c.conflist", list("net", "c"));
    folder.write("other/10-d.conf", { type: "d" });
    return folder;
  }

  test("come after the list's own, by the order of file names", () => {
    const network = load(folderWithMore({}));
    expect(typesOf(network)).toEqual(["inlined", "a", "b"]);
    expect(network.plugins[2]?.capabilities).toEqual(["mac"]);
  });

  test("may be all that there are", () => {
    expect(typesOf(load(folderWithMore({ plugins: undefined })))).toEqual(["a", "b"]);
  });

  test("are left out when loadOnlyInlinedPlugins is true", () => {
    expect(typesOf(load(folderWithMore({ loadOnlyInlinedPlugins: true })))).toEqual(["inlined"]);
  });

  test("must be in order like those of the list", () => {
    const folder = folderWithMore({});
    folder.write("net/40-e.conf", { bridge: "b0" });
    expect(errorOf(() => load(folder)).message).toContain('"type" is missing');
  });
});
