/** What filters do with the packets that they match. @see linux/pkt_cls.h TCA_ACT_UNSPEC and below, tc-actions(8) */

import { attributes, nested, numberedList, type WithUnknown } from "../../attributes.ts";
import { bytes, encode, string, wire } from "../../wire.ts";
import { type MirredData, mirredData } from "./mirred.ts";

export interface Action extends WithUnknown {
  /** As tc(8) names it: `mirred` … */
  kind?: string;
  /** Data of a kind that has no field of its own below. */
  data?: Uint8Array;
  mirred?: MirredData;
}

interface RawAction extends WithUnknown {
  kind?: string;
  data?: Uint8Array;
}

const rawAction = attributes<RawAction>({ kind: [1, string], data: [2, nested(bytes)] });

export const action = wire<Action>(
  (out, { mirred, ...raw }) => {
    if (mirred !== undefined) raw.data = encode(mirredData, mirred);
    rawAction.write(out, raw);
  },
  (input, at, end) => {
    const { data, ...known } = rawAction.readAt(input, at, end);
    const found: Action = known;
    if (data === undefined) return found;
    if (found.kind === "mirred") found.mirred = mirredData.read(data);
    else found.data = data;
    return found;
  },
);

/** A filter's actions, in the order in which they are done. */
export const actions = numberedList(action);
