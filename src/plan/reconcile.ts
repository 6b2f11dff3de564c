/**
 * Keeping what should exist, for a process that lives as long as it should: each owner says which resources it wants, and
 * the difference to what it wanted before is made. Nothing is asked of the kernel that is known, so the work is that of
 * the difference.
 *
 * What somebody else takes away is made again by {@link Reconciler.ensureAll}. Errors do not stop it: what failed is
 * tried again then.
 */

import type { Resource } from "../core/plan.ts";
import type { Naming } from "../resources/resource.ts";
import { explain, kindOf, type Machine, removalOrder, verify } from "./engine.ts";
import { identityOf, isSame } from "./identity.ts";
import { Signs } from "./signs.ts";

/** One thing in the kernel, wanted by one or several. */
interface Entry {
  /** As it is, or is to be, in the kernel: what the last of its owners wants of it. */
  resource: Resource;
  /** What each owner wants of it. */
  readonly owners: Map<string, Resource>;
  /** Why it could not be made the last time. */
  failure?: { readonly error: unknown };
}

/** A thing that is to be made, in the place of another where that has to leave first. */
interface Change {
  readonly entry: Entry;
  readonly before: Resource | undefined;
}

export class Reconciler {
  /** By what one tells notifications that may be about what is wanted. */
  readonly signs = new Signs();
  readonly #machine: Machine;
  readonly #entries = new Map<string, Entry>();
  readonly #owners = new Map<string, readonly Entry[]>();
  /** What a former process has left and nobody has named yet. */
  #adopted = new Set<Entry>();
  /** What nobody wants and could not be removed. */
  #doomed = new Map<string, Resource>();

  /** The kernel is the machine's, whose host is the namespace that this process is in; resources of a container there are none. */
  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /**
   * Makes what an owner wants and did not want before, in order, then removes what it does not want any more, in
   * reverse. Returns what went wrong. An owner that wants nothing is forgotten.
   */
  set(owner: string, resources: readonly Resource[]): unknown[] {
    return this.setMany([[owner, resources]]);
  }

  /** The same for several owners, of whom all make first before one removes: what one gives to another is never missing. */
  setMany(wanted: Iterable<readonly [owner: string, resources: readonly Resource[]]>): unknown[] {
    this.#begin();
    const changes: Change[] = [];
    const released: Entry[] = [];
    for (const [owner, resources] of wanted) released.push(...this.#take(owner, resources, changes));
    const stale: Resource[] = [];
    for (const entry of new Set(released)) {
      const heir = [...entry.owners.values()].at(-1);
      if (heir === undefined) {
        this.#drop(entry.resource);
        stale.push(entry.resource);
      } else if (!isSame(heir, entry.resource)) {
        changes.push({ entry, before: entry.resource });
        entry.resource = heir;
      }
    }
    const errors = this.#machine.kernel.listingOnce(() => this.#make(changes));
    return [...errors, ...this.#remove(stale)];
  }

  /** Notes what an owner wants, adds what is to be made for that, and returns what the owner has let go. */
  #take(owner: string, resources: readonly Resource[], changes: Change[]): Entry[] {
    const taken = new Set<Entry>();
    for (const resource of resources) {
      const identity = identityOf(resource);
      this.#doomed.delete(identity);
      const known = this.#entries.get(identity);
      const entry: Entry = known ?? { resource, owners: new Map() };
      const before = entry.owners.get(owner);
      taken.add(entry);
      this.#adopted.delete(entry);
      if (known === undefined) this.#add(identity, entry);
      const isFine = known !== undefined && entry.failure === undefined;
      if (isFine && before !== undefined && isSame(before, resource)) continue;
      // Who speaks last is asked last.
      entry.owners.delete(owner);
      entry.owners.set(owner, resource);
      if (isFine && isSame(entry.resource, resource)) continue;
      changes.push({ entry, before: known?.resource });
      entry.resource = resource;
    }
    const released = (this.#owners.get(owner) ?? []).filter((entry) => !taken.has(entry));
    for (const entry of released) entry.owners.delete(owner);
    if (taken.size === 0) this.#owners.delete(owner);
    else this.#owners.set(owner, [...taken]);
    return released;
  }

  /** Makes everything again that is not there, also what failed before. Returns what went wrong. */
  ensureAll(): unknown[] {
    this.#begin();
    const ordered = this.#ordered();
    this.#machine.kernel.listingOnce(() => this.#ensure(ordered));
    // What one owner has may be needed by what another has, who spoke first.
    const again = ordered.filter(({ failure }) => failure !== undefined);
    this.#machine.kernel.listingOnce(() => this.#ensure(again));
    const doomed = [...this.#doomed.values()];
    this.#doomed = new Map();
    return [...failuresOf(again), ...this.#remove(doomed)];
  }

  /**
   * Takes over what a former process has left, as it was found in the kernel. It stays until it is dropped; who names it
   * until then has it without its being touched.
   */
  adopt(found: readonly Resource[]): void {
    for (const resource of found) {
      const identity = identityOf(resource);
      if (this.#entries.has(identity)) continue;
      const entry: Entry = { resource, owners: new Map() };
      this.#add(identity, entry);
      this.#adopted.add(entry);
    }
  }

  /** Removes what was adopted and nobody has named since. Returns what went wrong. */
  dropAdopted(): unknown[] {
    this.#begin();
    const stale = [...this.#adopted].map(({ resource }) => resource);
    this.#adopted = new Set();
    for (const resource of stale) this.#drop(resource);
    return this.#remove(stale);
  }

  /** What is not as it should be, each a sentence. Throws when it cannot be found out. */
  verify(): string[] {
    this.#begin();
    return this.#machine.kernel.listingOnce(() => verify(this.#resources(), this.#machine));
  }

  /** The commands that a person would type to make it all. */
  explain(naming: Naming): string[] {
    return explain(this.#resources(), this.#machine.kinds, naming);
  }

  /** Removes all of it, and forgets all owners. Returns what went wrong. */
  removeAll(): unknown[] {
    this.#begin();
    const wanted = this.#resources();
    const all = [...wanted, ...this.#doomed.values()];
    for (const resource of wanted) this.#drop(resource);
    this.#owners.clear();
    this.#adopted = new Set();
    this.#doomed = new Map();
    return this.#remove(all);
  }

  /** What is wanted of the thing that a resource is about. */
  find(resource: Resource): Resource | undefined {
    return this.#entries.get(identityOf(resource))?.resource;
  }

  /** How many owners want something. */
  get ownerCount(): number {
    return this.#owners.size;
  }

  /** How many things are wanted. */
  get count(): number {
    return this.#entries.size;
  }

  /** How many of them could not be made, or are not wanted and could not be removed. */
  get failedCount(): number {
    let count = this.#doomed.size;
    for (const { failure } of this.#entries.values()) if (failure !== undefined) count++;
    return count;
  }

  /** Links may have gone or been made anew since the last time. */
  #begin(): void {
    this.#machine.kernel.forgetAll();
  }

  #add(identity: string, entry: Entry): void {
    this.#entries.set(identity, entry);
    this.signs.add(entry.resource);
  }

  #drop(resource: Resource): void {
    this.#entries.delete(identityOf(resource));
    this.signs.drop(resource);
  }

  /** Makes changes in order; when a link is new, all that is on it again. */
  #make(changes: readonly Change[]): unknown[] {
    const entries = new Set<Entry>();
    const errors: unknown[] = [];
    const madeLinks = new Set<string>();
    for (const { entry, before } of changes) {
      const { resource } = entry;
      if (before !== undefined && leavesFirst(before, resource)) {
        errors.push(...this.#remove([before]));
        this.#doomed.delete(identityOf(before));
      }
      if (this.#post(entry) && resource.kind === "link") madeLinks.add(`${resource.where}/${resource.name}`);
      entries.add(entry);
    }
    for (const entry of madeLinks.size > 0 ? this.#ordered() : []) {
      const carrier = kindOf(this.#machine.kinds, entry.resource).carrier?.(entry.resource);
      if (carrier === undefined || !madeLinks.has(`${carrier.where}/${carrier.link}`) || entries.has(entry)) continue;
      this.#post(entry);
      entries.add(entry);
    }
    this.#flush(entries);
    return [...errors, ...failuresOf(entries)];
  }

  #ensure(entries: readonly Entry[]): void {
    for (const entry of entries) this.#post(entry);
    this.#flush(entries);
  }

  /**
   * What the entry's kind posts goes out with what others have; each hears of its own failure. Returns whether it is a
   * link that was not there.
   */
  #post(entry: Entry): boolean {
    const { kinds, kernel } = this.#machine;
    const { resource } = entry;
    const failed = (error: unknown) => {
      entry.failure ??= { error };
    };
    let isNew = false;
    delete entry.failure;
    kernel.reporting(failed, () => {
      try {
        const kind = kindOf(kinds, resource);
        kind.ensure(lookedFor(resource), kernel, nothingToUndo);
        kind.repair?.(resource, kernel);
        isNew = resource.kind === "link" && kernel.hasMade(resource.where, resource.name);
      } catch (error) {
        failed(error);
      }
    });
    return isNew;
  }

  /** When not even sending works, it is not known what of it has been done. */
  #flush(entries: Iterable<Entry>): void {
    try {
      this.#machine.kernel.flush();
    } catch (error) {
      for (const entry of entries) entry.failure ??= { error };
    }
  }

  #remove(resources: readonly Resource[]): unknown[] {
    const { kinds, kernel } = this.#machine;
    const errors: unknown[] = [];
    for (const resource of removalOrder(resources, kinds)) {
      try {
        kindOf(kinds, resource).remove(resource, kernel);
      } catch (error) {
        errors.push(error);
        this.#doomed.set(identityOf(resource), resource);
      }
    }
    return errors;
  }

  #resources(): Resource[] {
    return this.#ordered().map(({ resource }) => resource);
  }

  /** Links, which others are on, come first; else it is the owners' order. What nobody has named comes last. */
  #ordered(): Entry[] {
    const links = new Set<Entry>();
    const others = new Set<Entry>();
    const add = (entries: Iterable<Entry>) => {
      for (const entry of entries) (entry.resource.kind === "link" ? links : others).add(entry);
    };
    for (const entries of this.#owners.values()) add(entries);
    add(this.#adopted);
    return [...links, ...others];
  }
}

function failuresOf(entries: Iterable<Entry>): unknown[] {
  return [...entries].flatMap(({ failure }) => (failure === undefined ? [] : [failure.error]));
}

function nothingToUndo(): void {}

/** An element is looked for first when it is shared; else it is put in, which costs 20 ms when it is there. */
function lookedFor(resource: Resource): Resource {
  return resource.kind === "nft-element" ? { ...resource, shared: true } : resource;
}

/** Whether the kernel would keep the old one beside or instead of the new one. */
function leavesFirst(before: Resource, after: Resource): boolean {
  if (isSame(before, after)) return false;
  switch (after.kind) {
    case "route":
    case "address":
    case "nft-table":
    case "nft-chain":
      return true;
    case "link":
      return before.kind === "link" && (before.type !== after.type || before.mac !== after.mac);
    default:
      return false;
  }
}
