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
  "many-pods",
  "chain-many-pods",
] as const;

export type MeasurementName = (typeof measurementNames)[number];
