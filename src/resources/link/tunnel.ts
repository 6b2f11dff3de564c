/** Tunnels of packets in IPv4 packets: a node's one end for all other nodes. */

import { ConflictError } from "../../core/errors.ts";
import type { TunnelLink } from "../../core/plan.ts";
import type { KernelLink, Link } from "../../linux/netlink/rtnetlink/link/link.ts";
import type { Kernel } from "../kernel.ts";
import { commandIn } from "../resource.ts";
import { ensureMade, resize } from "./made.ts";
import { differences, findOwn, isOurKind, type LinkType, nameWords, removeOwn } from "./type.ts";

const FEATURES: Readonly<Record<TunnelLink["type"], string>> = { ipip: "CONFIG_NET_IPIP", sit: "CONFIG_IPV6_SIT" };

/** Of the outer packets: the inner packet's may be used up on the way to the node, although it is there for the way after. */
const TTL = 64;

export const tunnel: LinkType<TunnelLink> = {
  ensure(resource, kernel, undo) {
    const { where, name, type } = resource;
    const found = kernel.link(where, name);
    if (isOurKind(resource, found) && found !== undefined && ends(resource, found, kernel).length === 0) {
      resize(resource, found, kernel, undo);
      return;
    }
    try {
      ensureMade(resource, found, info(resource, kernel), FEATURES[type], kernel, undo);
    } catch (error) {
      // The kernel tells tunnels of a kind by their two ends.
      if (!(error instanceof ConflictError) || kernel.link(where, name) !== undefined) throw error;
      throw new ConflictError(`Cannot create ${type} "${name}": another ${type} link has ${resource.local} already`, {
        cause: error,
      });
    }
  },
  verify(resource, kernel) {
    const own = findOwn(resource, kernel);
    return "finding" in own
      ? [own.finding]
      : [...differences(resource, own.found), ...ends(resource, own.found, kernel)];
  },
  remove(resource, kernel) {
    kernel.forget(resource.where, resource.name);
    removeOwn(resource, kernel);
  },
  describe(resource, naming) {
    const { type, local, uplink } = resource;
    const words = `type ${type} local ${local} ttl ${TTL}${uplink === undefined ? "" : ` dev ${uplink}`}`;
    return [commandIn(resource.where, `ip link add ${nameWords(resource)} ${words}`, naming)];
  },
};

function info({ type, where, local, uplink }: TunnelLink, kernel: Kernel): NonNullable<Link["info"]> {
  const by = uplink === undefined ? {} : { link: kernel.index(where, uplink) };
  const data = { ...by, local, ttl: TTL, pmtuDiscovery: true };
  return type === "ipip" ? { kind: type, ipip: data } : { kind: type, sit: data };
}

/** In what its ends differ; those of another are not changed, for the kernel would keep what it knows of the old way. */
function ends({ where, name, type, local, uplink }: TunnelLink, { info: found }: KernelLink, kernel: Kernel): string[] {
  const data = found?.[type];
  const index = uplink === undefined ? 0 : kernel.link(where, uplink)?.index;
  const remote = data?.remote ?? ANY;
  return [
    ...(data?.local === local ? [] : [`"${name}" sends from ${data?.local ?? ANY}, not ${local}`]),
    ...(remote === ANY ? [] : [`"${name}" sends to ${remote} only`]),
    ...((data?.link ?? 0) === index
      ? []
      : [`"${name}" does not send by ${uplink ?? "whichever link the routes name"}`]),
  ];
}

const ANY = "0.0.0.0";
