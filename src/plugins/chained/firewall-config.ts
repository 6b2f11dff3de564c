/** The configuration of `firewall`. @see https://www.cni.dev/plugins/current/meta/firewall/ */

import { ConfigError } from "../../core/errors.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import { object, oneOf, optional, text, withDefault } from "../../core/schema.ts";

export interface FirewallConfig {
  readonly ingressPolicy: IngressPolicy;
  readonly adminChain: string;
  /** Whether the chains of iptables-nft let the container's packets pass too, not our own alone. */
  readonly passIptables: boolean;
}

export type IngressPolicy = "open" | "same-bridge" | "isolated";

const fields = object({
  backend: withDefault(oneOf("", "nftables", "iptables", "firewalld"), ""),
  ingressPolicy: withDefault(oneOf("", "open", "same-bridge", "isolated"), ""),
  iptablesAdminChainName: optional(chainName),
  firewalldZone: optional(text),
});

/** The longest name of a chain that iptables takes. @see linux/netfilter/x_tables.h XT_EXTENSION_MAXNAMELEN */
const MAX_CHAIN_NAME = 28;

/** Throws ConfigError. */
export function parseFirewallConfig(config: NetworkConfig): FirewallConfig {
  const raw = fields(config, "");
  return {
    ingressPolicy: raw.ingressPolicy || "open",
    adminChain: raw.iptablesAdminChainName || "CNI-ADMIN",
    passIptables: raw.backend !== "nftables",
  };
}

/** Chains of ours, of iptables, and words that its rules have for verdicts. */
const TAKEN: readonly string[] = [
  ...["prerouting", "input", "forward", "output", "postrouting", "forward-passed", "firewall-admin"],
  ...["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "TENDRIL-FORWARD"],
  ...["ACCEPT", "DROP", "RETURN", "QUEUE"],
];

/** A name that both nft(8) and iptables(8) take; empty for the default. */
function chainName(value: unknown, field: string): string {
  const name = text(value, field);
  if (name === "") return name;
  if (!/^[A-Za-z][\w.-]*$/.test(name)) {
    throw new ConfigError(field, "must be a letter, then letters, digits, dots, dashes and underscores", { value });
  }
  if (name.length > MAX_CHAIN_NAME) {
    throw new ConfigError(field, `must not be longer than ${MAX_CHAIN_NAME} characters`, { value });
  }
  if (TAKEN.includes(name))
    throw new ConfigError(field, "is the name of a chain that is no administrator's", { value });
  return name;
}
