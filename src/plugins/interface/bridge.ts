/**
 * `bridge`: connects the container to a bridge of the host by a veth pair.
 *
 * The bridge is made at the first use and shared by all its containers. With `isGateway` it carries the subnet's
 * gateway address and the host routes for the containers; with `ipMasq` what they send beyond their subnet leaves the
 * host under its own address.
 */

import { networkAddress, parseCidr } from "../../core/cidr.ts";
import { familyOf, formatIp } from "../../core/ip.ts";
import { attachmentMac, hostVethName, sharedMac } from "../../core/names.ts";
import type {
  AddressResource,
  BridgeLink,
  PortVlansResource,
  Resource,
  SysctlResource,
  VethLink,
} from "../../core/plan.ts";
import type { Facts, Planner } from "../../core/planner.ts";
import type { Result, ResultAddress, ResultInterface, ResultRoute } from "../../core/result.ts";
import {
  type AddressOptions,
  addressTexts,
  dnsOf,
  planAddresses,
  planForwarding,
  planRoutes,
  planUp,
} from "../container-interface.ts";
import { planLostMasquerade, planMasquerade } from "../masquerade.ts";
import { planSpoofCheck } from "../spoof-check.ts";
import { type BridgeConfig, parseBridgeConfig } from "./bridge-config.ts";

export const bridge: Planner<BridgeConfig> = {
  type: "bridge",
  parse: parseBridgeConfig,
  usesIpam: (config) => config.usesIpam,
  links: (config) => [{ where: "host", name: config.bridge }],
  plan: planBridge,
  obstacles(config, links) {
    const found = links.get(`host/${config.bridge}`);
    return found !== undefined && found.kind !== "bridge" ? [`"${config.bridge}" is there but is not a bridge`] : [];
  },
};

function planBridge(config: BridgeConfig, facts: Facts) {
  const ips = addressesOf(config, facts);
  const routes = routesOf(config, facts, ips);
  const link = planBridgeLink(config, facts);
  const veth = planVeth(config, facts);
  const resources: Resource[] = [
    link,
    ...planBridgeSysctls(config, facts),
    {
      kind: "link-settings",
      where: "host",
      shared: true,
      link: config.bridge,
      set: { up: true, promisc: config.promiscMode ? true : undefined },
    },
    ...(config.isGateway ? planGateway(config, facts, ips) : []),
    veth,
    ...planPortVlans(config, veth.name),
    ...(config.macSpoofCheck ? planSpoofCheck(facts.key, veth.name, veth.peer.mac) : []),
    ...planAddresses(facts.key.ifname, ips, addressOptions(config, facts)),
    ...planEndsUp(config, facts, veth),
    ...planRoutes(facts.key.ifname, ips, routes),
    ...(config.ipMasq ? planMasquerade(facts.key, addressTexts(ips)) : []),
    ...(config.ipMasq && facts.recovering ? planLostMasquerade(facts.key) : []),
  ];
  const result: Result = {
    interfaces: [
      { name: config.bridge, mac: facts.links.get(`host/${config.bridge}`)?.mac ?? link.mac },
      { name: veth.name, mac: veth.mac },
      { name: veth.peer.name, mac: veth.peer.mac, sandbox: facts.netns },
      ...vlanGatewayInterface(config, facts, ips),
    ],
    ips: config.usesIpam ? ips : undefined,
    routes: config.usesIpam ? routes : undefined,
    dns: dnsOf(config, facts),
  };
  return { resources, result };
}

function planBridgeLink({ bridge: name, mtu, vlan, vlanTrunk }: BridgeConfig, { bootId }: Facts): BridgeLink {
  return {
    kind: "link",
    where: "host",
    shared: true,
    type: "bridge",
    name,
    // A MAC of its own, or the bridge would take the lowest of its ports' and change it as they come and go.
    mac: sharedMac(bootId, name),
    mtu,
    vlanFiltering: vlan !== 0 || vlanTrunk.length > 0 ? true : undefined,
  };
}

/**
 * Containers must not be able to give the host routes by router advertisements. And the bridge's own address is used at
 * once: while it is being tested for duplicates the host could not ask for its containers' MACs.
 */
function planBridgeSysctls({ bridge: link, enableDad }: BridgeConfig, { adopted }: Facts): SysctlResource[] {
  const conf = (name: string): SysctlResource => ({
    kind: "sysctl",
    where: "host",
    shared: true,
    link,
    name: `net/ipv6/conf/${link}/${name}`,
    value: "0",
    optional: true,
  });
  return enableDad || adopted !== undefined ? [conf("accept_ra")] : [conf("accept_ra"), conf("accept_dad")];
}

function planVeth({ bridge: master, mtu, mac }: BridgeConfig, { key, netns, adopted }: Facts): VethLink {
  const [host, container] = adoptedEnds(adopted, netns, key.ifname, master);
  return {
    kind: "link",
    where: "host",
    type: "veth",
    name: host?.name ?? hostVethName(key),
    mac: host?.mac ?? attachmentMac("host", key),
    mtu,
    master,
    peer: { name: key.ifname, mac: container?.mac ?? mac ?? attachmentMac("container", key) },
  };
}

/** The pair's ends in a result that another vendor's ADD has given: that plugin chose names of its own. */
function adoptedEnds(
  adopted: Result | undefined,
  netns: string,
  ifname: string,
  bridgeName: string,
): [host: ResultInterface | undefined, container: ResultInterface | undefined] {
  const container = adopted?.interfaces?.find(({ name, sandbox }) => name === ifname && sandbox === netns);
  const host = adopted?.interfaces?.find(({ name, sandbox }) => !sandbox && name.split(".")[0] !== bridgeName);
  return [host, container];
}

function addressOptions({ enableDad }: BridgeConfig, { adopted }: Facts): AddressOptions {
  return {
    announce: [4],
    ipv6: enableDad ? { accept_dad: "1", enhanced_dad: "1" } : { accept_dad: "0" },
    // Other vendors' plugins test addresses for duplicates.
    duplicateDetection: enableDad || adopted !== undefined,
  };
}

/** The container's end first: then the host's finds its carrier when it comes up, and the port forwards at once. */
function planEndsUp(config: BridgeConfig, { key }: Facts, veth: VethLink): Resource[] {
  const inContainer = config.disableContainerInterface ? [] : [planUp(key.ifname)];
  const set = { up: true, hairpin: config.hairpinMode, isolated: config.portIsolation };
  return [...inContainer, { kind: "link-settings", where: "host", link: veth.name, set }];
}

/** The gateway addresses on the bridge, and forwarding in their families. */
function planGateway(config: BridgeConfig, facts: Facts, ips: readonly ResultAddress[]): Resource[] {
  const link = gatewayLink(config);
  const others = config.forceAddress ? "replace" : "refuse";
  const duplicateDetection = facts.adopted === undefined ? undefined : true;
  const gateways: string[] = [];
  // A loop, because the first use of flatMap costs a process 60 µs.
  for (const { address, gateway } of ips) {
    const text = `${gateway}/${address.split("/")[1]}`;
    if (gateway && !gateways.includes(text)) gateways.push(text);
  }
  return [
    ...(config.vlan === 0 ? [] : planVlanGateway(config, facts)),
    ...gateways.map(
      (address): AddressResource => ({
        kind: "address",
        where: "host",
        shared: true,
        link,
        address,
        others,
        duplicateDetection,
      }),
    ),
    ...planForwarding(gateways.map(familyOf)),
  ];
}

/** The VLAN's gateway as the runtime is told of it. */
function vlanGatewayInterface(
  config: BridgeConfig,
  { bootId }: Facts,
  ips: readonly ResultAddress[],
): ResultInterface[] {
  if (config.vlan === 0 || !config.isGateway || ips.length === 0) return [];
  const name = gatewayLink(config);
  return [{ name, mac: sharedMac(bootId, name) }];
}

/** The link that carries the gateways' addresses: the bridge, or with a VLAN an end of a pair of its own. */
function gatewayLink({ bridge: name, vlan }: BridgeConfig): string {
  return vlan === 0 ? name : `${name}.${vlan}`;
}

/** The bridge itself is in no VLAN, so the gateway of one is the far end of a veth pair whose port is in it. */
function planVlanGateway(config: BridgeConfig, { bootId }: Facts): Resource[] {
  const { bridge: master, vlan, mtu } = config;
  const end = gatewayLink(config);
  const port = hostVethName({ network: "gateway", containerId: bootId, ifname: end });
  const place = { where: "host", shared: true } as const;
  return [
    {
      ...place,
      kind: "link",
      type: "veth",
      name: port,
      mac: sharedMac(bootId, port),
      mtu,
      master,
      peer: { name: end, mac: sharedMac(bootId, end), where: "host" },
    },
    { ...place, kind: "port-vlans", link: port, vlans: [ownVlan(vlan)], only: !config.preserveDefaultVlan },
    { ...place, kind: "link-settings", link: port, set: { up: true } },
    { ...place, kind: "link-settings", link: end, set: { up: true } },
  ];
}

/** The VLANs of the container's port; one that has a trunk only is in VLAN 1 untagged, as it was before trunks. */
function planPortVlans({ vlan, vlanTrunk, preserveDefaultVlan }: BridgeConfig, link: string): PortVlansResource[] {
  if (vlan === 0 && vlanTrunk.length === 0) return [];
  const own = ownVlan(vlan === 0 ? 1 : vlan);
  const tagged = vlanTrunk.filter((id) => id !== own.vlan).map((id) => ({ vlan: id, pvid: false, untagged: false }));
  return [{ kind: "port-vlans", where: "host", link, vlans: [own, ...tagged], only: !preserveDefaultVlan }];
}

function ownVlan(vlan: number) {
  return { vlan, pvid: true, untagged: true };
}

/** The IPAM plugin's addresses; with `isGateway` one without a gateway gets the first address of its network. */
function addressesOf({ isGateway }: BridgeConfig, { ipam }: Facts): ResultAddress[] {
  return (ipam?.ips ?? []).map(({ address, gateway }) => {
    const via = gateway ?? (isGateway ? firstHost(address) : undefined);
    return { address, gateway: via, interface: 2 };
  });
}

function firstHost(address: string): string | undefined {
  const cidr = parseCidr(address);
  if (cidr === undefined) return undefined;
  const network = networkAddress(cidr);
  return formatIp({ ...network, value: network.value + 1n });
}

/** The IPAM plugin's routes, and with `isDefaultGateway` a default route in each family that has none by a gateway. */
function routesOf({ isDefaultGateway }: BridgeConfig, { ipam }: Facts, ips: readonly ResultAddress[]): ResultRoute[] {
  const routes = [...(ipam?.routes ?? [])];
  if (!isDefaultGateway) return routes;
  for (const { address, gateway } of ips) {
    const dst = familyOf(address) === 4 ? "0.0.0.0/0" : "::/0";
    if (gateway !== undefined && !hasGateway(routes, dst)) routes.push({ dst, gw: gateway });
  }
  return routes;
}

function hasGateway(routes: readonly ResultRoute[], dst: string): boolean {
  for (const route of routes) if (route.dst === dst && route.gw !== undefined) return true;
  return false;
}
