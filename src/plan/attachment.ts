/**
 * The life of an attachment: a planner and the engine make a plugin with all its verbs.
 *
 * ADD takes the lease, gathers facts, plans, records, applies. CHECK verifies the record's plan, DEL removes it, GC
 * removes those that the runtime no longer knows. Without a record (a change-over from another vendor's plugin, or a
 * record lost) the plan is made again from the configuration and the result that the runtime hands over.
 */

import {
  AddressError,
  ConfigError,
  ConflictError,
  NotAvailableError,
  TendrilError,
  VerificationError,
} from "../core/errors.ts";
import { formatHash, hash64 } from "../core/names.ts";
import type { Resource } from "../core/plan.ts";
import type { Planner } from "../core/planner.ts";
import type { Call, NetworkCall, Plugin } from "../core/plugin.ts";
import type { Result } from "../core/result.ts";
import { closeNetns, type Netns, openNetns, openNetnsIfExists } from "../linux/netns.ts";
import { asChangedSince, asOfNow } from "./as-of-now.ts";
import { apply, type Machine, remove, rollBack, type UndoStack, verify } from "./engine.ts";
import { askLinks, gatherFacts } from "./facts.ts";
import { foreseeAdd, foreseeDel } from "./foresight.ts";
import { withFirstValues, withOthersValues } from "./namespace-wide.ts";
import {
  type AttachmentRecord,
  instanceOf,
  listRecords,
  newRecord,
  type RecordId,
  readInstances,
  removeRecord,
  writeRecord,
} from "./record.ts";
import { restoreTables } from "./restore.ts";
import {
  type Environment,
  leaseOf,
  netnsPath,
  ownOf,
  planAgain,
  planForDel,
  recordId,
  resultFor,
  withMachine,
} from "./service.ts";
import { noteShared, sweepShared, takeBackShared, whileSharing } from "./shared.ts";

/** The plugin that a planner describes. */
export function attachments<Config>(planner: Planner<Config>, environment: Environment): Plugin {
  const whole = <C extends NetworkCall>(call: C): C => withDefaultIpam(planner, call);
  return {
    type: planner.type,
    chained: planner.chained === true,
    add: (call) => add(planner, whole(call), environment),
    check: (call) => check(planner, whole(call), environment),
    del: (call) => del(planner, whole(call), environment),
    gc: (call) => gc(planner, whole(call), environment),
    status: (call) => status(planner, whole(call), environment),
    foreseeAdd: (call) => foreseeAdd(planner, whole(call), environment),
    foreseeDel: (call) => foreseeDel(planner, whole(call), environment),
  };
}

/** The call as if its configuration named the planner's own IPAM plugin, where it names none. */
function withDefaultIpam<P, C extends NetworkCall>({ defaultIpam }: Planner<P>, call: C): C {
  if (defaultIpam === undefined || call.config.ipam !== undefined) return call;
  return { ...call, config: { ...call.config, ipam: { type: defaultIpam } } };
}

function add<C>(planner: Planner<C>, call: Call, environment: Environment): Result {
  const config = planner.parse(call.config, call.args);
  requirePrevResult(planner, call);
  const netns = openNetns(netnsPath(call));
  try {
    return withMachine(call, netns, environment, (machine) =>
      whileSharingOrTakingBack(call, environment, (undo) => {
        const id = freePlace(planner, netns, call, machine, environment);
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
  machine: Machine,
  environment: Environment,
  undo: Made,
): Result {
  const { kernel, step } = machine;
  const { runFolder, resolveIpam } = environment;
  const about = { netns: { path: netns.path, id: netns.id }, config: configHash(planner, call) };
  const record = (resources: readonly Resource[]) => newRecord(id, about, resources);
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
  const planned = withFirstValues(plan.resources, record([]), runFolder, call.warn);
  const resources = [...leases, ...planned];
  undo.note = noteShared(runFolder, id.key.network, resources);
  writeRecord(runFolder, record(resources));
  step?.();
  // What others had in a table that was missing comes back first: it may be what this plan would take.
  const tables = planned.findLastIndex(({ kind }) => kind === "nft-table") + 1;
  apply(planned.slice(0, tables), machine, undo);
  restoreTables(runFolder, machine, call.warn);
  apply(planned.slice(tables), machine, undo);
  const result = resultFor(planner, config, call, plan.result);
  writeRecord(runFolder, { ...record(resources), state: "complete", result });
  step?.();
  return result;
}

/**
 * The name of the record to come. A complete attachment stays as it is; what a crash has left of an earlier ADD is
 * removed first. A chained plugin with another configuration than before is another one of the same chain.
 */
function freePlace<C>(
  planner: Planner<C>,
  netns: Netns,
  call: Call,
  machine: Machine,
  { runFolder }: Environment,
): RecordId {
  const id = recordId(planner, call);
  const old = readInstances(runFolder, id, call.warn);
  if (old.length === 0) return id;
  const hash = configHash(planner, call);
  const [done, left] = partition(old, ({ state, netns: { id } }) => state === "complete" && id === netns.id);
  if (done.some(({ config }) => config === hash)) {
    throw new ConflictError(
      `Container "${id.key.containerId}" is already attached to network "${id.key.network}" as "${id.key.ifname}"`,
      { details: "DEL comes before another ADD." },
    );
  }
  throwAll(left.toReversed().flatMap((record) => removeRecorded(record, machine, runFolder, call.warn)));
  return instanceOf(id, done.length);
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
  requirePrevResult(planner, call);
  const netns = openNetns(netnsPath(call));
  try {
    withMachine(call, netns, environment, (machine) => {
      const hash = configHash(planner, call);
      const records = readInstances(environment.runFolder, recordId(planner, call), call.warn);
      const record = records.find((one) => one.config === hash);
      const resources = record?.resources ?? planAgain(planner, config, call, machine.kernel, environment).resources;
      const ifname = planner.ifname ?? call.ifname;
      const now = planner.chained
        ? asChangedSince(resources, ifname, call)
        : asOfNow(resources, ifname, call, environment);
      const findings = [
        ...(record?.state === "pending" ? ["an ADD was interrupted before it was complete"] : []),
        ...verify(now, machine),
      ];
      if (findings.length > 0) throw new VerificationError(findings);
    });
  } finally {
    closeNetns(netns);
  }
}

function del<C>(planner: Planner<C>, call: Call, environment: Environment): void {
  const { runFolder } = environment;
  // All places of a plugin in the chain at once, the last one first: its configuration may have changed by now.
  const records = readInstances(runFolder, recordId(planner, call), call.warn).toReversed();
  const record = records[0];
  const path = call.netns ?? record?.netns.path;
  const netns = path === undefined ? undefined : openNetnsIfExists(path);
  try {
    // A path can be given to another container's namespace; then this one's is gone.
    const own = record === undefined || netns?.id === record.netns.id ? netns : undefined;
    withMachine(call, own, environment, (machine) => {
      if (records.length > 0)
        return throwAll(records.flatMap((one) => removeRecorded(one, machine, runFolder, call.warn)));
      throwAll(remove(ownOf(planForDel(planner, call, machine.kernel, environment)), machine));
      // What a process has left that was killed while it wrote the record.
      removeRecord(runFolder, recordId(planner, call));
    });
  } finally {
    if (netns !== undefined) closeNetns(netns);
  }
}

/** The record goes last and only when all else has, so that what failed is tried again. */
function removeRecorded(
  record: AttachmentRecord,
  machine: Machine,
  runFolder: string,
  warn: (sentence: string) => void,
): unknown[] {
  const errors = remove(withOthersValues(ownOf(record.resources), record, runFolder, warn), machine);
  if (errors.length === 0) {
    removeRecord(runFolder, record);
    machine.step?.();
  }
  return errors;
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
      withMachine(call, own, environment, (machine) =>
        errors.push(...removeRecorded(record, machine, runFolder, call.warn)),
      );
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
  withMachine(call, undefined, environment, (machine) => {
    errors.push(...sweepShared(runFolder, name, machine, call.warn));
    whileSharing(runFolder, () => restoreTables(runFolder, machine, call.warn));
  });
  throwAll(errors);
}

function status<C>(planner: Planner<C>, call: NetworkCall, environment: Environment): void {
  const config = planner.parse(call.config, new Map());
  withMachine(call, undefined, environment, ({ kernel }) => {
    const questions = planner.links(config, { containerId: undefined, ifname: undefined, prevResult: undefined });
    const obstacles = planner.obstacles(config, askLinks(questions, kernel));
    if (obstacles.length > 0) throw new NotAvailableError(obstacles.join("; "));
  });
  if (call.config.ipam !== undefined && planner.usesIpam(config)) {
    environment.resolveIpam(call.config.ipam.type).status(call);
  }
}

/** Throws ConfigError. */
function requirePrevResult<C>(planner: Planner<C>, { config }: Call): void {
  if (!planner.chained || config.prevResult !== undefined) return;
  throw new ConfigError("prevResult", `is missing: "${planner.type}" comes after another plugin in a chain`);
}

/** Tells apart the places of a plugin in one chain; an interface plugin has one only. */
function configHash<C>(planner: Planner<C>, { config }: Call): string | undefined {
  return planner.chained && formatHash(hash64(JSON.stringify({ ...config, prevResult: undefined })));
}

function partition<T>(all: readonly T[], test: (one: T) => boolean): [yes: T[], no: T[]] {
  return [all.filter(test), all.filter((one) => !test(one))];
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
