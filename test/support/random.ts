/** Random choices that can be repeated: a test prints the seed, and TENDRIL_TEST_SEED sets it. */

export interface Random {
  readonly seed: number;
  /** From 0 to below `bound`. */
  below(bound: number): number;
  pick<T>(list: readonly T[]): T;
  /** Random choices of their own, for one of several that go on side by side. */
  branch(number: number): Random;
}

/** Numbers that follow from the seed, printed with the name of what they are for. */
export function seededRandom(purpose: string): Random {
  const seed = Number(process.env.TENDRIL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${purpose}: seed ${seed} (TENDRIL_TEST_SEED=${seed} repeats it)`);
  return randomFrom(seed);
}

/** Numbers that follow from a seed. @see mulberry32 by Tommy Ettinger */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    seed,
    below: (bound) => Math.floor(next() * bound),
    pick: (list) => list[Math.floor(next() * list.length)] as (typeof list)[number],
    branch: (number) => randomFrom(seed + Math.imul(number + 1, 0x9e3779b9)),
  };
}
