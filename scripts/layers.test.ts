import { describe, expect, test } from "bun:test";
import { checkImports } from "./layers.ts";

const problems = (file: string, source: string) => checkImports(file, source).map(({ problem }) => problem);

describe("imports", () => {
  test("down are fine", () => {
    expect(
      problems("src/plan/x.ts", 'import { a } from "../resources/a.ts";\nimport type { b } from "../core/b.ts";'),
    ).toEqual([]);
  });

  test("up are not", () => {
    expect(problems("src/core/x.ts", 'import { a } from "../linux/a.ts";')).toEqual([
      'imports ../linux/a.ts: "core" may not import "linux"',
    ]);
  });

  test("of a sibling are not, by whatever form", () => {
    expect(problems("src/plugins/x.ts", 'export { a } from "../ipam/a.ts";')).toHaveLength(1);
    expect(problems("src/plugins/x.ts", 'const a = await import("../ipam/a.ts");')).toHaveLength(1);
    expect(problems("src/plugins/x.ts", 'import {\n  a,\n  b,\n} from "../ipam/a.ts";')).toHaveLength(1);
  });

  test("of the foreign function interface are for one file alone", () => {
    expect(problems("src/linux/libc.ts", 'import { dlopen } from "bun:ffi";')).toEqual([]);
    expect(problems("src/linux/file.ts", 'import { dlopen } from "bun:ffi";')).toHaveLength(1);
  });

  test("of the runtime's modules slow a plugin down, but not the lab, nor a test", () => {
    expect(problems("src/cni/x.ts", 'import { join } from "node:path";')).toHaveLength(1);
    expect(problems("src/lab/x.ts", 'import { join } from "node:path";')).toEqual([]);
    expect(problems("src/cni/x.test.ts", 'import { join } from "node:path";')).toEqual([]);
  });

  test("from outside of the sources are for tests alone", () => {
    expect(problems("src/core/x.ts", 'import { a } from "../../scripts/a.ts";')).toHaveLength(1);
    expect(problems("src/core/x.test.ts", 'import { a } from "../../test/a.ts";')).toEqual([]);
  });
});
