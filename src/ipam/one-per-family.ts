/** What the oldest results of the CNI specification can carry: one address of each family. */

import { ConfigError } from "../core/errors.ts";
import type { Family } from "../core/ip.ts";

/**
 * Throws ConfigError at the second address of a family when the configuration's version is older than 0.3.0.
 * @see https://github.com/containernetworking/cni/blob/spec-v0.2.0/SPEC.md#result "ip4" and "ip6"
 */
export function checkOnePerFamily(
  cniVersion: string,
  addresses: readonly { readonly family: Family; readonly field: string }[],
): void {
  if (!/^(0\.[0-2]\..*)?$/.test(cniVersion)) return;
  const seen = new Map<Family, string>();
  for (const { family, field } of addresses) {
    const first = seen.get(family);
    if (first !== undefined) {
      throw new ConfigError(
        field,
        `asks for a second IPv${family} address beside "${first}", and a result of cniVersion "${cniVersion}" has one`,
        { details: 'Set "cniVersion" to 0.3.0 or newer.' },
      );
    }
    seen.set(family, field);
  }
}
