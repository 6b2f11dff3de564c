/** Settings of links that are there: flags, MAC, MTU, the transmit queue's length, and those of a bridge's port. */

import type { LinkSettings, LinkSettingsResource } from "../core/plan.ts";
import type { NetlinkRequest } from "../linux/netlink/message.ts";
import {
  changeLink,
  IFF_ALLMULTI,
  IFF_PROMISC,
  IFF_UP,
  type KernelLink,
  settleCarrier,
} from "../linux/netlink/rtnetlink/link/link.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const linkSettings: ResourceKind<LinkSettingsResource> = {
  ensure({ where, link, set }, kernel, undo) {
    // On a link that was just made nothing is set yet, and what is set goes with it.
    const before = kernel.hasMade(where, link) ? undefined : kernel.link(where, link);
    if (before !== undefined && differences(set, before).length === 0) return;
    kernel.post(where, change(link, set), (error) => {
      kernel.changed(where, link);
      // Of several settings the kernel may have changed some before it refused another.
      if (before !== undefined) undo(() => kernel.execute(where, change(link, valuesOf(before, set)), "ENODEV"));
      if (error !== undefined) throw error;
    });
    if (set.up) kernel.post(where, settleCarrier(link), () => {});
  },
  verify({ where, link, set }, kernel) {
    if (!kernel.has(where)) return ["the container's network namespace is gone"];
    const found = kernel.link(where, link);
    if (found === undefined) return [`link "${link}" is gone`];
    const present = valuesOf(found, set);
    return differences(set, found).map((name) => finding(link, name, present[name], set[name]));
  },
  remove({ where, link, restore }, kernel) {
    if (restore !== undefined && kernel.has(where)) kernel.execute(where, change(link, restore), "ENODEV");
  },
  describe: ({ where, link, set }, naming) => commands(link, set).map((command) => commandIn(where, command, naming)),
  describeRemoval: ({ where, link, restore = {} }, naming) =>
    commands(link, restore).map((command) => commandIn(where, command, naming)),
  carrier: ({ where, link, restore }) => (restore === undefined ? { where, link } : undefined),
};

function change(name: string, set: LinkSettings): NetlinkRequest {
  const flags = (set.up ? IFF_UP : 0) | (set.promisc ? IFF_PROMISC : 0) | (set.allmulticast ? IFF_ALLMULTI : 0);
  const changed =
    (set.up === undefined ? 0 : IFF_UP) |
    (set.promisc === undefined ? 0 : IFF_PROMISC) |
    (set.allmulticast === undefined ? 0 : IFF_ALLMULTI);
  const isPort = set.hairpin !== undefined || set.isolated !== undefined;
  const info = isPort
    ? { portKind: "bridge", bridgePort: { hairpin: set.hairpin, isolated: set.isolated } }
    : undefined;
  const { mac: address, mtu, txQueueLength: transmitQueueLength } = set;
  const request = changeLink({ name, address, mtu, transmitQueueLength, flags, change: changed, info });
  return {
    ...request,
    // Said when the kernel refuses, which is rare.
    get operation() {
      return `${request.operation} to ${[...linkWords(set), ...portWords(set)].join(" ")}`;
    },
  };
}

/** What a link has for each of the settings in `which`. */
function valuesOf(link: KernelLink, which: LinkSettings): LinkSettings {
  const { flags, info } = link;
  const asked = <T>(name: keyof LinkSettings, value: T) => (which[name] === undefined ? undefined : value);
  return {
    up: asked("up", (flags & IFF_UP) !== 0),
    promisc: asked("promisc", (flags & IFF_PROMISC) !== 0),
    allmulticast: asked("allmulticast", (flags & IFF_ALLMULTI) !== 0),
    mac: asked("mac", link.address),
    mtu: asked("mtu", link.mtu),
    txQueueLength: asked("txQueueLength", link.transmitQueueLength),
    hairpin: asked("hairpin", info?.bridgePort?.hairpin ?? false),
    isolated: asked("isolated", info?.bridgePort?.isolated ?? false),
  };
}

function differences(wanted: LinkSettings, link: KernelLink): (keyof LinkSettings)[] {
  const found = valuesOf(link, wanted);
  const names: (keyof LinkSettings)[] = [];
  for (const name of Object.keys(found) as (keyof LinkSettings)[]) if (found[name] !== wanted[name]) names.push(name);
  return names;
}

const TITLES: Partial<Record<keyof LinkSettings, string>> = {
  mac: "MAC",
  mtu: "MTU",
  txQueueLength: "transmit queue length",
};

function finding(link: string, name: keyof LinkSettings, found: unknown, wanted: unknown): string {
  if (name === "up") return `link "${link}" is ${wanted ? "down" : "up"}`;
  const title = TITLES[name];
  if (title === undefined) return `${name} of link "${link}" is ${wanted ? "off" : "on"}`;
  return `link "${link}" has ${title} ${found}, not ${wanted}`;
}

function commands(link: string, set: LinkSettings): string[] {
  const words = linkWords(set);
  const port = portWords(set);
  return [
    ...(words.length === 0 ? [] : [`ip link set dev ${link} ${words.join(" ")}`]),
    ...(port.length === 0 ? [] : [`bridge link set dev ${link} ${port.join(" ")}`]),
  ];
}

/** As ip-link(8) has them. */
function linkWords(set: LinkSettings): string[] {
  return [
    ...(set.mac === undefined ? [] : [`address ${set.mac}`]),
    ...(set.mtu === undefined ? [] : [`mtu ${set.mtu}`]),
    ...(set.txQueueLength === undefined ? [] : [`txqueuelen ${set.txQueueLength}`]),
    ...(set.allmulticast === undefined ? [] : [`allmulticast ${onOff(set.allmulticast)}`]),
    ...(set.promisc === undefined ? [] : [`promisc ${onOff(set.promisc)}`]),
    ...(set.up === undefined ? [] : [set.up ? "up" : "down"]),
  ];
}

/** As bridge(8) has them. */
function portWords(set: LinkSettings): string[] {
  return [
    ...(set.hairpin === undefined ? [] : [`hairpin ${onOff(set.hairpin)}`]),
    ...(set.isolated === undefined ? [] : [`isolated ${onOff(set.isolated)}`]),
  ];
}

function onOff(value: boolean): string {
  return value ? "on" : "off";
}
