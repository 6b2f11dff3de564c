/** What the Go interface plugins have attached, ours check and detach, and the other way round: a host changes over in place. */

import { beforeAll, describe } from "bun:test";
import { attachmentCases, goPlugin } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  expectBuilt,
  PLUGINS,
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

const PEERS = process.env.TENDRIL_PEER_PLUGINS ?? "";

/** What neither side leaves to the other is not among them: masquerade is each one's own. */
const names = [
  "bridge with host-local, IPv4 and isDefaultGateway",
  "bridge with host-local, dual stack",
  "ptp with host-local, dual stack",
  "macvlan with host-local, dual stack",
  "macvlan without IPAM",
];

for (const { name, config, given } of attachmentCases.filter((each) => names.includes(each.name))) {
  const type = name.split(" ")[0] ?? "";
  const test = needs(root, goPlugin(type), goPlugin("host-local"));

  describe.concurrent(name, () => {
    for (const { title, first, second } of [
      { title: "attached by the Go plugin, detached by ours", first: PEERS, second: PLUGINS },
      { title: "attached by ours, detached by the Go plugin", first: PLUGINS, second: PEERS },
    ]) {
      test(title, async () => {
        const host = hosts.fresh();
        given?.(host);
        const container = hosts.container("c1");
        const network = config(host);
        // A bridge stays for the next container, whoever has made it.
        const state = async () => (await stateOf(host, [container.namespace])).filter((line) => !/\bbr0\b/.test(line));
        const before = await state();
        const request = (verb: PluginCall["verb"], path: string, result?: unknown): PluginCall => {
          return {
            verb,
            container,
            path: [path],
            config: result === undefined ? network : withResult(network, result),
          };
        };
        const result = await succeed(host, request("ADD", first));
        await succeed(host, request("CHECK", second, result));
        await succeed(host, request("DEL", second, result));
        // Our record is still there: our own GC knows that the container is not.
        await succeed(host, { verb: "GC", config: withValid(network, []) });
        expectSameState(title, await state(), before);
      });
    }
  });
}
