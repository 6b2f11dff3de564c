/**
 * What an administrator made, and the plugins only use, stays when the containers go, and is as it was when ADD fails.
 *
 * The bridges have MACs that were set: the kernel changes others as ports come and go.
 */

import { beforeAll, describe, expect } from "bun:test";
import { hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { expectSameState, killAtEachStep } from "../support/kills.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  type Config,
  expectBuilt,
  fail,
  type Host,
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

/** What is there before, and a configuration that meets it. */
const given: readonly {
  readonly name: string;
  readonly commands: string;
  readonly config: (host: Host) => Record<string, unknown>;
  /** Addresses that the configuration asks to take away. */
  readonly replaced?: readonly string[];
}[] = [
  {
    name: "a bridge that is down, without addresses",
    commands: "ip link add br0 address 02:00:00:00:00:77 type bridge",
    config: (host) => ({ isDefaultGateway: true, ipam: hostLocal(host, V4, V6) }),
  },
  {
    name: "a bridge that has the gateway's address",
    commands:
      "ip link add br0 address 02:00:00:00:00:77 type bridge; ip link set br0 up; ip address add 10.77.0.1/24 brd + dev br0",
    config: (host) => ({ isDefaultGateway: true, ipam: hostLocal(host, V4) }),
  },
  {
    name: "a bridge that has the gateways' addresses, with ipMasq",
    commands:
      "ip link add br0 address 02:00:00:00:00:77 type bridge; ip link set br0 up; " +
      "ip address add 10.77.0.1/24 brd + dev br0; ip address add fd77::1/64 dev br0 nodad",
    config: (host) => ({ isDefaultGateway: true, ipMasq: true, ipam: hostLocal(host, V4, V6) }),
  },
  {
    name: "a bridge that is up, with promiscMode",
    commands: "ip link add br0 address 02:00:00:00:00:77 type bridge; ip link set br0 up",
    config: () => ({ promiscMode: true }),
  },
  {
    name: "a bridge with another address, with forceAddress",
    commands:
      "ip link add br0 address 02:00:00:00:00:77 type bridge; ip link set br0 up; ip address add 10.66.0.1/24 brd + dev br0",
    config: (host) => ({ isGateway: true, forceAddress: true, ipam: hostLocal(host, V4) }),
    replaced: ["10.66.0.1/24"],
  },
];

function stage(commands: string, fields: (host: Host) => Record<string, unknown>) {
  const host = hosts.fresh();
  const container = hosts.container("c1");
  host.netns.sh(commands);
  const config: Config = { cniVersion: "1.1.0", name: "net", type: "bridge", bridge: "br0", ...fields(host) };
  const request = (verb: PluginCall["verb"], result?: unknown): PluginCall => ({
    verb,
    container,
    config: result === undefined ? config : withResult(config, result),
  });
  const collect: PluginCall = { verb: "GC", config: withValid(config, []) };
  return { host, container, request, collect, state: () => stateOf(host, [container.namespace]) };
}

/** The host's lines that must not go: the link without its flags, and its addresses. */
function madeByAdministrator(state: readonly string[]): string[] {
  return state
    .filter((line) => / br0\b/.test(line) && line.startsWith("host: 2: "))
    .map((line) => line.replace(/<[A-Z,]+>| promiscuity \d/g, ""));
}

for (const { name, commands, config, replaced = [] } of given) {
  const remaining = (before: readonly string[]) =>
    madeByAdministrator(before).filter((line) => !replaced.some((address) => line.includes(address)));

  describe.concurrent(`${name},`, () => {
    test("stays after ADD, DEL and GC", async () => {
      const { host, request, collect, state } = stage(commands, config);
      const before = remaining(await state());
      await succeed(host, request("DEL", await succeed(host, request("ADD"))));
      await succeed(host, collect);
      expect(madeByAdministrator(await state())).toEqual(expect.arrayContaining(before));
    });

    test("is as it was after an ADD that failed", async () => {
      const { host, container, request, state } = stage(commands, config);
      container.namespace.sh("ip link add eth0 type veth peer name other");
      const before = await state();
      await fail(host, request("ADD"));
      expectSameState("a failed ADD", await state(), before);
    });

    test("stays after an ADD that was killed after any step, DEL and GC", async () => {
      const { host, request, collect, state } = stage(commands, config);
      const before = remaining(await state());
      const after = async (step: number) => {
        await succeed(host, request("DEL"));
        await succeed(host, collect);
        const now = madeByAdministrator(await state());
        expect({ step, now }).toEqual({ step, now: expect.arrayContaining(before) });
      };
      await killAtEachStep({ host, call: () => request("ADD"), after });
    });
  });
}
