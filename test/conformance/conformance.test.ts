/** The lists of the suite fit together. */

import { expect, test } from "bun:test";
import { pluginTypes } from "../../src/plugins/types.ts";
import { deviations } from "./deviations.ts";
import { requirements } from "./requirements/all.ts";
import { subjects } from "./subjects.ts";

const ids = requirements.map(({ id }) => id);
const names = subjects.map(({ name }) => name);

test("no two requirements and no two subjects have one name", () => {
  expect(new Set(ids).size).toBe(ids.length);
  expect(new Set(names).size).toBe(names.length);
});

/** Other names of `tendril`, and an IPAM plugin that gives nothing without an agent, which has tests of its own. */
const notApart: string[] = ["minicni", "simplecni", "testcni", "whereabouts"];

test("each of our plugins is judged", () => {
  expect((pluginTypes as readonly string[]).filter((type) => !names.includes(type))).toEqual(notApart);
});

test("deviations and exemptions are of requirements and subjects that there are", () => {
  expect(Object.keys(deviations).filter((id) => !ids.includes(id))).toEqual([]);
  const known = Object.values(deviations).flatMap(({ plugins, sometimes = [] }) => [...plugins, ...sometimes]);
  expect(known.filter((name) => !names.includes(name))).toEqual([]);
  const exempt = subjects.flatMap((subject) => Object.keys(subject.exempt ?? {}));
  expect(exempt.filter((id) => !ids.includes(id))).toEqual([]);
});
