/** Waiting, with words for what was waited for. */

export interface Patience {
  /** Milliseconds; a minute unless given. */
  readonly within?: number;
  /** Milliseconds between two looks; 100 unless given. */
  readonly every?: number;
  /** Whether it may still come so; it is given up at once when not. */
  readonly isPossible?: () => boolean;
  /** What is told with the error when it was in vain. */
  readonly details?: () => string | Promise<string>;
}

const LAST_CHARACTERS = 4_000;

/** Waits until something is so. What the check throws counts as "not yet", and is the cause of the error at the end. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  { within = 60_000, every = 100, isPossible = () => true, details = () => "" }: Patience = {},
): Promise<void> {
  const start = performance.now();
  const deadline = start + within;
  let cause: unknown;
  do {
    try {
      if (await isSo()) return;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await Bun.sleep(every);
  } while (isPossible() && performance.now() < deadline);
  const more = (await details()).slice(-LAST_CHARACTERS);
  const waited = ((performance.now() - start) / 1000).toFixed(1);
  throw new Error(`Waited ${waited} s until ${what}: ${more}`, { cause });
}
