/** Configurations of vlan, and machines, with one thing wrong each. */

import { hostLocal, V4 } from "../../support/attachment-cases.ts";
import { kernelLink } from "../../support/kernel.ts";
import { CONFIG, CONFLICT, type PluginWrongs, TRY_AGAIN, type Wrong, wrong } from "./wrong.ts";

/** What the Go plugin leaves to the kernel, which has to know such links. */
const need = kernelLink("vlan");

const list: readonly Wrong[] = [
  wrong("master", 7),
  wrong("master", "a/b"),
  wrong("master", "there-is-none"),
  {
    name: "no master",
    code: CONFIG,
    says: ['"master"', "is missing"],
    config: (host) => ({ master: "", ipam: hostLocal(host, V4) }),
  },
  {
    name: "a master that is in the host, not in the container",
    code: CONFIG,
    says: ['"master"', '"up0"', "container"],
    config: (host) => ({ linkInContainer: true, ipam: hostLocal(host, V4) }),
  },
  wrong("linkInContainer", "yes"),
  wrong("vlanId", "5"),
  wrong("vlanId", 1.5),
  wrong("vlanId", -1),
  wrong("vlanId", 4095),
  wrong("mtu", "1500"),
  wrong("mtu", 1.5),
  wrong("mtu", -1),
  wrong("mtu", 1501),
  { name: "no ipam", code: CONFIG, says: ['"ipam"', "is missing"] },
  {
    name: "a master that is down",
    code: TRY_AGAIN,
    says: ["VLAN 5", '"up0"', "is down"],
    given: (host) => host.netns.sh("ip link set up0 down"),
    config: (host) => ({ ipam: hostLocal(host, V4) }),
    need,
  },
  {
    name: "a VLAN that the master has already",
    code: CONFLICT,
    says: ['"up0"', "VLAN 5"],
    given: (host) => host.netns.sh("ip link add link up0 name other type vlan id 5"),
    config: (host) => ({ ipam: hostLocal(host, V4) }),
    need,
  },
];

export const vlan: PluginWrongs = {
  type: "vlan",
  base: { master: "up0", vlanId: 5 },
  given: "ip link add up0 type veth peer name far0 && ip link set up0 up && ip link set far0 up",
  list,
};
