/** What registers, keys and map values hold: bytes, or a verdict. @see linux/netfilter/nf_tables.h enum nft_data_attributes */

import { attributes, nested, type WithUnknown } from "../netlink/attributes.ts";
import { be32, bytes, string, type Wire } from "../netlink/wire.ts";

export interface Data extends WithUnknown {
  value?: Uint8Array;
  verdict?: VerdictData;
}

export interface VerdictData extends WithUnknown {
  /** NF_ or NFT_ verdict; negative for those of nf_tables itself. */
  code?: number;
  /** Of a jump or goto. */
  chain?: string;
}

/** A signed number in network order. */
export const beI32: Wire<number> = {
  write: (out, value) => be32.write(out, value >>> 0),
  read: (input) => be32.read(input) | 0,
};

const verdictData = attributes<VerdictData>({ code: [1, beI32], chain: [2, string] });

export const data = nested(attributes<Data>({ value: [1, bytes], verdict: [2, nested(verdictData)] }));
