/** Rules. @see linux/netfilter/nf_tables.h enum nft_rule_attributes, nft(8) RULES */

import type { NftRule } from "../../core/nftables.ts";
import { attributes, type WithUnknown } from "../netlink/attributes.ts";
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE, request } from "../netlink/message.ts";
import { type NfHeader, nfMessage } from "../netlink/nfnetlink.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { be32, be64, bytes, string } from "../netlink/wire.ts";
import type { NftRequest } from "./batch.ts";
import type { ChainName } from "./chain.ts";
import { compileRule } from "./compile/compile.ts";
import { NFT_MSG_DELRULE, NFT_MSG_GETRULE, NFT_MSG_NEWRULE } from "./constants.ts";
import { addAnonymousElements, countAnonymousElements } from "./element.ts";
import { type Expression, expressions } from "./expression.ts";
import { familyOfHeader, headerFor, required } from "./header.ts";
import { addAnonymousSet } from "./set.ts";
import type { TableName } from "./table.ts";
import { commentData, commentOf } from "./userdata.ts";

interface RuleAttributes extends WithUnknown {
  table?: string;
  chain?: string;
  handle?: bigint;
  expressions?: readonly Expression[];
  /** Handle of the rule before it, or where the new one goes. */
  position?: bigint;
  userdata?: Uint8Array;
  id?: number;
}

type RuleMessage = NfHeader & RuleAttributes;

export const ruleMessage = nfMessage(
  attributes<RuleAttributes>({
    table: [1, string],
    chain: [2, string],
    handle: [3, be64],
    expressions: [4, expressions],
    position: [6, be64],
    userdata: [7, bytes],
    id: [9, be32],
  }),
);

/** A rule as the kernel has it. */
export interface KernelRule extends Omit<NftRule, "statements"> {
  readonly handle: bigint;
  readonly expressions: readonly Expression[];
}

/** Which chain's rules. */
export type RuleChain = Pick<NftRule, "family" | "table" | "chain">;

/** Numbers of anonymous sets need to differ within a transaction only; they do within the process. */
let lastSetId = 0;

/** Adds a rule at the end of its chain. */
export function addRule(rule: NftRule): NftRequest[] {
  return newRule("add", NLM_F_APPEND, rule);
}

/** Adds a rule at the start of its chain, or before the one of a handle. */
export function insertRule(rule: NftRule, before?: bigint): NftRequest[] {
  return newRule("insert", 0, rule, before === undefined ? {} : { position: before });
}

/** Puts a rule in the place of the one with a handle. The kernel answers ENOENT when there is none. */
export function replaceRule(rule: NftRule, handle: bigint): NftRequest[] {
  return newRule("replace", NLM_F_REPLACE, rule, { handle });
}

/** Adds a rule of these expressions, which need no anonymous sets, at the start or the end of its chain. */
export function addExpressions(
  chain: RuleChain,
  expressions: readonly Expression[],
  place: "start" | "end" = "end",
): NftRequest {
  const flags = NLM_F_CREATE | (place === "end" ? NLM_F_APPEND : 0);
  return request(`add rule to ${describe(chain)}`, NFT_MSG_NEWRULE, flags, ruleMessage, {
    ...naming(chain),
    expressions,
  });
}

function newRule(verb: string, flags: number, rule: NftRule, where: RuleAttributes = {}): NftRequest[] {
  const compiled = compileRule(rule);
  const firstId = lastSetId + 1;
  lastSetId += compiled.sets.length;
  const sets = compiled.sets.flatMap(({ set, elements }, i) => [
    addAnonymousSet(set, firstId + i, countAnonymousElements(set, elements)),
    ...addAnonymousElements(set, firstId + i, elements),
  ]);
  const numbered = compiled.expressions.map((one): Expression => {
    if (one.name !== "lookup" || one.data.setId === undefined) return one;
    return { ...one, data: { ...one.data, setId: firstId + one.data.setId - 1 } };
  });
  const value: RuleMessage = { ...naming(rule), ...where, expressions: numbered, ...commentData(rule.comment) };
  // NLM_F_CREATE goes with all: without it the kernel wants to replace.
  const create = flags === NLM_F_REPLACE ? 0 : NLM_F_CREATE;
  return [...sets, request(`${verb} rule to ${describe(rule)}`, NFT_MSG_NEWRULE, create | flags, ruleMessage, value)];
}

/** Deletes the rule of a handle. The kernel answers ENOENT when there is none. */
export function deleteRule(chain: RuleChain, handle: bigint): NftRequest {
  const value = { ...naming(chain), handle };
  return request(`delete rule ${handle} of ${describe(chain)}`, NFT_MSG_DELRULE, 0, ruleMessage, value);
}

/** Deletes all rules of a chain. */
export function flushChain({ family, table, name }: ChainName): NftRequest {
  const chain = { family, table, chain: name };
  return request(`flush ${describe(chain)}`, NFT_MSG_DELRULE, 0, ruleMessage, naming(chain));
}

function naming({ family, table, chain }: RuleChain): RuleMessage {
  return { ...headerFor(family), table, chain };
}

function describe({ family, table, chain }: RuleChain): string {
  return `chain ${family} "${table}" "${chain}"`;
}

/** The rules of a chain, in their order; none where there is no such chain. Throws NetlinkError. */
export function listRules(socket: NetlinkSocket, { family, table, name }: ChainName): KernelRule[] {
  return dumpRules(socket, { ...headerFor(family), table, chain: name });
}

/** The rules of all chains of a table, in their order. Throws NetlinkError. */
export function listTableRules(socket: NetlinkSocket, { family, name }: TableName): KernelRule[] {
  return dumpRules(socket, { ...headerFor(family), table: name });
}

function dumpRules(socket: NetlinkSocket, which: RuleMessage): KernelRule[] {
  return socket
    .dump(request(`list rules of "${which.table}"`, NFT_MSG_GETRULE, 0, ruleMessage, which))
    .map(({ payload }) => decodeRule(payload));
}

/** The rule in the payload of an NFT_MSG_NEWRULE message. Throws DecodeError. */
export function decodeRule(payload: Uint8Array): KernelRule {
  const value = ruleMessage.read(payload);
  return {
    family: familyOfHeader(value),
    table: required(value.table, "a rule's table"),
    chain: required(value.chain, "a rule's chain"),
    handle: value.handle ?? 0n,
    expressions: value.expressions ?? [],
    ...commentOf(value.userdata),
  };
}
