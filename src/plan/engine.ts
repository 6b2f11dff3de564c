/**
 * The one engine: what every plugin would else do by hand, for any list of resources.
 *
 * It applies in order and undoes in reverse, verifies, removes and explains. It knows nothing of what a resource is.
 */

import type { LinkResource, Resource, ResourceKindName, ResourceOf, Where } from "../core/plan.ts";
import type { Kernel } from "../resources/kernel.ts";
import type { KernelKinds } from "../resources/kinds.ts";
import type { Naming, ResourceKind } from "../resources/resource.ts";

export type Kinds = { readonly [K in ResourceKindName]: ResourceKind<ResourceOf<K>> };

/** All kinds, where those of the kernel are loaded as they are asked for: to copy them would ask for all. */
export function withLeases(kinds: KernelKinds, lease: Kinds["lease"]): Kinds {
  return Object.assign(Object.create(kinds), { lease });
}

/** What the engine works with. */
export interface Machine {
  readonly kinds: Kinds;
  readonly kernel: Kernel;
  /** Told after each single step, which then is complete in the kernel or on disk: for tests that end the process there. */
  readonly step?: (() => void) | undefined;
}

/** Steps that take back what has been done, oldest first. */
export interface UndoStack {
  /** For what belongs to this attachment alone. */
  readonly own: (() => void)[];
  /** For what others may have come to use in the meantime. */
  readonly shared: { readonly resource: Resource; readonly step: () => void }[];
}

/** How to handle a resource. */
export function kindOf(kinds: Kinds, resource: Resource): ResourceKind<Resource> {
  return kinds[resource.kind] as ResourceKind<Resource>;
}

/**
 * Makes each resource in order, noting in `undo` how to take back what was made. Throws the first error; what was made
 * until then stays, for the caller to roll back.
 */
export function apply(resources: readonly Resource[], { kinds, kernel, step }: Machine, undo: UndoStack): void {
  for (const resource of resources) {
    const note = resource.shared
      ? (taken: () => void) => undo.shared.push({ resource, step: taken })
      : (taken: () => void) => undo.own.push(taken);
    kindOf(kinds, resource).ensure(resource, kernel, note);
    if (step !== undefined) {
      kernel.flush();
      step();
    }
  }
  kernel.flush();
}

/** Takes steps back, newest first, all of them, and returns what went wrong. */
export function rollBack(steps: (() => void)[], step?: () => void): unknown[] {
  const errors: unknown[] = [];
  for (let undo = steps.pop(); undo !== undefined; undo = steps.pop()) {
    attempt(undo, errors);
    step?.();
  }
  return errors;
}

/** What is not as the resources say, each a sentence. Throws when it cannot be found out. */
export function verify(resources: readonly Resource[], { kinds, kernel }: Machine): string[] {
  return resources.flatMap((resource) => kindOf(kinds, resource).verify(resource, kernel));
}

/**
 * Removes resources in reverse, all that can be, and returns what went wrong. Those that go with a link which is
 * removed as well are not touched one by one.
 */
export function remove(resources: readonly Resource[], { kinds, kernel, step }: Machine): unknown[] {
  const errors: unknown[] = [];
  for (const some of togetherIn(removalOrder(resources, kinds), kinds)) {
    const [first, ...others] = some;
    const kind = kindOf(kinds, first);
    attempt(() => (others.length > 0 ? kind.removeTogether?.(some, kernel) : kind.remove(first, kernel)), errors);
    step?.();
  }
  return errors;
}

/** The resources in their order; those side by side that their kind removes together in one list. */
function togetherIn(resources: readonly Resource[], kinds: Kinds): [Resource, ...Resource[]][] {
  const lists: [Resource, ...Resource[]][] = [];
  for (const resource of resources) {
    const last = lists.at(-1);
    const isLikeLast = last?.[0].kind === resource.kind && kindOf(kinds, resource).removeTogether !== undefined;
    if (last !== undefined && isLikeLast) last.push(resource);
    else lists.push([resource]);
  }
  return lists;
}

/** The resources that removal touches, in its order. */
export function removalOrder(resources: readonly Resource[], kinds: Kinds): Resource[] {
  const links = new Set<string>();
  for (const resource of resources) {
    if (resource.kind === "link") for (const key of linksOf(resource)) links.add(key);
    else if (resource.kind === "moved-link") links.add(linkKey("container", resource.to));
  }
  return resources.toReversed().filter((resource) => {
    const carrier = kindOf(kinds, resource).carrier?.(resource);
    return carrier === undefined || !links.has(linkKey(carrier.where, carrier.link));
  });
}

function linksOf(link: LinkResource): string[] {
  const here = linkKey(link.where, link.name);
  return link.type === "veth" ? [here, linkKey(link.peer.where ?? "container", link.peer.name)] : [here];
}

function linkKey(where: Where, name: string): string {
  return `${where}/${name}`;
}

function attempt(work: () => void, errors: unknown[]): void {
  try {
    work();
  } catch (error) {
    errors.push(error);
  }
}

/** The commands that a person would type to make the resources. */
export function explain(resources: readonly Resource[], kinds: Kinds, naming: Naming): string[] {
  return resources.flatMap((resource) => kindOf(kinds, resource).describe(resource, naming));
}

/** The commands that a person would type to remove them. */
export function explainRemoval(resources: readonly Resource[], kinds: Kinds, naming: Naming): string[] {
  return removalOrder(resources, kinds).flatMap((resource) =>
    kindOf(kinds, resource).describeRemoval(resource, naming),
  );
}
