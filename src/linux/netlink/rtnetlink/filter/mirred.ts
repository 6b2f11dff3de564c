/** The action that mirrors packets to another link, or redirects them. @see linux/tc_act/tc_mirred.h, tc-mirred(8) */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { i32, struct, u32 } from "../../wire.ts";

/** Send it out by the other link, and have done with it here. @see linux/tc_act/tc_mirred.h */
export const TCA_EGRESS_REDIR = 1;
/** What becomes of the packet here: nothing more. @see linux/pkt_cls.h */
export const TC_ACT_STOLEN = 4;

export interface MirredParameters {
  /** Of the action, which filters could share. */
  actionIndex: number;
  capabilities: number;
  action: number;
  references: number;
  bindings: number;
  direction: number;
  /** Index of the other link. */
  index: number;
}

export interface MirredData extends WithUnknown {
  parameters?: MirredParameters;
}

export const mirredParameters = struct<MirredParameters>(28, {
  actionIndex: [0, u32],
  capabilities: [4, u32],
  action: [8, i32],
  references: [12, i32],
  bindings: [16, i32],
  direction: [20, i32],
  index: [24, u32],
});

export const mirredData = attributes<MirredData>({ parameters: [2, mirredParameters] });
