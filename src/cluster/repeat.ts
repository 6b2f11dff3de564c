/** Work that a daemon does again and again. */

export interface Repeated {
  /** Does the work soon, whenever its turn would be; several wishes at once are one. */
  soon(): void;
}

/**
 * Does the work at once, and again so many milliseconds after it has been done, until the signal comes. What it throws
 * goes to `failed`, and it goes on.
 */
export function repeat(
  milliseconds: number,
  signal: AbortSignal,
  work: () => Promise<void> | void,
  failed: (error: unknown) => void,
): Repeated {
  let wake = (): void => {};
  let wanted = false;
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      wanted = false;
      try {
        await work();
      } catch (error) {
        failed(error);
      }
      if (wanted || signal.aborted) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        signal.addEventListener("abort", wake, { once: true });
      });
      signal.removeEventListener("abort", wake);
      wake = () => {};
    }
  };
  void loop();
  return {
    soon() {
      wanted = true;
      wake();
    },
  };
}
