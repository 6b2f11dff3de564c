/** Whether a step of a packet's way is as it should be, in words. Pure. */

import type {
  DestinationHop,
  FilterHop,
  ForwardHop,
  ForwardingHop,
  Hop,
  Leg,
  LinkHop,
  NeighbourHop,
  NodeHop,
  RouteHop,
  SourceHop,
  SwitchHop,
} from "./hop.ts";

export interface Judgement {
  readonly state: "ok" | "wrong" | "unknown";
  /** What is there, as a sentence. */
  readonly text: string;
  /** What to do about what is wrong. */
  readonly remedy?: string;
}

export type JudgedHop = Hop & { readonly judgement: Judgement };

export interface JudgedLeg extends Omit<Leg, "hops"> {
  readonly hops: readonly JudgedHop[];
}

/** Judges each step. */
export function judgeLeg(leg: Leg): JudgedLeg {
  return { ...leg, hops: leg.hops.map((hop) => ({ ...hop, judgement: judgeHop(hop) })) };
}

/** The first step that is wrong. */
export function firstWrong(legs: readonly JudgedLeg[]): JudgedHop | undefined {
  return legs.flatMap(({ hops }) => hops).find(({ judgement }) => judgement.state === "wrong");
}

export function judgeHop(hop: Hop): Judgement {
  switch (hop.kind) {
    case "source":
      return judgeSource(hop);
    case "route":
      return judgeRoute(hop);
    case "link":
      return judgeLink(hop);
    case "neighbour":
      return judgeNeighbour(hop);
    case "forwarding":
      return judgeForwarding(hop);
    case "switch":
      return judgeSwitch(hop);
    case "forward":
      return judgeForward(hop);
    case "filter":
      return judgeFilter(hop);
    case "node":
      return judgeNode(hop);
    case "beyond":
      return unknown(`What lies behind "${hop.link}" cannot be read here`);
    case "unread":
      return unknown(`It goes on here, but what is here cannot be read: ${hop.why}`);
    case "destination":
      return judgeDestination(hop);
  }
}

const ok = (text: string): Judgement => ({ state: "ok", text });
const unknown = (text: string): Judgement => ({ state: "unknown", text });
const wrong = (text: string, remedy: string): Judgement => ({ state: "wrong", text, remedy });

const ATTACH_AGAIN = "Take the pod down and let it start again; tendril check says what else is gone of its attachment";
const RECONCILE = "The agent keeps it: tendril status says whether it runs and what it could not make";

function judgeSource({ address, link }: SourceHop): Judgement {
  return link === undefined
    ? wrong(`No link has the address ${address}`, ATTACH_AGAIN)
    : ok(`${address} is on "${link}"`);
}

function judgeRoute({ destination, source, from, way, refusal }: RouteHop): Judgement {
  if (way !== undefined) {
    const gateway = way.gateway === undefined ? "" : ` via ${way.gateway}`;
    return ok(way.local ? `${destination} is an address here` : `route to ${destination}:${gateway} by "${way.link}"`);
  }
  const isInput = from !== undefined;
  if (refusal === "EXDEV" || (refusal === "EINVAL" && isInput)) {
    return wrong(
      `What comes from ${source} is refused by "${from}": the kernel would send the answer another way (rp_filter), or not at all`,
      `ip route get ${source} shows the way back, which has to be by "${from}"; or sysctl -w net/ipv4/conf/${from}/rp_filter=2`,
    );
  }
  const why = refusal === "ENETUNREACH" || refusal === "EHOSTUNREACH" ? "" : ` (${refusal})`;
  return wrong(`There is no route to ${destination}${why}`, isInput ? RECONCILE : ATTACH_AGAIN);
}

function judgeLink({ name, type, missing, up, carrier }: LinkHop): Judgement {
  if (missing) return wrong(`There is no link "${name}" of type ${type}, which it would come in by`, RECONCILE);
  if (!up) return wrong(`Link "${name}" is down`, `ip link set ${name} up`);
  if (!carrier) return wrong(`Link "${name}" is up, but its other end is down or gone`, "Set the other end up");
  return ok(`link "${name}" is up`);
}

/** @see linux/neighbour.h */
const NUD_INCOMPLETE = 0x01;
const NUD_FAILED = 0x20;

function judgeNeighbour({ link, ip, mac, state = 0, actual, answered, isTunnel }: NeighbourHop): Judgement {
  if (mac !== undefined && (state & (NUD_INCOMPLETE | NUD_FAILED)) === 0) {
    if (actual === undefined || actual === mac) return ok(`neighbour ${ip} on "${link}" is ${mac}`);
    return wrong(
      `Neighbour ${ip} on "${link}" is ${mac}, but the link at the other end has ${actual}`,
      `ip neighbour replace ${ip} lladdr ${actual} dev ${link} nud permanent`,
    );
  }
  if (isTunnel) return wrong(`Tunnel "${link}" has no neighbour entry for ${ip}, and tunnels do not ask`, RECONCILE);
  if (answered === false) {
    const lladdr = actual === undefined ? "MAC" : actual;
    return wrong(
      `There is no neighbour entry for ${ip} on "${link}", and nobody at the other end answers for it`,
      `ip neighbour replace ${ip} lladdr ${lladdr} dev ${link} nud permanent, as the attachment had it`,
    );
  }
  if (answered === undefined && (state & (NUD_INCOMPLETE | NUD_FAILED)) !== 0) {
    return wrong(`Nobody has answered who has ${ip} on "${link}"`, `Is ${ip} up, and in the network of "${link}"?`);
  }
  return ok(`neighbour ${ip} on "${link}" is asked for when it is needed`);
}

function judgeForwarding({ link, mac, remote }: ForwardingHop): Judgement {
  return remote === undefined
    ? wrong(`Tunnel "${link}" has no forwarding entry for ${mac}`, RECONCILE)
    : ok(`tunnel "${link}" sends ${mac} to ${remote}`);
}

function judgeSwitch({ bridge, mac, port, isPort }: SwitchHop): Judgement {
  if (mac === undefined) return unknown(`Who is behind bridge "${bridge}" cannot be told before somebody asks`);
  if (isPort === false)
    return wrong(`Link "${port}" is no port of bridge "${bridge}"`, `ip link set ${port} master ${bridge}`);
  return port === undefined
    ? unknown(`Bridge "${bridge}" does not know by which port ${mac} is reached, and sends to all`)
    : ok(`bridge "${bridge}" sends ${mac} by port "${port}"`);
}

function judgeForward({ family, link, on }: ForwardHop): Judgement {
  if (on === undefined) return unknown(`Whether "${link}" forwards IPv${family} cannot be told`);
  const sysctl = family === 4 ? `net/ipv4/conf/${link}/forwarding` : "net.ipv6.conf.all.forwarding";
  return on
    ? ok(`forwards IPv${family} from "${link}"`)
    : wrong(`What comes by "${link}" is not forwarded in IPv${family}`, `sysctl -w ${sysctl}=1`);
}

function judgeFilter({ verdict: { hook, outcome, by, rewrites }, outer }: FilterHop): Judgement {
  const place = by === undefined ? "" : `chain ${by.chain}`;
  const packet = outer ?? "it";
  if (outcome === "pass") {
    return ok(`rules at ${hook} let ${packet} pass${rewrites === undefined ? "" : ` and rewrite it: ${rewrites}`}`);
  }
  if (outcome === "unknown") {
    return unknown(`Whether rules at ${hook} let ${packet} pass cannot be told: ${place}: ${by?.rule ?? "its policy"}`);
  }
  const dropped = `${outer === undefined ? "Dropped" : `${outer} is dropped`} at ${hook}`;
  if (by?.rule === undefined) {
    return wrong(
      `${dropped} by the policy of ${place}`,
      outer === undefined
        ? "Let a rule of it accept the packet; for the mark of what we accept see tendril doctor"
        : "Let a rule of it accept what nodes send each other in the tunnel",
    );
  }
  return wrong(
    `${dropped} in ${place} by: ${by.rule}`,
    `nft -a list chain ${by.chain.replaceAll('"', "")} shows it with its handle; delete it if it is not meant`,
  );
}

function judgeNode({ destination, owner, remote, leadsTo, byBgp, self, known, outside }: NodeHop): Judgement {
  if (outside)
    return ok(
      `${destination} is of no pool: the packet leaves the cluster${remote === undefined ? "" : ` by ${remote}`}`,
    );
  if (!known) return unknown(`Whose node ${destination} is cannot be told without the cluster's store`);
  if (owner === undefined) {
    return wrong(
      `No node has ${destination}: it is in no claimed block, neither lent nor in use as reserved`,
      "tendril get blocks shows what is claimed; is the address still the pod's?",
    );
  }
  const { name, prefix, gone } = owner;
  if (gone)
    return wrong(`Node "${name}", which has ${prefix}, has been given up`, "tendril get nodes; start its agent");
  if (name === self) {
    return wrong(
      `${destination} is of this node (${prefix}), but no pod here has it`,
      "tendril get pods shows who is here",
    );
  }
  if (remote === undefined)
    return unknown(`${destination} is of node "${name}" (${prefix}); which one it is sent to cannot be told`);
  if (leadsTo === undefined && byBgp)
    return ok(`${prefix} is of node "${name}", and it is sent to ${remote}, which has told of the way by BGP`);
  if (leadsTo !== name) {
    const other = leadsTo === undefined ? "which is no node of the cluster" : `node "${leadsTo}"`;
    return wrong(`It is sent to ${remote}, ${other}, but ${prefix} is of node "${name}"`, RECONCILE);
  }
  return ok(`${prefix} is of node "${name}", and it is sent there, to ${remote}`);
}

function judgeDestination({ address, link, port, listening }: DestinationHop): Judgement {
  if (link === undefined) return wrong(`It arrives, but no link has the address ${address}`, ATTACH_AGAIN);
  if (listening === false) {
    return wrong(
      `It arrives, but nothing listens on TCP port ${port} of ${address}`,
      "Is the program up, and does it listen on this address?",
    );
  }
  return ok(`it arrives at ${address} on "${link}"${listening ? `, and somebody listens on TCP port ${port}` : ""}`);
}
