/** Following a kind of documents for as long as a daemon lives. */

import type { Collection, Documents } from "../store/collection.ts";
import { sleep } from "../store/sleep.ts";

/** How long to wait before a store that was away at the first listing is asked again, in milliseconds. */
const RETRY = 1000;

/** Hands over all documents of a kind, and the names of those that changed, after each change, until the signal comes. */
export async function followed<T>(
  collection: Collection<T>,
  signal: AbortSignal,
  failed: (error: unknown) => void,
  take: (documents: Documents<T>, changed: readonly string[]) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const { documents, changed } of collection.follow(signal)) take(documents, changed);
    } catch (error) {
      failed(error);
      await sleep(RETRY, signal);
    }
  }
}
