/**
 * The mark by which what our chains accept passes those of others at the hook `forward`; see
 * docs/decisions/0007-accepting-in-other-tables.md.
 *
 * Several features accept, each in a chain of its own, and one after the other they leave the mark as it should be:
 *
 * ```
 * filter - 11  cluster-forward-begin   takes away what a packet brought along
 * filter - 10  forward                 of `firewall`: sets it, and takes it away from what it does not accept
 * filter - 9   cluster-forward         sets it for the cluster's pods
 * filter       of iptables             accepts what has it
 * filter + 20  …-passed                takes it away
 * ```
 */

import type { NftSetMark, NftStatement, NftVerdict } from "./nftables.ts";

/**
 * The bit of a packet's mark that says, between the first and the last of our chains at the hook `forward`, that it has
 * been accepted. Nowhere else is it set by us.
 */
export const ACCEPTED_MARK = 0x1000;

export const MARK_ACCEPTED: NftSetMark = {
  kind: "set",
  key: "meta mark",
  value: { key: "meta mark", or: ACCEPTED_MARK },
};

export const UNMARK_ACCEPTED: NftSetMark = {
  kind: "set",
  key: "meta mark",
  value: { key: "meta mark", and: ~ACCEPTED_MARK >>> 0 },
};

export function verdict(word: NftVerdict): NftStatement {
  return { kind: "verdict", verdict: word };
}
