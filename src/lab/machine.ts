/** The engine at work on the stages of a lab, inside the lab's namespaces: never in the machine's own. */

import { closeNetns, inNetns, namedNetnsPath, openNetns } from "../linux/netns.ts";
import { apply, explain, type Machine, verify } from "../plan/engine.ts";
import { kindsWithoutLeases } from "../plan/service.ts";
import { Kernel } from "../resources/kernel.ts";
import { kernelKinds } from "../resources/kinds.ts";
import { netnsName } from "./names.ts";
import type { Stage } from "./stages.ts";

const kinds = kindsWithoutLeases(kernelKinds);

/** Makes a stage. Throws what the kernel refused; what was made until then stays, for `down`. */
export function applyStage(lab: string, folder: string, stage: Stage): void {
  withStage(lab, folder, stage, (machine) => apply(stage.resources, machine, { own: [], shared: [] }));
}

/** What is not as a stage has made it, each a sentence. Throws UnknownContainerError where a namespace is gone. */
export function verifyStage(lab: string, folder: string, stage: Stage): string[] {
  return withStage(lab, folder, stage, (machine) => verify(stage.resources, machine));
}

/** The commands that a person would type on the host to make resources there and in a container. */
export function commandsOf(resources: Stage["resources"], container: string): string[] {
  return explain(resources, kinds, { container });
}

function withStage<T>(lab: string, folder: string, stage: Stage, work: (machine: Machine) => T): T {
  const host = openNetns(namedNetnsPath(netnsName(lab, stage.host)));
  try {
    const container = openNetns(namedNetnsPath(netnsName(lab, stage.container)));
    try {
      return inNetns(host, () => {
        const kernel = new Kernel(container, folder);
        try {
          return work({ kernel, kinds });
        } finally {
          kernel.close();
        }
      });
    } finally {
      closeNetns(container);
    }
  } finally {
    closeNetns(host);
  }
}
