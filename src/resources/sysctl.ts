/** Kernel parameters. */

import { KernelError } from "../core/errors.ts";
import type { SysctlResource } from "../core/plan.ts";
import { readSysctlUnlessWriteOnly as read, writeSysctl } from "../linux/sysctl.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const sysctl: ResourceKind<SysctlResource> = {
  ensure({ where, name, value, optional }, kernel, undo) {
    // Parameters of a link appear with it, so the link must have been made first.
    kernel.flush();
    const before = kernel.within(where, () => {
      const current = read(name);
      if (current !== undefined && (current === null || !isSameValue(current, value))) writeSysctl(name, value);
      return current;
    });
    if (before === undefined) {
      if (optional) return;
      throw new KernelError(`Cannot set sysctl "${name}": ENOENT`, "ENOENT");
    }
    if (before !== null && !isSameValue(before, value)) undo(() => kernel.within(where, () => putBack(name, before)));
  },
  verify({ where, name, value, optional }, kernel) {
    if (!kernel.has(where)) return ["the container's network namespace is gone"];
    const current = kernel.within(where, () => read(name));
    if (current === null || (current === undefined ? optional : isSameValue(current, value))) return [];
    return [`sysctl ${name} is ${current ?? "not there"}, not ${value}`];
  },
  // A parameter of a link goes with the link. One of the whole host, such as forwarding, others have come to rely on.
  remove({ where, name, restore }, kernel) {
    if (restore !== undefined && kernel.has(where)) kernel.within(where, () => putBack(name, restore));
  },
  describe: ({ where, name, value }, naming) => [commandIn(where, assignment(name, value), naming)],
  describeRemoval: ({ where, name, restore }, naming) =>
    restore === undefined ? [] : [commandIn(where, assignment(name, restore), naming)],
  carrier: ({ where, link, restore }) => (link === undefined || restore !== undefined ? undefined : { where, link }),
};

/** The kernel parts a parameter's several numbers by tabs, people by spaces. */
function isSameValue(a: string, b: string): boolean {
  return a === b || words(a) === words(b);
}

function words(value: string): string {
  return value
    .replaceAll("\t", " ")
    .split(" ")
    .filter((word) => word !== "")
    .join(" ");
}

function assignment(name: string, value: string): string {
  const text = `${name}=${value}`;
  return `sysctl -w ${/^[\w/.=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`}`;
}

/** The link, and its parameters with it, may be gone again. */
function putBack(name: string, value: string): void {
  if (typeof read(name) === "string") writeSysctl(name, value);
}
