/**
 * What the reference plugins 1.9.1 do not do of what is asked, as the suite finds it, and why. Where they and the list
 * disagree the control fails: then either a newer version does better, or the suite is mistaken.
 */

export interface KnownDeviation {
  /** The plugins that do not fulfil the requirement, of those that it is about. */
  readonly plugins: readonly string[];
  /** Plugins that fail only when processes meet by chance. */
  readonly sometimes?: readonly string[];
  readonly reason: string;
}

const interfaces = ["bridge", "ptp", "macvlan", "ipvlan", "vlan", "host-device", "dummy", "tap"];
const chained = ["portmap", "bandwidth", "firewall", "tuning", "sbr", "vrf"];
const ipams = ["host-local", "static"];
const all = [...interfaces, "loopback", ...chained, ...ipams];
const without = (list: readonly string[], ...names: readonly string[]) => list.filter((each) => !names.includes(each));

/** By the requirement's name. */
export const deviations: Readonly<Record<string, KnownDeviation>> = {
  "version-of-input": { plugins: all, reason: "VERSION does not read its input and answers in the newest version" },
  "result-of-version": {
    plugins: ["loopback"],
    reason: "without a prevResult loopback prints the newest form, whatever the version",
  },
  "container-id-malformed": { plugins: all, reason: "code 4, but the message does not name the variable" },
  "ifname-malformed": { plugins: all, reason: "code 4, but the message does not name the variable" },
  "path-optional": {
    plugins: ["loopback", ...chained, ...ipams],
    reason: "CNI_PATH is asked for on every verb, also by those that call nobody",
  },
  "namespace-unknown": {
    plugins: ["portmap", "firewall"],
    reason: "they work on the node only and do not look at the namespace",
  },
  "namespace-unknown-code": { plugins: without(all, ...ipams), reason: "code 999, or success; see namespace-unknown" },
  "fields-wrong": { plugins: all, reason: "code 999 for most of what is wrong, and some of it is taken" },
  "error-version": { plugins: all, reason: "errors carry no cniVersion" },
  "add-existing": { plugins: ["tap"], reason: "tap takes the place of the interface that is there" },
  "add-existing-undone": { plugins: ["tap"], reason: "see add-existing" },
  "add-existing-deleted": {
    plugins: interfaces,
    reason: "DEL deletes whatever has the name; host-device looks for the device's old name and fails",
  },
  "add-second-interface": { plugins: ["ptp"], reason: "the route to the gateway is there already: ADD fails" },
  "previous-result-of-interface": { plugins: interfaces, reason: "an interface plugin's result is its own alone" },
  "previous-result-missing": { plugins: chained, reason: "refused with code 999" },
  "del-twice": { plugins: ["host-device"], reason: "DEL fails when the device is not in the container" },
  "del-never-added": { plugins: ["host-device"], reason: "see del-twice" },
  "del-without-result": {
    plugins: ["firewall"],
    reason: "the rules of the addresses in prevResult are all it deletes",
  },
  ...Object.fromEntries(
    ["without", "empty", "stale"].map((which) => [
      `del-namespace-gone-${which}`,
      {
        plugins: ["bridge", "ptp", "tuning", "sbr"],
        reason:
          "the addresses whose masquerade is to go are read from the container; tuning leaves its file; sbr insists on the namespace",
      },
    ]),
  ),
  "del-interface-gone": { plugins: ["bridge", "ptp", "tuning"], reason: "see del-namespace-gone-stale" },
  "del-of-one-interface": {
    plugins: ["bridge", "ptp"],
    reason: "a masquerade chain is named by container and network: it serves both interfaces, and cannot be deleted",
  },
  "del-late": {
    plugins: interfaces,
    reason: "DEL goes by the namespace's path and deletes the interface of the container that has it by now",
  },
  "check-damage": {
    plugins: ["bridge", "ptp", "bandwidth", "sbr"],
    reason: "masquerade and the node's queueing discipline are not looked at; CHECK of sbr does nothing",
  },
  "check-without-result": { plugins: ["sbr"], reason: "CHECK does nothing" },
  "check-namespace-gone": {
    plugins: ["portmap", "firewall", "sbr"],
    reason: "they do not look at the namespace, and sbr at nothing",
  },
  "gc-removes-stale": {
    plugins: without(all, "host-device", "loopback", "sbr", "static", "vrf"),
    reason:
      "GC is not implemented, but for bridge's masquerade by nf_tables, and not handed on to host-local, which has none",
  },
  "gc-empty-list": {
    plugins: without(all, "host-device", "loopback", "sbr", "static", "vrf"),
    reason: "see gc-removes-stale",
  },
  "gc-by-interface": { plugins: [...without(interfaces, "host-device"), "host-local"], reason: "see gc-removes-stale" },
  "gc-list-malformed": { plugins: all, reason: "the list is not read" },
  "status-obstacle": { plugins: [...interfaces, "host-local"], reason: "STATUS looks at no address and at no link" },
  "status-wrong-fields": { plugins: without(all, "loopback"), reason: "STATUS does not read the plugin's own fields" },
  "parallel-add": {
    plugins: [],
    sometimes: ["portmap", "firewall", "bridge", "ptp"],
    reason: "two that make one chain of iptables at the same time: the second one fails",
  },
  "parallel-del": { plugins: [], sometimes: ["portmap", "firewall", "bridge", "ptp"], reason: "see parallel-add" },
  "parallel-mixed": { plugins: [], sometimes: ["portmap", "firewall", "bridge", "ptp"], reason: "see parallel-add" },
  "delegate-add-fails": { plugins: interfaces, reason: "DEL of the IPAM plugin is not called" },
  "delegate-gc-fails": { plugins: interfaces, reason: "GC is not handed on" },
  "delegate-namespace-gone": {
    plugins: ["host-device"],
    reason: "DEL without a namespace does nothing: the address stays leased",
  },
};
