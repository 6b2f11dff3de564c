/** What is wrong is refused by both, by ours with one error that names the field and shows the value, and changes nothing. */

import { beforeAll, describe, expect } from "bun:test";
import { goPlugin } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import { type Config, call, expectBuilt, PLUGINS, type PluginCall, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { PEERS } from "./pair.ts";
import { type Wrong, wrongConfigurations } from "./wrong.ts";
import { wrongTunings } from "./wrong-tuning.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const needed = [root, goPlugin("bridge"), goPlugin("host-local"), goPlugin("static"), goPlugin("tuning")];

describe.concurrent("refused is", () => {
  for (const each of [...wrongConfigurations, ...wrongTunings]) {
    const test = needs(...needed, ...(each.need === undefined ? [] : [each.need]));
    test(each.name, async () => {
      const [theirs, ours] = await Promise.all([attempt(each, PEERS), attempt(each, PLUGINS)]);
      const { code, msg } = ours.answer as { code: number; msg: string };
      expect({ status: ours.status, code, msg }).toEqual({ status: 1, code: each.code, msg: expect.any(String) });
      for (const word of each.says) expect(msg).toContain(word);
      // One error and nothing else, so no stack of a bug either.
      expect({ stderr: ours.stderr }).toEqual({ stderr: "" });
      expectSameState("a refused ADD", ours.after, ours.before);
      const taken = theirs.status === 0;
      expect({ taken, theirs: taken ? "" : theirs.stdout }).toMatchObject({ taken: each.theirsTakes !== undefined });
    });
  }
});

/** Runs ADD on a machine of its own. */
async function attempt(each: Wrong, path: string) {
  const host = hosts.fresh();
  const container = hosts.container("c1");
  each.given?.(host, container.namespace);
  const config: Config = { cniVersion: "1.1.0", name: "net", type: "bridge", bridge: "br0", ...each.config?.(host) };
  const netns = each.netns?.(host) ?? container.netns;
  const before = await stateOf(host, [container.namespace]);
  const request: PluginCall = {
    verb: "ADD",
    path: [path],
    container: { ...container, netns },
    config,
    ...(each.args === undefined ? {} : { args: each.args }),
    ...(each.stdin === undefined ? {} : { stdin: each.stdin }),
  };
  const outcome = await call(host, request);
  return { ...outcome, before, after: await stateOf(host, [container.namespace]) };
}
