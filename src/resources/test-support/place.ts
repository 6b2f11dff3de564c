/** Resources made, verified and removed one by one, in a host and a container that are fresh network namespaces. */

import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestNetns, testNamespaces } from "../../../test/support/namespaces.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import type { Resource } from "../../core/plan.ts";
import { inNetns } from "../../linux/netns.ts";
import { apply, type Machine, remove, type UndoStack, verify } from "../../plan/engine.ts";
import { Kernel } from "../kernel.ts";
import { kernelKinds } from "../kinds.ts";
import { leaseKind } from "../lease.ts";

export interface Place {
  readonly host: TestNetns;
  readonly container: TestNetns;
}

export interface Places {
  readonly runFolder: string;
  fresh(): Place;
  /** Runs `work` in the host with a machine that nobody has used before, as each call of a plugin has one. */
  within<T>(place: Place, work: (machine: Machine) => T): T;
  make(place: Place, ...resources: Resource[]): void;
  /** What is not as the resources say. */
  findings(place: Place, ...resources: Resource[]): string[];
  /** What went wrong. */
  unmake(place: Place, ...resources: Resource[]): unknown[];
}

/** Places for the tests of one file, after which nothing may be left. To be called at the file's top level. */
export function testPlaces(): Places {
  const namespaces = testNamespaces();
  const runFolder = mkdtempSync(join(tmpdir(), "tendril-resources-"));
  afterAll(() => rmSync(runFolder, { recursive: true }));
  expectNothingLeft();
  const within: Places["within"] = ({ host, container }, work) =>
    inNetns(host.netns, () => {
      const kernel = new Kernel(container.netns, runFolder);
      const noIpam = () => {
        throw new Error("no IPAM here");
      };
      try {
        return work({ kernel, kinds: { ...kernelKinds, lease: leaseKind(noIpam, noIpam) } });
      } finally {
        kernel.close();
      }
    });
  return {
    runFolder,
    within,
    fresh: () => ({ host: namespaces.fresh(), container: namespaces.fresh() }),
    make: (place, ...resources) => within(place, (machine) => apply(resources, machine, undoStack())),
    findings: (place, ...resources) => within(place, (machine) => verify(resources, machine)),
    unmake: (place, ...resources) => within(place, (machine) => remove(resources, machine)),
  };
}

export function undoStack(): UndoStack {
  return { own: [], shared: [] };
}
