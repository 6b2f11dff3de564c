import { describe, expect, test } from "bun:test";
import { EnvironmentError } from "../core/errors.ts";
import { checkKnownArgs, parseArgs, parseEnvironment, parsePath, parseVerb, type Verb } from "./environment.ts";
import { environment } from "./testing/in-process.ts";

const quiet = (): void => {};

describe("which variables a verb needs", () => {
  const needed: Record<Exclude<Verb, "VERSION">, string[]> = {
    ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
    CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
    DEL: ["CNI_CONTAINERID", "CNI_IFNAME"],
    GC: ["CNI_PATH"],
    STATUS: [],
  };
  const all = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"];
  for (const [verb, names] of Object.entries(needed) as [Verb, string[]][]) {
    for (const name of all) {
      const isNeeded = names.includes(name);
      test(`${verb} ${isNeeded ? "is refused" : "goes on"} without ${name}, or with an empty one`, () => {
        const { [name]: _, ...without } = environment(verb);
        for (const env of [without, environment(verb, { [name]: "" })]) {
          const read = () => parseEnvironment(verb, env, quiet);
          if (isNeeded) expect(read).toThrow(new RegExp(`^Invalid environment: ${verb} needs ${name},`));
          else expect(read).not.toThrow();
        }
      });
    }
    if (names.length > 1) {
      test(`an empty environment names all that ${verb} needs at once`, () => {
        expect(() => parseEnvironment(verb, {}, quiet)).toThrow(names.join(", "));
      });
    }
  }
});

describe("values", () => {
  const wrong: [name: string, values: string[]][] = [
    ["CNI_CONTAINERID", ["-a", ".a", "_a", "a b", "a/b", "a:b", "ä", "a\n", "../a"]],
    ["CNI_IFNAME", ["a/b", "a:b", "a b", "a\tb", ".", "..", "sixteencharacter", "eth0\n"]],
  ];
  for (const [name, values] of wrong) {
    for (const value of values) {
      test(`${name} ${JSON.stringify(value)} is refused on ADD, CHECK and DEL, with name and value`, () => {
        for (const verb of ["ADD", "CHECK", "DEL"] as const) {
          const read = () => parseEnvironment(verb, environment(verb, { [name]: value }), quiet);
          expect(read).toThrow(EnvironmentError);
          expect(read).toThrow(name);
          expect(read).toThrow(JSON.stringify(value));
        }
      });
    }
  }

  test("container IDs of letters, digits, underscore, dot and hyphen are taken", () => {
    for (const id of ["a", "0", "A.b_c-d", "0123456789abcdef".repeat(4)]) {
      const { containerId } = parseEnvironment("ADD", environment("ADD", { CNI_CONTAINERID: id }), quiet);
      expect(containerId).toBe(id);
    }
  });

  test("GC and STATUS have no attachment, whatever the environment says", () => {
    for (const verb of ["GC", "STATUS"] as const) {
      const read = parseEnvironment(verb, environment(verb, { CNI_CONTAINERID: "/", CNI_ARGS: "=" }), quiet);
      expect(read).toMatchObject({ containerId: "", ifname: "", netns: undefined });
      expect(read.args.size).toBe(0);
    }
  });

  test("an empty CNI_NETNS is none", () => {
    expect(parseEnvironment("DEL", environment("DEL", { CNI_NETNS: "" }), quiet).netns).toBeUndefined();
  });

  test("empty folders of CNI_PATH are left out, for they would mean the current one", () => {
    expect(parsePath("/a::/b:")).toEqual(["/a", "/b"]);
    expect(parsePath("")).toEqual([]);
  });

  test("an unknown verb is refused with its name", () => {
    for (const text of ["add", "ADD ", "UPDATE"]) expect(() => parseVerb(text)).toThrow(JSON.stringify(text));
  });
});

describe("CNI_ARGS", () => {
  test("pairs are parted by semicolons", () => {
    expect([...parseArgs("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;IP=10.1.0.5")]).toEqual([
      ["IgnoreUnknown", "1"],
      ["K8S_POD_NAMESPACE", "default"],
      ["IP", "10.1.0.5"],
    ]);
  });

  test("a value may be empty or contain an equals sign, and empty pairs are nothing", () => {
    expect([...parseArgs(";A=;B=x=y;")]).toEqual([
      ["A", ""],
      ["B", "x=y"],
    ]);
  });

  for (const text of ["A", "=B", "A=1;B", "IgnoreUnknown=maybe"]) {
    test(`${JSON.stringify(text)} is refused on ADD and CHECK, and only told on DEL`, () => {
      const env = environment("ADD", { CNI_ARGS: text });
      expect(() => parseEnvironment("ADD", env, quiet)).toThrow("CNI_ARGS");
      expect(() => parseEnvironment("CHECK", env, quiet)).toThrow("CNI_ARGS");
      const told: string[] = [];
      expect(parseEnvironment("DEL", env, (sentence) => told.push(sentence)).args.size).toBe(0);
      expect(told.join()).toContain("CNI_ARGS");
    });
  }

  test("unknown keys are refused with their names where the known ones are given", () => {
    const args = parseArgs("MAC=02:00:00:00:00:01;IPP=1;FOO=2");
    expect(() => checkKnownArgs(args, ["MAC", "IP"])).toThrow("IPP, FOO");
    expect(() => checkKnownArgs(args, ["MAC", "IPP", "FOO"])).not.toThrow();
  });

  test("IgnoreUnknown lets unknown keys pass, and a false one does not", () => {
    for (const yes of ["1", "true", "True", "TRUE"]) {
      expect(() => checkKnownArgs(parseArgs(`FOO=1;IgnoreUnknown=${yes}`), [])).not.toThrow();
    }
    for (const no of ["0", "false"]) {
      expect(() => checkKnownArgs(parseArgs(`FOO=1;IgnoreUnknown=${no}`), [])).toThrow("FOO");
    }
  });
});
