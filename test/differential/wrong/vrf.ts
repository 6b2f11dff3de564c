/** Configurations of vrf with one thing wrong each. */

import { CONFIG, CONFLICT, type PluginWrongs, type Wrong, wrongValueIn } from "./wrong.ts";

const prevResult = { cniVersion: "1.1.0", interfaces: [{ name: "eth0", sandbox: "/run/netns/c1" }] };
const right = () => ({ vrfname: "red", prevResult });
const wrong = wrongValueIn(right);

/** With the interface in the container, so that nothing else is wrong. */
const given: Wrong["given"] = (_, container) => container.sh("ip link add eth0 type veth peer name other");

const wrongs: readonly Wrong[] = [
  { name: "no vrfname", code: CONFIG, says: ['"vrfname"', "is missing"], config: () => ({ prevResult }) },
  wrong("vrfname", ""),
  wrong("vrfname", 7),
  wrong("vrfname", "a/b"),
  wrong("vrfname", "a name longer than the kernel's"),
  wrong("table", "7"),
  wrong("table", 1.5),
  wrong("table", -1),
  wrong("table", 4294967296),
  { name: "no prevResult", code: CONFIG, says: ['"prevResult"', "is missing"], config: () => ({ vrfname: "red" }) },
  {
    name: "the name of another link",
    code: CONFLICT,
    says: ['"other"', "not a vrf"],
    config: () => ({ ...right(), vrfname: "other" }),
  },
  {
    name: "an interface that is a port already",
    code: CONFLICT,
    says: ['"eth0"', '"br9"'],
    given: (_, container) =>
      container.sh(
        "ip link add eth0 type veth peer name other && ip link add br9 type bridge && ip link set eth0 master br9",
      ),
    config: right,
  },
];

export const vrf: PluginWrongs = { type: "vrf", list: wrongs.map((each) => ({ given, ...each })) };
