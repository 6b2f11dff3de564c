/** Many calls at once on one bridge. */

import { beforeAll, describe, expect } from "bun:test";
import { hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  type Config,
  call,
  expectBuilt,
  type Host,
  type Outcome,
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
const test = needs(root);

const MANY = 100;

const networks: readonly { readonly name: string; readonly config: (host: Host) => Config }[] = [
  {
    name: "IPv4 with isDefaultGateway",
    config: (host) => network({ isDefaultGateway: true, ipam: hostLocal(host, V4) }),
  },
  {
    name: "dual stack with ipMasq and macspoofchk",
    config: (host) =>
      network({ isDefaultGateway: true, ipMasq: true, macspoofchk: true, ipam: hostLocal(host, V4, V6) }),
  },
];

function network(fields: Record<string, unknown>): Config {
  return { cniVersion: "1.1.0", name: "net", type: "bridge", bridge: "br0", ...fields };
}

for (const { name, config } of networks) {
  describe(name, () => {
    test(`${MANY} ADDs at once all succeed with addresses of their own, and ${MANY} DELs at once leave nothing`, async () => {
      const host = hosts.fresh();
      const containers = Array.from({ length: MANY }, (_, i) => hosts.container(`c${i}`));
      const made = config(host);
      const before = await stateOf(host);

      const added = await atOnce(
        host,
        containers.map((container) => ({ verb: "ADD", container, config: made })),
      );
      expect(failures(added)).toEqual([]);
      const results = added.map(
        ({ answer }) => answer as { ips: { address: string }[]; interfaces: { name: string }[] },
      );
      const addresses = results.flatMap(({ ips }) => ips.map(({ address }) => address));
      const families = (made.ipam as { ranges: unknown[] }).ranges.length;
      expect(new Set(addresses).size).toBe(MANY * families);
      expect(new Set(results.map(({ interfaces }) => interfaces[1]?.name)).size).toBe(MANY);

      const checks = containers.map(
        (container, i): PluginCall => ({ verb: "CHECK", container, config: withResult(made, added[i]?.answer) }),
      );
      expect(failures(await atOnce(host, checks))).toEqual([]);
      // Each reaches the gateway and its neighbour of the next number.
      for (const i of [0, MANY / 2, MANY - 1]) {
        containers[i]?.namespace.sh("ping -c 1 -W 10 10.77.0.1");
        const other = results[(i + 1) % MANY]?.ips[0]?.address.split("/")[0];
        containers[i]?.namespace.sh(`ping -c 1 -W 10 ${other}`);
      }

      const dels = containers.map(
        (container, i): PluginCall => ({ verb: "DEL", container, config: withResult(made, added[i]?.answer) }),
      );
      expect(failures(await atOnce(host, dels))).toEqual([]);
      await succeed(host, { verb: "GC", config: withValid(made, []) });
      expectSameState(`${MANY} ADDs, CHECKs, DELs, GC`, await stateOf(host), before);
      expect(containers.flatMap(({ namespace }) => namespace.json<{ ifname: string }>("ip -j link")).length).toBe(MANY);
    });
  });
}

test("as many ADDs at once as a range has addresses succeed, and each one more says that none is left", async () => {
  const host = hosts.fresh();
  const made = network({ isGateway: true, ipam: hostLocal(host, [{ subnet: "10.77.0.0/28" }]) });
  // Of 16 addresses one is the network's, one the broadcast address and one the gateway's.
  const containers = Array.from({ length: 20 }, (_, i) => hosts.container(`c${i}`));
  const before = await stateOf(host);
  const added = await atOnce(
    host,
    containers.map((container) => ({ verb: "ADD", container, config: made })),
  );
  expect(added.filter(({ status }) => status === 0)).toHaveLength(13);
  const refused = added.flatMap(({ status, answer }) => (status === 0 ? [] : [(answer as { code: number }).code]));
  expect(refused).toEqual(Array(7).fill(102));
  const dels = containers.map((container): PluginCall => ({ verb: "DEL", container, config: made }));
  expect(failures(await atOnce(host, dels))).toEqual([]);
  await succeed(host, { verb: "GC", config: withValid(made, []) });
  expectSameState("ADDs, DELs, GC", await stateOf(host), before);
});

function atOnce(host: Host, calls: readonly PluginCall[]): Promise<Outcome[]> {
  return Promise.all(calls.map((each) => call(host, each)));
}

function failures(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap(({ status, stdout, stderr }, i) => (status === 0 ? [] : [`${i}: ${stdout}${stderr}`]));
}
