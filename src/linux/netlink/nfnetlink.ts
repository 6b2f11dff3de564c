/** The header of every message of the netfilter subsystems. @see linux/netfilter/nfnetlink.h struct nfgenmsg */

import { message, type WithUnknown } from "./attributes.ts";
import { be16, type PlacedWire, struct, u8 } from "./wire.ts";

export interface NfHeader {
  /** NFPROTO_, or AF_INET and the like, which are the same numbers. */
  protocol: number;
  version: number;
  /** The subsystem that a batch is for; in answers of nf_tables the low bits of the generation. */
  resource: number;
}

export const nfHeader = struct<NfHeader>(4, { protocol: [0, u8], version: [1, u8], resource: [2, be16] });

/** The format of a message with this body. */
export function nfMessage<T extends WithUnknown>(body: PlacedWire<T>): PlacedWire<NfHeader & T> {
  return message(nfHeader, body);
}
