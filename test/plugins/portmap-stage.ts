/** A host with somebody outside, and containers on a bridge that have ports of the host. */

import type { Result } from "../../src/core/result.ts";
import { hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { addChain, delChain, type Link } from "../support/chain.ts";
import type { TestNetns } from "../support/namespaces.ts";
import { linkOutside } from "../support/outside.ts";
import { type Config, type Container, type Host, type Hosts, PLUGINS } from "../support/plugin-calls.ts";
import { answering, type Closable } from "../support/traffic.ts";

/** Addresses of the host beside those of the bridge, and of somebody outside. */
export const HOST_V4 = "192.0.2.1";
export const HOST_V6 = "2001:db8::1";
export const SECOND_V4 = "192.0.2.2";
export const OUTSIDE_V4 = "192.0.2.9";
export const OUTSIDE_V6 = "2001:db8::9";

export type Fields = Readonly<Record<string, unknown>>;

export interface Site {
  readonly host: Host;
  readonly outside: TestNetns;
}

export function makeSite(hosts: Hosts): Site {
  const host = hosts.fresh();
  host.netns.sh("ip link set lo up");
  const outside = linkOutside(hosts, host, {
    host: [`${HOST_V4}/24`, `${SECOND_V4}/24`, `${HOST_V6}/64`],
    outside: [`${OUTSIDE_V4}/24`, `${OUTSIDE_V6}/64`],
  });
  return { host, outside };
}

const common = { cniVersion: "1.1.0", name: "net" };

export function bridge(host: Host): Config {
  const ipam = hostLocal(host, V4, V6);
  return { ...common, type: "bridge", bridge: "br0", isDefaultGateway: true, ipMasq: true, hairpinMode: true, ipam };
}

export function portmap(portMappings: readonly Fields[], fields: Fields = {}): Config {
  return { ...common, type: "portmap", runtimeConfig: { portMappings }, ...fields };
}

export const WEB = { hostPort: 8080, containerPort: 80, protocol: "tcp" };
export const DNS = { hostPort: 8080, containerPort: 53, protocol: "udp" };

export interface Pod {
  readonly container: Container & { readonly namespace: TestNetns };
  readonly chain: readonly Link[];
  readonly result: Result;
}

export interface PodOptions {
  /** Fields of portmap. */
  readonly fields?: Fields;
  /** The folders of the bridge's executable and of portmap's; ours unless given. */
  readonly by?: readonly [bridge: string, portmap: string];
  /** What comes after portmap in the chain. */
  readonly after?: readonly Config[];
}

/** A container with services of TCP and UDP that name it, and host ports. What closes is put into `open`. */
export async function makePod(
  hosts: Hosts,
  open: Closable[],
  { host }: Site,
  id: string,
  ports: readonly Fields[],
  { fields, by = [PLUGINS, PLUGINS], after = [] }: PodOptions = {},
): Promise<Pod> {
  const container = hosts.container(id);
  const chain = [
    { config: bridge(host), path: by[0] },
    { config: portmap(ports, fields), path: by[1] },
    ...after.map((config) => ({ config })),
  ];
  const result = await addChain(host, container, chain);
  container.namespace.sh("ip link set lo up");
  open.push(await answering(container.namespace, id, { tcp: [80, 81], udp: [53] }));
  return { container, chain, result };
}

export function takeDown({ host }: Site, { container, chain, result }: Pod): Promise<void> {
  return delChain(host, container, chain, result);
}

/** A way to a host port. */
export interface Way {
  readonly title: string;
  readonly from: (site: Site, web: Pod, other: Pod) => TestNetns;
  readonly to: string;
  /** Whom the container sees, unless it is told to masquerade more or less. */
  readonly seen: string;
}

const outside: Way["from"] = (site) => site.outside;
const fromHost: Way["from"] = ({ host }) => host.netns;
const itself: Way["from"] = (_, web) => web.container.namespace;
const neighbour: Way["from"] = (_, __, other) => other.container.namespace;

export const WAYS: readonly Way[] = [
  { title: "outside", from: outside, to: HOST_V4, seen: OUTSIDE_V4 },
  { title: "outside by another address", from: outside, to: SECOND_V4, seen: OUTSIDE_V4 },
  { title: "outside, IPv6", from: outside, to: HOST_V6, seen: OUTSIDE_V6 },
  { title: "the host by loopback", from: fromHost, to: "127.0.0.1", seen: "10.77.0.1" },
  { title: "the host by another address of loopback", from: fromHost, to: "127.0.0.9", seen: "10.77.0.1" },
  { title: "the host by its own address", from: fromHost, to: HOST_V4, seen: HOST_V4 },
  { title: "the host by the bridge's address", from: fromHost, to: "10.77.0.1", seen: "10.77.0.1" },
  { title: "the host by IPv6", from: fromHost, to: HOST_V6, seen: HOST_V6 },
  { title: "the container itself", from: itself, to: HOST_V4, seen: "10.77.0.1" },
  { title: "the container itself by its gateway", from: itself, to: "10.77.0.1", seen: "10.77.0.1" },
  { title: "the container itself, IPv6", from: itself, to: HOST_V6, seen: "fd77::1" },
  { title: "its neighbour", from: neighbour, to: HOST_V4, seen: "10.77.0.1" },
  { title: "its neighbour by the gateway", from: neighbour, to: "10.77.0.1", seen: "10.77.0.1" },
  { title: "its neighbour, IPv6", from: neighbour, to: "fd77::1", seen: "fd77::1" },
];
