/** Calls of many containers in parallel, some killed: no address is held twice, and in the end nothing is left. */

import { beforeAll, expect } from "bun:test";
import { hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  type Config,
  type Container,
  expectBuilt,
  type Host,
  type Outcome,
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
const test = needs(root);

const CONTAINERS = 10;
const CALLS_EACH = 12;

for (const fields of [{}, { ipMasq: true, macspoofchk: true }]) {
  const title = Object.keys(fields).join(" and ") || "isDefaultGateway";
  test(`${CONTAINERS} containers, ${CALLS_EACH} calls each, a third of them killed, with ${title}`, async () => {
    const random = seededRandom(`mixed calls with ${title}`);
    const host = hosts.fresh();
    const containers = Array.from({ length: CONTAINERS }, (_, i) => hosts.container(`c${i}`));
    const config: Config = {
      cniVersion: "1.1.0",
      name: "net",
      type: "bridge",
      bridge: "br0",
      isDefaultGateway: true,
      ipam: hostLocal(host, V4, V6),
      ...fields,
    };
    const namespaces = containers.map(({ namespace }) => namespace);
    const before = await stateOf(host, namespaces);
    const held = new Map<string, string>();
    // All come to their end before one that failed fails the test, so that no process outlives it.
    const lives = await Promise.allSettled(containers.map((container) => live(host, config, container, random, held)));
    const stories = lives.map((life) => {
      if (life.status === "rejected") throw life.reason;
      return life.value;
    });
    // Something of each kind has happened, or the test tests nothing.
    const all = stories.flat();
    for (const kind of ["ADD", "ADD killed", "DEL", "DEL killed", "CHECK"]) expect(all).toContain(kind);
    for (const container of containers) await succeed(host, { verb: "DEL", container, config });
    await succeed(host, { verb: "GC", config: withValid(config, []) });
    expectSameState("all of it, DEL, GC", await stateOf(host, namespaces), before);
  });
}

/** One container's calls, one after the other as a runtime makes them. Returns what was done. */
async function live(
  host: Host,
  config: Config,
  container: Container,
  random: Random,
  held: Map<string, string>,
): Promise<string[]> {
  const story: string[] = [];
  /** The result while it is attached; null after a kill, when only DEL or another ADD makes sense. */
  let result: unknown;
  let uncertain = false;
  for (let i = 0; i < CALLS_EACH; i++) {
    const verb: PluginCall["verb"] =
      result !== undefined ? random.pick(["DEL", "CHECK"] as const) : uncertain ? "DEL" : "ADD";
    const request: PluginCall = {
      verb,
      container,
      config: result === undefined ? config : withResult(config, result),
    };
    if (verb === "DEL") for (const [address, owner] of held) if (owner === container.id) held.delete(address);
    const outcome = await runPerhapsKilled(host, request, random, verb !== "CHECK" && random.below(3) === 0);
    story.push(outcome.killed ? `${verb} killed` : verb);
    if (outcome.killed) {
      uncertain = true;
      result = undefined;
      continue;
    }
    expect({ story, said: outcome.status === 0 ? "" : outcome.stdout + outcome.stderr }).toEqual({ story, said: "" });
    if (verb === "DEL") {
      uncertain = false;
      result = undefined;
    } else if (verb === "ADD") {
      result = outcome.answer;
      for (const { address } of (result as { ips: { address: string }[] }).ips) {
        expect({ address, owner: held.get(address) }).toEqual({ address, owner: undefined });
        held.set(address, container.id);
      }
    }
  }
  return story;
}

async function runPerhapsKilled(host: Host, call: PluginCall, random: Random, kill: boolean): Promise<Outcome> {
  const running = start(host, call);
  if (kill) {
    await Bun.sleep(random.below(call.verb === "ADD" ? 25 : 60));
    running.process.kill("SIGKILL");
  }
  return running.outcome;
}
