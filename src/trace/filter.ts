/**
 * What the rules of nf_tables do to a packet, as far as it can be told without sending it.
 *
 * A rule that asks for something that is not known is a doubt: it counts when it would change the outcome.
 */

import type { NftFamily, NftHook, NftNat, NftSetMark, NftVerdict } from "../core/nftables.ts";
import { formatRule } from "../linux/nftables/printer.ts";
import { priorityNumber } from "../linux/nftables/priority.ts";
import type { ReadRule, TableContent } from "../linux/nftables/ruleset.ts";
import { elementIs, type FindElements, fieldsOf, type Maybe, matches, type Packet } from "./packet.ts";

/** The outcome at one hook. */
export interface HookVerdict {
  readonly hook: NftHook;
  readonly outcome: "pass" | "drop" | "unknown";
  /** What decides, or may: chain and rule. */
  readonly by?: Decision;
  /** The chains that were asked. */
  readonly chains: readonly string[];
  /** What rewrites the packet's addresses: its rule. */
  readonly rewrites?: string;
  /** Of the packet after it. */
  readonly mark: number | undefined;
}

export interface Decision {
  /** Such as `inet "tendril" "forward"`. */
  readonly chain: string;
  /** As nft(8) writes it; absent for the policy. */
  readonly rule?: string;
}

/** A base chain with its table. */
interface Place {
  readonly content: TableContent;
  readonly chain: string;
  readonly policy: "accept" | "drop";
  readonly type: string;
  readonly priority: number;
}

/** Our chain in a table of iptables: its rule asks for our mark in a form that is not read back. */
const IPTABLES_CHAIN = "TENDRIL-FORWARD";
const ACCEPTED_MARK = 0x1000;

/** What becomes of a packet at a hook; of frames of a bridge with its family. */
export function verdictAt(
  ruleset: readonly TableContent[],
  hook: NftHook,
  packet: Packet,
  layer: "ip" | "bridge" = "ip",
): HookVerdict {
  const walk: Walk = { mark: packet.mark, packet, rewrites: undefined };
  const places = placesAt(ruleset, hook, packet, layer);
  const chains = places.map(chainName);
  let doubt: Decision | undefined;
  const verdict = (outcome: HookVerdict["outcome"], by: Decision | undefined): HookVerdict => ({
    hook,
    outcome,
    chains,
    mark: walk.mark,
    ...(by !== undefined && { by }),
    ...(walk.rewrites !== undefined && { rewrites: walk.rewrites }),
  });
  for (const place of places) {
    if (place.type === "nat" && packet.state === "established") continue;
    const found = runBase(place, walk);
    if (found.outcome === "drop") return verdict("drop", found.by);
    if (found.outcome === "unknown") doubt ??= found.by;
  }
  return doubt === undefined ? verdict("pass", undefined) : verdict("unknown", doubt);
}

function placesAt(
  ruleset: readonly TableContent[],
  hook: NftHook,
  { family }: Packet,
  layer: "ip" | "bridge",
): Place[] {
  const families: readonly NftFamily[] = layer === "bridge" ? ["bridge"] : ["inet", family === 4 ? "ip" : "ip6"];
  return ruleset
    .filter(({ table }) => families.includes(table.family))
    .flatMap((content) =>
      content.chains.flatMap(({ chain: { name, base } }): Place[] => {
        if (base?.hook !== hook) return [];
        const priority = priorityNumber(content.table.family, hook, base.priority);
        return [{ content, chain: name, policy: base.policy ?? "accept", type: base.type, priority }];
      }),
    )
    .sort((a, b) => a.priority - b.priority);
}

function chainName({ content: { table }, chain }: Pick<Place, "content" | "chain">): string {
  return `${table.family} "${table.name}" "${chain}"`;
}

/** What changes on the way. */
interface Walk {
  mark: number | undefined;
  readonly packet: Packet;
  rewrites: string | undefined;
}

interface Outcome {
  readonly outcome: "pass" | "drop" | "unknown";
  readonly by?: Decision;
}

function runBase(place: Place, walk: Walk): Outcome {
  const doubts: Doubt[] = [];
  const end = runChain(place.content, place.chain, walk, doubts, 0);
  const outcome = end?.verdict ?? (place.policy === "drop" ? "drop" : "pass");
  const by = end?.by ?? { chain: chainName(place) };
  const contrary = doubts.find((doubt) => doubt.verdict !== outcome);
  if (contrary !== undefined) return { outcome: "unknown", by: contrary.by };
  return { outcome, by };
}

/** A rule that may have been the end. */
interface Doubt {
  readonly verdict: "pass" | "drop";
  readonly by: Decision;
}

/** The deepest that chains may lead to each other. @see linux/netfilter/nf_tables.h NFT_JUMP_STACK_SIZE */
const DEPTH = 16;

/** The verdict that ends the packet's way through the base chain; undefined when the chain comes back without one. */
function runChain(content: TableContent, name: string, walk: Walk, doubts: Doubt[], depth: number): Doubt | undefined {
  const chain = content.chains.find((one) => one.chain.name === name);
  if (chain === undefined || depth > DEPTH) return undefined;
  for (const rule of chain.rules) {
    const by: Decision = { chain: chainName({ content, chain: name }), rule: formatRule(rule) };
    const { taken, verdict } = readRule(rule, name, content, walk);
    if (taken === false || verdict === undefined || verdict === "continue") continue;
    if (verdict === "return") {
      if (taken) return undefined;
      // The rest of the chain may not be asked: what it says is a doubt, not a verdict.
      continue;
    }
    const own: Doubt[] = [];
    const end = endOf(verdict, by, content, walk, own, depth);
    if (taken === undefined) {
      doubts.push(...own, ...(end === undefined ? [] : [end]));
      continue;
    }
    doubts.push(...own);
    if (end !== undefined) return end;
    if (typeof verdict === "object" && "goto" in verdict) return undefined;
  }
  return undefined;
}

function endOf(
  verdict: NftVerdict,
  by: Decision,
  content: TableContent,
  walk: Walk,
  doubts: Doubt[],
  depth: number,
): Doubt | undefined {
  if (verdict === "accept") return { verdict: "pass", by };
  if (verdict === "drop") return { verdict: "drop", by };
  if (typeof verdict !== "object") return undefined;
  return runChain(content, "jump" in verdict ? verdict.jump : verdict.goto, walk, doubts, depth + 1);
}

/** Whether a rule's tests hold, and where it sends the packet then. */
function readRule(
  rule: ReadRule,
  chain: string,
  content: TableContent,
  walk: Walk,
): { readonly taken: Maybe; readonly verdict?: NftVerdict } {
  const elements: FindElements = (set) => content.sets.find((one) => one.set.name === set)?.elements;
  let taken: Maybe = true;
  for (const statement of rule.statements) {
    const packet: Packet = { ...walk.packet, mark: walk.mark };
    switch (statement.kind) {
      case "match": {
        const found = matches(statement, packet, elements);
        if (found === false) return { taken: false };
        if (found === undefined) taken = undefined;
        break;
      }
      case "unknown": {
        const isOurs = chain === IPTABLES_CHAIN && statement.expression === "match";
        if (!isOurs || walk.mark === undefined) taken = undefined;
        else if ((walk.mark & ACCEPTED_MARK) === 0) return { taken: false };
        break;
      }
      case "limit":
        taken = undefined;
        break;
      case "verdict":
        return { taken, verdict: statement.verdict };
      case "vmap": {
        const map = typeof statement.map === "string" ? elements(statement.map) : statement.map;
        const fields = fieldsOf(statement.key, packet);
        if (map === undefined || fields === undefined) return { taken: fields === undefined ? false : undefined };
        const found = map.find(({ key }) => elementIs(key, fields) !== false);
        if (found === undefined) return { taken: false };
        const isSure = elementIs(found.key, fields);
        const verdict = "verdict" in found ? (found.verdict as NftVerdict | undefined) : undefined;
        return { taken: isSure === true ? taken : undefined, ...(verdict !== undefined && { verdict }) };
      }
      case "reject":
        return { taken, verdict: "drop" };
      case "masquerade":
      case "redirect":
      case "snat":
      case "dnat":
        if ("map" in statement && statement.map !== undefined) {
          const found = hasElement(elements(statement.map.name), fieldsOf(statement.map.key, packet));
          if (found === false) return { taken: false };
          if (found === undefined) taken = undefined;
        }
        if (isNatFor(statement, packet) && taken === true) walk.rewrites ??= formatRule(rule);
        return { taken, verdict: "accept" };
      case "set":
        setMark(statement, walk, taken);
        break;
      case "counter":
      case "log":
      case "notrack":
        break;
    }
  }
  return { taken };
}

function hasElement(map: ReturnType<FindElements>, fields: ReturnType<typeof fieldsOf>): Maybe {
  if (fields === undefined) return false;
  const each = map?.map(({ key }) => elementIs(key, fields));
  return each?.includes(true) ? true : (each?.includes(undefined) ?? true) ? undefined : false;
}

function isNatFor(statement: { readonly kind: string } | NftNat, { family }: Packet): boolean {
  const of = "family" in statement ? statement.family : undefined;
  return of === undefined || of === (family === 4 ? "ip" : "ip6");
}

function setMark({ key, value }: NftSetMark, walk: Walk, taken: Maybe): void {
  if (key !== "meta mark") return;
  if (taken !== true) walk.mark = undefined;
  else if (typeof value === "number") walk.mark = value;
  else if (value.key !== "meta mark") walk.mark = undefined;
  else if (walk.mark !== undefined) {
    walk.mark = (((walk.mark & (value.and ?? 0xffffffff)) ^ (value.xor ?? 0)) | (value.or ?? 0)) >>> 0;
  }
}
