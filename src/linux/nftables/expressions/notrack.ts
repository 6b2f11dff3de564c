/** Keeps the packet out of connection tracking; the kernel knows no attributes for it. @see net/netfilter/nft_ct.c nft_notrack_type */

import { attributes, type WithUnknown } from "../../netlink/attributes.ts";

export type Notrack = WithUnknown;

export const notrack = attributes<Notrack>({});
