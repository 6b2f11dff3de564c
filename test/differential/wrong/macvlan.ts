/** Configurations of macvlan, and machines, with one thing wrong each. */

import { hostLocal, V4 } from "../../support/attachment-cases.ts";
import { CONFIG, CONFLICT, type PluginWrongs, type Wrong, wrongValueIn } from "./wrong.ts";

const wrong = wrongValueIn((host) => ({ ipam: hostLocal(host, V4) }));

const list: readonly Wrong[] = [
  wrong("master", 7),
  wrong("master", "a/b"),
  wrong("master", "there-is-none"),
  {
    name: "no master, and no default route",
    code: CONFIG,
    says: ['"master"', "is missing", "host", "default route"],
    config: () => ({ master: "" }),
  },
  {
    name: "no master, and no default route in the container",
    code: CONFIG,
    says: ['"master"', "is missing", "container", "default route"],
    config: () => ({ master: undefined, linkInContainer: true }),
  },
  {
    name: "a master that is in the host, not in the container",
    code: CONFIG,
    says: ['"master"', '"up0"', "container"],
    config: () => ({ linkInContainer: true }),
  },
  wrong("linkInContainer", "yes"),
  wrong("linkInContainer", 1),
  wrong("mode", "bridged"),
  wrong("mode", "source"),
  wrong("mode", 4),
  wrong("mtu", "1500"),
  wrong("mtu", 1.5),
  wrong("mtu", -1),
  wrong("mtu", 67),
  wrong("mtu", 1501),
  wrong("bcqueuelen", -1),
  wrong("bcqueuelen", "5"),
  wrong("bcqueuelen", 4294967296),
  wrong("mac", 7),
  wrong("mac", "zz"),
  wrong("mac", "01:00:5e:00:00:01"),
  wrong("runtimeConfig.mac", 7),
  wrong("runtimeConfig.mac", "zz"),
  wrong("args.cni.mac", "zz", { theirsTakes: "it does not read args.cni" }),
  {
    name: "MAC of CNI_ARGS is wrong",
    code: CONFIG,
    args: "MAC=zz",
    says: ["CNI_ARGS", "MAC", '"zz"'],
    config: () => ({}),
  },
  {
    name: "a master that is a port of a bridge",
    code: CONFLICT,
    says: ['"up0"', "in use"],
    given: (host) => host.netns.sh("ip link add br0 type bridge && ip link set up0 master br0"),
    config: (host) => ({ ipam: hostLocal(host, V4) }),
  },
  {
    name: "mode passthru on a master that has a macvlan",
    code: CONFLICT,
    says: ['"up0"', "in use"],
    given: (host) => host.netns.sh("ip link add link up0 name other type macvlan mode bridge"),
    config: (host) => ({ mode: "passthru", ipam: hostLocal(host, V4) }),
  },
  {
    name: "an interface that exists",
    code: CONFLICT,
    says: ['"eth0"', "container"],
    given: (_, container) => container.sh("ip link add eth0 type veth peer name other"),
    config: (host) => ({ ipam: hostLocal(host, V4) }),
  },
];

export const macvlan: PluginWrongs = {
  type: "macvlan",
  base: { master: "up0" },
  given: "ip link add up0 type veth peer name far0 && ip link set up0 up && ip link set far0 up",
  list,
};
