/** Configurations of firewall with one thing wrong each, and the error that it has to answer with. */

import { CONFIG, type PluginWrongs, type Wrong, wrongValueIn } from "./wrong.ts";

const prevResult = {
  interfaces: [
    { name: "br0", mac: "02:00:5e:00:53:01" },
    { name: "veth0", mac: "02:00:5e:00:53:02" },
    { name: "eth0", mac: "02:00:5e:00:53:03", sandbox: "/run/netns/c1" },
  ],
  ips: [{ address: "10.77.0.5/24", interface: 2 }],
};
const right = () => ({ prevResult });
const wrong = wrongValueIn(right);

const withFields = (name: string, fields: Record<string, unknown>, says: readonly string[]): Wrong => ({
  name,
  code: CONFIG,
  says,
  config: () => ({ ...right(), ...fields }),
});

const anyWord = { theirsTakes: "it takes any word for the default" };

const list: readonly Wrong[] = [
  wrong("backend", 1),
  wrong("backend", "pf", anyWord),
  wrong("ingressPolicy", "closed"),
  wrong("ingressPolicy", true),
  wrong("iptablesAdminChainName", ["CNI-ADMIN"]),
  wrong("iptablesAdminChainName", "my chain"),
  wrong("iptablesAdminChainName", "-j"),
  wrong("iptablesAdminChainName", "a-name-of-29-characters-------"),
  wrong("iptablesAdminChainName", "ACCEPT"),
  wrong("iptablesAdminChainName", "TENDRIL-FORWARD", { theirsTakes: "it knows nothing of us" }),
  wrong("firewalldZone", 5),
  withFields("no prevResult", { prevResult: undefined }, ['"prevResult"']),
  withFields("prevResult of the wrong type", { prevResult: "none" }, ['"prevResult"']),
  withFields(
    "a policy without interfaces",
    { ingressPolicy: "isolated", prevResult: { ...prevResult, interfaces: [] } },
    ['"ingressPolicy"', '"isolated"'],
  ),
  {
    ...withFields(
      "a policy without an interface on the host",
      { ingressPolicy: "same-bridge", prevResult: { ...prevResult, interfaces: prevResult.interfaces.slice(2) } },
      ['"ingressPolicy"', '"same-bridge"'],
    ),
    theirsTakes: "it takes the container's interface for a bridge of the host",
  },
];

export const firewall: PluginWrongs = { type: "firewall", list };
