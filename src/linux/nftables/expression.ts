/**
 * The expressions of a rule: small programs for the kernel's virtual machine, each with a name and data in a format of
 * its own. Data of an expression that has no file here stays as bytes.
 * @see linux/netfilter/nf_tables.h enum nft_expr_attributes
 */

import { DecodeError } from "../../core/errors.ts";
import { attributes, listOf, nested, type WithUnknown } from "../netlink/attributes.ts";
import { bytes, string, type Wire } from "../netlink/wire.ts";
import { type Bitwise, bitwise } from "./expressions/bitwise.ts";
import { type Byteorder, byteorder } from "./expressions/byteorder.ts";
import { type Cmp, cmp } from "./expressions/cmp.ts";
import { type Counter, counter } from "./expressions/counter.ts";
import { type Ct, ct } from "./expressions/ct.ts";
import { type Fib, fib } from "./expressions/fib.ts";
import { type Immediate, immediate } from "./expressions/immediate.ts";
import { type Limit, limit } from "./expressions/limit.ts";
import { type Log, log } from "./expressions/log.ts";
import { type Lookup, lookup } from "./expressions/lookup.ts";
import { type Masq, masq } from "./expressions/masq.ts";
import { type Match, match } from "./expressions/match.ts";
import { type Meta, meta } from "./expressions/meta.ts";
import { type Nat, nat } from "./expressions/nat.ts";
import { type Notrack, notrack } from "./expressions/notrack.ts";
import { type Payload, payload } from "./expressions/payload.ts";
import { type Range, range } from "./expressions/range.ts";
import { type Redir, redir } from "./expressions/redir.ts";
import { type Reject, reject } from "./expressions/reject.ts";

/** The data of each expression, by the kernel's name. */
interface ExpressionData {
  bitwise: Bitwise;
  byteorder: Byteorder;
  cmp: Cmp;
  counter: Counter;
  ct: Ct;
  fib: Fib;
  immediate: Immediate;
  limit: Limit;
  log: Log;
  lookup: Lookup;
  masq: Masq;
  match: Match;
  meta: Meta;
  nat: Nat;
  notrack: Notrack;
  payload: Payload;
  range: Range;
  redir: Redir;
  reject: Reject;
}

type Known = { [K in keyof ExpressionData]: WithUnknown & { readonly name: K; readonly data: ExpressionData[K] } };

/** An expression that has no format here. */
export interface OtherExpression extends WithUnknown {
  readonly name: "other";
  /** The kernel's name. */
  readonly kernelName: string;
  readonly data: Uint8Array;
}

export type Expression = Known[keyof Known] | OtherExpression;

const formats: { readonly [K in keyof ExpressionData]: Wire<ExpressionData[K]> } = {
  bitwise,
  byteorder,
  cmp,
  counter,
  ct,
  fib,
  immediate,
  limit,
  log,
  lookup,
  masq,
  match,
  meta,
  nat,
  notrack,
  payload,
  range,
  redir,
  reject,
};

interface RawExpression extends WithUnknown {
  name?: string;
  data?: Uint8Array;
}

const rawExpression = attributes<RawExpression>({ name: [1, string], data: [2, nested(bytes)] });

interface WholeExpression extends WithUnknown {
  name?: string;
  data?: object;
}

/** Formats of whole expressions, so that their data is written in place; made at first use. */
const whole = new Map<string, Wire<WholeExpression>>();

function wholeFormat(name: keyof ExpressionData): Wire<WholeExpression> {
  let format = whole.get(name);
  if (format === undefined) {
    format = attributes<WholeExpression>({ name: [1, string], data: [2, nested(formats[name] as Wire<object>)] });
    whole.set(name, format);
  }
  return format;
}

/** One expression; which format its data has its name says. */
export const expression: Wire<Expression> = nested({
  write(out, value) {
    if (value.name === "other") {
      const { kernelName, ...rest } = value;
      rawExpression.write(out, { ...rest, name: kernelName });
      return;
    }
    const { data, ...rest } = value;
    // The kernel takes no data at all for an expression that has no attributes.
    const none = value.name === "notrack" && data.unknown === undefined;
    wholeFormat(value.name).write(out, none ? rest : value);
  },
  read(input) {
    const { name, data = new Uint8Array(), ...kept } = rawExpression.read(input);
    if (name === undefined) throw new DecodeError("An expression without a name");
    if (!Object.hasOwn(formats, name)) return { name: "other", kernelName: name, data, ...kept };
    const format = formats[name as keyof ExpressionData] as Wire<unknown>;
    return { name, data: format.read(data), ...kept } as Expression;
  },
});

/** @see enum nft_list_attributes NFTA_LIST_ELEM */
export const expressions = nested(listOf(1, expression));
