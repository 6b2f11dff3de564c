/** Configurations of host-device with one thing wrong each. */

import { hostLocal, V4 } from "../../support/attachment-cases.ts";
import { CONFIG, CONFLICT, KERNEL, type PluginWrongs, type Wrong, wrongValueIn } from "./wrong.ts";

const wrong = wrongValueIn(() => ({}));

const list: readonly Wrong[] = [
  { name: "no device", code: CONFIG, says: ['"device"', '"hwaddr"', "is missing"], config: () => ({}) },
  wrong("device", 7),
  wrong("device", "a/b"),
  wrong("device", "a name longer than the kernel's"),
  wrong("device", "there-is-none"),
  wrong("hwaddr", 7),
  wrong("hwaddr", "02:00:5e:00:53"),
  wrong("hwaddr", "02:00:5e:00:53:99"),
  wrong("kernelpath", 7),
  wrong("kernelpath", "/sys/class/net/ens0"),
  wrong("kernelpath", "/sys/devices/there/is/none"),
  wrong("pciBusID", 7),
  wrong("pciBusID", "0000:99:00.0"),
  wrong("runtimeConfig", "x"),
  wrong("runtimeConfig.deviceID", 7),
  wrong("runtimeConfig.deviceID", "0000:99:00.0"),
  {
    name: "a link that cannot leave its namespace",
    code: KERNEL,
    says: ['"br0"', "EINVAL"],
    given: (host) => host.netns.sh("ip link add br0 type bridge"),
    config: () => ({ device: "br0" }),
  },
  {
    name: "an interface that exists",
    code: CONFLICT,
    says: ['"eth0"', "container"],
    given: (_, container) => container.sh("ip link add eth0 type veth peer name other"),
    config: (host) => ({ device: "ens0", ipam: hostLocal(host, V4) }),
  },
];

export const hostDevice: PluginWrongs = {
  type: "host-device",
  given: "ip link add ens0 type veth peer name wire0",
  list,
};
