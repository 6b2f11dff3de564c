/** Follows a packet from a pod, step by step, and writes down what it finds. Nothing here judges. */

import { familyOf } from "../core/ip.ts";
import type { KernelLink } from "../linux/netlink/rtnetlink/link/link.ts";
import { type At, answers, isBridged, listens, peerOf } from "./at.ts";
import { verdictAt } from "./filter.ts";
import type { Hop, Leg, NeighbourHop, NodeHop, Tunnel } from "./hop.ts";
import { nodeHop } from "./node-hop.ts";
import type { Packet } from "./packet.ts";
import { asksNobody, hasCarrier, isUp, type View } from "./view.ts";

/** An end of the way. */
export interface End {
  readonly name: string;
  readonly address: string;
  /** Absent when it is not on this host. */
  readonly view?: View;
}

/** What the cluster's documents say. */
export interface Cluster {
  /** The node that has an address of pods. */
  readonly ownerOf: (address: string) => NodeHop["owner"];
  /** The node whose address it is, in the fabric or of its end of a tunnel. */
  readonly nodeAt: (address: string) => string | undefined;
  /** Whether an address is one of a pool. */
  readonly isOfPods: (address: string) => boolean;
  /** The node of this host. */
  readonly self?: string;
}

/** How a packet comes from another node. */
export interface Arrival {
  /** The address of that node that it is sent from, and that of this node that it is sent to. */
  readonly sender: string;
  readonly receiver: string;
  /** As the sender has it; absent when it is sent as it is. */
  readonly tunnel?: Tunnel | undefined;
}

export interface WalkQuestion {
  readonly host: View;
  readonly from: End;
  /** Absent when the packet comes from a pod of this host. */
  readonly arrival?: Arrival;
  readonly to: End;
  /** Of TCP; without one the packet is a ping. */
  readonly port?: number;
  /** Whether it is the answer to a packet that has arrived. */
  readonly isAnswer: boolean;
  readonly cluster: Cluster | undefined;
}

/** Follows the packet as far as this host's kernel knows. Throws KernelError, UnknownContainerError. */
export function walk(question: WalkQuestion): Leg {
  const { from, to, arrival } = question;
  const walker = new Walker(question);
  if (arrival === undefined) walker.start();
  else walker.comeIn(arrival);
  return { from: from.name, to: to.name, source: from.address, destination: to.address, hops: walker.hops };
}

class Walker {
  readonly hops: Hop[] = [];
  readonly #question: WalkQuestion;
  #mark: number | undefined = 0;

  constructor(question: WalkQuestion) {
    this.#question = question;
  }

  /** In the pod: its address, its route, its link, its neighbour. */
  start(): void {
    const { from, to, host } = this.#question;
    const { view } = from;
    const where = from.name;
    const own = view?.linkOf(from.address);
    this.hops.push({ kind: "source", where, address: from.address, ...(own !== undefined && { link: own }) });
    if (view === undefined || own === undefined) return;
    const next = this.#route(where, view, { destination: to.address, source: from.address });
    if (next === undefined) return;
    this.#link(where, next.link);
    const at = { view, link: next.link };
    const peer = peerOf(at, host);
    const mac = this.#neighbour(where, at, next.gateway ?? to.address, peer);
    if (peer === undefined) this.hops.push({ kind: "beyond", where, link: next.link.name });
    else this.#enterHost(peer.link, next.gateway === undefined, mac);
  }

  /** On the host, from another node: by the link that the way back leads to, and out of the tunnel that it was sent into. */
  comeIn({ sender, receiver, tunnel }: Arrival): void {
    const { host } = this.#question;
    const back = host.lookUp({ destination: sender }).route;
    const link = host.link(back?.outputIndex);
    if (link === undefined) {
      this.#route(host.name, host, { destination: sender });
      return;
    }
    this.#link(host.name, link);
    if (tunnel === undefined) {
      this.#throughHost(link);
      return;
    }
    const { name, type } = tunnel;
    const end = host.links.find((one) => one.name === name && one.info?.kind === type);
    if (end === undefined) {
      this.hops.push({ kind: "link", where: host.name, name, type, missing: true, up: false, carrier: false });
      return;
    }
    if (type === "vxlan") this.#filterOuter(link.name, { sender, receiver, port: end.info?.vxlan?.port ?? VXLAN_PORT });
    this.#link(host.name, end);
    this.#throughHost(end);
  }

  /** On the host, by the end of the pod's pair, which may be a bridge's port. */
  #enterHost(peer: KernelLink, isOnLink: boolean, mac: string | undefined): void {
    const { host, to } = this.#question;
    this.#link(host.name, peer);
    const bridge = peer.master === undefined ? undefined : host.link(peer.master);
    if (bridge?.info?.kind !== "bridge") {
      this.#throughHost(peer);
      return;
    }
    this.#link(host.name, bridge);
    if (!isOnLink || host.linkOf(to.address) !== undefined) this.#throughHost(bridge);
    else this.#switch(bridge, mac, peer.name);
  }

  /** Forwarding, the rules, the route. */
  #throughHost(input: KernelLink): void {
    const { host, from, to, cluster } = this.#question;
    const where = host.name;
    const family = familyOf(to.address);
    this.#filter("prerouting", { input: input.name });
    const target = host.linkOf(to.address);
    if (target === undefined) {
      const name = family === 4 ? `net/ipv4/conf/${input.name}/forwarding` : "net/ipv6/conf/all/forwarding";
      const value = host.sysctl(name);
      const on = value === undefined ? undefined : value !== "0";
      this.hops.push({ kind: "forward", where, family, link: input.name, on });
      if (on === false) return;
    }
    const question = { destination: to.address, source: from.address, input: input.index };
    const next = this.#route(where, host, question, input.name);
    if (next === undefined) return;
    const through = { input: input.name, output: next.link.name };
    this.#filter("forward", through);
    this.#filter("postrouting", through);
    this.#link(where, next.link);
    const at = { view: host, link: next.link };
    const peer = to.view && peerOf(at, to.view);
    if (peer !== undefined) {
      this.#neighbour(where, at, next.gateway ?? to.address, peer);
      this.#arrive(peer);
    } else if (next.link.info?.kind === "bridge" && next.gateway === undefined) {
      const mac = this.#neighbour(where, at, to.address, undefined);
      this.#switch(next.link, mac, undefined);
    } else {
      const leaves = this.#leave(next.link, next.gateway);
      const byBgp = leaves.tunnel === undefined && host.isToldByBgp(to.address);
      this.hops.push(nodeHop(cluster, { where, destination: to.address, ...leaves, ...(byBgp && { byBgp }) }));
    }
  }

  /** Out of the host; returns the address of the node that it goes to, and the tunnel that it goes by. */
  #leave(link: KernelLink, gateway: string | undefined): Pick<NodeHop, "remote" | "tunnel"> {
    const { host, to } = this.#question;
    const where = host.name;
    const kind = link.info?.kind ?? "";
    const by = { tunnel: { name: link.name, type: kind } };
    if (TUNNELS_BY_ADDRESS.has(kind)) {
      if (gateway === undefined) return by;
      this.#underlay(gateway);
      return { remote: gateway, ...by };
    }
    const mac = this.#neighbour(where, { view: host, link }, gateway ?? to.address, undefined);
    if (kind !== "vxlan") return gateway === undefined ? {} : { remote: gateway };
    if (mac === undefined) return by;
    const remote = host.tunnelRemote(link.index, mac);
    const entry = { kind: "forwarding", where, link: link.name, mac } as const;
    this.hops.push({ ...entry, ...(remote !== undefined && { remote }) });
    if (remote === undefined) return by;
    this.#underlay(remote);
    return { remote, ...by };
  }

  /** The way of what a tunnel sends. */
  #underlay(remote: string): void {
    const { host } = this.#question;
    const next = this.#route(host.name, host, { destination: remote });
    if (next === undefined) return;
    this.#link(host.name, next.link);
    if (!asksNobody(next.link)) {
      this.#neighbour(host.name, { view: host, link: next.link }, next.gateway ?? remote, undefined);
    }
  }

  /** From a bridge out of one of its ports: that which the bridge has learnt, else that of the pod's pair. */
  #switch(bridge: KernelLink, asked: string | undefined, input: string | undefined): void {
    const { host, to } = this.#question;
    const where = host.name;
    const end = this.#holder(to.address);
    const pair = end && peerOf(end, host)?.link;
    const mac = asked ?? end?.link.address;
    const learnt = mac === undefined ? undefined : host.bridgePort(bridge.index, mac);
    const port = learnt ?? (mac !== undefined && mac === end?.link.address ? pair : undefined);
    const isPort = port !== undefined && port.master === bridge.index;
    this.hops.push({
      kind: "switch",
      where,
      bridge: bridge.name,
      ...(mac !== undefined && { mac }),
      ...(port !== undefined && { port: port.name, isPort }),
    });
    if (port === undefined || !isPort) return;
    if (input !== undefined) {
      this.#filter("forward", { input, output: port.name }, "bridge");
      const family = familyOf(to.address) === 4 ? "iptables" : "ip6tables";
      // The module br_netfilter sends frames the way of packets.
      if (host.sysctl(`net/bridge/bridge-nf-call-${family}`) === "1") {
        this.#filter("forward", { input: bridge.name, output: bridge.name });
      }
    }
    this.#link(where, port);
    const peer = to.view && peerOf({ view: host, link: port }, to.view);
    if (peer !== undefined) this.#arrive(peer);
    else this.hops.push({ kind: "beyond", where, link: port.name });
  }

  /** The link that has an address, on the host or in one of the pods. */
  #holder(ip: string): At | undefined {
    const { host, from, to } = this.#question;
    for (const view of [host, to.view, from.view]) {
      const name = view?.linkOf(ip);
      const link = view?.links.find((one) => one.name === name);
      if (view !== undefined && link !== undefined) return { view, link };
    }
    return undefined;
  }

  #arrive({ view, link }: At): void {
    const { to, port, isAnswer } = this.#question;
    this.#link(to.name, link);
    const own = view.linkOf(to.address);
    this.hops.push({
      kind: "destination",
      where: to.name,
      address: to.address,
      arrivesBy: link.name,
      ...(own !== undefined && { link: own }),
      ...(port !== undefined && !isAnswer && { port, listening: listens(view, to.address, port) }),
    });
  }

  /** The link that the route leaves by, and its gateway; undefined where the way ends. */
  #route(
    where: string,
    view: View,
    question: { destination: string; source?: string; input?: number },
    from?: string,
  ): { readonly link: KernelLink; readonly gateway?: string } | undefined {
    const { destination, source } = question;
    const { route, refusal } = view.lookUp(question);
    const asked = { kind: "route", where, destination } as const;
    const known = { ...(source !== undefined && { source }), ...(from !== undefined && { from }) };
    if (route === undefined) {
      this.hops.push({ ...asked, ...known, refusal: refusal ?? "unknown" });
      return undefined;
    }
    const gateway = route.gateway === undefined ? {} : { gateway: route.gateway };
    const way = { link: view.linkName(route.outputIndex), local: route.local, ...gateway };
    this.hops.push({ ...asked, ...known, way });
    const link = view.link(route.outputIndex);
    return link === undefined || route.local ? undefined : { link, ...gateway };
  }

  #link(where: string, link: KernelLink): void {
    const { name, info } = link;
    const type = info?.kind === undefined ? {} : { type: info.kind };
    this.hops.push({ kind: "link", where, name, ...type, up: isUp(link), carrier: hasCarrier(link) });
  }

  /** Returns the link-layer address, or that of the other end when the kernel has to ask for it. */
  #neighbour(where: string, { view, link }: At, ip: string, peer: At | undefined): string | undefined {
    if (asksNobody(link)) return undefined;
    const entry = view.neighbour(link.index, ip);
    // A pair without a bridge has one other end, whoever's the address is; behind a bridge it is who has it.
    const end = peer?.link.master === undefined ? peer : undefined;
    const actual = (end ?? (isBridged(link, peer?.link) ? this.#holder(ip) : undefined))?.link.address;
    const hop: NeighbourHop = {
      kind: "neighbour",
      where,
      link: link.name,
      ip,
      isTunnel: link.info?.kind === "vxlan",
      ...(entry?.linkAddress !== undefined && { mac: entry.linkAddress }),
      ...(entry !== undefined && { state: entry.state }),
      ...(actual !== undefined && { actual }),
      ...(end !== undefined && { answered: answers(end, ip) }),
    };
    this.hops.push(hop);
    return entry?.linkAddress;
  }

  #filter(
    hook: "prerouting" | "forward" | "postrouting",
    links: { readonly input?: string; readonly output?: string },
    layer: "ip" | "bridge" = "ip",
  ): void {
    const { host, from, to, port, isAnswer } = this.#question;
    const packet: Packet = {
      family: familyOf(to.address),
      source: from.address,
      destination: to.address,
      protocol: port === undefined ? "icmp" : "tcp",
      state: isAnswer ? "established" : "new",
      mark: this.#mark,
      ...links,
      ...(port !== undefined && (isAnswer ? { sourcePort: port } : { destinationPort: port })),
    };
    const verdict = verdictAt(host.ruleset, hook, packet, layer);
    this.#mark = verdict.mark;
    if (verdict.chains.length > 0) this.hops.push({ kind: "filter", where: host.name, verdict });
  }

  /** The tunnel's own packet, which is for the host. */
  #filterOuter(input: string, { sender, receiver, port }: { sender: string; receiver: string; port: number }): void {
    const { host } = this.#question;
    const packet: Packet = {
      family: familyOf(receiver),
      source: sender,
      destination: receiver,
      protocol: "udp",
      destinationPort: port,
      state: "new",
      mark: 0,
      isForHost: true,
      input,
    };
    for (const hook of ["prerouting", "input"] as const) {
      const verdict = verdictAt(host.ruleset, hook, packet);
      const outer = `UDP to port ${port}`;
      if (verdict.chains.length > 0) this.hops.push({ kind: "filter", where: host.name, verdict, outer });
    }
  }
}

/** Tunnels whose route names the other end as its gateway. */
const TUNNELS_BY_ADDRESS: ReadonlySet<string> = new Set(["ipip", "sit", "gre", "ip6tnl"]);

/** @see RFC 7348 */
const VXLAN_PORT = 4789;
