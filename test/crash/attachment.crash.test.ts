/**
 * The executable is killed after every single step of an ADD and of a DEL; afterwards DEL, GC or another ADD sets all
 * right. Every plugin, and every kind of plan that it has.
 */

import { beforeAll, describe, expect } from "bun:test";
import { type AttachmentCase, attachmentCases } from "../support/attachment-cases.ts";
import { expectSameState, killAtEachStep } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  type Container,
  call,
  expectBuilt,
  type PluginCall,
  succeed,
  testHosts,
  withResult,
  withValid,
} from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();

/** The code of ConflictError. */
const CONFLICT = 103;

/** A container on a host of its own, and the calls about it. A chained plugin finds the one before it in its place. */
async function stage({ config, ifname, given, path, below }: AttachmentCase) {
  const host = hosts.fresh();
  given?.(host);
  const container = hosts.container("c1", ifname);
  const network = config(host);
  const previous = below && (await succeed(host, { verb: "ADD", container, config: below(host) }));
  // The first time that a namespace's loopback interface comes up it gets its addresses for good.
  if (ifname === "lo") container.namespace.sh("ip link set lo up && ip link set lo down");
  const request = (verb: PluginCall["verb"], result?: unknown): PluginCall => {
    const given = result ?? (verb === "ADD" ? previous : undefined);
    return { verb, container, path: path?.(host), config: given === undefined ? network : withResult(network, given) };
  };
  const collect = (...valid: Container[]): PluginCall => ({
    verb: "GC",
    path: path?.(host),
    config: withValid(network, valid),
  });
  return { host, container, request, collect, state: () => stateOf(host, [container.namespace]) };
}

for (const each of attachmentCases) {
  const test = needs(root, ...(each.need === undefined ? [] : [each.need]));

  describe.concurrent(each.name, () => {
    test("an ADD killed after any step leaves nothing once DEL and GC have come", async () => {
      const { host, request, collect, state } = await stage(each);
      const before = await state();
      const after = async (step: number) => {
        await succeed(host, request("DEL"));
        await succeed(host, collect());
        expectSameState(`ADD killed after step ${step}, DEL, GC`, await state(), before);
      };
      const result = await killAtEachStep({
        host,
        call: () => request("ADD"),
        after,
        atLeast: each.steps.add,
      });
      await succeed(host, request("CHECK", result));
      await succeed(host, request("DEL", result));
      await succeed(host, collect());
      expectSameState("ADD, CHECK, DEL, GC", await state(), before);
    });

    test("an ADD killed after any step leaves nothing once GC has come, without any DEL", async () => {
      const { host, request, collect, state } = await stage(each);
      const before = await state();
      const after = async (step: number) => {
        await succeed(host, collect());
        expectSameState(`ADD killed after step ${step}, GC`, await state(), before);
      };
      await killAtEachStep({ host, call: () => request("ADD"), after });
      await after(0);
    });

    test("another ADD repairs what one killed after any step has left", async () => {
      const { host, request, collect, state } = await stage(each);
      const before = await state();
      const refused: number[] = [];
      const sizes = new Set<number>();
      let last = 0;
      const after = async (step: number) => {
        last = step;
        const again = await call(host, request("ADD"));
        let result = again.answer;
        if (again.status !== 0) {
          expect({ step, said: again.answer }).toMatchObject({ step, said: { code: CONFLICT } });
          refused.push(step);
          await succeed(host, request("DEL"));
          result = await succeed(host, request("ADD"));
        }
        await succeed(host, request("CHECK", result));
        // A repaired attachment has as much as one that nothing happened to; that is dear to find out at every step.
        if (step % 4 === 0) sizes.add((await state()).length);
        await succeed(host, request("DEL", result));
        await succeed(host, collect());
        expectSameState(`ADD killed after step ${step}, ADD, CHECK, DEL, GC`, await state(), before);
      };
      await killAtEachStep({ host, call: () => request("ADD"), after });
      // After the last step the attachment is complete, only nobody has been told: a second ADD without DEL.
      expect(refused.filter((step) => step !== last)).toEqual([]);
      await succeed(host, request("DEL"));
      await succeed(host, collect());
      await succeed(host, request("ADD"));
      sizes.add((await state()).length);
      expect(sizes.size).toBe(1);
    });

    test("a DEL killed after any step leaves nothing once another DEL and GC have come", async () => {
      const { host, request, collect, state } = await stage(each);
      const before = await state();
      let result: unknown;
      const after = async (step: number) => {
        await succeed(host, request("DEL", result));
        await succeed(host, collect());
        expectSameState(`DEL killed after step ${step}, DEL, GC`, await state(), before);
      };
      const makeAndDelete = async () => {
        result = await succeed(host, request("ADD"));
        return request("DEL", result);
      };
      await killAtEachStep({ host, call: makeAndDelete, after, atLeast: each.steps.del });
    });

    test("a DEL killed after any step leaves nothing once GC has come", async () => {
      const { host, request, collect, state } = await stage(each);
      const before = await state();
      const after = async (step: number) => {
        await succeed(host, collect());
        expectSameState(`DEL killed after step ${step}, GC`, await state(), before);
      };
      const makeAndDelete = async () => request("DEL", await succeed(host, request("ADD")));
      await killAtEachStep({ host, call: makeAndDelete, after });
    });
  });
}
