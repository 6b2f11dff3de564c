/** What the documents name exists: files, scripts, commands, plugins, error codes. */

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";
import { errorCodes } from "../src/cni/errors.ts";
import { MODES } from "../src/core/cluster.ts";
import { clusterTypes, pluginTypes } from "../src/plugins/types.ts";

const root = join(import.meta.dir, "..");
const documents = ["README.md", ...new Glob("docs/**/*.md").scanSync(root)].sort();
const read = (path: string) => readFileSync(join(root, path), "utf8");
const scripts = (JSON.parse(read("package.json")) as { scripts: Record<string, string> }).scripts;

/** The verbs that `tendril --help` and `tendril lab --help` list. */
function verbs(...args: string[]): string[] {
  const { stdout } = Bun.spawnSync([process.execPath, "src/main.ts", ...args, "--help"], { cwd: root });
  return [...stdout.toString().matchAll(/^ {2}([a-z]+)\b/gm)].map((match) => match[1] ?? "");
}

const known = verbs();
const labVerbs = verbs("lab");

for (const document of documents) {
  describe(document, () => {
    const text = read(document);

    test("links lead somewhere", () => {
      const targets = [...text.matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].map((match) => match[1] ?? "");
      const local = targets.filter((target) => !/^[a-z]+:/.test(target));
      expect(local.filter((target) => !existsSync(join(root, dirname(document), target)))).toEqual([]);
    });

    test("files of the project that it names exist", () => {
      const named = [...text.matchAll(/`((?:src|scripts|test|bench|docs)\/[\w./-]+)`/g)].map((match) => match[1] ?? "");
      expect(named.map(normalize).filter((path) => !existsSync(join(root, path)))).toEqual([]);
    });

    test("npm scripts that it names exist", () => {
      const named = [...text.matchAll(/npm run ([a-z:]+)/g)].map((match) => match[1] ?? "");
      expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
    });

    test("commands that it names exist", () => {
      const named = [...text.matchAll(/(?:^|`|\/|kubectl )tendril ([a-z]+)(?: ([a-z]+))?/gm)];
      const wrong = named.filter(([, verb = "", next = ""]) =>
        verb === "lab" && next !== "" ? !labVerbs.includes(next) : !known.includes(verb),
      );
      expect(wrong.map(([whole]) => whole)).toEqual([]);
    });
  });
}

test("each plugin has its page, with the same headings", () => {
  const headings = ["What it makes", "Fields", "What CHECK verifies", "How to look at it by hand", "Limits"];
  // The names of the plugins that `tendril` takes the place of have one page with it.
  for (const type of pluginTypes.filter((each) => each === "tendril" || !clusterTypes.includes(each))) {
    const found = [...read(`docs/plugins/${type}.md`).matchAll(/^## (.+)$/gm)].map((match) => match[1] ?? "");
    expect({ type, found: found.filter((heading) => headings.includes(heading)) }).toEqual({ type, found: headings });
  }
});

test("each mode has its page, with the same headings", () => {
  const headings = ["What it makes", "Settings", "MTU", "How to look at it by hand", "Limits"];
  for (const mode of MODES) {
    const found = [...read(`docs/modes/${mode}.md`).matchAll(/^## (.+)$/gm)].map((match) => match[1] ?? "");
    expect({ mode, found }).toEqual({ mode, found: headings });
  }
});

test("each error code has its line", () => {
  const lines = read("docs/errors.md");
  expect(errorCodes.filter(({ code, meaning }) => !lines.includes(`| ${code} | ${meaning} |`))).toEqual([]);
});

test("JSON in documents parses", () => {
  for (const document of documents) {
    for (const [, json = ""] of read(document).matchAll(/```json\n([\s\S]*?)```/g)) {
      expect(() => JSON.parse(json), `${document}: ${json}`).not.toThrow();
    }
  }
});
