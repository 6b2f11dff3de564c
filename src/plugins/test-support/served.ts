/** Planners served in this process, on hosts and containers that are fresh network namespaces. */

import type { Container, Host } from "../../../test/support/plugin-calls.ts";
import type { Planner } from "../../core/planner.ts";
import type { Call, Foresight, NetworkConfig } from "../../core/plugin.ts";
import type { Result } from "../../core/result.ts";
import { hostLocal } from "../../ipam/host-local/index.ts";
import { staticIpam } from "../../ipam/static.ts";
import { inNetns } from "../../linux/netns.ts";
import { attachments } from "../../plan/attachment.ts";
import { kernelKinds } from "../../resources/kinds.ts";

/** A configuration but for its version, name and type. */
export type Fields = Readonly<Record<string, unknown>>;

/** What calls of one network differ in. */
export interface CallOptions {
  readonly prevResult?: Result;
  readonly args?: Readonly<Record<string, string>>;
  /** Path of the namespace in the place of the container's; null where the runtime has none any more. */
  readonly netns?: string | null;
}

/** A network on a host, served by a planner. */
export interface Served {
  add(container: Container, options?: CallOptions): Result;
  check(container: Container, prevResult: Result, options?: CallOptions): void;
  del(container: Container, options?: CallOptions): void;
  gc(...alive: Container[]): void;
  status(): void;
  foreseeAdd(container: Container, options?: CallOptions): Foresight | undefined;
}

export function serve<C>(planner: Planner<C>, host: Host, fields: Fields): Served {
  const plugin = attachments(planner, {
    runFolder: host.runFolder,
    bootId: "boot",
    kinds: kernelKinds,
    resolveIpam: (type) => (type === "static" ? staticIpam : hostLocal),
  });
  const config = { cniVersion: "1.1.0", name: "net", type: planner.type, ...fields } as NetworkConfig;
  const common = { stdin: "{}", path: [], warn: () => {} };
  const callOf = ({ id, ifname, netns: path }: Container, options: CallOptions = {}): Call => {
    const { prevResult, args = {}, netns = path } = options;
    return {
      ...common,
      config: prevResult === undefined ? config : { ...config, prevResult },
      containerId: id,
      ifname,
      netns: netns ?? undefined,
      cniArgs: "",
      args: new Map(Object.entries(args)),
    };
  };
  const within = <T>(work: () => T): T => inNetns(host.netns.netns, work);
  return {
    add: (container, options) => within(() => plugin.add(callOf(container, options))),
    check: (container, prevResult, options) =>
      within(() => plugin.check(callOf(container, { ...options, prevResult }))),
    del: (container, options) => within(() => plugin.del(callOf(container, options))),
    gc(...alive) {
      const validAttachments = alive.map(({ id, ifname }) => ({ containerId: id, ifname }));
      within(() => plugin.gc({ ...common, config: { ...config, validAttachments } }));
    },
    status: () => within(() => plugin.status({ ...common, config })),
    foreseeAdd: (container, options) => within(() => plugin.foreseeAdd?.(callOf(container, options))),
  };
}
