import { expect, test } from "bun:test";
import { join } from "node:path";
import { oneBaseChunk } from "./chunks.ts";

const root = join(import.meta.dir, "..");
const base = join(root, "src/cli/plugin.ts");

/** The chunks, each with the modules in it. */
async function chunks(): Promise<string[][]> {
  const { metafile } = await Bun.build({
    entrypoints: [join(root, "src/main.ts")],
    target: "bun",
    format: "esm",
    splitting: true,
    metafile: true,
    plugins: [oneBaseChunk(base)],
  });
  return Object.values(metafile?.outputs ?? {}).map(({ inputs }) => Object.keys(inputs));
}

test("what every plugin needs is in one chunk, and what VERSION needs in another", async () => {
  const found = await chunks();
  const chunkWith = (module: string) => found.filter((modules) => modules.some((name) => name.endsWith(module)));
  const [engine, ...others] = chunkWith("src/plan/engine.ts");
  expect(others).toEqual([]);
  for (const module of ["cni/dispatch", "linux/netlink/attributes", "core/cidr", "core/schema", "linux/file"]) {
    expect(chunkWith(`src/${module}.ts`)).toEqual([engine ?? []]);
  }
  expect(chunkWith("src/linux/libc.ts")).toEqual(chunkWith("src/cni/versions.ts"));
  expect(chunkWith("src/linux/libc.ts")).not.toEqual([engine ?? []]);
});

test("no plugin is in a chunk that others load", async () => {
  for (const modules of await chunks()) {
    const plugins = modules.filter((name) => /src\/plugins\/(interface|chained)\/[a-z-]+\.ts$/.test(name));
    if (plugins.length > 0) expect(modules.some((name) => name.endsWith("src/plan/engine.ts"))).toBe(false);
  }
});
