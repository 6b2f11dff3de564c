/** Proofs that take minutes are short unless they are asked for at their whole length. */

/** Whether `TENDRIL_TEST_LONG` is set. */
export const LONG = (process.env.TENDRIL_TEST_LONG ?? "") !== "";
