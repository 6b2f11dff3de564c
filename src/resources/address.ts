/** Addresses of links. */

import { cidrContains, formatCidr, lastAddress, parseCidr } from "../core/cidr.ts";
import { ConflictError } from "../core/errors.ts";
import { familyOf, formatIp } from "../core/ip.ts";
import type { AddressResource } from "../core/plan.ts";
import {
  type Address,
  addAddress,
  deleteAddress,
  IFA_F_DADFAILED,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_TENTATIVE,
  type LinkAddress,
  listAddresses,
} from "../linux/netlink/rtnetlink/address.ts";
import type { Kernel } from "./kernel.ts";
import { commandIn, type ResourceKind, type Undo } from "./resource.ts";

export const address: ResourceKind<AddressResource> = {
  ensure(resource, kernel, undo) {
    const index = kernel.index(resource.where, resource.link);
    if (resource.others !== undefined && makeRoom(resource, index, kernel, undo)) return;
    const request = addAddress(toLinkAddress(resource, index));
    const operation = `${request.operation} to "${resource.link}"`;
    kernel.post(resource.where, { ...request, operation }, (error) => {
      if (error === undefined) undo(() => removeAddress(resource, kernel));
      else if (error.code !== "EEXIST") throw error;
    });
  },
  verify({ where, link, address: wanted, duplicateDetection }, kernel) {
    if (!kernel.has(where)) return ["the container's network namespace is gone"];
    const found = kernel.link(where, link);
    if (found === undefined) return [`address ${wanted} is gone with its link "${link}"`];
    const match = listAddresses(kernel.route(where), found.index).find((other) => textOf(other) === wanted);
    if (match === undefined) return [`link "${link}" does not have address ${wanted}`];
    const flags = match.flags ?? 0;
    if ((flags & IFA_F_DADFAILED) !== 0) return [`address ${wanted} of "${link}" is used by somebody else as well`];
    if ((flags & IFA_F_TENTATIVE) !== 0 && !duplicateDetection) return [`address ${wanted} of "${link}" is tentative`];
    return [];
  },
  remove: removeAddress,
  describe({ where, link, address: wanted, duplicateDetection, noPrefixRoute }, naming) {
    const { ip, prefixLength, broadcast } = toLinkAddress({ address: wanted }, 0);
    const tail = broadcast === undefined ? "" : ` broadcast ${broadcast}`;
    const nodad = familyOf(ip) === 6 && !duplicateDetection ? " nodad" : "";
    const routeless = noPrefixRoute ? " noprefixroute" : "";
    return [commandIn(where, `ip address add ${ip}/${prefixLength}${tail} dev ${link}${nodad}${routeless}`, naming)];
  },
  describeRemoval: ({ where, link, address: held }, naming) => [
    commandIn(where, `ip address delete ${held} dev ${link}`, naming),
  ],
  carrier: ({ where, link }) => ({ where, link }),
};

/** Looks at the link's other addresses; true when it has the wanted one already. */
function makeRoom(resource: AddressResource, index: number, kernel: Kernel, undo: Undo): boolean {
  const wanted = parseCidr(resource.address);
  const present = listAddresses(kernel.route(resource.where), index);
  if (wanted === undefined || present.some((other) => textOf(other) === resource.address)) return true;
  for (const other of present) {
    const parsed = parseCidr(textOf(other));
    if (parsed === undefined || parsed.ip.family !== wanted.ip.family) continue;
    // One IPv4 address names the gateway; IPv6 addresses live side by side as long as their networks are distinct.
    if (wanted.ip.family === 6 && !cidrContains(parsed, wanted.ip) && !cidrContains(wanted, parsed.ip)) continue;
    if (resource.others === "refuse") {
      throw new ConflictError(
        `"${resource.link}" already has the address ${formatCidr(parsed)}, different from ${resource.address}`,
        { details: 'Set "forceAddress" to replace it, or delete it.' },
      );
    }
    const { broadcast, flags = 0 } = other;
    const kept = flags & (IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
    const old = { index, ip: formatIp(parsed.ip), prefixLength: parsed.bits, broadcast, flags: kept };
    kernel.execute(resource.where, deleteAddress(old), "EADDRNOTAVAIL");
    undo(() => kernel.execute(resource.where, addAddress(old), "EEXIST", "ENODEV"));
  }
  return false;
}

function removeAddress(resource: AddressResource, kernel: Kernel): void {
  if (!kernel.has(resource.where)) return;
  const found = kernel.link(resource.where, resource.link);
  if (found === undefined) return;
  const request = deleteAddress(toLinkAddress(resource, found.index));
  kernel.execute(resource.where, request, "EADDRNOTAVAIL", "ENODEV");
}

export function toLinkAddress(
  { address: text, duplicateDetection, noPrefixRoute }: Omit<AddressResource, "kind" | "where" | "link">,
  index: number,
): LinkAddress {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new TypeError(`"${text}" is not an address in CIDR notation`);
  const ip = formatIp(cidr.ip);
  const routeless = noPrefixRoute ? IFA_F_NOPREFIXROUTE : 0;
  if (cidr.ip.family === 6) {
    return { index, ip, prefixLength: cidr.bits, flags: routeless | (duplicateDetection ? 0 : IFA_F_NODAD) };
  }
  // A /31 is a point-to-point link, a /32 a host: neither has a broadcast address (RFC 3021).
  const broadcast = cidr.bits < 31 ? formatIp(lastAddress(cidr)) : undefined;
  return { index, ip, prefixLength: cidr.bits, broadcast, flags: routeless };
}

function textOf({ local, address: other, prefixLength }: Address): string {
  return `${local ?? other}/${prefixLength}`;
}
