/** Rules that choose a routing table. */

import type { RuleResource } from "../core/plan.ts";
import { AF_INET, AF_INET6 } from "../linux/libc.ts";
import { addRule, deleteRule, listRules, type Rule, type RuleSpec } from "../linux/netlink/rtnetlink/rule.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const rule: ResourceKind<RuleResource> = {
  ensure(resource, kernel, undo) {
    kernel.post(resource.where, addRule(toSpec(resource)), (error) => {
      if (error === undefined) undo(() => removeRule(resource, kernel));
      else if (error.code !== "EEXIST") throw error;
    });
  },
  verify(resource, kernel) {
    if (!kernel.has(resource.where)) return ["the container's network namespace is gone"];
    const found = listRules(kernel.route(resource.where)).some((other) => isSame(resource, other));
    return found ? [] : [`rule ${words(resource)} is missing`];
  },
  remove: removeRule,
  describe: (resource, naming) => [
    commandIn(resource.where, `ip -${resource.family} rule add ${words(resource)}`, naming),
  ],
  describeRemoval: (resource, naming) => [
    commandIn(resource.where, `ip -${resource.family} rule delete ${words(resource)}`, naming),
  ],
};

function removeRule(resource: RuleResource, kernel: Kernel): void {
  if (kernel.has(resource.where)) kernel.execute(resource.where, deleteRule(toSpec(resource)), "ENOENT");
}

function toSpec({ kind: _, where: __, shared: ___, ...spec }: RuleResource): RuleSpec {
  return spec;
}

function isSame(wanted: RuleResource, found: Rule): boolean {
  return (
    found.family === (wanted.family === 4 ? AF_INET : AF_INET6) &&
    found.priority === wanted.priority &&
    (found.table ?? found.table8) === wanted.table &&
    prefix(found.source, found.sourceLength) === wanted.from &&
    prefix(found.destination, found.destinationLength) === wanted.to &&
    found.inputName === wanted.inputName &&
    found.outputName === wanted.outputName
  );
}

function prefix(address: string | undefined, length: number): string | undefined {
  return address === undefined ? undefined : `${address}/${length}`;
}

function words({ priority, from, to, inputName, outputName, table }: RuleResource): string {
  return [
    `priority ${priority}`,
    ...(from === undefined ? [] : [`from ${from}`]),
    ...(to === undefined ? [] : [`to ${to}`]),
    ...(inputName === undefined ? [] : [`iif ${inputName}`]),
    ...(outputName === undefined ? [] : [`oif ${outputName}`]),
    `lookup ${table}`,
  ].join(" ");
}
