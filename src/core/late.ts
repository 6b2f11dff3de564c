/**
 * Modules that not every call needs. To load one costs as much as to run it, and a process serves one call.
 *
 * Such a module is there whenever it is asked for. What a configuration's words tell beforehand is loaded ahead, which
 * is quicker; a guess that misses costs time and nothing else.
 */

/** A module by asking for it. */
export type Late<M> = () => M;

interface Ahead {
  readonly words: readonly string[];
  readonly load: () => Promise<void>;
}

const known: Ahead[] = [];

/**
 * A module that calls need whose configuration has one of the words. It is named twice, `() => import("./x.ts")` and
 * `() => require("./x.ts")`, for the bundler makes a chunk of it when it sees the name; the second is for asking
 * without having loaded it.
 */
export function late<M>(words: readonly string[], load: () => Promise<M>, require: () => M): Late<M> {
  let module: M | undefined;
  known.push({
    words,
    load: async () => {
      module = await load();
    },
  });
  return () => {
    module ??= require();
    return module;
  };
}

/** Loads what a configuration will probably need. */
export async function loadAhead(configuration: string): Promise<void> {
  for (const { words, load } of known) {
    for (const word of words) {
      if (!configuration.includes(word)) continue;
      await load();
      break;
    }
  }
}
