/** What ADD and DEL of an attachment would do, changing nothing. */

import { TendrilError } from "../core/errors.ts";
import type { Planner } from "../core/planner.ts";
import { type Call, type Foresight, restoreCall } from "../core/plugin.ts";
import { closeNetns, openNetns } from "../linux/netns.ts";
import { explain, explainRemoval } from "./engine.ts";
import { gatherFacts } from "./facts.ts";
import { readInstances } from "./record.ts";
import {
  type Environment,
  leaseOf,
  netnsPath,
  ownOf,
  planForDel,
  recordId,
  resultFor,
  withMachine,
} from "./service.ts";

export function foreseeAdd<C>(planner: Planner<C>, call: Call, environment: Environment): Foresight {
  const config = planner.parse(call.config, call.args);
  const netns = openNetns(netnsPath(call));
  try {
    return withMachine(call, netns, environment, ({ kernel, kinds }) => {
      const lease = planner.usesIpam(config) ? foreseeLease(call, environment) : undefined;
      const facts = gatherFacts(planner, config, call, kernel, { bootId: environment.bootId, ipam: lease?.result });
      const { resources, result } = planner.plan(config, facts);
      const commands = explain(resources, kinds, { container: netns.path });
      return { result: resultFor(planner, config, call, result), commands: [...(lease?.commands ?? []), ...commands] };
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

export function foreseeDel<C>(planner: Planner<C>, call: Call, environment: Environment): readonly string[] {
  const records = readInstances(environment.runFolder, recordId(planner, call), call.warn);
  return withMachine(call, undefined, environment, ({ kinds, kernel }) => {
    const recorded = records.flatMap(({ resources }) => resources);
    const resources = records.length > 0 ? recorded : planForDel(planner, call, kernel, environment);
    const lease = resources.find((resource) => resource.kind === "lease");
    const own = ownOf(resources).filter((resource) => resource !== lease);
    const naming = { container: records[0]?.netns.path ?? call.netns ?? "" };
    const release = lease && environment.resolveIpam(lease.ipam).foreseeDel?.(restoreCall(lease.call, call.warn));
    return [...explainRemoval(own, kinds, naming), ...(release ?? [])];
  });
}
