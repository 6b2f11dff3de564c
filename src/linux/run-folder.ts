/** The folder of state that lasts until the next boot: records, locks, and the agent's socket. */

/** Where it lies unless TENDRIL_RUN_DIR names another one. */
export const DEFAULT_RUN_FOLDER = "/run/tendril";

export function runFolder(): string {
  return process.env.TENDRIL_RUN_DIR || DEFAULT_RUN_FOLDER;
}
