/**
 * `bandwidth`: holds the rates of what a container receives and of what it sends.
 *
 * What goes to the container waits in a token bucket on the host's end of its veth pair. What comes from it cannot wait
 * where it is received; so it is redirected to an ifb of its own and waits there in another bucket. Both are in the
 * host, where the container cannot reach them.
 */

import { ConfigError } from "../../core/errors.ts";
import { type AttachmentKey, attachmentMac, formatHash, hash64 } from "../../core/names.ts";
import type { PlainLink, Plan, QdiscResource, Resource } from "../../core/plan.ts";
import type { Facts, LinkQuestion, Planner } from "../../core/planner.ts";
import { referenceIfbName } from "../../core/reference-names.ts";
import type { Result, ResultInterface } from "../../core/result.ts";
import { type BandwidthConfig, parseBandwidthConfig, type Rate } from "./bandwidth-config.ts";

export const bandwidth: Planner<BandwidthConfig> = {
  type: "bandwidth",
  chained: true,
  parse: parseBandwidthConfig,
  usesIpam: () => false,
  links: ({ network }, { containerId = "", ifname = "", prevResult }) => [
    { where: "container", name: ifname },
    ...inHost(prevResult).map(({ name }): LinkQuestion => ({ where: "host", name })),
    ...ifbNames({ network, containerId, ifname }).map((name): LinkQuestion => ({ where: "host", name })),
  ],
  plan: planBandwidth,
  obstacles: () => [],
};

function planBandwidth({ ingress, egress }: BandwidthConfig, facts: Facts): Plan {
  const { key, adopted, prevResult: before = {} } = facts;
  if (facts.recovering) return { resources: lostIfbs(facts), result: before };
  const made = adopted && (ifbOf(adopted, key) ?? lostIfbs(facts)[0]);
  if (ingress === undefined && egress === undefined && made === undefined) return { resources: [], result: before };
  const end = hostEnd(facts);
  const resources: Resource[] = [];
  const interfaces = [...(before.interfaces ?? [])];
  if (egress !== undefined || made !== undefined) {
    const ifb = planIfb(facts, made, end?.mtu);
    resources.push(ifb, ...(egress === undefined ? [] : planEgress(egress, ifb.name, end)));
    if (made === undefined) interfaces.push({ name: ifb.name, mac: ifb.mac });
  }
  if (ingress !== undefined && end !== undefined) resources.push(bucket(end.name, ingress, end.mtu));
  return { resources, result: { ...before, interfaces } };
}

/** The bucket is there before the first packet comes. */
function planEgress(egress: Rate, ifb: string, end: HostEnd | undefined): Resource[] {
  const onIfb: Resource[] = [
    bucket(ifb, egress, end?.mtu),
    { kind: "link-settings", where: "host", link: ifb, set: { up: true } },
  ];
  if (end === undefined) return onIfb;
  return [
    ...onIfb,
    { kind: "qdisc", where: "host", link: end.name, qdisc: { type: "ingress" } },
    { kind: "filter", where: "host", link: end.name, priority: 1, redirect: ifb },
  ];
}

/** The Ethernet header, which counts as well. */
const HEADER = 14;
const DEFAULT_MTU = 1500;
/** How long what exceeds the burst may wait, in seconds. */
const LATENCY = 0.025;

/** A bucket that holds at least one whole frame: what does not fit would never be sent. */
function bucket(link: string, { rate, burst: asked }: Rate, mtu = DEFAULT_MTU): QdiscResource {
  const burst = Math.max(asked, mtu + HEADER);
  const limit = Math.min(Math.floor(rate * LATENCY) + burst, 0xffffffff);
  return { kind: "qdisc", where: "host", link, qdisc: { type: "tbf", handle: 1, rate, burst, limit } };
}

interface HostEnd {
  readonly name: string;
  readonly mtu: number | undefined;
}

/**
 * The host's end of the container's veth pair, among what plugins before have made in the host. For what is to be taken
 * away it may be gone; nothing is left of it then. Throws ConfigError.
 */
function hostEnd({ links, key, prevResult, adopted }: Facts): HostEnd | undefined {
  const inner = links.get(`container/${key.ifname}`);
  const candidates = inHost(prevResult).map(({ name }) => ({ name, fact: links.get(`host/${name}`) }));
  const other = candidates.find(
    ({ fact }) => fact?.veth && fact.veth.index === inner?.veth?.peer && fact.veth.peer === inner.veth.index,
  );
  if (other !== undefined) return { name: other.name, mtu: other.fact?.mtu };
  // Of a container that is gone only the name is left; in a chain that is only explained nothing has been made yet.
  const named = candidates.find(
    ({ name, fact }) =>
      name.startsWith("veth") && (adopted !== undefined || (inner === undefined && fact === undefined)),
  );
  if (named !== undefined) return { name: named.name, mtu: named.fact?.mtu };
  if (adopted !== undefined) return undefined;
  throw new ConfigError(
    "prevResult",
    `names no interface of the host whose other end is "${key.ifname}": only the rates of veth pairs can be held`,
  );
}

function inHost(result: Result | undefined): readonly ResultInterface[] {
  return (result?.interfaces ?? []).filter(({ sandbox }) => !sandbox);
}

function planIfb(
  { key, links }: Facts,
  made: Pick<ResultInterface, "name" | "mac"> | undefined,
  mtu: number | undefined,
): PlainLink {
  const [common, own] = ifbNames(key);
  // The common name leaves out the interface: with two in one network, the second one finds it taken.
  const name = made?.name ?? (links.get(`host/${common}`) === undefined ? common : own);
  return { kind: "link", where: "host", type: "ifb", name, mac: made?.mac ?? ifbMac(key), mtu };
}

/** The names that the ifb may have: the reference plugin's, and one that tells the interfaces of a container apart. */
function ifbNames(key: AttachmentKey): [common: string, own: string] {
  const { network, containerId, ifname } = key;
  const own = formatHash(hash64(`ifb\0${network}\0${containerId}\0${ifname}`));
  return [referenceIfbName(network, containerId), `bwp${own.slice(0, 12)}`];
}

/** The ifb in the result of an ADD. */
function ifbOf(result: Result, key: AttachmentKey): ResultInterface | undefined {
  const names: readonly string[] = ifbNames(key);
  return inHost(result).find(({ name }) => names.includes(name));
}

/** Five bytes of the container and one of the interface, so that it can be told whose the common name is. */
function ifbMac(key: AttachmentKey): string {
  return containerPart(attachmentMac("ifb", { ...key, ifname: "" })) + attachmentMac("ifb", key).slice(-2);
}

function containerPart(mac: string): string {
  return mac.slice(0, -2);
}

/** The ifbs that an ADD may have left of which there is neither record nor result; not another interface's. */
function lostIfbs({ key, links }: Facts): PlainLink[] {
  const mac = ifbMac(key);
  return ifbNames(key).flatMap((name): PlainLink[] => {
    const found = links.get(`host/${name}`);
    if (found === undefined) return [];
    const isOthers = found.mac !== mac && containerPart(found.mac) === containerPart(mac);
    return isOthers ? [] : [{ kind: "link", where: "host", type: "ifb", name, mac: found.mac }];
  });
}
