/** Configurations of portmap with one thing wrong each, and the error that it has to answer with. */

import { CONFIG, type PluginWrongs, type Wrong, wrongValueIn } from "./wrong.ts";

const prevResult = {
  interfaces: [{ name: "eth0", sandbox: "/run/netns/c1" }],
  ips: [{ address: "10.77.0.2/24", interface: 0 }],
};
const WEB = { hostPort: 8080, containerPort: 80, protocol: "tcp" };
const ports = (...portMappings: unknown[]) => ({ runtimeConfig: { portMappings } });
const wrong = wrongValueIn(() => ({ prevResult, ...ports(WEB) }));

const withFields = (
  name: string,
  fields: Record<string, unknown>,
  says: readonly string[],
  more: Partial<Wrong> = {},
): Wrong => ({
  name,
  code: CONFIG,
  says,
  config: () => ({ prevResult, ...ports(WEB), ...fields }),
  ...more,
});

/** A second mapping with a field that is wrong. */
function inPort(field: string, value: unknown, more: Partial<Wrong> = {}): Wrong {
  const mapping = { ...WEB, hostPort: 8081, [field]: value };
  const shown = value === undefined ? "is missing" : JSON.stringify(value);
  return withFields(
    `${field} of a port is ${value === undefined ? "missing" : shown}`,
    ports(WEB, mapping),
    [`"runtimeConfig.portMappings[1].${field}"`, shown],
    more,
  );
}

const NO_ADDRESS = { theirsTakes: "it takes what is no address for one of IPv6, which the container has none of" };

const list: readonly Wrong[] = [
  ...["hostPort", "containerPort"].flatMap((field) =>
    ["80", 0, -1, 65536, 1.5, true].map((value) => inPort(field, value)),
  ),
  inPort("hostPort", undefined),
  inPort("containerPort", undefined),
  inPort("protocol", undefined),
  inPort("protocol", ""),
  inPort("protocol", 6),
  inPort("protocol", "icmp"),
  inPort("protocol", "http"),
  inPort("hostIP", 7),
  inPort("hostIP", "localhost", NO_ADDRESS),
  inPort("hostIP", "10.0.0.0/8", NO_ADDRESS),
  inPort("hostIP", "10.0.0.256", NO_ADDRESS),
  withFields(
    "a port that leads to two places",
    ports(WEB, { ...WEB, containerPort: 81 }),
    ['"runtimeConfig.portMappings[1].hostPort" leads to two places', "80 and 81"],
    { theirsTakes: "it makes two rules, of which the second is never reached" },
  ),
  wrong("runtimeConfig", "x"),
  wrong("runtimeConfig.portMappings", {}),
  wrong("runtimeConfig.portMappings", "8080:80"),
  withFields("a port that is no object", ports(WEB, "8081:80"), ['"runtimeConfig.portMappings[1]"', "8081:80"]),
  wrong("snat", "yes"),
  wrong("masqAll", 1),
  ...[-1, 32, "13", 0.5].map((value) => wrong("markMasqBit", value)),
  wrong("backend", "ipvs"),
  wrong("backend", 7),
  wrong("externalSetMarkChain", 7),
  withFields("a bit and a chain", { markMasqBit: 5, externalSetMarkChain: "KUBE-MARK-MASQ" }, [
    '"externalSetMarkChain"',
    '"KUBE-MARK-MASQ"',
  ]),
  withFields("a chain with backend nftables", { backend: "nftables", externalSetMarkChain: "X" }, [
    '"externalSetMarkChain"',
    '"X"',
  ]),
  wrong("conditionsV4", "-s 10.0.0.0/8"),
  wrong("conditionsV6", [7], { says: ['"conditionsV6[0]"', "7"] }),
  withFields("a condition of the wrong family", { conditionsV4: ["-s", "fd00::/8"] }, [
    '"conditionsV4[1]"',
    '"fd00::/8"',
  ]),
  withFields("a condition that nobody knows", { conditionsV4: ["--nonsense", "1"] }, [
    '"conditionsV4[0]"',
    '"--nonsense"',
  ]),
  withFields("a condition without its value", { conditionsV4: ["-s"] }, ['"conditionsV4"', '"-s"']),
  withFields("conditions for the other backend", { backend: "nftables", conditionsV4: ["-s", "10.0.0.0/8"] }, [
    '"conditionsV4"',
    "iptables",
  ]),
  withFields(
    "conditions for the other backend, in nft's words",
    { backend: "iptables", conditionsV4: ["ip saddr 10.0.0.1"] },
    ['"conditionsV4"', "nftables"],
  ),
  withFields("a condition that nft does not know", { backend: "nftables", conditionsV4: ["ip nonsense 10.0.0.1"] }, [
    '"conditionsV4[0]"',
    '"ip"',
  ]),
  withFields("no prevResult", { prevResult: undefined }, ['"prevResult" is missing']),
];

export const portmap: PluginWrongs = { type: "portmap", list };
