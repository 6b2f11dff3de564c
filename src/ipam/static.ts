/**
 * The IPAM plugin static: the addresses that the configuration or the runtime gives, and nothing to keep.
 * @see https://www.cni.dev/plugins/current/ipam/static/
 */

import { type Cidr, cidrContains, formatCidr, parseCidr } from "../core/cidr.ts";
import { ConfigError, EnvironmentError, VerificationError } from "../core/errors.ts";
import { formatIp, type Ip, parseIp } from "../core/ip.ts";
import type { Call, NetworkConfig, Plugin } from "../core/plugin.ts";
import type { Dns, Result, ResultAddress, ResultRoute } from "../core/result.ts";
import { routes } from "../core/route.ts";
import { cidr, ip, list, object, optional, type Schema, text, withDefault } from "../core/schema.ts";
import { checkOnePerFamily } from "./one-per-family.ts";

export const staticIpam: Plugin = {
  type: "static",
  add,
  check,
  // Nothing was taken, so there is nothing to give back.
  del: () => {},
  gc: () => {},
  status: (call) => {
    parseConfiguration(call.config, new Map());
  },
  foreseeAdd: (call) => ({ result: add(call), commands: [] }),
  foreseeDel: () => [],
};

function add(call: Call): Result {
  const { addresses, routes, dns } = parseConfiguration(call.config, call.args);
  const result: Result = { ips: addresses.map(resultAddress) };
  if (routes.length > 0) result.routes = routes;
  if (Object.keys(dns).length > 0) result.dns = dns;
  return result;
}

interface StaticAddress {
  readonly field: string;
  readonly cidr: Cidr;
  readonly gateway: Ip | undefined;
}

interface Configuration {
  addresses: StaticAddress[];
  routes: ResultRoute[];
  dns: Dns;
}

const address: Schema<StaticAddress> = (value, field) => {
  const raw = object<{ address: Cidr; gateway: Ip | undefined }>({
    address: cidr,
    // An absent address may be written as empty text, as Go's net.IP reads it.
    gateway: optional((gateway, path) => (gateway === "" ? undefined : ip(gateway, path))),
  })(value, field);
  const { family } = raw.address.ip;
  if (raw.gateway !== undefined && raw.gateway.family !== family) {
    throw new ConfigError(`${field}.gateway`, `must be an IPv${family} address, as the address is`, {
      value: formatIp(raw.gateway),
    });
  }
  return { field, cidr: raw.address, gateway: raw.gateway };
};

/** Addresses that the runtime gives are without gateways. */
const bareAddresses = list<StaticAddress>((value, field) => ({ field, cidr: cidr(value, field), gateway: undefined }));

const dns: Schema<Dns> = (value, field) => {
  const raw = object<{ nameservers: string[]; domain: string; search: string[]; options: string[] }>({
    nameservers: withDefault(list(text), []),
    domain: withDefault(text, ""),
    search: withDefault(list(text), []),
    options: withDefault(list(text), []),
  })(value, field);
  return Object.fromEntries(Object.entries(raw).filter(([, setting]) => setting.length > 0));
};

interface Fields {
  ipam: Configuration;
  runtimeConfig: { ips: StaticAddress[] } | undefined;
  args: { cni: { ips: StaticAddress[] } | undefined } | undefined;
}

const runtimeAddresses = object<{ ips: StaticAddress[] }>({ ips: withDefault(bareAddresses, []) });

const fields = object<Fields>({
  ipam: object<Configuration>({
    addresses: withDefault(list(address), []),
    routes: withDefault(routes, []),
    dns: withDefault(dns, {}),
  }),
  runtimeConfig: optional(runtimeAddresses),
  args: optional(object<{ cni: { ips: StaticAddress[] } | undefined }>({ cni: optional(runtimeAddresses) })),
});

/**
 * Reads the configuration and CNI_ARGS. The reference plugin's precedence: `IP` of CNI_ARGS adds to
 * `ipam.addresses`; `args.cni.ips` replaces both; `runtimeConfig.ips` replaces all.
 */
function parseConfiguration(config: NetworkConfig, args: ReadonlyMap<string, string>): Configuration {
  const { ipam, runtimeConfig, args: configArgs } = fields(config, "");
  const fromArgs = configArgs?.cni?.ips ?? [];
  const fromRuntime = runtimeConfig?.ips ?? [];
  const configured = [...ipam.addresses, ...addressesFromEnvironment(args)];
  const addresses = fromRuntime.length > 0 ? fromRuntime : fromArgs.length > 0 ? fromArgs : configured;
  checkOnePerFamily(
    config.cniVersion,
    addresses.map(({ field, cidr }) => ({ field, family: cidr.ip.family })),
  );
  return { ...ipam, addresses };
}

/** `IP` is a list of addresses with prefix lengths; `GATEWAY` a list of gateways, the last in an address's subnet counts. */
function addressesFromEnvironment(args: ReadonlyMap<string, string>): StaticAddress[] {
  const gateways = argument(args, "GATEWAY", "an IP address", parseIp);
  return argument(args, "IP", "in CIDR notation such as 10.1.0.5/16", parseCidr).map((cidr) => ({
    field: "IP of CNI_ARGS",
    cidr,
    gateway: gateways.findLast((gateway) => cidrContains(cidr, gateway)),
  }));
}

function argument<T>(
  args: ReadonlyMap<string, string>,
  name: string,
  expected: string,
  parse: (text: string) => T | undefined,
): T[] {
  const value = args.get(name);
  if (value === undefined || value === "") return [];
  return value.split(",").map((item) => {
    const parsed = parse(item.trim());
    if (parsed !== undefined) return parsed;
    throw new EnvironmentError(`Invalid CNI_ARGS: "${name}" must be ${expected}: ${JSON.stringify(item)}`);
  });
}

function resultAddress({ cidr, gateway }: StaticAddress): ResultAddress {
  const result: ResultAddress = { address: formatCidr(cidr) };
  if (gateway !== undefined) result.gateway = formatIp(gateway);
  return result;
}

/** Compares what ADD would give with what it gave: the same addresses, and each gateway that is configured. */
function check(call: Call): void {
  const { prevResult } = call.config;
  if (prevResult === undefined) throw new ConfigError("prevResult", "is missing, and CHECK compares with it");
  const expected = parseConfiguration(call.config, call.args).addresses.map(resultAddress);
  const given = (prevResult.ips ?? []).map(canonical);
  const findings: string[] = [];
  for (const { address, gateway } of expected) {
    const found = given.find((each) => each.address === address);
    if (found === undefined) findings.push(`${address} is configured but is not in prevResult`);
    else if (gateway !== undefined && found.gateway !== gateway) {
      findings.push(`The gateway of ${address} is ${gateway}, but ${found.gateway ?? "none"} in prevResult`);
    }
  }
  for (const { address } of given) {
    if (!expected.some((each) => each.address === address)) {
      findings.push(`${address} is in prevResult but is not configured`);
    }
  }
  if (findings.length > 0) throw new VerificationError(findings);
}

/** The same address in the text that we would have given it. */
function canonical(given: ResultAddress): ResultAddress {
  const address = parseCidr(given.address);
  const gateway = given.gateway === undefined ? undefined : parseIp(given.gateway);
  const result: ResultAddress = { address: address === undefined ? given.address : formatCidr(address) };
  if (gateway !== undefined) result.gateway = formatIp(gateway);
  return result;
}
