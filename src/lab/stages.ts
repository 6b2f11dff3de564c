/**
 * What a lab is made of, as resources: a pure function of its description.
 *
 * Each subnet of the fabric is a namespace with a bridge in it. The router and the nodes are connected to the bridges by
 * veth pairs. Without agents, routes to the pods are static, on the router and on every node, and what pods send beyond
 * the cluster leaves under their node's address; with agents both are theirs to make.
 */

import { type Family, familyOf } from "../core/ip.ts";
import { attachmentMac, sharedMac } from "../core/names.ts";
import type { Resource, RouteResource, SysctlResource } from "../core/plan.ts";
import { bare, type Lab, type LabNode, ofFamily } from "./lab.ts";
import { planMasquerade } from "./masquerade.ts";
import { netnsName, OUTSIDE, ROUTER, SWITCH, UPLINK } from "./names.ts";

/** A list of resources together with the two members of the lab that it is about. */
export interface Stage {
  readonly title: string;
  /** Name of the member whose namespace the resources call "host". */
  readonly host: string;
  /** Name of the member whose namespace the resources call "container". */
  readonly container: string;
  readonly resources: readonly Resource[];
}

/** All stages of a lab, in the order in which they are made; the pods come after them. */
export function planStages(lab: Lab): Stage[] {
  const routes = lab.cluster === undefined ? [planRouterRoutes(lab)] : [];
  return [...planFabric(lab), ...lab.nodes.map((node) => planNode(lab, node)), ...routes];
}

function planFabric(lab: Lab): Stage[] {
  const switches = lab.subnets.map(({ name, prefixes, mtu }): Stage => {
    const resources: Resource[] = [
      // A switch has no addresses.
      sysctl("host", "net/ipv6/conf/default/disable_ipv6", "1"),
      { kind: "link", where: "host", type: "bridge", name: SWITCH, mac: sharedMac(lab.name, name), ...sized(mtu) },
      { kind: "link-settings", where: "host", link: SWITCH, set: { up: true } },
    ];
    return { title: `subnet ${name}: a switch for ${prefixes.join(" and ")}`, host: name, container: name, resources };
  });
  const router: Stage = { title: "router", host: ROUTER, container: ROUTER, resources: forwarder(lab) };
  const ports = lab.subnets.map((subnet): Stage => {
    const resources = [
      ...plug(lab, { member: ROUTER, link: subnet.name, port: ROUTER, mtu: subnet.mtu }),
      ...addresses(subnet.name, subnet.router),
    ];
    return { title: `router: connected to ${subnet.name}`, host: subnet.name, container: ROUTER, resources };
  });
  return [...switches, router, ...ports, ...planOutside(lab)];
}

/** The outside host hangs at the router itself, and knows the way to the subnets of the fabric only. */
function planOutside(lab: Lab): Stage[] {
  if (lab.outside === undefined) return [];
  const { outside } = lab;
  const resources: Resource[] = [
    ...host(),
    {
      kind: "link",
      where: "host",
      type: "veth",
      name: OUTSIDE,
      mac: mac(lab, ROUTER, OUTSIDE),
      peer: { name: UPLINK, mac: mac(lab, OUTSIDE, UPLINK) },
    },
    ...addresses(OUTSIDE, outside.router, "host"),
    ...addresses(UPLINK, outside.addresses),
    { kind: "link-settings", where: "container", link: UPLINK, set: { up: true } },
    { kind: "link-settings", where: "host", link: OUTSIDE, set: { up: true } },
    ...lab.subnets.flatMap(({ prefixes }) => prefixes.map((prefix) => route(UPLINK, prefix, outside.router))),
  ];
  return [{ title: "outside: a host beyond the router", host: ROUTER, container: OUTSIDE, resources }];
}

/** A node with its link, before its agent runs. */
export function planNode(lab: Lab, node: LabNode): Stage {
  const subnet = lab.subnets.find(({ name }) => name === node.subnet);
  const router = subnet?.router ?? [];
  const resources: Resource[] = [
    ...forwarder(lab),
    ...plug(lab, { member: node.name, link: UPLINK, port: node.name, mtu: subnet?.mtu }),
    ...addresses(UPLINK, node.addresses),
    ...lab.families.map((family) => route(UPLINK, family === 4 ? "0.0.0.0/0" : "::/0", router)),
    ...(lab.cluster === undefined ? planStaticNode(lab, node, router) : []),
  ];
  return { title: `node ${node.name}`, host: node.subnet, container: node.name, resources };
}

/** What an agent would do. */
function planStaticNode(lab: Lab, node: LabNode, router: readonly string[]): Resource[] {
  const others = lab.nodes.filter((other) => other !== node);
  return [
    // A node in the same subnet is the next hop to its own pods; to all others it is the router.
    ...others.flatMap((other) => routesToPods(UPLINK, other, other.subnet === node.subnet ? other.addresses : router)),
    planMasquerade(lab, node),
  ];
}

function planRouterRoutes(lab: Lab): Stage {
  const resources = lab.nodes.flatMap((node) => routesToPods(node.subnet, node, node.addresses));
  return { title: "router: routes to the pods", host: ROUTER, container: ROUTER, resources };
}

/** What every host needs before it has links. */
function host(): Resource[] {
  return [
    { kind: "link-settings", where: "container", link: "lo", set: { up: true } },
    sysctl("container", "net/ipv6/conf/all/disable_ipv6", "0"),
    sysctl("container", "net/ipv6/conf/default/disable_ipv6", "0"),
    // While duplicate detection runs on a link-local address, a router has no address to ask for a neighbour from and
    // drops what it should forward: the first second of IPv6 would be lost on every new link.
    sysctl("container", "net/ipv6/conf/default/accept_dad", "0"),
  ];
}

/** A host that forwards. */
function forwarder({ families }: Lab): Resource[] {
  const names: Record<Family, string> = { 4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding" };
  return [...host(), ...families.map((family): SysctlResource => ({ ...sysctl("container", names[family], "1") }))];
}

/** A link of a member, by a veth pair to its port of the switch. */
function plug(
  lab: Lab,
  { member, link, port, mtu }: { member: string; link: string; port: string; mtu: number | undefined },
): Resource[] {
  return [
    {
      kind: "link",
      where: "host",
      type: "veth",
      name: port,
      mac: mac(lab, `port/${port}`, link),
      ...sized(mtu),
      master: SWITCH,
      peer: { name: link, mac: mac(lab, member, link) },
    },
    { kind: "link-settings", where: "container", link, set: { up: true } },
    { kind: "link-settings", where: "host", link: port, set: { up: true } },
  ];
}

function sized(mtu: number | undefined): { mtu?: number } {
  return mtu === undefined ? {} : { mtu };
}

function addresses(link: string, list: readonly string[], where: "host" | "container" = "container"): Resource[] {
  return list.map((address) => ({ kind: "address", where, link, address }));
}

function routesToPods(link: string, { podSubnets }: LabNode, via: readonly string[]): RouteResource[] {
  return podSubnets.map((subnet) => route(link, subnet, via));
}

/** A route by the one of the gateway's addresses that has the destination's family. */
function route(link: string, destination: string, gateways: readonly string[]): RouteResource {
  const gateway = ofFamily(familyOf(destination), gateways);
  if (gateway === undefined) throw new TypeError(`No gateway for ${destination} among ${gateways.join(", ")}`);
  return { kind: "route", where: "container", link, destination, gateway: bare(gateway) };
}

function sysctl(where: "host" | "container", name: string, value: string): SysctlResource {
  // A kernel without IPv6 has none of its parameters.
  return { kind: "sysctl", where, name, value, ...(name.startsWith("net/ipv6/") ? { optional: true } : {}) };
}

function mac({ name }: Lab, member: string, ifname: string): string {
  return attachmentMac("lab", { network: name, containerId: netnsName(name, member), ifname });
}
