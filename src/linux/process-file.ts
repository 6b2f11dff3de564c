/** What /proc tells of processes, which may end at any moment. */

import { fileError, fileErrorCode } from "./file.ts";
import { readTextIfThere } from "./libc-file.ts";

/**
 * A file about a process, such as "cmdline"; undefined when the process is gone. One that ends after the file has been
 * opened has none of it either. Throws FileError.
 * @see proc(5), fs/proc/base.c proc_pid_cmdline_read
 */
export function readProcessFile(pid: number, name: string): string | undefined {
  const path = `/proc/${pid}/${name}`;
  try {
    return readTextIfThere(path);
  } catch (error) {
    if (fileErrorCode(error) === "ESRCH") return undefined;
    throw fileError("read", path, error);
  }
}
