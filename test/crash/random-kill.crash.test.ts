/** The executable is killed from outside at any time, which is within a step as well as between two. */

import { beforeAll, describe, expect } from "bun:test";
import { attachmentCases } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  expectBuilt,
  type PluginCall,
  start,
  succeed,
  testHosts,
  withResult,
  withValid,
} from "../support/plugin-calls.ts";
import { type Random, seededRandom } from "../support/random.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();

/** Kills of each verb of each plugin. */
const RUNS = 30;

/** An ADD takes some 8 ms and a DEL some 30, most of it the kernel's wait for its readers at the end. */
const LONGEST_MS = { ADD: 12, DEL: 16 };

const names = ["bridge with ipMasq, dual stack", "bridge with macspoofchk", "host-local"];

for (const each of attachmentCases.filter(({ name }) => names.includes(name))) {
  const test = needs(root);

  describe.concurrent(each.name, () => {
    for (const verb of ["ADD", "DEL"] as const) {
      test(`${verb} killed at random times ${RUNS} times leaves nothing once DEL and GC have come`, async () => {
        const random = seededRandom(`${verb} of ${each.name}`);
        const host = hosts.fresh();
        const [first, second] = [hosts.container("c1"), hosts.container("c2")];
        const config = each.config(host);
        const request = (verb: PluginCall["verb"], container = first, result?: unknown): PluginCall => ({
          verb,
          container,
          config: result === undefined ? config : withResult(config, result),
        });
        const state = () => stateOf(host, [first.namespace, second.namespace]);
        const empty = await state();
        const living = await succeed(host, request("ADD", second));
        const before = await state();
        let killed = 0;
        for (let run = 1; run <= RUNS; run++) {
          if (verb === "DEL") await succeed(host, request("ADD"));
          if (await killedAtRandom(host, request(verb), random, LONGEST_MS[verb])) killed++;
          // In every other run GC comes first, as where the runtime was killed too.
          if (run % 2 === 0) await succeed(host, { verb: "GC", config: withValid(config, [second]) });
          await succeed(host, request("DEL"));
          await succeed(host, { verb: "GC", config: withValid(config, [second]) });
          expectSameState(`${verb} killed in run ${run}, DEL, GC`, await state(), before);
        }
        await succeed(host, request("CHECK", second, living));
        await succeed(host, request("DEL", second, living));
        await succeed(host, { verb: "GC", config: withValid(config, []) });
        expectSameState("DEL of the second, GC", await state(), empty);
        // Nearly all are hit while they run; with none the test would test nothing.
        expect(killed).toBeGreaterThan(RUNS / 4);
      });
    }
  });
}

/** Whether the process was still running when the signal came. */
async function killedAtRandom(
  host: Parameters<typeof start>[0],
  call: PluginCall,
  random: Random,
  longest: number,
): Promise<boolean> {
  const running = start(host, call);
  const delay = random.below(longest * 1000) / 1000;
  const until = performance.now() + delay;
  while (performance.now() < until) await Bun.sleep(0);
  running.process.kill("SIGKILL");
  return (await running.outcome).killed;
}
