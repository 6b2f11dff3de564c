/**
 * The executable is killed after every single step of an ADD and of a DEL, for the plugins whose links not every kernel
 * has. Starting it is dear where the processor is emulated: so what follows a kill is served here, and it is one way to
 * recover for each kill and not all of them. Each step has had another one with another plugin, and all with macvlan,
 * whose plan is nearly the same (attachment.crash.test.ts).
 */

import { beforeAll, describe, expect } from "bun:test";
import { type AttachmentCase, rareAttachmentCases } from "../support/attachment-cases.ts";
import { callHere } from "../support/calls-here.ts";
import { expectSameState, killAtEachStep } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import { expectBuilt, type PluginCall, succeed, testHosts, withResult, withValid } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();

/** The code of ConflictError. */
const CONFLICT = 103;

/** A container on a host of its own, and what may be done about it. A chained plugin finds the one before it in its place. */
async function stage({ config, given, givenInside, below }: AttachmentCase) {
  const host = hosts.fresh();
  given?.(host);
  const container = hosts.container("c1");
  if (givenInside !== undefined) container.namespace.sh(givenInside);
  const network = config(host);
  const here = (request: PluginCall) => succeed(host, request, callHere);
  const previous = below && (await here({ verb: "ADD", container, config: below(host) }));
  const request = (verb: PluginCall["verb"], result: unknown = verb === "ADD" ? previous : undefined): PluginCall => ({
    verb,
    container,
    config: result === undefined ? network : withResult(network, result),
  });
  const collect = () => here({ verb: "GC", config: withValid(network, []) });
  return { host, here, request, collect, state: () => stateOf(host, [container.namespace]) };
}

for (const [turn, each] of rareAttachmentCases.entries()) {
  const test = needs(root, ...(each.need === undefined ? [] : [each.need]));

  describe.concurrent(each.name, () => {
    test("an ADD killed after any step leaves nothing that DEL, GC or another ADD does not set right", async () => {
      const { host, here, request, collect, state } = await stage(each);
      const before = await state();
      /** The steps after which another ADD was refused, and the last one. */
      const refused: number[] = [];
      let last = 0;
      const recoveries = {
        "DEL, GC": () => here(request("DEL")),
        GC: async () => {},
        "ADD, CHECK, DEL, GC": async (step: number) => {
          const again = await callHere(host, request("ADD"));
          let result = again.answer;
          if (again.status !== 0) {
            expect({ step, said: again.answer }).toMatchObject({ step, said: { code: CONFLICT } });
            refused.push(step);
            await here(request("DEL"));
            result = await here(request("ADD"));
          }
          await here(request("CHECK", result));
          await here(request("DEL", result));
        },
      };
      const ways = Object.entries(recoveries);
      const after = async (step: number) => {
        last = step;
        const [name, recover] = ways[(step + turn) % ways.length] as (typeof ways)[number];
        await recover(step);
        await collect();
        expectSameState(`ADD killed after step ${step}, ${name}`, await state(), before);
      };
      const result = await killAtEachStep({ host, call: () => request("ADD"), after, atLeast: each.steps.add });
      // After the last step the attachment is complete, only nobody has been told.
      expect(refused.filter((step) => step !== last)).toEqual([]);
      await here(request("CHECK", result));
      await here(request("DEL", result));
      await collect();
      expectSameState("ADD, CHECK, DEL, GC", await state(), before);
    });

    test("a DEL killed after any step leaves nothing once another DEL or GC has come", async () => {
      const { host, here, request, collect, state } = await stage(each);
      const before = await state();
      let result: unknown;
      const makeAndDelete = async () => {
        result = await here(request("ADD"));
        return request("DEL", result);
      };
      const after = async (step: number) => {
        const isDeleted = (step + turn) % 2 === 0;
        if (isDeleted) await here(request("DEL", result));
        await collect();
        expectSameState(`DEL killed after step ${step}, ${isDeleted ? "DEL, " : ""}GC`, await state(), before);
      };
      await killAtEachStep({ host, call: makeAndDelete, after, atLeast: each.steps.del });
    });
  });
}
