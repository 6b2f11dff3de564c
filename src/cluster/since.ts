/** Since when things have been so, for what is to be done about them only after a while. */

/** In milliseconds of the caller's clock. */
export type Since = ReadonlyMap<string, number>;

/** Those that are so now, each since the first time that it was seen so without a break. */
export function stillSo(before: Since, now: number, keys: Iterable<string>): Map<string, number> {
  return new Map([...keys].map((key) => [key, before.get(key) ?? now]));
}

/** Whether something has been so for so many milliseconds. */
export function lasted(since: Since, key: string, now: number, milliseconds: number): boolean {
  const begun = since.get(key);
  return begun !== undefined && now - begun >= milliseconds;
}
