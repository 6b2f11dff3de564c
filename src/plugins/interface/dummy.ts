/**
 * `dummy`: gives the container an interface that leads nowhere, for addresses that are only its own.
 * @see https://github.com/containernetworking/plugins/tree/main/plugins/main/dummy
 */

import { attachmentMac } from "../../core/names.ts";
import type { Planner } from "../../core/planner.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import type { Dns, ResultAddress } from "../../core/result.ts";
import { dnsOf, planAddresses, planRoutes, planUp } from "../container-interface.ts";
import { requireIpam } from "../interface-fields.ts";

export const dummy: Planner<{ readonly dns: Dns | undefined }> = {
  type: "dummy",
  parse(config: NetworkConfig) {
    requireIpam(config);
    return { dns: config.dns };
  },
  usesIpam: () => true,
  links: () => [],
  plan(config, facts) {
    const { key, netns, ipam, adopted } = facts;
    const name = key.ifname;
    const known = adopted?.interfaces?.find((one) => one.name === name && one.sandbox === netns);
    const mac = known?.mac ?? attachmentMac("container", key);
    const ips = (ipam?.ips ?? []).map(({ address, gateway }): ResultAddress => ({ address, gateway, interface: 0 }));
    const routes = ipam?.routes ?? [];
    return {
      resources: [
        { kind: "link", type: "dummy", where: "container", name, mac },
        // Other vendors' plugins test addresses for duplicates.
        ...planAddresses(name, ips, { duplicateDetection: adopted !== undefined }),
        planUp(name),
        ...planRoutes(name, ips, routes),
      ],
      result: { interfaces: [{ name, mac, sandbox: netns }], ips, routes, dns: dnsOf(config, facts) },
    };
  },
  obstacles: () => [],
};
