/**
 * The life of an attachment: a planner and the engine make a plugin with all its verbs.
 *
 * ADD takes the lease, gathers facts, plans, records, applies. CHECK verifies the record's plan, DEL removes it, GC
 * removes those that the runtime no longer knows. Without a record (a change-over from another vendor's plugin, or a
 * record lost) the plan is made again from the configuration and the result that the runtime hands over.
 */

import {
  AddressError,
  ConflictError,
  NotAvailableError,
  TendrilError,
  UnknownContainerError,
  VerificationError,
} from "../core/errors.ts";
import type { LeaseResource, Plan, Resource } from "../core/plan.ts";
import type { Planner } from "../core/planner.ts";
import { type Call, type Foresight, type NetworkCall, type Plugin, restoreCall, storeCall } from "../core/plugin.ts";
import type { Result } from "../core/result.ts";
import { closeNetns, type Netns, openNetns, openNetnsIfExists } from "../linux/netns.ts";
import { Kernel } from "../resources/kernel.ts";
import { leaseKind } from "../resources/lease.ts";
import {
  apply,
  explain,
  explainRemoval,
  type Kinds,
  type Machine,
  remove,
  rollBack,
  type UndoStack,
  verify,
} from "./engine.ts";
import { askLinks, gatherFacts } from "./facts.ts";
import {
  type AttachmentRecord,
  listRecords,
  newRecord,
  type RecordId,
  readRecord,
  removeRecord,
  writeRecord,
} from "./record.ts";
import { noteShared, sweepShared, takeBackShared, whileSharing } from "./shared.ts";

/** What an attachment needs of the process that serves it. */
export interface Environment {
  /** The folder of state that lasts until the next boot. */
  readonly runFolder: string;
  readonly bootId: string;
  /** How to handle each kind of resource but leases. */
  readonly kinds: Omit<Kinds, "lease">;
  /** The IPAM plugin of a type: one of ours, or another vendor's executable. */
  readonly resolveIpam: (type: string) => Plugin;
  /** Told after each single step, for tests that end the process there. */
  readonly step?: (() => void) | undefined;
}

/** The plugin that a planner describes. */
export function attachments<Config>(planner: Planner<Config>, environment: Environment): Plugin {
  return {
    type: planner.type,
    add: (call) => add(planner, call, environment),
    check: (call) => check(planner, call, environment),
    del: (call) => del(planner, call, environment),
    gc: (call) => gc(planner, call, environment),
    status: (call) => status(planner, call, environment),
    foreseeAdd: (call) => foreseeAdd(planner, call, environment),
    foreseeDel: (call) => foreseeDel(planner, call, environment),
  };
}

function add<C>(planner: Planner<C>, call: Call, environment: Environment): Result {
  const config = planner.parse(call.config, call.args);
  const netns = openNetns(netnsPath(call));
  try {
    return withMachine(call, netns, environment, (machine) =>
      whileSharingOrTakingBack(call, environment, (undo) => {
        const id = recordId(planner, call);
        refuseSecond(id, netns, call, machine, environment);
        try {
          return make(planner, config, id, call, netns, machine, environment, undo);
        } catch (error) {
          const failures = rollBack(undo.own, environment.step);
          // Where something could not be taken back the record stays, for DEL or GC to try again.
          if (failures.length === 0) removeRecord(environment.runFolder, id);
          environment.step?.();
          for (const failure of failures) call.warn(`Taking back a failed ADD failed too: ${failure}`);
          throw error;
        }
      }),
    );
  } finally {
    closeNetns(netns);
  }
}

/** From the lease to the complete record. */
function make<C>(
  planner: Planner<C>,
  config: C,
  id: RecordId,
  call: Call,
  netns: Netns,
  { kernel, kinds, step }: Machine,
  environment: Environment,
  undo: Made,
): Result {
  const { runFolder, resolveIpam } = environment;
  const record = (resources: readonly Resource[]) => newRecord(id, { path: netns.path, id: netns.id }, resources);
  const leases = planner.usesIpam(config) ? [leaseOf(call)] : [];
  let ipam: Result | undefined;
  for (const lease of leases) {
    writeRecord(runFolder, record(leases));
    step?.();
    const plugin = resolveIpam(lease.ipam);
    ipam = plugin.add(call);
    undo.own.push(() => plugin.del(call));
    step?.();
    if (!ipam.ips?.length) throw new AddressError(`The IPAM plugin "${lease.ipam}" gave no address`);
  }
  const facts = gatherFacts(planner, config, call, kernel, { bootId: environment.bootId, ipam });
  const plan = planner.plan(config, facts);
  const resources = [...leases, ...plan.resources];
  undo.note = noteShared(runFolder, id.key.network, resources);
  writeRecord(runFolder, record(resources));
  step?.();
  apply(plan.resources, { kernel, kinds, step }, undo);
  writeRecord(runFolder, { ...record(resources), state: "complete", result: plan.result });
  step?.();
  return plan.result;
}

/** A complete attachment stays as it is; what a crash has left of an earlier ADD is removed first. */
function refuseSecond(id: RecordId, netns: Netns, call: Call, machine: Machine, { runFolder }: Environment): void {
  const old = readRecord(runFolder, id, call.warn);
  if (old === undefined) return;
  if (old.state === "complete" && old.netns.id === netns.id) {
    throw new ConflictError(
      `Container "${id.key.containerId}" is already attached to network "${id.key.network}" as "${id.key.ifname}"`,
      { details: "DEL comes before another ADD." },
    );
  }
  throwAll(removeRecorded(old, machine, runFolder));
}

/** What an ADD has to take back when it fails. */
interface Made extends UndoStack {
  /** The note about shared resources, when this ADD was the first to write it. */
  note: string | undefined;
}

/**
 * Runs `work` while sharing. When it fails, what it made of shared things is taken back too, unless somebody else has
 * come to use them.
 */
function whileSharingOrTakingBack<T>(call: Call, { runFolder, step }: Environment, work: (made: Made) => T): T {
  const made: Made = { own: [], shared: [], note: undefined };
  try {
    return whileSharing(runFolder, () => work(made));
  } catch (error) {
    const { shared: undo, note } = made;
    if (undo.length > 0 || note !== undefined) {
      const failures = takeBackShared(runFolder, call.config.name, { undo, note }, { step, warn: call.warn });
      for (const failure of failures) call.warn(`Taking back a failed ADD failed too: ${failure}`);
    }
    throw error;
  }
}

function check<C>(planner: Planner<C>, call: Call, environment: Environment): void {
  const config = planner.parse(call.config, call.args);
  const netns = openNetns(netnsPath(call));
  try {
    withMachine(call, netns, environment, (machine) => {
      const record = readRecord(environment.runFolder, recordId(planner, call), call.warn);
      const resources = record?.resources ?? planAgain(planner, config, call, machine.kernel, environment).resources;
      const findings = [
        ...(record?.state === "pending" ? ["an ADD was interrupted before it was complete"] : []),
        ...verify(asOfNow(resources, planner.ifname ?? call.ifname, call), machine),
      ];
      if (findings.length > 0) throw new VerificationError(findings);
    });
  } finally {
    closeNetns(netns);
  }
}

/**
 * The resources with what the chain's later plugins have changed: the interface's MAC and its addresses are those of
 * the result that the runtime holds; and the IPAM plugin is asked with that result, as the specification has it.
 */
function asOfNow(resources: readonly Resource[], ifname: string, call: Call): Resource[] {
  const { prevResult } = call.config;
  const index =
    prevResult?.interfaces?.findIndex(({ name, sandbox }) => name === ifname && sandbox !== undefined) ?? -1;
  const mac = prevResult?.interfaces?.[index]?.mac;
  const adjusted = resources.map((resource): Resource => {
    if (resource.kind === "lease") return { ...resource, call: storeCall(call) };
    const isEnd = resource.kind === "link" && resource.type === "veth" && resource.peer.name === ifname;
    return isEnd && mac !== undefined ? { ...resource, peer: { ...resource.peer, mac } } : resource;
  });
  const known = new Set(resources.map((resource) => (resource.kind === "address" ? resource.address : "")));
  const added = (prevResult?.ips ?? [])
    .filter((ip) => index >= 0 && ip.interface === index && !known.has(ip.address))
    .map(({ address }) => ({ kind: "address", where: "container", link: ifname, address }) as const);
  return [...adjusted, ...added];
}

function del<C>(planner: Planner<C>, call: Call, environment: Environment): void {
  const { runFolder } = environment;
  const record = readRecord(runFolder, recordId(planner, call), call.warn);
  const path = call.netns ?? record?.netns.path;
  const netns = path === undefined ? undefined : openNetnsIfExists(path);
  try {
    // A path can be given to another container's namespace; then this one's is gone.
    const own = record === undefined || netns?.id === record.netns.id ? netns : undefined;
    withMachine(call, own, environment, (machine) => {
      if (record !== undefined) return throwAll(removeRecorded(record, machine, runFolder));
      throwAll(remove(ownOf(planForDel(planner, call, machine.kernel, environment)), machine));
      // What a process has left that was killed while it wrote the record.
      removeRecord(runFolder, recordId(planner, call));
    });
  } finally {
    if (netns !== undefined) closeNetns(netns);
  }
}

/** The record goes last and only when all else has, so that what failed is tried again. */
function removeRecorded(record: AttachmentRecord, machine: Machine, runFolder: string): unknown[] {
  const errors = remove(ownOf(record.resources), machine);
  if (errors.length === 0) {
    removeRecord(runFolder, record);
    machine.step?.();
  }
  return errors;
}

/** Without a record: what the plan would be, made from the result that the runtime holds. */
function planForDel<C>(planner: Planner<C>, call: Call, kernel: Kernel, environment: Environment): readonly Resource[] {
  const config = planner.parse(call.config, call.args);
  return planAgain(planner, config, call, kernel, environment).resources;
}

/** The plan of an attachment that left no record. */
function planAgain<C>(planner: Planner<C>, config: C, call: Call, kernel: Kernel, environment: Environment): Plan {
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

function gc<C>(planner: Planner<C>, call: NetworkCall, environment: Environment): void {
  const { runFolder, resolveIpam } = environment;
  const { validAttachments, name, ipam } = call.config;
  if (validAttachments === undefined) return;
  const valid = new Set(validAttachments.map(({ containerId, ifname }) => `${containerId}@${ifname}`));
  const errors: unknown[] = [];
  for (const record of listRecords(runFolder, call.warn, name)) {
    if (record.plugin !== planner.type || valid.has(`${record.key.containerId}@${record.key.ifname}`)) continue;
    const netns = openNetnsIfExists(record.netns.path);
    try {
      const own = netns?.id === record.netns.id ? netns : undefined;
      withMachine(call, own, environment, (machine) => errors.push(...removeRecorded(record, machine, runFolder)));
    } finally {
      if (netns !== undefined) closeNetns(netns);
    }
  }
  if (ipam !== undefined) {
    try {
      resolveIpam(ipam.type).gc(call);
    } catch (error) {
      errors.push(error);
    }
  }
  withMachine(call, undefined, environment, (machine) =>
    errors.push(...sweepShared(runFolder, name, machine, call.warn)),
  );
  throwAll(errors);
}

function status<C>(planner: Planner<C>, call: NetworkCall, environment: Environment): void {
  const config = planner.parse(call.config, new Map());
  withMachine(call, undefined, environment, ({ kernel }) => {
    const questions = planner.links(config).filter(({ where }) => where === "host");
    const obstacles = planner.obstacles(config, askLinks(questions, kernel));
    if (obstacles.length > 0) throw new NotAvailableError(obstacles.join("; "));
  });
  if (call.config.ipam !== undefined && planner.usesIpam(config)) {
    environment.resolveIpam(call.config.ipam.type).status(call);
  }
}

function foreseeAdd<C>(planner: Planner<C>, call: Call, environment: Environment): Foresight {
  const config = planner.parse(call.config, call.args);
  const netns = openNetns(netnsPath(call));
  try {
    return withMachine(call, netns, environment, ({ kernel, kinds }) => {
      const lease = planner.usesIpam(config) ? foreseeLease(call, environment) : undefined;
      const facts = gatherFacts(planner, config, call, kernel, { bootId: environment.bootId, ipam: lease?.result });
      const { resources, result } = planner.plan(config, facts);
      const commands = explain(resources, kinds, { container: netns.path });
      return { result, commands: [...(lease?.commands ?? []), ...commands] };
    });
  } finally {
    closeNetns(netns);
  }
}

function foreseeLease(call: Call, { resolveIpam }: Environment): Foresight {
  const { ipam } = leaseOf(call);
  const foresight = resolveIpam(ipam).foreseeAdd?.(call);
  if (foresight !== undefined) return foresight;
  throw new TendrilError(`Cannot foresee which addresses the IPAM plugin "${ipam}" would give`, {
    details: "It is another vendor's executable: only ADD tells.",
  });
}

function foreseeDel<C>(planner: Planner<C>, call: Call, environment: Environment): readonly string[] {
  const record = readRecord(environment.runFolder, recordId(planner, call), call.warn);
  return withMachine(call, undefined, environment, ({ kinds, kernel }) => {
    const resources = record?.resources ?? planForDel(planner, call, kernel, environment);
    const lease = resources.find((resource) => resource.kind === "lease");
    const own = ownOf(resources).filter((resource) => resource !== lease);
    const naming = { container: record?.netns.path ?? call.netns ?? "" };
    const release = lease && environment.resolveIpam(lease.ipam).foreseeDel?.(restoreCall(lease.call, call.warn));
    return [...explainRemoval(own, kinds, naming), ...(release ?? [])];
  });
}

/** What goes with the attachment. */
function ownOf(resources: readonly Resource[]): Resource[] {
  return resources.filter((resource) => !resource.shared);
}

function withMachine<T>(
  { warn }: NetworkCall,
  container: Netns | undefined,
  { kinds, resolveIpam, runFolder, step }: Environment,
  work: (machine: Machine) => T,
): T {
  const kernel = new Kernel(container, runFolder);
  try {
    return work({ kernel, kinds: { ...kinds, lease: leaseKind(resolveIpam, warn) }, step });
  } finally {
    kernel.close();
  }
}

/** Records go by the interface that the runtime named, for GC names it so too. */
function recordId<C>(planner: Planner<C>, call: Call): RecordId {
  const key = { network: call.config.name, containerId: call.containerId, ifname: call.ifname };
  return { key, plugin: planner.type };
}

function leaseOf(call: Call): LeaseResource {
  return { kind: "lease", where: "host", ipam: call.config.ipam?.type ?? "", call: storeCall(call) };
}

function netnsPath(call: Call): string {
  if (call.netns !== undefined) return call.netns;
  throw new UnknownContainerError(`Container "${call.containerId}" has no network namespace`);
}

/** One error as it is, several as one that has them all. */
function throwAll(errors: readonly unknown[]): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) {
    const cause = new AggregateError(errors);
    throw new TendrilError(errors.map((error) => (error instanceof Error ? error.message : String(error))).join("; "), {
      cause,
    });
  }
}
