/** The folder of state that lasts until the next boot: records, locks, and the agent's socket. */

/** Names another one than the usual. */
export const RUN_FOLDER_VARIABLE = "TENDRIL_RUN_DIR";

export const DEFAULT_RUN_FOLDER = "/run/tendril";

export function runFolder(): string {
  return process.env[RUN_FOLDER_VARIABLE] || DEFAULT_RUN_FOLDER;
}

/**
 * Where the records of pods' further networks lie in it, and the results of the attachments below. Its being there says
 * that pods of this node may have some.
 */
export function networksFolder(folder: string): string {
  return `${folder}/networks`;
}
