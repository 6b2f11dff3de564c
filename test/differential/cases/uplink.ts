/** A link of the host to nowhere that others are made from. */

import type { Fields } from "./case.ts";

/** `number` tells several from each other. */
export function uplink(name: string, number = 0): string {
  const macs = [`02:00:00:00:77:0${number}`, `02:00:00:00:78:0${number}`];
  return (
    `ip link add ${name} address ${macs[0]} type veth peer name far-${name} address ${macs[1]}` +
    ` && ip link set ${name} up && ip link set far-${name} up`
  );
}

export const UP = uplink("up9");

export const onUplink: Fields = { master: "up9" };
