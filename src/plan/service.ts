/** What the verbs of an attachment share: what they are served with, and how they turn a call into a plan. */

import { TendrilError, UnknownContainerError } from "../core/errors.ts";
import type { LeaseResource, Plan, Resource } from "../core/plan.ts";
import type { Planner } from "../core/planner.ts";
import { type Call, type NetworkCall, type Plugin, storeCall } from "../core/plugin.ts";
import type { Result } from "../core/result.ts";
import type { Netns } from "../linux/netns.ts";
import { type Kept, Kernel } from "../resources/kernel.ts";
import type { KernelKinds } from "../resources/kinds.ts";
import { leaseKind } from "../resources/lease.ts";
import { type Kinds, type Machine, withLeases } from "./engine.ts";
import { gatherFacts } from "./facts.ts";
import type { RecordId } from "./record.ts";

/** What an attachment needs of the process that serves it. */
export interface Environment {
  /** The folder of state that lasts until the next boot. */
  readonly runFolder: string;
  readonly bootId: string;
  /** How to handle each kind of resource but leases. */
  readonly kinds: KernelKinds;
  /** The IPAM plugin of a type: one of ours, or another vendor's executable. */
  readonly resolveIpam: (type: string) => Plugin;
  /** In a process that serves many calls. */
  readonly kept?: Kept | undefined;
  /** Told after each single step, for tests that end the process there. */
  readonly step?: (() => void) | undefined;
}

/** All kinds, for resources among which no lease can be. */
export function kindsWithoutLeases(kinds: KernelKinds): Kinds {
  const none = (type: string): never => {
    throw new TendrilError(`There is no IPAM plugin "${type}" here: no addresses are leased`);
  };
  return withLeases(
    kinds,
    leaseKind(none, () => {}),
  );
}

/** What goes with the attachment. */
export function ownOf(resources: readonly Resource[]): Resource[] {
  return resources.filter((resource) => !resource.shared);
}

export function withMachine<T>(
  { warn }: NetworkCall,
  container: Netns | undefined,
  { kinds, resolveIpam, runFolder, kept, step }: Environment,
  work: (machine: Machine) => T,
): T {
  const kernel = new Kernel(container, runFolder, kept);
  try {
    return work({ kernel, kinds: withLeases(kinds, leaseKind(resolveIpam, warn)), step });
  } finally {
    kernel.close();
  }
}

/** Records go by the interface that the runtime named, for GC names it so too. */
export function recordId<C>(planner: Planner<C>, call: Call): RecordId {
  const key = { network: call.config.name, containerId: call.containerId, ifname: call.ifname };
  return { key, plugin: planner.type };
}

export function leaseOf(call: Call): LeaseResource {
  return { kind: "lease", where: "host", ipam: call.config.ipam?.type ?? "", call: storeCall(call) };
}

export function netnsPath(call: Call): string {
  if (call.netns !== undefined) return call.netns;
  throw new UnknownContainerError(`Container "${call.containerId}" has no network namespace`);
}

/**
 * What the runtime is told: an interface plugin's own result after the one that it was given. Planners of chained
 * plugins see to that themselves.
 */
export function resultFor<C>(planner: Planner<C>, config: C, { config: { prevResult } }: Call, own: Result): Result {
  if (planner.chained || prevResult === undefined || own === prevResult || planner.takesOver?.(config)) return own;
  const { interfaces = [], ips = [], routes = [], dns } = prevResult;
  const moved = (own.ips ?? []).map((ip) =>
    ip.interface === undefined ? ip : { ...ip, interface: ip.interface + interfaces.length },
  );
  const result: Result = {
    interfaces: [...interfaces, ...(own.interfaces ?? [])],
    ips: [...ips, ...moved],
    routes: [...routes, ...(own.routes ?? [])],
  };
  const settings = own.dns ?? dns;
  return settings === undefined ? result : { ...result, dns: settings };
}

/** Without a record: what the plan would be, made from the result that the runtime holds. */
export function planForDel<C>(
  planner: Planner<C>,
  call: Call,
  kernel: Kernel,
  environment: Environment,
): readonly Resource[] {
  const config = planner.parse(call.config, call.args);
  return planAgain(planner, config, call, kernel, environment).resources;
}

/** The plan of an attachment that left no record. */
export function planAgain<C>(
  planner: Planner<C>,
  config: C,
  call: Call,
  kernel: Kernel,
  environment: Environment,
): Plan {
  const adopted = call.config.prevResult;
  const ipam = planner.usesIpam(config) ? { ips: adopted?.ips ?? [], routes: adopted?.routes ?? [] } : undefined;
  const plan = planner.plan(
    config,
    gatherFacts(planner, config, call, kernel, {
      bootId: environment.bootId,
      ipam,
      adopted,
      recovering: adopted === undefined,
    }),
  );
  return planner.usesIpam(config) ? { ...plan, resources: [leaseOf(call), ...plan.resources] } : plan;
}
