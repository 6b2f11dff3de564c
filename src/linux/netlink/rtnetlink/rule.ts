/** Rules that choose a routing table. @see rtnetlink(7) RTM_NEWRULE, linux/fib_rules.h, ip-rule(8) */

import { AF_INET, AF_INET6 } from "../../libc.ts";
import { attributes, message, type WithUnknown } from "../attributes.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL, request } from "../message.ts";
import type { NetlinkSocket } from "../socket.ts";
import { ipAddress, string, struct, u8, u32 } from "../wire.ts";

export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
const RTM_GETRULE = 34;

/** @see linux/fib_rules.h */
export const FR_ACT_TO_TBL = 1;

interface RuleHeader {
  family: number;
  destinationLength: number;
  sourceLength: number;
  tos: number;
  table8: number;
  action: number;
  flags: number;
}

interface RuleAttributes extends WithUnknown {
  destination?: string;
  source?: string;
  inputName?: string;
  priority?: number;
  mark?: number;
  suppressPrefixLength?: number;
  table?: number;
  markMask?: number;
  outputName?: string;
  protocol?: number;
}

export type Rule = RuleHeader & RuleAttributes;

const header = struct<RuleHeader>(12, {
  family: [0, u8],
  destinationLength: [1, u8],
  sourceLength: [2, u8],
  tos: [3, u8],
  table8: [4, u8],
  action: [7, u8],
  flags: [8, u32],
});

export const ruleMessage = message(
  header,
  attributes<RuleAttributes>({
    priority: [6, u32],
    source: [2, ipAddress],
    destination: [1, ipAddress],
    inputName: [3, string],
    mark: [10, u32],
    markMask: [16, u32],
    suppressPrefixLength: [14, u32],
    table: [15, u32],
    outputName: [17, string],
    protocol: [21, u8],
  }),
);

/** A rule as a caller asks for it: packets that match look up a table. */
export interface RuleSpec {
  readonly family: 4 | 6;
  readonly priority: number;
  readonly table: number;
  /** Source in CIDR notation. */
  readonly from?: string;
  /** Destination in CIDR notation. */
  readonly to?: string;
  readonly inputName?: string;
  readonly outputName?: string;
  readonly mark?: number;
  readonly markMask?: number;
}

/** Adds a rule. The kernel answers EEXIST when it has it. */
export function addRule(rule: RuleSpec): NetlinkRequest {
  return request(`add rule ${rule.priority}`, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, ruleMessage, toMessage(rule));
}

/** Deletes a rule. The kernel answers ENOENT when there is none that matches. */
export function deleteRule(rule: RuleSpec): NetlinkRequest {
  return request(`delete rule ${rule.priority}`, RTM_DELRULE, 0, ruleMessage, toMessage(rule));
}

function toMessage(rule: RuleSpec): Rule {
  const [source, sourceLength] = rule.from?.split("/") ?? [];
  const [destination, destinationLength] = rule.to?.split("/") ?? [];
  return {
    family: rule.family === 4 ? AF_INET : AF_INET6,
    destinationLength: Number(destinationLength ?? 0),
    sourceLength: Number(sourceLength ?? 0),
    tos: 0,
    table8: rule.table < 256 ? rule.table : 0,
    action: FR_ACT_TO_TBL,
    flags: 0,
    priority: rule.priority,
    source,
    destination,
    inputName: rule.inputName,
    outputName: rule.outputName,
    mark: rule.mark,
    markMask: rule.markMask,
    table: rule.table < 256 ? undefined : rule.table,
  };
}

/** The rules of both families. Throws NetlinkError. */
export function listRules(socket: NetlinkSocket): Rule[] {
  return [AF_INET, AF_INET6].flatMap((family) => {
    const which: Rule = { family, destinationLength: 0, sourceLength: 0, tos: 0, table8: 0, action: 0, flags: 0 };
    return socket
      .dump(request("list rules", RTM_GETRULE, 0, ruleMessage, which))
      .map(({ payload }) => ruleMessage.read(payload));
  });
}
