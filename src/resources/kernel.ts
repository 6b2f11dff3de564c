/**
 * The kernel as resources see it: two network namespaces, each with the sockets that are needed, opened at first use.
 *
 * Requests that need no answer in between are posted and go out together. Before another socket is used the posted
 * ones are sent, so what happens in one namespace is seen from the other in the order of the plan.
 */

import { UnknownContainerError } from "../core/errors.ts";
import type { Where } from "../core/plan.ts";
import { touchFile } from "../linux/file.ts";
import { closeFile } from "../linux/libc-file.ts";
import type { NetlinkError } from "../linux/netlink/error.ts";
import type { NetlinkRequest } from "../linux/netlink/message.ts";
import { findLink, type KernelLink, listLinks } from "../linux/netlink/rtnetlink/link/link.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, type NetlinkProtocol, NetlinkSocket } from "../linux/netlink/socket.ts";
import { enterNetns, type Netns, openHome } from "../linux/netns.ts";
import type { HostSockets } from "./host-sockets.ts";
import type { LinkDeletions } from "./link-deletion.ts";

/** The file that says that a table was missed, and what others had in it is to be put back. */
export function missedTableMark(runFolder: string): string {
  return `${runFolder}/missed-table`;
}

/** What a process keeps that serves many calls. */
export interface Kept {
  readonly sockets: HostSockets;
  /** Where links of the host are deleted together with those of other calls. */
  readonly deletions: LinkDeletions;
}

export class Kernel {
  /** The container's namespace; undefined when it is gone. */
  readonly container: Netns | undefined;
  /** The folder of state that lasts until the next boot, in which locks lie too. */
  readonly runFolder: string;
  /** In a process that serves many calls. */
  readonly kept: Kept | undefined;
  readonly #sockets = new Map<string, { readonly protocol: NetlinkProtocol; readonly socket: NetlinkSocket }>();
  readonly #links = new Map<string, KernelLink>();
  readonly #indexes = new Map<string, number>();
  readonly #made = new Set<string>();
  #posted: NetlinkSocket | undefined;
  #failed: ((error: unknown) => void) | undefined;
  #listings: Map<string, unknown> | undefined;
  #home: number | undefined;

  /** The host is the namespace that the process is in. */
  constructor(container: Netns | undefined, runFolder: string, kept?: Kept) {
    this.container = container;
    this.runFolder = runFolder;
    this.kept = kept;
  }

  /** Whether there is a namespace to act in. */
  has(where: Where): boolean {
    return where === "host" || this.container !== undefined;
  }

  /** Runs `work` inside a namespace. Throws UnknownContainerError when it is gone. */
  within<T>(where: Where, work: () => T): T {
    if (where === "host") return work();
    if (this.container === undefined) throw new UnknownContainerError("The container's network namespace is gone");
    this.#home ??= openHome();
    return enterNetns(this.container, this.#home, work);
  }

  /** A descriptor of a namespace, open as long as this is. Throws UnknownContainerError when it is gone. */
  netnsFd(where: Where): number {
    this.#home ??= openHome();
    if (where === "host") return this.#home;
    if (this.container === undefined) throw new UnknownContainerError("The container's network namespace is gone");
    return this.container.fd;
  }

  route(where: Where): NetlinkSocket {
    return this.#socket(where, NETLINK_ROUTE);
  }

  netfilter(where: Where): NetlinkSocket {
    return this.#socket(where, NETLINK_NETFILTER);
  }

  #socket(where: Where, protocol: NetlinkProtocol): NetlinkSocket {
    const name = `${where}/${protocol}`;
    let socket = this.#sockets.get(name)?.socket;
    if (socket === undefined) {
      const { kept } = this;
      socket =
        kept !== undefined && where === "host"
          ? kept.sockets.take(protocol)
          : this.within(where, () => new NetlinkSocket(protocol));
      this.#sockets.set(name, { protocol, socket });
    }
    if (this.#posted !== socket) this.flush();
    return socket;
  }

  /** Posts a change; `settled` hears its outcome at the latest with the next flush. */
  post(where: Where, request: NetlinkRequest, settled: (error: NetlinkError | undefined) => void): void {
    const failed = this.#failed;
    this.#post(
      where,
      request,
      failed === undefined
        ? settled
        : (error) => {
            try {
              settled(error);
            } catch (thrown) {
              failed(thrown);
            }
          },
    );
  }

  #post(where: Where, request: NetlinkRequest, settled: (error: NetlinkError | undefined) => void): void {
    const socket = this.route(where);
    this.#posted = socket;
    socket.post(request, settled);
  }

  /**
   * Runs `work`. What goes wrong with a change that is posted there `failed` hears, whenever that is, instead of whoever
   * flushes: so changes of many go out together and each hears of its own.
   */
  reporting(failed: (error: unknown) => void, work: () => void): void {
    this.#failed = failed;
    try {
      work();
    } finally {
      this.#failed = undefined;
    }
  }

  /** Makes a change now; errors with these codes are what was wanted anyway. Throws NetlinkError. */
  execute(where: Where, request: NetlinkRequest, ...fine: readonly string[]): void {
    this.#post(where, request, (error) => {
      if (error !== undefined && !fine.includes(error.code)) throw error;
    });
    this.flush();
  }

  /** Sends what has been posted. Throws what the first of the outcomes threw. */
  flush(): void {
    const socket = this.#posted;
    this.#posted = undefined;
    socket?.flush();
  }

  /** Runs `work`, in which much is asked about what one listing tells: each is taken once. */
  listingOnce<T>(work: () => T): T {
    this.#listings = new Map();
    try {
      return work();
    } finally {
      this.#listings = undefined;
    }
  }

  /** What `list` finds, or has found before where each listing is taken once. */
  listing<T>(name: string, list: () => T): T {
    if (this.#listings === undefined) return list();
    if (!this.#listings.has(name)) this.#listings.set(name, list());
    return this.#listings.get(name) as T;
  }

  /** A link by its name, remembered once seen. */
  link(where: Where, name: string): KernelLink | undefined {
    const key = `${where}/${name}`;
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const link = findLink(this.route(where), name);
    if (link !== undefined) {
      this.#links.set(key, link);
      this.#indexes.set(key, link.index);
    }
    return link;
  }

  /** All links of a namespace. */
  links(where: Where): KernelLink[] {
    return listLinks(this.route(where));
  }

  /** Takes note of a link that was made here, with which all that is set on it goes again. */
  made(where: Where, name: string): void {
    this.#made.add(`${where}/${name}`);
  }

  /** Whether a link was made here. */
  hasMade(where: Where, name: string): boolean {
    const key = `${where}/${name}`;
    if (!this.#made.has(key)) this.flush();
    return this.#made.has(key);
  }

  /** The index of a link that must be there. Throws UnknownContainerError when it is not. */
  index(where: Where, name: string): number {
    const key = `${where}/${name}`;
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    const index = this.route(where).linkIndex(name);
    if (index === undefined) throw new UnknownContainerError(`There is no link "${name}" in the ${where}`);
    this.#indexes.set(key, index);
    return index;
  }

  /** Forgets what was seen of a link because it has changed; its index stays. */
  changed(where: Where, name: string): void {
    this.#links.delete(`${where}/${name}`);
  }

  /** Forgets a link, because it has gone or may have been made anew. */
  forget(where: Where, name: string): void {
    this.changed(where, name);
    this.#indexes.delete(`${where}/${name}`);
    this.#made.delete(`${where}/${name}`);
  }

  /** Forgets all links: for a process that lives longer than they do. */
  forgetAll(): void {
    this.#links.clear();
    this.#indexes.clear();
    this.#made.clear();
  }

  /** Takes note, on disk, that a part of a table of ours was not there, nor what others had in it. Throws FileError. */
  missedTable(where: Where): void {
    if (where === "host") touchFile(missedTableMark(this.runFolder));
  }

  close(): void {
    for (const [name, { protocol, socket }] of this.#sockets) {
      if (this.kept !== undefined && name.startsWith("host/")) this.kept.sockets.giveBack(protocol, socket);
      else socket.close();
    }
    this.#sockets.clear();
    if (this.#home !== undefined) closeFile(this.#home);
    this.#home = undefined;
  }
}
