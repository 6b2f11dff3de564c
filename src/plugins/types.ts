/** The names under which the executable is a plugin. */
export const pluginTypes = [
  "bandwidth",
  "bridge",
  "dummy",
  "firewall",
  "host-device",
  "host-local",
  "ipvlan",
  "loopback",
  "macvlan",
  "portmap",
  "ptp",
  "sbr",
  "static",
  "tap",
  "tuning",
  "vlan",
  "vrf",
] as const;

export type PluginType = (typeof pluginTypes)[number];
