/** Configurations of ipvlan, and machines, with one thing wrong each. */

import { hostLocal, V4 } from "../../support/attachment-cases.ts";
import { kernelLink } from "../../support/kernel.ts";
import { CONFIG, CONFLICT, type PluginWrongs, type Wrong, wrong } from "./wrong.ts";

/** What the Go plugin leaves to the kernel, which has to know such links. */
const need = kernelLink("ipvlan");

const list: readonly Wrong[] = [
  wrong("master", 7),
  wrong("master", "a/b"),
  wrong("master", "there-is-none"),
  {
    name: "no master, and no default route",
    code: CONFIG,
    says: ['"master"', "is missing", "host", "default route"],
    config: (host) => ({ master: "", ipam: hostLocal(host, V4) }),
  },
  {
    name: "a master that is in the host, not in the container",
    code: CONFIG,
    says: ['"master"', '"up0"', "container"],
    config: (host) => ({ linkInContainer: true, ipam: hostLocal(host, V4) }),
  },
  wrong("linkInContainer", "yes"),
  wrong("mode", "l4"),
  wrong("mode", 4),
  wrong("mtu", "1500"),
  wrong("mtu", 1.5),
  wrong("mtu", -1, { need, theirsTakes: "it takes the kernel's default" }),
  wrong("mtu", 67, { need }),
  wrong("mtu", 1501, { need, theirsTakes: "it makes an interface whose packets its master cannot send" }),
  { name: "no ipam, and no addresses of the plugin before", code: CONFIG, says: ['"ipam"', "is missing"] },
  {
    name: "several interfaces of the plugin before",
    code: CONFIG,
    says: ['"master"', "one interface", '"other0"'],
    config: () => ({
      master: undefined,
      prevResult: {
        cniVersion: "1.1.0",
        interfaces: [{ name: "up0" }, { name: "other0" }],
        ips: [{ address: "10.77.0.9/24" }],
      },
    }),
  },
  {
    name: "an interface that exists",
    code: CONFLICT,
    says: ['"eth0"', "container"],
    given: (_, container) => container.sh("ip link add eth0 type veth peer name other"),
    config: (host) => ({ ipam: hostLocal(host, V4) }),
    need,
  },
];

export const ipvlan: PluginWrongs = {
  type: "ipvlan",
  base: { master: "up0" },
  given: "ip link add up0 type veth peer name far0 && ip link set up0 up && ip link set far0 up",
  list,
};
