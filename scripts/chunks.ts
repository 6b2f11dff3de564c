/**
 * Keeps what every plugin needs in one chunk.
 *
 * The bundler makes a chunk of those modules that the same entries and `import()`s reach: with a plugin in each of them
 * that comes to a dozen little chunks which all are loaded always, and each costs a start 15 to 30 µs. So here every
 * module that is loaded late gets an import of the one that loads it, which is there already by then: what that one
 * reaches is reached by all, and goes together.
 */

import { dirname, resolve } from "node:path";
import type { BunPlugin } from "bun";

/** `base` is the module whose imports, and theirs, every late module shall find loaded. */
export function oneBaseChunk(base: string): BunPlugin {
  const late = new Set<string>();
  return {
    name: "one base chunk",
    setup(build) {
      build.onResolve({ filter: /^\.\.?\// }, ({ path, importer, kind }) => {
        if (kind === "dynamic-import" || kind === "require-call") late.add(resolve(dirname(importer), path));
        return undefined;
      });
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const source = await Bun.file(path).text();
        const isLate = late.has(path) && path !== base;
        return { contents: isLate ? `import ${JSON.stringify(base)};\n${source}` : source, loader: "ts" };
      });
    },
  };
}
