/** GC beside ADD: what an attachment shares with others is never taken from under it. */

import { beforeAll, describe, expect } from "bun:test";
import { hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  type Config,
  expectBuilt,
  type Host,
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

const ROUNDS = 15;

function network(host: Host, name: string, fields: Record<string, unknown> = {}): Config {
  return {
    cniVersion: "1.1.0",
    name,
    type: "bridge",
    bridge: "br0",
    isDefaultGateway: true,
    ipam: hostLocal(host, V4, V6),
    ...fields,
  };
}

/** Starts both with some milliseconds between them, waits for both, and throws what the first of them threw. */
async function atAboutOnce<T>(random: Random, first: () => Promise<T>, second: () => Promise<unknown>): Promise<T> {
  const delays = [random.below(10), random.below(10)] as const;
  const [result, other] = await Promise.allSettled([
    Bun.sleep(delays[0]).then(first),
    Bun.sleep(delays[1]).then(second),
  ]);
  if (result.status === "rejected") throw result.reason;
  if (other.status === "rejected") throw other.reason;
  return result.value;
}

for (const fields of [{}, { ipMasq: true, macspoofchk: true }]) {
  const title = Object.keys(fields).join(" and ") || "isDefaultGateway";

  describe.concurrent(`an ADD of a network with ${title}`, () => {
    test("beside a GC of its network keeps bridge, address and masquerade", async () => {
      const random = seededRandom(`GC beside ADD with ${title}`);
      const host = hosts.fresh();
      const container = hosts.container("c1");
      const config = network(host, "net", fields);
      const before = await stateOf(host, [container.namespace]);
      for (let round = 1; round <= ROUNDS; round++) {
        const result = await atAboutOnce(
          random,
          () => succeed(host, { verb: "ADD", container, config }),
          () => succeed(host, { verb: "GC", config: withValid(config, [container]) }),
        );
        await succeed(host, { verb: "CHECK", container, config: withResult(config, result) });
        container.namespace.sh("ping -c 1 -W 10 10.77.0.1");
        await succeed(host, { verb: "DEL", container, config: withResult(config, result) });
      }
      await succeed(host, { verb: "GC", config: withValid(config, []) });
      expectSameState("all rounds, GC", await stateOf(host, [container.namespace]), before);
    });

    test("beside the DEL of the last container and a GC keeps all that they share", async () => {
      const random = seededRandom(`DEL and GC beside ADD with ${title}`);
      const host = hosts.fresh();
      const [one, other] = [hosts.container("c1"), hosts.container("c2")];
      const config = network(host, "net", fields);
      const before = await stateOf(host, [one.namespace, other.namespace]);
      let [leaving, coming] = [one, other];
      let result: unknown = await succeed(host, { verb: "ADD", container: leaving, config });
      for (let round = 1; round <= ROUNDS; round++) {
        const old = result;
        result = await atAboutOnce(
          random,
          () => succeed(host, { verb: "ADD", container: coming, config }),
          async () => {
            await succeed(host, { verb: "DEL", container: leaving, config: withResult(config, old) });
            await succeed(host, { verb: "GC", config: withValid(config, [coming]) });
          },
        );
        await succeed(host, { verb: "CHECK", container: coming, config: withResult(config, result) });
        [leaving, coming] = [coming, leaving];
      }
      await succeed(host, { verb: "DEL", container: leaving, config: withResult(config, result) });
      await succeed(host, { verb: "GC", config: withValid(config, []) });
      expectSameState("all rounds, DEL, GC", await stateOf(host, [one.namespace, other.namespace]), before);
    });

    test("beside the GC of another network on the same bridge keeps all that they share", async () => {
      const random = seededRandom(`GC of another network beside ADD with ${title}`);
      const host = hosts.fresh();
      const [one, other] = [hosts.container("c1"), hosts.container("c2")];
      const [config, others] = [network(host, "net", fields), network(host, "others", fields)];
      const before = await stateOf(host, [one.namespace, other.namespace]);
      for (let round = 1; round <= ROUNDS; round++) {
        const result = await succeed(host, { verb: "ADD", container: other, config: others });
        await succeed(host, { verb: "DEL", container: other, config: withResult(others, result) });
        const made = await atAboutOnce(
          random,
          () => succeed(host, { verb: "ADD", container: one, config }),
          () => succeed(host, { verb: "GC", config: withValid(others, []) }),
        );
        await succeed(host, { verb: "CHECK", container: one, config: withResult(config, made) });
        await succeed(host, { verb: "DEL", container: one, config: withResult(config, made) });
        await succeed(host, { verb: "GC", config: withValid(config, []) });
        const links = host.netns.json<{ ifname: string }>("ip -j link").map(({ ifname }) => ifname);
        expect({ round, links }).toEqual({ round, links: ["lo"] });
      }
      await succeed(host, { verb: "GC", config: withValid(others, []) });
      expectSameState("all rounds, GC of both", await stateOf(host, [one.namespace, other.namespace]), before);
    });
  });
}
