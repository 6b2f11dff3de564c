/** `loopback`: brings up the loopback interface of the container. */

import type { Planner } from "../../core/planner.ts";
import type { ResultAddress } from "../../core/result.ts";

const LOOPBACK = "lo";

/** The addresses that the kernel gives the loopback interface when it comes up. */
const KERNEL_ADDRESSES = ["127.0.0.1/8", "::1/128"];

export const loopback: Planner<undefined> = {
  type: "loopback",
  ifname: LOOPBACK,
  parse: () => undefined,
  usesIpam: () => false,
  links: () => [{ where: "container", name: LOOPBACK, addresses: true }],
  plan(_, { netns, prevResult, links }) {
    const before = links.get(`container/${LOOPBACK}`);
    const present = before?.up ? before.addresses : KERNEL_ADDRESSES;
    const ips = present.map((address): ResultAddress => ({ address, interface: 0 }));
    return {
      resources: [
        { kind: "link-settings", where: "container", link: LOOPBACK, set: { up: true }, restore: { up: false } },
      ],
      result: prevResult ?? { interfaces: [{ name: LOOPBACK, mac: "00:00:00:00:00:00", sandbox: netns }], ips },
    };
  },
  obstacles: () => [],
};
