/** Configurations of tuning with one thing wrong each, and the error that it has to answer with. */

import type { Host } from "../../support/plugin-calls.ts";
import { CONFIG, KERNEL, type PluginWrongs, type Wrong, wrongValueIn } from "./wrong.ts";

const MAC = "02:00:5e:00:53:01";
const prevResult = { interfaces: [{ name: "eth0", mac: MAC, sandbox: "/run/netns/c1" }] };
/** The Go plugin leaves a file in the folder when an ADD has failed. */
const right = (host: Host) => ({ prevResult, dataDir: host.path("tuning") });
const wrong = wrongValueIn(right);

/** With an interface in the container, so that nothing else is wrong. */
const given: Wrong["given"] = (_, container) => container.sh("ip link add eth0 type veth peer name other");

const withFields = (name: string, fields: Record<string, unknown>, more: Partial<Wrong>): Wrong => ({
  name,
  code: CONFIG,
  says: [],
  config: (host) => ({ ...right(host), ...fields }),
  ...more,
});

const wrongs: readonly Wrong[] = [
  wrong("sysctl", "net.core.somaxconn"),
  wrong("sysctl", ["net.core.somaxconn"]),
  withFields(
    "a number for a parameter",
    { sysctl: { "net.core.somaxconn": 500 } },
    { says: ['"sysctl.net.core.somaxconn"', ": 500"] },
  ),
  withFields(
    "a parameter that is not the network's",
    { sysctl: { "kernel.pid_max": "500" } },
    { says: ['"sysctl"', '"kernel.pid_max"'] },
  ),
  withFields(
    "a parameter that leaves the network's",
    { sysctl: { "net/../kernel.pid_max": "500" } },
    { code: KERNEL, says: ["net/kernel/pid_max", "ENOENT"] },
  ),
  withFields(
    "a parameter that there is none of",
    { sysctl: { "net.there.is.none": "1" } },
    { code: KERNEL, says: ['"net/there/is/none"', "ENOENT"] },
  ),
  withFields(
    "one parameter twice",
    { sysctl: { "net.core.somaxconn": "500", "net/core/somaxconn": "600" } },
    { says: ['"sysctl"', '"net.core.somaxconn"'], theirsTakes: "it sets both, in no order" },
  ),
  withFields(
    "a value that the parameter cannot have",
    { sysctl: { "net.core.somaxconn": "many" } },
    { code: KERNEL, says: ['"net/core/somaxconn"', "EINVAL"] },
  ),
  wrong("mac", 7),
  wrong("mac", "zz"),
  wrong("mac", "01:00:5e:00:00:01"),
  wrong("mac", "00:00:00:00:00:00"),
  wrong("promisc", "yes"),
  wrong("mtu", "1400"),
  wrong("mtu", 1400.5),
  wrong("mtu", -1),
  withFields("mtu is above the most that there is", { mtu: 70_000 }, { code: KERNEL, says: ["mtu 70000", "EINVAL"] }),
  wrong("allmulti", 1),
  wrong("txQLen", "5"),
  wrong("txQLen", -1, { theirsTakes: "it takes the number for 4294967295" }),
  wrong("dataDir", 7),
  wrong("runtimeConfig", "x"),
  wrong("runtimeConfig.mac", "zz"),
  wrong("args", "x"),
  wrong("args.cni", 7),
  wrong("args.cni.sysctl", 7),
  wrong("args.cni.mac", "zz"),
  wrong("args.cni.promisc", 1),
  wrong("args.cni.mtu", "x"),
  wrong("args.cni.allmulti", "x"),
  wrong("args.cni.txQLen", 0.5),
  withFields("MAC of CNI_ARGS is wrong", {}, { args: "MAC=zz", says: ["CNI_ARGS", "MAC", '"zz"'] }),
  withFields("no prevResult", { prevResult: undefined }, { says: ['"prevResult"'] }),
  { ...withFields("no interface", { mtu: 1400 }, { code: KERNEL, says: ['"eth0"', "ENODEV"] }), given: () => {} },
];

export const tuning: PluginWrongs = { type: "tuning", list: wrongs.map((each) => ({ given, ...each })) };
