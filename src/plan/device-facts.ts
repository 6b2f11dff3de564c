/** Finding the device that a configuration means, by what it says of it. */

import type { DeviceFact, DeviceQuestion } from "../core/planner.ts";
import { namesIn } from "../linux/file.ts";
import { IFA_F_PERMANENT, listAddresses } from "../linux/netlink/rtnetlink/address.ts";
import type { KernelLink } from "../linux/netlink/rtnetlink/link/link.ts";
import { RT_SCOPE_UNIVERSE } from "../linux/netlink/rtnetlink/route.ts";
import type { Kernel } from "../resources/kernel.ts";
import { factOf } from "./facts.ts";

/** The device as it is now; undefined where there is none, or no namespace. Throws KernelError. */
export function askDevice(question: DeviceQuestion, kernel: Kernel): DeviceFact | undefined {
  const { where } = question;
  const link = kernel.has(where) ? find(question, kernel) : undefined;
  if (link === undefined) return undefined;
  const lasting = listAddresses(kernel.route(where), link.index).filter(
    ({ flags = 0, scope }) => (flags & IFA_F_PERMANENT) !== 0 && scope === RT_SCOPE_UNIVERSE,
  );
  const { index, alias, permanentAddress } = link;
  return { ...factOf(link, lasting), index, alias, permanentMac: permanentAddress };
}

function find(question: DeviceQuestion, kernel: Kernel): KernelLink | undefined {
  const { where } = question;
  if ("name" in question) return kernel.link(where, question.name);
  if ("mac" in question) return kernel.links(where).find(({ address }) => address === question.mac);
  const name = question.folders.map(deviceUnder).find((found) => found !== undefined);
  return name === undefined ? undefined : kernel.link(where, name);
}

/** The first of a device's network interfaces; a virtio device has them one level deeper. */
function deviceUnder(folder: string): string | undefined {
  const [name] = namesIn(`${folder}/net`);
  if (name !== undefined) return name;
  const virtio = namesIn(folder).find((each) => each.startsWith("virtio"));
  return virtio === undefined ? undefined : namesIn(`${folder}/${virtio}/net`)[0];
}
