/** Addresses that an IPAM plugin has given. */

import { VerificationError } from "../core/errors.ts";
import type { LeaseResource } from "../core/plan.ts";
import { type Plugin, restoreCall } from "../core/plugin.ts";
import type { ResourceKind } from "./resource.ts";

/** The kind for leases of the IPAM plugins that `resolve` finds by type; `warn` hears what they have to say. */
export function leaseKind(
  resolve: (type: string) => Plugin,
  warn: (sentence: string) => void,
): ResourceKind<LeaseResource> {
  return {
    // A lease is taken before the plan is made, for its addresses are what the plan is made from.
    ensure() {},
    verify({ ipam, call }) {
      try {
        resolve(ipam).check(restoreCall(call, warn));
        return [];
      } catch (error) {
        if (error instanceof VerificationError) return [...error.findings];
        throw error;
      }
    },
    remove: ({ ipam, call }) => resolve(ipam).del(restoreCall(call, warn)),
    describe: ({ ipam }) => [`# IPAM plugin ${ipam} holds the addresses`],
    describeRemoval: ({ ipam }) => [`# IPAM plugin ${ipam} releases the addresses`],
  };
}
