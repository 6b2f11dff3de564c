/**
 * Devices of the host that are lent to containers.
 *
 * A device is moved by one request that also gives it its name there, so it is in the host or in the container, whatever
 * becomes of this process. Its alias then is its name in the host, as the reference plugin has it, until all that it had
 * in the host has been given back to it.
 */

import { ConflictError } from "../core/errors.ts";
import type { MovedLinkResource } from "../core/plan.ts";
import { addAddress } from "../linux/netlink/rtnetlink/address.ts";
import { changeLink, findLinkByIndex, IFF_UP, type KernelLink } from "../linux/netlink/rtnetlink/link/link.ts";
import { toLinkAddress } from "./address.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const movedLink: ResourceKind<MovedLinkResource> = {
  ensure(resource, kernel, undo) {
    const { name, to } = resource;
    const inTheWay = `Cannot move "${name}" into the container: interface "${to}" already exists there`;
    if (kernel.link("container", to) !== undefined) throw new ConflictError(inTheWay);
    const index = kernel.index("host", name);
    const request = changeLink({ index, netnsFd: kernel.netnsFd("container"), name: to, alias: name });
    kernel.post("host", { ...request, operation: `move link "${name}" into the container as "${to}"` }, (error) => {
      kernel.forget("host", name);
      kernel.forget("container", to);
      // The kernel moves first, and may then refuse the name.
      undo(() => giveBack(resource, kernel));
      if (error?.code === "EEXIST") throw new ConflictError(inTheWay, { cause: error });
      if (error !== undefined) throw error;
      kernel.made("container", to);
    });
    kernel.flush();
  },
  verify({ name, to, before }, kernel) {
    if (!kernel.has("container")) return ["the container's network namespace is gone"];
    const found = kernel.link("container", to);
    if (found === undefined) return [`device "${name}" is not in the container as "${to}"`];
    if (found.alias !== name) return [`"${to}" in the container is not device "${name}" of the host`];
    return before === undefined || found.address === before.mac
      ? []
      : [`"${to}" has MAC ${found.address}, not ${before.mac}`];
  },
  remove: giveBack,
  describe: ({ name, to }, naming) => [
    commandIn("host", `ip link set dev ${name} alias ${name} name ${to} netns ${naming.container}`, naming),
  ],
  describeRemoval: ({ name, to, before }, naming) => [
    commandIn("container", `ip link set dev ${to} name ${name} netns $$`, naming),
    `ip link set dev ${name}${settingWords(before)} alias '${before?.alias ?? ""}'`,
    ...(before?.addresses ?? []).map((address) => `ip address add ${address} dev ${name}`),
  ],
};

/** Brings the device back from wherever it is; nothing happens when it has not been away. */
function giveBack(resource: MovedLinkResource, kernel: Kernel): void {
  const away = kernel.has("container") ? findAway(resource, kernel.links("container")) : undefined;
  if (away !== undefined) moveBack(resource, away, kernel);
  const found = findBack(resource, kernel.links("host"));
  if (found !== undefined) restore(resource, found, kernel);
}

function findAway({ name, permanentMac, before }: MovedLinkResource, links: readonly KernelLink[]) {
  return (
    links.find(({ alias }) => alias === name) ??
    links.find(({ permanentAddress }) => permanentAddress !== undefined && permanentAddress === permanentMac) ??
    // Refused its new name and so without an alias, or somebody has taken that away. The kernel keeps indexes if it can.
    links.find(({ index, address }) => index === before?.index && address === before.mac)
  );
}

/** Also when the kernel has brought it back, because its namespace has died, and given it some name. */
function findBack({ name, permanentMac }: MovedLinkResource, links: readonly KernelLink[]) {
  return (
    links.find(({ alias }) => alias === name) ??
    links.find(({ permanentAddress }) => permanentAddress !== undefined && permanentAddress === permanentMac)
  );
}

/** Where another link has its name by now it gets a spare one: in the container it could be lost. */
function moveBack(resource: MovedLinkResource, { index, name: now }: KernelLink, kernel: Kernel): void {
  const { name, to, spare, before } = resource;
  const free = kernel.link("host", name) === undefined ? name : spare;
  const isFree = before !== undefined && findLinkByIndex(kernel.route("host"), before.index) === undefined;
  const request = changeLink({
    index,
    netnsFd: kernel.netnsFd("host"),
    newIndex: isFree ? before.index : undefined,
    name: free,
    alias: name,
  });
  for (const gone of [to, now]) kernel.forget("container", gone);
  kernel.forget("host", free);
  kernel.execute("container", { ...request, operation: `move link "${now}" back to the host as "${free}"` });
}

/** Each step may be done again; the alias goes last, for it says that there is something to do. */
function restore(resource: MovedLinkResource, found: KernelLink, kernel: Kernel): void {
  const { name, before } = resource;
  const { index, flags } = found;
  if (found.name !== name) {
    if (kernel.link("host", name) !== undefined) {
      throw new ConflictError(`Cannot give device "${found.name}" its name "${name}" back: another link has it`, {
        details: "Rename that one; the next DEL or GC goes on.",
      });
    }
    const isUp = (flags & IFF_UP) !== 0;
    if (isUp) kernel.execute("host", { ...changeLink({ index, change: IFF_UP }), operation: `take "${name}" down` });
    const rename = { ...changeLink({ index, name }), operation: `rename link "${found.name}" to "${name}"` };
    kernel.execute("host", rename);
    kernel.forget("host", found.name);
  }
  if (before !== undefined) {
    // Not every driver lets its MAC be set, even to what it is.
    const address = found.address === before.mac ? undefined : before.mac;
    const { mtu, txQueueLength: transmitQueueLength, up } = before;
    const settings = { address, mtu, transmitQueueLength, flags: up ? IFF_UP : 0, change: IFF_UP };
    const operation = `give device "${name}" its settings back`;
    kernel.execute("host", { ...changeLink({ index, ...settings }), operation });
    for (const each of before.addresses) {
      kernel.execute("host", addAddress(toLinkAddress({ address: each }, index)), "EEXIST");
    }
  }
  kernel.execute("host", changeLink({ index, alias: before?.alias ?? "" }));
  kernel.forget("host", name);
}

function settingWords(before: MovedLinkResource["before"]): string {
  if (before === undefined) return "";
  const { mac, mtu, txQueueLength, up } = before;
  return ` address ${mac} mtu ${mtu} txqueuelen ${txQueueLength}${up ? " up" : ""}`;
}
