/** The names under which the executable is a plugin. */
export const pluginTypes = [
  "bandwidth",
  "bridge",
  "firewall",
  "host-local",
  "loopback",
  "ptp",
  "static",
  "tuning",
] as const;

export type PluginType = (typeof pluginTypes)[number];
