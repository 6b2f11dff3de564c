import { expect, test } from "bun:test";
import fc from "fast-check";
import { Turns } from "./turns.ts";

test("work about one thing never overlaps and keeps its order, whatever fails", async () => {
  const step = fc.record({ thing: fc.constantFrom("a", "b", "c"), ticks: fc.nat(4), fails: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const turns = new Turns();
      const busy = new Set<string>();
      const begun: string[] = [];
      const results = await Promise.allSettled(
        steps.map(({ thing, ticks, fails }, i) =>
          turns.take(thing, async () => {
            expect(busy.has(thing)).toBe(false);
            busy.add(thing);
            begun.push(`${thing}${i}`);
            for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
            busy.delete(thing);
            if (fails) throw new Error(String(i));
            return i;
          }),
        ),
      );
      expect(results.map((one) => one.status)).toEqual(steps.map(({ fails }) => (fails ? "rejected" : "fulfilled")));
      for (const thing of ["a", "b", "c"]) {
        const wanted = steps.flatMap((each, i) => (each.thing === thing ? [`${thing}${i}`] : []));
        expect(begun.filter((name) => name.startsWith(thing))).toEqual(wanted);
      }
    }),
  );
});

test("work about another thing does not wait", async () => {
  const turns = new Turns();
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = turns.take("a", () => promise);
  const second = turns.take("a", async () => "second");
  expect(await turns.take("b", async () => "other")).toBe("other");
  expect(await Promise.race([second, Promise.resolve("still waiting")])).toBe("still waiting");
  resolve();
  await first;
  expect(await second).toBe("second");
});
