/** Where iptables-nft decides about forwarded packets. */

import type { NftChain } from "./nftables.ts";

/** The table of its filters. @see xtables-nft(8) */
export const IPTABLES_TABLE = "filter";
/** Its chain at the hook `forward`. */
export const IPTABLES_FORWARD = "FORWARD";

/** The chains that have to let a packet of ours pass, as far as they are there: its own, and the administrator's. */
export function iptablesForwardChains(
  family: "ip" | "ip6",
  adminChain: string,
): Pick<NftChain, "family" | "table" | "name">[] {
  return [IPTABLES_FORWARD, adminChain].map((name) => ({ family, table: IPTABLES_TABLE, name }));
}
