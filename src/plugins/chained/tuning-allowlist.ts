/**
 * The list of kernel parameters that configurations may set: regular expressions, one a line, one of which has to match
 * some part of the parameter's name as it is configured. Without the file there is no limit.
 */

import { ConfigError } from "../../core/errors.ts";

export const ALLOW_LIST = "/etc/cni/tuning/allowlist.conf";

/** Throws ConfigError for the first parameter that the list does not allow, or for a line that cannot be read. */
export function checkAllowed(keys: readonly string[], list: string): void {
  const lines = list
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const patterns = lines.map(patternOf);
  for (const key of keys) {
    if (patterns.some((pattern) => pattern.test(key))) continue;
    const details = `It allows what matches one of: ${lines.join(", ")}`;
    throw new ConfigError("sysctl", `has a parameter that "${ALLOW_LIST}" does not allow`, { value: key, details });
  }
}

/** With the flag `u` what Go's expressions have and JavaScript's have not is an error, never another meaning. */
function patternOf(line: string): RegExp {
  try {
    return new RegExp(line, "u");
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ConfigError(
      "sysctl",
      `cannot be checked: "${ALLOW_LIST}" has a line that is no regular expression here`,
      {
        value: line,
        cause: error,
      },
    );
  }
}
