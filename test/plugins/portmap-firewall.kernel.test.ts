/** Host ports of containers behind a firewall, where iptables drops what is forwarded. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { checkChain } from "../support/chain.ts";
import { needs, program, root } from "../support/needs.ts";
import { type Config, expectBuilt, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { askTcp, askUdp, BRIEFLY, type Closable } from "../support/traffic.ts";
import { DNS, makePod, makeSite, takeDown, WAYS, WEB } from "./portmap-stage.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
const test = needs(root, program("ip"), program("iptables-nft"), program("ip6tables-nft"));
const open: Closable[] = [];
afterAll(() => {
  for (const one of open.splice(0)) one.close();
});
expectNothingLeft();

function firewall(ingressPolicy: string): Config {
  return { cniVersion: "1.1.0", name: "net", type: "firewall", ingressPolicy };
}

async function stage(ingressPolicy: string) {
  const place = makeSite(hosts);
  place.host.netns.sh("iptables-nft -P FORWARD DROP && ip6tables-nft -P FORWARD DROP");
  const options = { after: [firewall(ingressPolicy)] };
  const web = await makePod(hosts, open, place, "web", [WEB, DNS], options);
  const other = await makePod(hosts, open, place, "other", [], options);
  return { place, web, other };
}

describe.concurrent("host ports are reached", () => {
  for (const ingressPolicy of ["open", "same-bridge"]) {
    test(`from everywhere where the policy is ${ingressPolicy}`, async () => {
      const { place, web, other } = await stage(ingressPolicy);
      for (const { title, from, to, seen } of WAYS) {
        const answer = await askTcp(from(place, web, other), to, 8080);
        expect({ title, answer }).toEqual({ title, answer: `web ${seen}` });
      }
      await checkChain(place.host, web.container, web.chain, web.result);
      for (const pod of [web, other]) await takeDown(place, pod);
    });
  }

  test("from outside and the host, and not from its own bridge, where the policy is isolated", async () => {
    const { place, web, other } = await stage("isolated");
    for (const { title, from, to, seen } of WAYS) {
      const isOnBridge = /^(the container itself|its neighbour)/.test(title);
      const answer = await askUdp(from(place, web, other), to, 8080, isOnBridge ? BRIEFLY : {});
      expect({ title, answer }).toEqual({ title, answer: isOnBridge ? "no answer" : `web ${seen}` });
    }
    for (const pod of [web, other]) await takeDown(place, pod);
  });
});
