/**
 * The way of marked packets through the chain in which iptables-nft has the rules for forwarded packets.
 *
 * Whatever a chain of ours accepts, the next chain at the same hook may drop: the chain `FORWARD` of iptables does by its
 * policy on many hosts. So there a packet is told by its mark: one rule whatever the number of containers, in the format
 * that every version of iptables-nft reads, for a rule that it cannot read it lists as one that accepts everything. Where
 * there is neither that chain nor the administrator's, nobody needs us.
 * @see iptables(8), xtables-nft(8)
 */

import { IPTABLES_FORWARD, IPTABLES_TABLE } from "../core/iptables-chains.ts";
import type { NftRule } from "../core/nftables.ts";
import type { NftIptablesResource } from "../core/plan.ts";
import type { NetlinkSocket } from "../linux/netlink/socket.ts";
import { encode } from "../linux/netlink/wire.ts";
import { type NftRequest, transactIfUnchanged } from "../linux/nftables/batch.ts";
import { type ChainName, createChain, deleteChain, findChain, type KernelChain } from "../linux/nftables/chain.ts";
import { NFT_REG_VERDICT } from "../linux/nftables/constants.ts";
import { equalBytes } from "../linux/nftables/datatypes.ts";
import type { Expression } from "../linux/nftables/expression.ts";
import { markInfo } from "../linux/nftables/expressions/match.ts";
import { addExpressions, deleteRule, type KernelRule, listRules } from "../linux/nftables/rule.ts";
import { sameRule } from "../linux/nftables/same.ts";
import { decodeVerdict, encodeVerdict } from "../linux/nftables/verdict.ts";
import type { Kernel } from "./kernel.ts";
import { addAdminChainCommand, createAdminChain, deleteAdminChain } from "./nft-admin-chain.ts";
import { commandIn, type Naming, type ResourceKind } from "./resource.ts";

/** The chain of ours in their table. iptables takes 28 characters. */
const OWN = "TENDRIL-FORWARD";

export const nftIptables: ResourceKind<NftIptablesResource> = {
  ensure(resource, kernel, undo) {
    const socket = kernel.netfilter(resource.where);
    if (!isNeeded(read(socket, resource))) return;
    const before = transactIfUnchanged(
      socket,
      () => read(socket, resource),
      (state) => additions(resource, state),
    );
    if (additions(resource, before).length > 0) undo(() => removeWay(resource, kernel));
  },
  verify(resource, kernel) {
    const state = read(kernel.netfilter(resource.where), resource);
    if (!isNeeded(state)) return [];
    const { family, adminChain, mark } = resource;
    const accepts = state.rules.findIndex((rule) => isAccept(rule, mark));
    const asks = state.rules.findIndex((rule) => isJump(rule, adminChain));
    const lost = (what: string, chain: string) => `the ${what} is gone from chain "${chain}" of iptables (${family})`;
    return [
      ...(state.jumps.length === 0 ? [lost(`jump to "${OWN}"`, IPTABLES_FORWARD)] : []),
      ...(accepts < 0 ? [lost(`rule that accepts mark ${hex(mark)}`, OWN)] : []),
      ...(asks < 0 || (accepts >= 0 && asks > accepts) ? [lost(`jump to "${adminChain}"`, OWN)] : []),
    ];
  },
  remove: removeWay,
  describe,
  describeRemoval,
};

/** What there is of it all. */
interface State {
  readonly forward: KernelChain | undefined;
  readonly admin: KernelChain | undefined;
  readonly own: KernelChain | undefined;
  /** From their chain to ours. */
  readonly jumps: readonly KernelRule[];
  /** Of our chain. */
  readonly rules: readonly KernelRule[];
}

function read(socket: NetlinkSocket, { family, adminChain }: NftIptablesResource): State {
  const forward = findChain(socket, chainOf(family, IPTABLES_FORWARD));
  const admin = findChain(socket, chainOf(family, adminChain));
  if (forward === undefined && admin === undefined) return { forward, admin, own: undefined, jumps: [], rules: [] };
  return {
    forward,
    admin,
    own: findChain(socket, chainOf(family, OWN)),
    jumps: listRules(socket, chainOf(family, IPTABLES_FORWARD)).filter((rule) => isJump(rule, OWN)),
    rules: listRules(socket, chainOf(family, OWN)),
  };
}

/** The administrator's chain alone is a reason too: what is in it has to be asked. */
function isNeeded({ forward, admin }: State): boolean {
  return forward !== undefined || admin !== undefined;
}

function additions({ family, adminChain, mark }: NftIptablesResource, state: State): NftRequest[] {
  const own = ruleChain(family, OWN);
  return [
    // As iptables makes it. One that is there is left alone, or it would get our policy.
    ...(state.forward === undefined
      ? [
          createChain({
            ...chainOf(family, IPTABLES_FORWARD),
            base: { type: "filter", hook: "forward", priority: "filter", policy: "accept" },
          }),
        ]
      : []),
    ...(state.admin === undefined ? [createAdminChain(chainOf(family, adminChain))] : []),
    ...(state.own === undefined ? [createChain(chainOf(family, OWN))] : []),
    ...(state.rules.some((rule) => isJump(rule, adminChain))
      ? []
      : [addExpressions(own, [COUNTER, jump(adminChain)], "start")]),
    ...(state.rules.some((rule) => isAccept(rule, mark))
      ? []
      : [addExpressions(own, [hasMark(mark), COUNTER, ACCEPT])]),
    ...(state.jumps.length > 0
      ? []
      : [addExpressions(ruleChain(family, IPTABLES_FORWARD), [COUNTER, jump(OWN)], "start")]),
  ];
}

/** Our chain goes with the last jump to an administrator's. */
function removeWay(resource: NftIptablesResource, kernel: Kernel): void {
  const { where, family, adminChain } = resource;
  if (!kernel.has(where)) return;
  const socket = kernel.netfilter(where);
  transactIfUnchanged(
    socket,
    () => read(socket, resource),
    ({ admin, own, jumps, rules }): NftRequest[] => {
      if (own === undefined) return [];
      const doomed = rules.filter((rule) => isJump(rule, adminChain));
      const isLast = !rules.some((rule) => jumpOf(rule) !== undefined && !doomed.includes(rule));
      const deletion = ({ chain, handle }: KernelRule) => deleteRule(ruleChain(family, chain), handle);
      return [
        ...(isLast ? [...jumps, ...rules] : doomed).map(deletion),
        ...(isLast ? [deleteChain(own)] : []),
        ...deleteAdminChain(admin, doomed.length),
      ];
    },
  );
}

function chainOf(family: NftIptablesResource["family"], name: string): ChainName {
  return { family, table: IPTABLES_TABLE, name };
}

function ruleChain(family: NftIptablesResource["family"], chain: string): Pick<NftRule, "family" | "table" | "chain"> {
  return { family, table: IPTABLES_TABLE, chain };
}

const COUNTER: Expression = { name: "counter", data: {} };
const ACCEPT: Expression = {
  name: "immediate",
  data: { dreg: NFT_REG_VERDICT, data: { verdict: encodeVerdict("accept") } },
};

function jump(chain: string): Expression {
  const data = { verdict: encodeVerdict({ jump: chain }) };
  return { name: "immediate", data: { dreg: NFT_REG_VERDICT, data } };
}

function jumpOf({ expressions }: KernelRule): string | undefined {
  const [only, ...more] = expressions.filter(({ name }) => name !== "counter");
  if (only?.name !== "immediate" || more.length > 0 || only.data.data?.verdict === undefined) return undefined;
  const verdict = decodeVerdict(only.data.data.verdict);
  return typeof verdict === "object" && "jump" in verdict ? verdict.jump : undefined;
}

function isJump(rule: KernelRule, chain: string): boolean {
  return jumpOf(rule) === chain;
}

function hasMark(mark: number): Expression {
  const info = encode(markInfo, { mark, mask: mark, invert: 0 });
  return { name: "match", data: { name: "mark", revision: 1, info } };
}

/** Newer versions of iptables-nft write the test of the mark natively when they restore what they have saved. */
function isAccept(rule: KernelRule, mark: number): boolean {
  const [test, verdict, ...more] = rule.expressions.filter(({ name }) => name !== "counter");
  if (test?.name !== "match") return sameRule(nativeAccept(rule, mark), rule);
  const { name, info } = test.data;
  const isWanted = name === "mark" && info !== undefined && info.length >= 9 && sameMark(info, mark);
  return isWanted && more.length === 0 && isAcceptVerdict(verdict);
}

function sameMark(info: Uint8Array, mark: number): boolean {
  const wanted = encode(markInfo, { mark, mask: mark, invert: 0 });
  return equalBytes(info.subarray(0, 9), wanted.subarray(0, 9));
}

function isAcceptVerdict(expression: Expression | undefined): boolean {
  const data = expression?.name === "immediate" ? expression.data.data : undefined;
  return data?.verdict !== undefined && decodeVerdict(data.verdict) === "accept";
}

function nativeAccept({ family, table, chain, comment }: KernelRule, mark: number): NftRule {
  return {
    family,
    table,
    chain,
    statements: [
      { kind: "match", key: "meta mark", operator: "==", mask: mark, value: mark },
      { kind: "counter" },
      { kind: "verdict", verdict: "accept" },
    ],
    ...(comment === undefined ? {} : { comment }),
  };
}

function hex(mark: number): string {
  return `0x${mark.toString(16)}`;
}

function describe({ where, family, adminChain, mark }: NftIptablesResource, naming: Naming): string[] {
  const tool = family === "ip" ? "iptables" : "ip6tables";
  const commands = [
    addAdminChainCommand(chainOf(family, adminChain)),
    `${tool} -N ${OWN}`,
    `${tool} -A ${OWN} -j ${adminChain}`,
    `${tool} -A ${OWN} -m mark --mark ${hex(mark)}/${hex(mark)} -j ACCEPT`,
    `${tool} -I ${IPTABLES_FORWARD} -j ${OWN}`,
  ];
  const isThere = `nft list chain ${family} ${IPTABLES_TABLE} ${IPTABLES_FORWARD} >/dev/null 2>&1`;
  return [commandIn(where, `if ${isThere}; then ${commands.join("; ")}; fi`, naming)];
}

function describeRemoval({ where, family }: NftIptablesResource, naming: Naming): string[] {
  const tool = family === "ip" ? "iptables" : "ip6tables";
  return [`${tool} -D ${IPTABLES_FORWARD} -j ${OWN}`, `${tool} -F ${OWN}`, `${tool} -X ${OWN}`].map((command) =>
    commandIn(where, command, naming),
  );
}
