/** A test host with somebody outside, who knows no way to its containers. */

import { dirname } from "node:path";
import { closeNetns, type Netns, openNetns } from "../../src/linux/netns.ts";
import type { TestHost } from "./host.ts";

export const NODE_ADDRESS = "192.0.2.1";
export const OUTSIDE_ADDRESS = "192.0.2.9";

/** Network namespaces in which traffic begins or ends. */
export interface Site {
  readonly node: { readonly netns: Netns };
  readonly outside: { readonly netns: Netns };
  /** The namespace of whatever container is started meanwhile. */
  ofContainer<T>(start: () => Promise<T>): Promise<{ readonly netns: Netns; readonly started: T }>;
  /** Closes what has been opened. */
  close(): void;
}

/** Links the host to somebody outside. */
export function makeSite(host: TestHost): Site {
  const outside = host.netns("outside");
  host.sh(`ip link add up0 type veth peer name up1 netns outside && ip link set up0 up &&
    ip address add ${NODE_ADDRESS}/24 dev up0 && ip -n outside link set lo up && ip -n outside link set up1 up &&
    ip -n outside address add ${OUTSIDE_ADDRESS}/24 dev up1`);
  const open: Netns[] = [];
  const opened = (path: string): Netns => {
    const netns = openNetns(path);
    open.push(netns);
    return netns;
  };
  const names = () => host.sh("ls /run/netns").split("\n");
  return {
    node: { netns: opened(`${dirname(host.root)}/ns/net`) },
    outside: { netns: opened(`${host.root}${outside}`) },
    async ofContainer(start) {
      const before = names();
      const started = await start();
      const [name, ...others] = names().filter((each) => !before.includes(each));
      if (name === undefined || others.length > 0) throw new Error("Not one namespace has come, but none or several");
      return { started, netns: opened(`${host.root}/run/netns/${name}`) };
    },
    close() {
      for (const netns of open.splice(0)) closeNetns(netns);
    },
  };
}
