/** One agent a run folder: a second one would take the socket from the first, and undo what that makes. */

import { TryAgainError } from "../core/errors.ts";
import { openLockFile } from "../linux/file.ts";
import { flock, LOCK_EX, LOCK_NB } from "../linux/libc.ts";
import { closeFile } from "../linux/libc-file.ts";

/**
 * Claims the run folder for this process until what is returned is called, or until the process ends, however it does.
 * Throws TryAgainError while another agent has it, FileError.
 */
export function claimRunFolder(runFolder: string): () => void {
  const fd = openLockFile(`${runFolder}/agent.lock`);
  if (flock(fd, LOCK_EX | LOCK_NB)) return () => closeFile(fd);
  closeFile(fd);
  throw new TryAgainError(`Another agent runs already with the run folder "${runFolder}"`, {
    details: "Stop it first, or give this one a folder of its own by TENDRIL_RUN_DIR.",
  });
}
