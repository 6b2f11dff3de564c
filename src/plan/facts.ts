/** Gathering the facts that a plan is made from. */

import { late } from "../core/late.ts";
import type { Where } from "../core/plan.ts";
import {
  type About,
  DEFAULT_ROUTE,
  type Facts,
  type LinkFact,
  type LinkQuestion,
  type Planner,
  type RouteFact,
  type SysctlQuestion,
} from "../core/planner.ts";
import type { Call } from "../core/plugin.ts";
import { readTextIfExists } from "../linux/file.ts";
import { type Address, listAddresses } from "../linux/netlink/rtnetlink/address.ts";
import {
  findLinkByIndex,
  IFF_ALLMULTI,
  IFF_PROMISC,
  IFF_UP,
  type KernelLink,
} from "../linux/netlink/rtnetlink/link/link.ts";
import { listRoutes, lookUpRoute, RTN_UNICAST } from "../linux/netlink/rtnetlink/route.ts";
import { readSysctlUnlessWriteOnly } from "../linux/sysctl.ts";
import type { Kernel } from "../resources/kernel.ts";

const deviceFacts = late(
  ["host-device"],
  () => import("./device-facts.ts"),
  () => require("./device-facts.ts"),
);

const routingFacts = late(
  ["sbr", "vrf"],
  () => import("./routing-facts.ts"),
  () => require("./routing-facts.ts"),
);

/** What the planner asks, and what the call says. `known` has what only the caller can know. Throws KernelError. */
export function gatherFacts<C>(
  planner: Planner<C>,
  config: C,
  call: Call,
  kernel: Kernel,
  known: Pick<Facts, "bootId" | "ipam"> & Partial<Pick<Facts, "adopted" | "recovering">>,
): Facts {
  const ifname = planner.ifname ?? call.ifname;
  const about: About = { containerId: call.containerId, ifname, prevResult: call.config.prevResult };
  const files = planner.files?.(config, about);
  const devices = planner.devices?.(config, about);
  const routing = planner.routing?.(config, about);
  const routes = planner.routes?.(config, about);
  return {
    key: { network: call.config.name, containerId: call.containerId, ifname },
    netns: call.netns ?? "",
    bootId: known.bootId,
    ipam: known.ipam,
    prevResult: call.config.prevResult,
    adopted: known.adopted,
    recovering: known.recovering ?? false,
    links: askLinks(planner.links(config, about), kernel),
    sysctls: askSysctls(planner.sysctls?.(config, about) ?? [], kernel),
    ...(files === undefined ? {} : { files: new Map(files.map((path) => [path, readTextIfExists(path)])) }),
    ...(devices === undefined ? {} : { devices: devices.map((question) => deviceFacts().askDevice(question, kernel)) }),
    ...(routing === undefined ? {} : { routing: routingFacts().askRouting(routing, kernel) }),
    ...(routes === undefined ? {} : { routes: new Map(routes.map((to) => [to, askRoute(to, kernel)])) }),
  };
}

/** The links as they are now, by `<where>/<name>`. Throws KernelError. */
export function askLinks(questions: readonly LinkQuestion[], kernel: Kernel): Map<string, LinkFact | undefined> {
  const facts = new Map<string, LinkFact | undefined>();
  for (const question of questions) {
    const { where, name } = question;
    if (kernel.has(where)) facts.set(`${where}/${name}`, askLink(question, kernel));
  }
  return facts;
}

function askSysctls(questions: readonly SysctlQuestion[], kernel: Kernel): Map<string, string | undefined> {
  const values = new Map<string, string | undefined>();
  for (const { where, name } of questions) {
    if (kernel.has(where))
      values.set(
        `${where}/${name}`,
        kernel.within(where, () => readSysctlUnlessWriteOnly(name) ?? undefined),
      );
  }
  return values;
}

function askLink({ where, name, addresses }: LinkQuestion, kernel: Kernel): LinkFact | undefined {
  const link = name === DEFAULT_ROUTE ? defaultLink(where, kernel) : kernel.link(where, name);
  if (link === undefined) return undefined;
  return factOf(link, addresses ? listAddresses(kernel.route(where), link.index) : []);
}

/** A link, with those of its addresses that are wanted. */
export function factOf(link: KernelLink, addresses: readonly Address[]): LinkFact {
  return {
    name: link.name,
    mac: link.address ?? "",
    mtu: link.mtu ?? 0,
    up: (link.flags & IFF_UP) !== 0,
    promisc: (link.flags & IFF_PROMISC) !== 0,
    allmulticast: (link.flags & IFF_ALLMULTI) !== 0,
    txQueueLength: link.transmitQueueLength ?? 0,
    kind: link.info?.kind,
    veth: link.info?.kind === "veth" && link.link !== undefined ? { index: link.index, peer: link.link } : undefined,
    addresses: addresses.map(({ local, address, prefixLength }) => `${local ?? address}/${prefixLength}`),
  };
}

/** The link of the first default route, of IPv4 before IPv6, as the kernel lists them: by their priority. */
function defaultLink(where: Where, kernel: Kernel): KernelLink | undefined {
  const socket = kernel.route(where);
  const route = listRoutes(socket).find(
    ({ destinationLength, type, outputIndex }) =>
      destinationLength === 0 && type === RTN_UNICAST && outputIndex !== undefined,
  );
  return route?.outputIndex === undefined ? undefined : findLinkByIndex(socket, route.outputIndex);
}

function askRoute(address: string, kernel: Kernel): RouteFact | undefined {
  const socket = kernel.route("host");
  const index = lookUpRoute(socket, address)?.outputIndex;
  const link = index === undefined ? undefined : findLinkByIndex(socket, index);
  return link?.name === undefined ? undefined : { link: link.name, kind: link.info?.kind };
}
