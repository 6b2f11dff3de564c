/**
 * The address plan: from what a description says to an address for everything, and the checks that need the whole.
 *
 * What is not given is numbered, so that one can tell by an address what it is: the router is .1 of each subnet,
 * the first node .11, the second .12, wherever they are; the pods of the first node are in the first /24 after the
 * zeroth. In IPv6 the digits are the same ones (`fd20:1::11`), read as hexadecimal.
 */

import {
  type Cidr,
  cidrContains,
  formatCidr,
  lastAddress,
  networkAddress,
  networkOf,
  parseCidr,
} from "../core/cidr.ts";
import { ConfigError } from "../core/errors.ts";
import { addressBits, type Family, formatIp, type Ip } from "../core/ip.ts";
import type { Lab, LabCluster, LabDescription, LabNode, LabOutside, LabSubnet } from "./lab.ts";

const FIRST_NODE = 11;
/** What a node gets of the pods' networks, in bits of prefix. */
const POD_SUBNET_BITS = { 4: 24, 6: 64 } as const;

/** Completes a description. Throws ConfigError. */
export function planAddresses(description: LabDescription): Lab {
  const { name, pods } = description;
  if (pods.length === 0) throw new ConfigError("pods", "must name at least one network");
  if (description.subnets.length === 0) throw new ConfigError("subnets", "must have at least one subnet");
  if (description.nodes.length === 0) throw new ConfigError("nodes", "must have at least one node");
  const families = onePerFamily(pods, "pods").map((prefix) => prefix.ip.family);
  const prefixesOf = (list: readonly Cidr[], field: string) => sameFamilies(list, families, field);
  refuseDuplicates(description);
  const cluster = planCluster(description);

  const subnets = description.subnets.map((subnet, i): LabSubnet => {
    const prefixes = prefixesOf(subnet.prefixes, `subnets[${i}].prefixes`);
    const router = prefixes.map((prefix) => hostIn(prefix, 1, `subnets[${i}].prefixes`));
    const mtu = subnet.mtu === undefined ? {} : { mtu: subnet.mtu };
    return { name: subnet.name, prefixes: prefixes.map(formatCidr), router, ...mtu };
  });
  const nodes = description.nodes.map((node, i): LabNode => planNode(node, i, description, families));
  const outside =
    description.outside.length === 0 ? undefined : planOutside(prefixesOf(description.outside, "outside"));
  refuseOverlaps(description, nodes);
  refuseSharedAddresses(subnets, nodes);
  return {
    name,
    ...(cluster === undefined ? {} : { cluster }),
    families,
    podNetworks: families.map((family) => formatCidr(networkOf(pick(family, pods)))),
    subnets,
    nodes,
    ...(outside === undefined ? {} : { outside }),
  };
}

/** What the agents are told; undefined where there are none. */
function planCluster(description: LabDescription): LabCluster | undefined {
  const { mode, crossSubnetOnly, store, blockSize, heartbeat, grace, coolDown } = description;
  if (crossSubnetOnly && mode !== "vxlan" && mode !== "ipip") {
    throw new ConfigError("crossSubnetOnly", `has no meaning in mode "${mode}", which has no tunnels`);
  }
  if (mode === "none") return undefined;
  for (const [i, { podSubnets }] of description.nodes.entries()) {
    if (podSubnets.length === 0) continue;
    throw new ConfigError(`nodes[${i}].podSubnets`, `is for mode "none": agents claim blocks of "pods" themselves`);
  }
  if (grace <= heartbeat) throw new ConfigError("grace", "must be longer than the heartbeat", { value: grace });
  const used = [...new Set(description.nodes.map(({ subnet }) => subnet))];
  if (mode === "host-gw" && used.length > 1) {
    throw new ConfigError(
      "mode",
      `host-gw reaches nodes of the same subnet only, but there are ${used.join(" and ")}`,
      {
        value: mode,
        details:
          "Modes vxlan and ipip go across the router, and bgp tells the router; or put all nodes into one subnet.",
      },
    );
  }
  if (mode === "ipip" && description.subnets.some(({ prefixes }) => prefixes.every(({ ip }) => ip.family === 6))) {
    throw new ConfigError("mode", "ipip is a tunnel in IPv4, and the subnets have no IPv4", {
      value: mode,
      details: "Mode vxlan has IPv6 outside as well as inside.",
    });
  }
  return { mode, crossSubnetOnly, store, blockSize, heartbeat, grace, coolDown };
}

/** Completes a node that joins a lab with agents which is up. Throws ConfigError. */
export function planJoiningNode(lab: Lab, node: { name: string; subnet: string; pods: readonly string[] }): LabNode {
  const subnets = lab.subnets.map(({ name, prefixes }) => ({ name, prefixes: prefixes.map(parsed) }));
  const taken = new Set(lab.nodes.flatMap(({ addresses }) => addresses));
  if ([...lab.subnets, ...lab.nodes].some(({ name }) => name === node.name)) {
    throw new ConfigError("name", "is taken", { value: node.name });
  }
  for (let i = lab.nodes.length; ; i++) {
    const subnet = subnetOf(node.subnet, subnets, "subnet");
    const addresses = lab.families.map((family) =>
      hostIn(networkOf(pick(family, subnet.prefixes)), FIRST_NODE + i, "subnet"),
    );
    if (!addresses.some((address) => taken.has(address))) return { ...node, addresses, podSubnets: [] };
  }
}

function subnetOf<T extends { readonly name: string }>(wanted: string, subnets: readonly T[], field: string): T {
  const subnet = subnets.find(({ name }) => name === wanted);
  if (subnet !== undefined) return subnet;
  const known = subnets.map(({ name }) => name).join(", ");
  throw new ConfigError(field, `is not the name of a subnet; there are ${known}`, { value: wanted });
}

function planNode(
  node: LabDescription["nodes"][number],
  i: number,
  { subnets, pods, mode }: LabDescription,
  families: readonly Family[],
): LabNode {
  const field = `nodes[${i}]`;
  const subnet = subnetOf(node.subnet, subnets, `${field}.subnet`);
  refuseSurplus(node.addresses, families, `${field}.addresses`);
  refuseSurplus(
    node.podSubnets.map(({ ip }) => ip),
    families,
    `${field}.podSubnets`,
  );
  const addresses = families.map((family) => {
    const prefix = pick(family, subnet.prefixes);
    const given = node.addresses.find((ip) => ip.family === family);
    if (given === undefined) return hostIn(networkOf(prefix), FIRST_NODE + i, `${field}.subnet`);
    if (!cidrContains(prefix, given)) {
      throw new ConfigError(`${field}.addresses`, `must be in subnet "${subnet.name}"`, { value: formatIp(given) });
    }
    return `${formatIp(given)}/${prefix.bits}`;
  });
  const podSubnets = (mode === "none" ? families : []).map((family) => {
    const network = pick(family, pods);
    const given = node.podSubnets.find((prefix) => prefix.ip.family === family);
    if (given === undefined) return podSubnet(networkOf(network), i + 1, `${field}.podSubnets`);
    if (given.bits < network.bits || !cidrContains(network, given.ip)) {
      throw new ConfigError(`${field}.podSubnets`, 'must be within "pods"', { value: formatCidr(given) });
    }
    return formatCidr(networkOf(given));
  });
  return { name: node.name, subnet: node.subnet, addresses, podSubnets, pods: node.pods };
}

function planOutside(prefixes: readonly Cidr[]): LabOutside {
  return {
    prefixes: prefixes.map(formatCidr),
    router: prefixes.map((prefix) => hostIn(prefix, 1, "outside")),
    addresses: prefixes.map((prefix) => hostIn(prefix, 2, "outside")),
  };
}

/** A number whose digits look the same in both families. */
function digits(family: Family, number: number): bigint {
  return BigInt(family === 4 ? number : Number.parseInt(String(number), 16));
}

/** The numbered address of a network, with prefix length. */
function hostIn(prefix: Cidr, number: number, field: string): string {
  const ip: Ip = { family: prefix.ip.family, value: networkAddress(prefix).value + digits(prefix.ip.family, number) };
  // The last IPv4 address is the broadcast address.
  const fits = cidrContains(prefix, ip) && (ip.family === 6 || ip.value !== lastAddress(prefix).value);
  if (!fits) throw new ConfigError(field, `is too small for address number ${number}`, { value: formatCidr(prefix) });
  return `${formatIp(ip)}/${prefix.bits}`;
}

/** The numbered part of the pods' network. */
function podSubnet(network: Cidr, number: number, field: string): string {
  const { family, value } = network.ip;
  const bits = POD_SUBNET_BITS[family];
  const shift = BigInt(addressBits(family) - bits);
  const ip: Ip = { family, value: value + (digits(family, number) << shift) };
  if (network.bits > bits || !cidrContains(network, ip)) {
    throw new ConfigError(field, `is missing, and "pods" has no /${bits} number ${number}`, {
      value: formatCidr(network),
    });
  }
  return `${formatIp(ip)}/${bits}`;
}

function pick(family: Family, list: readonly Cidr[]): Cidr {
  const found = list.find((prefix) => prefix.ip.family === family);
  if (found === undefined) throw new TypeError(`No IPv${family} prefix among ${list.map(formatCidr).join(", ")}`);
  return found;
}

/** The networks sorted by family. Throws ConfigError where a family is there twice. */
function onePerFamily(list: readonly Cidr[], field: string): Cidr[] {
  for (const [i, prefix] of list.entries()) {
    if (list.findIndex(({ ip }) => ip.family === prefix.ip.family) !== i) {
      throw new ConfigError(`${field}[${i}]`, `is a second IPv${prefix.ip.family} network`, {
        value: formatCidr(prefix),
      });
    }
  }
  return [...list].sort((a, b) => a.ip.family - b.ip.family).map(networkOf);
}

function sameFamilies(list: readonly Cidr[], families: readonly Family[], field: string): Cidr[] {
  const sorted = onePerFamily(list, field);
  const found = sorted.map(({ ip }) => ip.family);
  for (const family of families) {
    if (!found.includes(family)) throw new ConfigError(field, `has no IPv${family} network, but "pods" has one`);
  }
  for (const family of found) {
    if (!families.includes(family)) throw new ConfigError(field, `has an IPv${family} network, but "pods" has none`);
  }
  return sorted;
}

/** What is given for a node may leave a family out, but not name one twice or one that the lab does not have. */
function refuseSurplus(list: readonly Ip[], families: readonly Family[], field: string): void {
  for (const [i, { family }] of list.entries()) {
    if (!families.includes(family))
      throw new ConfigError(`${field}[${i}]`, `is IPv${family}, but "pods" has no such network`);
    if (list.findIndex((other) => other.family === family) !== i) {
      throw new ConfigError(`${field}[${i}]`, `is a second one of IPv${family}`);
    }
  }
}

/** Nodes and subnets have a namespace each, under their name; pods one under their node's. */
function refuseDuplicates({ subnets, nodes }: LabDescription): void {
  const seen = new Map<string, string>();
  const take = (name: string, field: string) => {
    const other = seen.get(name);
    if (other !== undefined)
      throw new ConfigError(field, `is the same as "${other}"`, { value: name.split("/").pop() });
    seen.set(name, field);
  };
  for (const [i, { name }] of subnets.entries()) take(name, `subnets[${i}].name`);
  for (const [i, node] of nodes.entries()) {
    take(node.name, `nodes[${i}].name`);
    for (const [j, pod] of node.pods.entries()) take(`${node.name}/${pod}`, `nodes[${i}].pods[${j}]`);
  }
}

function parsed(text: string): Cidr {
  const prefix = parseCidr(text);
  if (prefix === undefined) throw new TypeError(`"${text}" is not in CIDR notation`);
  return prefix;
}

interface Placed {
  readonly field: string;
  readonly prefix: Cidr;
}

function refuseOverlaps({ pods, subnets, outside }: LabDescription, nodes: readonly LabNode[]): void {
  const at = (field: string) => (prefix: Cidr, i: number) => ({ field: `${field}[${i}]`, prefix });
  refuseOverlapsAmong([
    ...pods.map(at("pods")),
    ...subnets.flatMap(({ prefixes }, i) => prefixes.map(at(`subnets[${i}].prefixes`))),
    ...outside.map(at("outside")),
  ]);
  refuseOverlapsAmong(
    nodes.flatMap(({ podSubnets }, i) =>
      podSubnets.map((prefix) => ({ field: `nodes[${i}].podSubnets`, prefix: parsed(prefix) })),
    ),
  );
}

function refuseOverlapsAmong(list: readonly Placed[]): void {
  for (const [i, { field, prefix }] of list.entries()) {
    const other = list
      .slice(0, i)
      .find((earlier) => cidrContains(earlier.prefix, prefix.ip) || cidrContains(prefix, earlier.prefix.ip));
    if (other === undefined) continue;
    throw new ConfigError(field, `overlaps "${other.field}" (${formatCidr(other.prefix)})`, {
      value: formatCidr(prefix),
    });
  }
}

function refuseSharedAddresses(subnets: readonly LabSubnet[], nodes: readonly LabNode[]): void {
  const seen = new Map<string, string>();
  for (const { name, router } of subnets) for (const address of router) seen.set(address, `the router in "${name}"`);
  for (const [i, { name, addresses }] of nodes.entries()) {
    for (const address of addresses) {
      const other = seen.get(address);
      if (other !== undefined) {
        throw new ConfigError(`nodes[${i}].addresses`, `has the address of ${other}`, { value: address });
      }
      seen.set(address, `node "${name}"`);
    }
  }
}
