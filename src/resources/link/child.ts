/**
 * Links that are made from a parent: each in one request, in the container and with its name from the beginning, so
 * there is no name for the time between, and nothing to move.
 */

import { TendrilError } from "../../core/errors.ts";
import type { IpvlanLink, MacvlanLink, VlanLink } from "../../core/plan.ts";
import type { NetlinkError } from "../../linux/netlink/error.ts";
import { createLink, findLinkByIndex, type KernelLink, type Link } from "../../linux/netlink/rtnetlink/link/link.ts";
import type { Kernel } from "../kernel.ts";
import { commandIn, type Naming, type Undo } from "../resource.ts";
import {
  attempt,
  containerFd,
  creationError,
  differences,
  findOwn,
  type LinkType,
  nameWords,
  removeOwn,
} from "./type.ts";

type Child = MacvlanLink | IpvlanLink | VlanLink;

/** What one type of them has of its own. */
interface ChildType<L extends Child> {
  /** The symbol that the kernel is to be built with. */
  readonly feature: string;
  readonly info: (link: L) => NonNullable<Link["info"]>;
  /** The same for ip(8), after the type. */
  readonly words: (link: L) => string;
  /** In what the link differs, each a sentence. */
  readonly differences: (link: L, found: KernelLink) => string[];
  /** What a refusal means that is not about its name. */
  readonly refusal?: (link: L, cause: NetlinkError, kernel: Kernel) => Error | undefined;
  /** What is left to do with a link that was made. */
  readonly finish?: (link: L, kernel: Kernel) => void;
  /** The same as arguments of `ip link set`. */
  readonly finishWords?: (link: L) => string | undefined;
}

/** An index that the kernel, which counts from 1, will not come to by itself. */
const FIRST_FREE_INDEX = 0x4000_0000;

export function childType<L extends Child>(type: ChildType<L>): LinkType<L> {
  return {
    ensure: (resource, kernel, undo) => ensureChild(type, resource, kernel, undo),
    verify: (resource, kernel) => verifyChild(type, resource, kernel),
    remove: removeOwn,
    describe: (resource, naming) => describeChild(type, resource, naming),
  };
}

function ensureChild<L extends Child>(type: ChildType<L>, resource: L, kernel: Kernel, undo: Undo): void {
  const { name, mac, mtu } = resource;
  const { where, name: parent } = parentOf(resource);
  const link = {
    name,
    address: mac,
    mtu,
    link: kernel.index(where, parent),
    // A link of the parent's namespace unless told otherwise.
    netnsFd: where === "container" ? undefined : containerFd(kernel),
    info: type.info(resource),
  };
  let refusal = attempt(kernel, where, createLink(link));
  if (refusal?.code === "EEXIST" && where === "host" && kernel.link("container", name) === undefined) {
    // Until Linux 6.15 the kernel looks for the name where the request comes from, and so finds the host's link of the
    // same name in the way. Asked for an index, it looks for that instead.
    refusal = attempt(kernel, where, createLink({ ...link, index: freeIndex(kernel) }));
  }
  if (refusal !== undefined) {
    const isName = refusal.code === "EEXIST" && kernel.link("container", name) !== undefined;
    throw (
      (isName ? undefined : type.refusal?.(resource, refusal, kernel)) ?? creationError(resource, type.feature, refusal)
    );
  }
  kernel.made("container", name);
  undo(() => removeOwn(resource, kernel));
  type.finish?.(resource, kernel);
}

function parentOf({ parent, name, type }: Child): NonNullable<Child["parent"]> {
  if (parent !== undefined) return parent;
  throw new TendrilError(`Cannot create ${type} "${name}": it is not known from which link`);
}

/** An index that no link has in the host or in the container. */
function freeIndex(kernel: Kernel): number {
  let index = FIRST_FREE_INDEX;
  const isTaken = () =>
    findLinkByIndex(kernel.route("host"), index) !== undefined ||
    findLinkByIndex(kernel.route("container"), index) !== undefined;
  while (isTaken()) index++;
  return index;
}

function verifyChild<L extends Child>(type: ChildType<L>, resource: L, kernel: Kernel): string[] {
  const own = findOwn(resource, kernel);
  if ("finding" in own) return [own.finding];
  const { found } = own;
  const findings = [...differences(resource, found), ...type.differences(resource, found)];
  const { name, parent } = resource;
  if (parent !== undefined) {
    const above = kernel.link(parent.where, parent.name);
    // The kernel tells in which namespace the parent is only where it is another one.
    const isThere = (found.linkNetnsId === undefined) === (parent.where === "container");
    if (above === undefined) findings.push(`master "${parent.name}" is not in the ${parent.where}`);
    else if (found.link !== above.index || !isThere) findings.push(`"${name}" is not made from "${parent.name}"`);
  }
  return findings;
}

function describeChild<L extends Child>(type: ChildType<L>, resource: L, naming: Naming): string[] {
  const { where, name } = parentOf(resource);
  const netns = where === "container" ? "" : ` netns ${naming.container}`;
  const words = `${resource.type} ${type.words(resource)}`;
  const rest = type.finishWords?.(resource);
  return [
    commandIn(where, `ip link add link ${name} ${nameWords(resource)}${netns} type ${words}`, naming),
    ...(rest === undefined ? [] : [commandIn("container", `ip link set dev ${resource.name} ${rest}`, naming)]),
  ];
}
