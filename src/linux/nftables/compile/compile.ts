/**
 * From statements to the kernel's expressions.
 *
 * The expressions are those that nft(8) would send, but for one optimisation: nft reads neighbouring fields of a
 * header by one load where both are compared for equality.
 */

import type {
  NftCounter,
  NftLimit,
  NftLog,
  NftReject,
  NftRejectAnswer,
  NftRule,
  NftSetMark,
  NftStatement,
} from "../../../core/nftables.ts";
import {
  NFT_CT_MARK,
  NFT_LIMIT_F_INV,
  NFT_LIMIT_PKT_BYTES,
  NFT_LIMIT_PKTS,
  NFT_META_MARK,
  NFT_REG_1,
  NFT_REG_VERDICT,
} from "../constants.ts";
import { type Context, dependencies, startContext } from "../context.ts";
import { encodeValue } from "../datatypes.ts";
import type { Expression } from "../expression.ts";
import { encodeVerdict } from "../verdict.ts";
import { LIMIT_UNITS, LOG_LEVELS, REJECT_ANSWERS } from "../words.ts";
import { type AnonymousSet, compileTests, immediate, type Job, loadKeys, masked } from "./job.ts";
import { compileMatch, compileVerdictMap } from "./match.ts";
import { compileNat, compileOwnAddress } from "./nat.ts";

export interface CompiledRule {
  readonly expressions: readonly Expression[];
  /** In the order of the `setId`s of lookups, which start at 1. */
  readonly sets: readonly AnonymousSet[];
}

/**
 * Compiles the statements of a rule. Throws TypeError for a value that its field cannot have, and for a field that a
 * packet of the table's family, or of what the rule has tested before, cannot have.
 */
export function compileRule(rule: Pick<NftRule, "family" | "table" | "statements">): CompiledRule {
  const job: Job = { rule, context: startContext(rule.family), out: [], sets: [] };
  for (const statement of rule.statements) compileStatement(job, statement);
  return { expressions: job.out, sets: job.sets };
}

function compileStatement(job: Job, statement: NftStatement): void {
  switch (statement.kind) {
    case "match":
      compileMatch(job, statement);
      break;
    case "vmap":
      compileVerdictMap(job, statement);
      break;
    case "verdict":
      job.out.push(immediate(NFT_REG_VERDICT, { verdict: encodeVerdict(statement.verdict) }));
      break;
    case "masquerade":
    case "redirect":
      compileOwnAddress(job, statement);
      break;
    case "snat":
    case "dnat":
      compileNat(job, statement);
      break;
    case "counter":
      job.out.push(counter(statement));
      break;
    case "log":
      job.out.push(log(statement));
      break;
    case "limit":
      job.out.push(limit(statement));
      break;
    case "reject":
      compileReject(job, statement);
      break;
    case "notrack":
      job.out.push({ name: "notrack", data: {} });
      break;
    case "set":
      compileSetMark(job, statement);
      break;
  }
}

function counter({ packets, bytes }: NftCounter): Expression {
  if (packets === undefined && bytes === undefined) return { name: "counter", data: {} };
  return { name: "counter", data: { bytes: BigInt(bytes ?? 0), packets: BigInt(packets ?? 0) } };
}

function log({ prefix, level, group, snaplen, queueThreshold }: NftLog): Expression {
  return {
    name: "log",
    data: {
      ...(prefix === undefined ? {} : { prefix }),
      ...(group === undefined ? {} : { group }),
      ...(snaplen === undefined ? {} : { snaplen }),
      ...(queueThreshold === undefined ? {} : { queueThreshold }),
      ...(level === undefined ? {} : { level: LOG_LEVELS.indexOf(level) }),
    },
  };
}

function limit({ rate, per, unit, burst, over }: NftLimit): Expression {
  const packets = unit === "packets";
  const most = burst ?? (packets ? 5 : undefined);
  return {
    name: "limit",
    data: {
      rate: BigInt(rate),
      unit: BigInt(LIMIT_UNITS[per]),
      ...(most === undefined ? {} : { burst: most }),
      type: packets ? NFT_LIMIT_PKTS : NFT_LIMIT_PKT_BYTES,
      flags: over ? NFT_LIMIT_F_INV : 0,
    },
  };
}

function compileReject(job: Job, statement: NftReject): void {
  const answer = statement.with ?? defaultAnswer(job.context);
  const field = neededField(answer);
  if (field !== undefined) compileTests(job, dependencies(job.context, field));
  job.out.push({ name: "reject", data: { ...REJECT_ANSWERS[answer] } });
}

function defaultAnswer({ network }: Context): NftRejectAnswer {
  if (network === "ip") return "icmp port-unreachable";
  return network === "ip6" ? "icmpv6 port-unreachable" : "icmpx port-unreachable";
}

/** A field of the header that a packet needs for its sender to understand the answer. */
function neededField(answer: NftRejectAnswer) {
  if (answer === "tcp reset") return "tcp sport";
  if (answer.startsWith("icmp ")) return "ip saddr";
  return answer.startsWith("icmpv6 ") ? "ip6 saddr" : undefined;
}

function compileSetMark(job: Job, { key, value }: NftSetMark): void {
  if (typeof value === "number") {
    job.out.push(immediate(NFT_REG_1, { value: encodeValue("mark", value) }));
  } else {
    loadKeys(job, [value.key]);
    const { and = 0xffffffff, xor = 0, or = 0 } = value;
    // A bit that is set is one that is cleared and then flipped.
    const mask = (and & ~or) >>> 0;
    const flip = (xor | or) >>> 0;
    if (mask !== 0xffffffff || flip !== 0) {
      job.out.push(masked(NFT_REG_1, encodeValue("mark", mask), encodeValue("mark", flip)));
    }
  }
  if (key === "meta mark") job.out.push({ name: "meta", data: { key: NFT_META_MARK, sreg: NFT_REG_1 } });
  else job.out.push({ name: "ct", data: { key: NFT_CT_MARK, sreg: NFT_REG_1 } });
}
