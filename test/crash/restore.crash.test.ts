/** An ADD that puts back what somebody has wiped is killed at each step; the next one goes on where it left off. */

import { beforeAll, describe, expect } from "bun:test";
import { hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { killAtEachStep } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import {
  type Config,
  expectBuilt,
  type Host,
  type PluginCall,
  succeed,
  testHosts,
  withResult,
} from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root);

/** What has objects in both of our tables. */
const config = (host: Host): Config => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "bridge",
  bridge: "br0",
  isDefaultGateway: true,
  ipMasq: true,
  macspoofchk: true,
  ipam: hostLocal(host, V4, V6),
});

describe("after the ruleset was flushed", () => {
  test("a container has its rules again by the ADD that follows a killed one", async () => {
    const host = hosts.fresh();
    const network = config(host);
    const [living, killed] = [hosts.container("c1"), hosts.container("c2")];
    const result = await succeed(host, { verb: "ADD", config: network, container: living });
    const check: PluginCall = { verb: "CHECK", config: withResult(network, result), container: living };
    await killAtEachStep({
      host,
      call: () => {
        host.netns.sh("nft flush ruleset");
        return { verb: "ADD", config: network, container: killed };
      },
      after: async () => {
        // The last step is the complete record's, after which ADD is refused.
        await succeed(host, { verb: "DEL", config: network, container: killed });
        await succeed(host, { verb: "ADD", config: network, container: killed });
        await succeed(host, check);
        await succeed(host, { verb: "DEL", config: network, container: killed });
      },
      atLeast: 10,
    });
    await succeed(host, check);
    expect(host.netns.sh("nft list ruleset")).toContain("comment");
  }, 60_000);
});
