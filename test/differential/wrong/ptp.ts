/** Configurations of ptp with one thing wrong each. */

import { hostLocal, V4 } from "../../support/attachment-cases.ts";
import { CONFIG, CONFLICT, type PluginWrongs, type Wrong, wrong } from "./wrong.ts";

const list: readonly Wrong[] = [
  wrong("ipMasq", "yes"),
  wrong("ipMasq", 1),
  wrong("ipMasqBackend", 7),
  wrong("ipMasqBackend", "pf", { theirsTakes: "it looks at the backend only with ipMasq" }),
  wrong("mtu", "1500"),
  wrong("mtu", 1.5),
  wrong("mtu", -1, { theirsTakes: "it takes the kernel's default" }),
  wrong("mtu", 67),
  wrong("mtu", 65536),
  { name: "no ipam", code: CONFIG, says: ['"ipam"', "is missing"], config: () => ({}) },
  { name: "an empty ipam", code: CONFIG, says: ['"ipam"', "is missing"], config: () => ({ ipam: {} }) },
  {
    name: "an address without a gateway",
    code: CONFIG,
    says: ['"ipam"', "gateway", '"10.77.0.9/24"'],
    config: () => ({ ipam: { type: "static", addresses: [{ address: "10.77.0.9/24" }] } }),
  },
  {
    name: "one of two addresses without a gateway",
    code: CONFIG,
    says: ['"ipam"', "gateway", '"fd77::9/64"'],
    config: () => ({
      ipam: {
        type: "static",
        addresses: [{ address: "10.77.0.9/24", gateway: "10.77.0.1" }, { address: "fd77::9/64" }],
      },
    }),
  },
  {
    name: "an interface that exists",
    code: CONFLICT,
    says: ['"eth0"', "container"],
    given: (_, container) => container.sh("ip link add eth0 type veth peer name other"),
    config: (host) => ({ ipam: hostLocal(host, V4) }),
  },
];

export const ptp: PluginWrongs = { type: "ptp", list };
