/** What is wrong is refused by both, by ours with one error that names the field and shows the value, and changes nothing. */

import { beforeAll, describe, expect } from "bun:test";
import { goPlugin } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import { type Config, call, expectBuilt, PLUGINS, type PluginCall, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { PEERS } from "./pair.ts";
import { bandwidth } from "./wrong/bandwidth.ts";
import { bridge } from "./wrong/bridge.ts";
import { dummy } from "./wrong/dummy.ts";
import { firewall } from "./wrong/firewall.ts";
import { hostDevice } from "./wrong/host-device.ts";
import { ipvlan } from "./wrong/ipvlan.ts";
import { macvlan } from "./wrong/macvlan.ts";
import { portmap } from "./wrong/portmap.ts";
import { ptp } from "./wrong/ptp.ts";
import { sbr } from "./wrong/sbr.ts";
import { tap } from "./wrong/tap.ts";
import { tuning } from "./wrong/tuning.ts";
import { vlan } from "./wrong/vlan.ts";
import { vrf } from "./wrong/vrf.ts";
import type { PluginWrongs, Wrong } from "./wrong/wrong.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const needed = [root, goPlugin("host-local"), goPlugin("static")];

const ofInterfaces = [bridge, dummy, hostDevice, ipvlan, macvlan, ptp, tap, vlan];
const chained = [bandwidth, firewall, portmap, sbr, tuning, vrf];

for (const plugin of [...ofInterfaces, ...chained]) {
  describe.concurrent(`${plugin.type}: refused is`, () => {
    for (const each of plugin.list) {
      const test = needs(...needed, goPlugin(plugin.type), ...(each.need === undefined ? [] : [each.need]));
      test(each.name, async () => {
        const [theirs, ours] = await Promise.all([attempt(plugin, each, PEERS), attempt(plugin, each, PLUGINS)]);
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
}

/** Runs ADD on a machine of its own. */
async function attempt({ type, base, given }: PluginWrongs, each: Wrong, path: string) {
  const host = hosts.fresh();
  const container = hosts.container("c1");
  if (given !== undefined) host.netns.sh(given);
  each.given?.(host, container.namespace);
  const config: Config = { cniVersion: "1.1.0", name: "net", ...base, ...each.config?.(host), type };
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
