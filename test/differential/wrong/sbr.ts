/** Configurations of sbr with one thing wrong each. */

import { CONFIG, KERNEL, type PluginWrongs, type Wrong, wrongValueIn } from "./wrong.ts";

const NEWER = "only a newer one has the field";

const prevResult = {
  cniVersion: "1.1.0",
  interfaces: [{ name: "eth0", sandbox: "/run/netns/c1" }],
  ips: [{ address: "10.77.0.9/24", gateway: "10.77.0.1", interface: 0 }],
};
const right = () => ({ prevResult });
const wrong = wrongValueIn(right);

/** With the interface in the container, so that nothing else is wrong. */
const given: Wrong["given"] = (_, container) =>
  container.sh(
    "ip link add eth0 type veth peer name other && ip link set other up && ip link set eth0 up && ip address add 10.77.0.9/24 dev eth0",
  );

const wrongs: readonly Wrong[] = [
  wrong("table", "100"),
  wrong("table", 1.5),
  wrong("table", 0, { theirsTakes: "the kernel chooses some empty table" }),
  wrong("table", -1, { theirsTakes: "it takes the main table" }),
  wrong("gateways", "10.77.0.1", { theirsTakes: NEWER }),
  wrong("gateways", ["x"], { says: ['"gateways[0]"', '"x"'], theirsTakes: NEWER }),
  wrong("gateways", ["10.77.0.1", "10.77.0.2"], {
    says: ['"gateways[1]"', "IPv4", '"10.77.0.2"'],
    theirsTakes: NEWER,
  }),
  wrong("addSourceHints", "yes", { theirsTakes: NEWER }),
  {
    name: "a gateway that nothing leads to",
    code: KERNEL,
    says: ["172.31.0.1", "ENETUNREACH"],
    config: () => ({ ...right(), gateways: ["172.31.0.1"] }),
    theirsTakes: NEWER,
  },
  { name: "no prevResult", code: CONFIG, says: ['"prevResult"', "is missing"], config: () => ({}) },
  {
    name: "no address",
    code: CONFIG,
    says: ['"prevResult"', "no address"],
    config: () => ({ prevResult: { cniVersion: "1.1.0" } }),
  },
  {
    name: "no address of the interface",
    code: CONFIG,
    says: ['"prevResult"', '"eth0"', '"10.77.0.9/24"'],
    config: () => ({ prevResult: { ...prevResult, interfaces: [{ name: "net1" }] } }),
    theirsTakes: "it deletes the interface's routes",
  },
];

export const sbr: PluginWrongs = { type: "sbr", list: wrongs.map((each) => ({ given, ...each })) };
