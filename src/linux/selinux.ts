/** Starting programs under another SELinux context. @see selinux(8), proc_pid_attr(5) */

import { KernelFeatureError } from "../core/errors.ts";
import { fileError, fileErrorCode } from "./file.ts";
import { closeFile, exists, O_WRONLY, openFile, writeText } from "./libc-file.ts";

/** What is there while SELinux is enabled. */
const ENFORCE = "/sys/fs/selinux/enforce";

/** The context of the next program that this thread starts; an empty line is none. */
const EXEC = "/proc/thread-self/attr/exec";

/**
 * Runs `work`, in which programs start under a context. Throws KernelFeatureError without SELinux, and FileError for a
 * context that it refuses.
 */
export function startingAs<T>(context: string, work: () => T): T {
  if (!exists(ENFORCE)) {
    const message = `Cannot use SELinux context "${context}": SELinux is not enabled on this host`;
    throw new KernelFeatureError("CONFIG_SECURITY_SELINUX", message);
  }
  write(context);
  try {
    return work();
  } finally {
    write("\n");
  }
}

function write(context: string): void {
  try {
    const fd = openFile(EXEC, O_WRONLY);
    try {
      writeText(fd, context);
    } finally {
      closeFile(fd);
    }
  } catch (error) {
    throw fileErrorCode(error) === undefined
      ? error
      : fileError(`set SELinux context "${context.trim()}" in`, EXEC, error);
  }
}
