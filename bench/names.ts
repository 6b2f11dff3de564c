/** The measurements by name, in the order of the report; those that fill the machine come last. */
export const measurementNames = [
  "version",
  "bridge",
  "masquerade",
  "plugins",
  "chain",
  "burst",
  "chain-burst",
  "host-ports",
  "host-port-traffic",
  "addresses",
  "many-pods",
  "chain-many-pods",
  "cluster-attach",
  "cluster-burst",
  "cluster-scale",
  "mode-traffic",
] as const;

export type MeasurementName = (typeof measurementNames)[number];
