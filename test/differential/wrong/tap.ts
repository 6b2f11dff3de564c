/** Configurations of tap with one thing wrong each. */

import { CONFIG, CONFLICT, KERNEL, type PluginWrongs, type Wrong, wrong } from "./wrong.ts";

const list: readonly Wrong[] = [
  wrong("multiQueue", "yes"),
  wrong("mtu", "1500"),
  wrong("mtu", 1.5),
  wrong("mtu", -1),
  wrong("mtu", 67),
  wrong("mtu", 65536),
  wrong("mac", 7),
  wrong("mac", "zz"),
  wrong("mac", "01:00:5e:00:00:01"),
  wrong("owner", "root"),
  wrong("owner", -1),
  wrong("owner", 4294967295, { theirsTakes: "it makes a device without an owner" }),
  wrong("group", 1.5),
  wrong("group", 4294967296),
  wrong("selinuxContext", 7),
  wrong("selinuxContext", "a b"),
  wrong("bridge", 7),
  wrong("bridge", "a/b"),
  wrong("bridge", "there-is-none"),
  wrong("runtimeConfig", "x"),
  wrong("runtimeConfig.mac", "zz"),
  {
    name: "MAC of CNI_ARGS is wrong",
    code: CONFIG,
    args: "MAC=zz",
    says: ["CNI_ARGS", "MAC", '"zz"'],
    config: () => ({}),
  },
  {
    name: "an MTU that a TAP device cannot have",
    code: KERNEL,
    says: ["mtu 65535", '"eth0"', "EINVAL"],
    config: () => ({ mtu: 65535 }),
  },
  {
    name: "a master that can have no ports",
    code: KERNEL,
    says: ["master lo", '"eth0"', "EOPNOTSUPP"],
    config: () => ({ bridge: "lo" }),
  },
  {
    name: "an interface that exists",
    code: CONFLICT,
    says: ['"eth0"', "container"],
    given: (_, container) => container.sh("ip link add eth0 type veth peer name other"),
    config: () => ({}),
    theirsTakes: "it leaves a device of another name",
  },
];

export const tap: PluginWrongs = { type: "tap", list };
