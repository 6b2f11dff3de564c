/** Settings of links that are there: up, promiscuous, and those of a bridge's port. */

import type { LinkSettings, LinkSettingsResource } from "../core/plan.ts";
import type { NetlinkRequest } from "../linux/netlink/message.ts";
import { changeLink, IFF_PROMISC, IFF_UP, type KernelLink } from "../linux/netlink/rtnetlink/link/link.ts";
import { commandIn, type ResourceKind } from "./resource.ts";

export const linkSettings: ResourceKind<LinkSettingsResource> = {
  ensure({ where, link, set }, kernel, undo) {
    // On a link that was just made nothing is set yet, and what is set goes with it.
    const before = kernel.hasMade(where, link) ? undefined : kernel.link(where, link);
    if (before !== undefined && differences(set, before).length === 0) return;
    kernel.post(where, change(link, set), (error) => {
      if (error !== undefined) throw error;
      kernel.changed(where, link);
      if (before !== undefined) undo(() => kernel.execute(where, change(link, valuesOf(before, set)), "ENODEV"));
    });
  },
  verify({ where, link, set }, kernel) {
    if (!kernel.has(where)) return ["the container's network namespace is gone"];
    const found = kernel.link(where, link);
    if (found === undefined) return [`link "${link}" is gone`];
    return differences(set, found).map((name) => {
      if (name === "up") return `link "${link}" is ${set.up ? "down" : "up"}`;
      return `${name} of link "${link}" is ${set[name] ? "off" : "on"}`;
    });
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
  const flags = (set.up ? IFF_UP : 0) | (set.promisc ? IFF_PROMISC : 0);
  const changed = (set.up === undefined ? 0 : IFF_UP) | (set.promisc === undefined ? 0 : IFF_PROMISC);
  const isPort = set.hairpin !== undefined || set.isolated !== undefined;
  const info = isPort
    ? { portKind: "bridge", bridgePort: { hairpin: set.hairpin, isolated: set.isolated } }
    : undefined;
  return changeLink({ name, flags, change: changed, info });
}

/** What a link has for each of the settings in `which`. */
function valuesOf({ flags, info }: KernelLink, which: LinkSettings): LinkSettings {
  const asked = (name: keyof LinkSettings, value: boolean) => (which[name] === undefined ? undefined : value);
  return {
    up: asked("up", (flags & IFF_UP) !== 0),
    promisc: asked("promisc", (flags & IFF_PROMISC) !== 0),
    hairpin: asked("hairpin", info?.bridgePort?.hairpin ?? false),
    isolated: asked("isolated", info?.bridgePort?.isolated ?? false),
  };
}

function differences(wanted: LinkSettings, link: KernelLink): (keyof LinkSettings)[] {
  const found = valuesOf(link, wanted);
  return (Object.keys(found) as (keyof LinkSettings)[]).filter((name) => found[name] !== wanted[name]);
}

function commands(link: string, set: LinkSettings): string[] {
  const words = [
    ...(set.promisc === undefined ? [] : [`promisc ${onOff(set.promisc)}`]),
    ...(set.up === undefined ? [] : [set.up ? "up" : "down"]),
  ];
  const port = [
    ...(set.hairpin === undefined ? [] : [`hairpin ${onOff(set.hairpin)}`]),
    ...(set.isolated === undefined ? [] : [`isolated ${onOff(set.isolated)}`]),
  ];
  return [
    ...(words.length === 0 ? [] : [`ip link set dev ${link} ${words.join(" ")}`]),
    ...(port.length === 0 ? [] : [`bridge link set dev ${link} ${port.join(" ")}`]),
  ];
}

function onOff(value: boolean): string {
  return value ? "on" : "off";
}
