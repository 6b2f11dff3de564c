/** Kernel parameters, by the files under /proc/sys. @see sysctl(8) */

import { KernelError } from "../core/errors.ts";
import { fileErrorCode } from "./file.ts";
import { closeFile, O_WRONLY, openFile, readTextIfThere, writeText } from "./libc-file.ts";

/**
 * The file of a parameter. Its name is written with slashes, such as `net/ipv4/conf/eth0.100/rp_filter`, because the
 * names of interfaces may contain dots.
 */
function sysctlPath(name: string): string {
  // In a container that folder cannot be written: there another mount of it serves, which is named.
  return `${process.env.TENDRIL_SYSCTL_DIR || "/proc/sys"}/${name}`;
}

/** The value of a parameter, or undefined where this kernel, or this namespace, does not have it. */
export function readSysctl(name: string): string | undefined {
  try {
    return readTextIfThere(sysctlPath(name))?.trimEnd();
  } catch (error) {
    throw sysctlError("read", name, error);
  }
}

/** As {@link readSysctl}; null for a parameter that can only be written, such as `net/ipv4/route/flush`. */
export function readSysctlUnlessWriteOnly(name: string): string | undefined | null {
  try {
    return readSysctl(name);
  } catch (error) {
    if (fileErrorCode(error) === "EACCES") return null;
    throw error;
  }
}

/** Sets a parameter. Throws KernelError, `ENOENT` where there is none of this name. */
export function writeSysctl(name: string, value: string): void {
  try {
    // Without O_CREAT, so that a missing parameter is ENOENT and not an attempt to make a file.
    const fd = openFile(sysctlPath(name), O_WRONLY);
    try {
      writeText(fd, value);
    } finally {
      closeFile(fd);
    }
  } catch (error) {
    throw sysctlError("set", name, error);
  }
}

function sysctlError(action: string, name: string, cause: unknown): KernelError {
  const code = fileErrorCode(cause) ?? "EIO";
  return new KernelError(`Cannot ${action} sysctl "${name}": ${code}`, code, { cause });
}
