/** Chains of bridge and tuning, by the Go plugins and by ours. */

import type { Config, Host } from "../../support/plugin-calls.ts";
import { type DifferentialCase, type Fields, MAC, type PluginCases, v4 } from "./case.ts";

const OTHER = "02:00:5e:00:53:02";

/** The Go plugin leaves a file there when an ADD has failed. */
const configOf = (host: Host, fields: Fields): Config => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "tuning",
  dataDir: host.path("tuning"),
  ...fields,
});

/** A bridge, then tuning with each of the fields. */
function after(name: string, ...fields: Fields[]): DifferentialCase {
  const [{ cniVersion } = {}] = fields;
  return {
    name,
    // Without IPAM the Go bridge's CHECK fails, and nobody asks tuning.
    config: (host) => ({ ipam: v4(host), ...(cniVersion === undefined ? {} : { cniVersion }) }),
    chained: (host) => fields.map((each) => configOf(host, each)),
  };
}

const sysctl = { "net.core.somaxconn": "500", "net.ipv4.conf.IFNAME.arp_filter": "1" };
const everything = { sysctl, mac: MAC, promisc: true, mtu: 1400, allmulti: true, txQLen: 77 };

const cases: readonly DifferentialCase[] = [
  after("no field", {}),
  after("sysctl", { sysctl }),
  after("sysctl with slashes", { sysctl: { "net/core/somaxconn": "500", "net/ipv4/conf/IFNAME/arp_filter": "1" } }),
  after("a sysctl of several numbers", { sysctl: { "net.ipv4.ip_local_port_range": "1024 65000" } }),
  { ...after("mac", { mac: MAC }), mac: MAC },
  { ...after("mac in another notation", { mac: "02-00-5E-00-53-01" }), mac: MAC },
  { ...after("mac by runtimeConfig", { mac: OTHER, runtimeConfig: { mac: MAC } }), mac: MAC },
  { ...after("mac by args.cni", { mac: OTHER, args: { cni: { mac: MAC } } }), mac: MAC },
  {
    ...after("mac by all", { mac: OTHER, runtimeConfig: { mac: "02:00:5e:00:53:03" }, args: { cni: { mac: MAC } } }),
    mac: MAC,
  },
  after("promisc", { promisc: true }),
  after("promisc off", { promisc: false }),
  after("mtu", { mtu: 1400 }),
  after("allmulti", { allmulti: true }),
  after("allmulti off", { allmulti: false }),
  after("txQLen", { txQLen: 77 }),
  after("txQLen 0", { txQLen: 0 }),
  { ...after("everything", everything), mac: MAC },
  {
    ...after("everything by args.cni", { sysctl: {}, promisc: false, args: { cni: everything } }),
    mac: MAC,
  },
  after("args.cni before the fields", {
    ...everything,
    mac: undefined,
    args: { cni: { sysctl: { "net.core.somaxconn": "300" }, promisc: false, mtu: 1300, allmulti: false, txQLen: 5 } },
  }),
  after("twice", { promisc: true }, { mtu: 1300 }),
  { ...after("cniVersion 0.4.0", { ...everything, cniVersion: "0.4.0" }), mac: MAC },
  { ...after("cniVersion 0.3.1", { ...everything, cniVersion: "0.3.1" }), mac: MAC },
];

export const tuning: PluginCases = { plugin: "tuning", base: { type: "bridge", bridge: "br0" }, cases };
