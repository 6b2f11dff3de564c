/**
 * Our plugins do all that is asked of them. The reference ones are the control: what they do not do is listed with its
 * reason, so the suite is known to notice it.
 */

import { describe, expect } from "bun:test";
import { pluginTypes } from "../../src/plugins/types.ts";
import { kernelLink } from "../support/kernel.ts";
import { type Need, needs, program, root } from "../support/needs.ts";
import { built, ourPlugins, peerPlugins, peers, tendril } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { deviations } from "./deviations.ts";
import type { Verdict } from "./requirement.ts";
import { requirements } from "./requirements/all.ts";
import { judgeApart } from "./run.ts";
import { executableOf, type Subject } from "./subject.ts";
import { subjects } from "./subjects.ts";

const runs = [root, built, program("ip"), program("nft"), program("tc")];
/** A subject is judged by some eighty requirements. */
const PATIENCE_MS = 600_000;

expectNothingLeft();

const inVm = process.env.TENDRIL_TEST_VM === "inside";
const chosen = requirements.filter(({ ofKernel }) => ofKernel || !inVm).map(({ id }) => id);

describe("our plugin does all that is asked of", () => {
  for (const subject of subjects) {
    if (!(pluginTypes as readonly string[]).includes(subject.name)) continue;
    const test = needs(...runs, ...needOf(subject));
    test(
      subject.name,
      async () => {
        const verdicts = await judge(ourPlugins, subject, false);
        expect(verdicts.flatMap(failure)).toEqual([]);
        expect(verdicts).toHaveLength(chosen.length);
      },
      PATIENCE_MS,
    );
  }
});

/** A plugin of each kind; what the others do goes the same way. */
const SERVED = ["bridge", "tendril", "portmap", "tuning", "host-local"];

// How calls are served, and the judge's control, are matters of no kernel.
if (!inVm) {
  judgeServed();
  judgeTheControl();
}

function judgeServed(): void {
  describe("our plugin does all that is asked of, its calls served by the node's agent,", () => {
    for (const subject of subjects.filter(({ name }) => SERVED.includes(name))) {
      needs(...runs, ...needOf(subject))(
        subject.name,
        async () => expect((await judge(ourPlugins, subject, false, tendril)).flatMap(failure)).toEqual([]),
        PATIENCE_MS,
      );
    }
  });
}

function judgeTheControl(): void {
  describe("the reference plugin does all that is asked of, but for what is listed,", () => {
    for (const subject of subjects) {
      const types = [...subject.plugins.map(({ type }) => type), executableOf(subject)];
      const called = subject.kind === "ipam" ? [executableOf(subject)] : types;
      const test = needs(...runs, program("iptables"), peers("1.1.0", ...called), ...needOf(subject));
      test(
        subject.name,
        async () => {
          // They wait for duplicate detection of each IPv6 address, for seconds.
          const verdicts = await judge(peerPlugins, subject, true);
          expect(verdicts.flatMap((verdict) => surprise(subject, verdict))).toEqual([]);
        },
        PATIENCE_MS,
      );
    }
  });
}

function judge(folder: string, { name }: Subject, ipv4: boolean, agent?: string): Promise<Verdict[]> {
  return judgeApart({ folders: [folder], agent, ipv4, only: [name], requirements: chosen });
}

function failure({ outcome, requirement, why }: Verdict): string[] {
  return outcome === "fails" ? [`${requirement}: ${why}`] : [];
}

/** A verdict that the list of deviations does not have. */
function surprise({ name }: Subject, verdict: Verdict): string[] {
  const { plugins = [], sometimes = [] } = deviations[verdict.requirement] ?? {};
  if (verdict.outcome === "not applicable" || sometimes.includes(name)) return [];
  const isListed = plugins.includes(name);
  if (isListed === (verdict.outcome === "fails")) return [];
  return isListed ? [`${verdict.requirement}: holds although it is listed`] : failure(verdict);
}

function needOf({ link }: Subject): Need[] {
  return link === undefined ? [] : [kernelLink(link)];
}
