/** DEL succeeds whatever is gone already, and never touches what is another container's. */

import { beforeAll, describe, expect } from "bun:test";
import { rmSync } from "node:fs";
import { closeNetns, createNamedNetns, deleteNamedNetns, inNetns } from "../../src/linux/netns.ts";
import { attachmentCases } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { OWN_PREFIX } from "../support/namespaces.ts";
import { needs, root } from "../support/needs.ts";
import { namespaceState, stateOf } from "../support/network-state.ts";
import { expectBuilt, type PluginCall, succeed, testHosts, withResult, withValid } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();

/** Each number in a namespace's name is used once. */
let count = 0;

/** Those in which DEL has different things to find without a record. */
const names =
  /^(bridge (without IPAM|with (host-local, dual stack|ipMasq|macspoofchk|port|the Go))|(ptp|macvlan) with)/;

for (const each of attachmentCases.filter(({ name }) => names.test(name))) {
  const test = needs(root, ...(each.need === undefined ? [] : [each.need]));

  /** A host, and a container whose namespace can be deleted, because nothing else holds it open. */
  const stage = () => {
    const host = hosts.fresh();
    each.given?.(host);
    const name = `${OWN_PREFIX}del${++count}`;
    const path = each.path?.(host);
    const config = each.config(host);
    closeNetns(createNamedNetns(name));
    const container = { id: "c1", ifname: "eth0", netns: `/run/netns/${name}` };
    const request = (verb: PluginCall["verb"], result?: unknown, netns = container.netns): PluginCall => ({
      verb,
      path,
      container: { ...container, netns },
      config: result === undefined ? config : withResult(config, result),
    });
    const collect: PluginCall = { verb: "GC", path, config: withValid(config, []) };
    return {
      host,
      request,
      collect,
      netns: container.netns,
      deleteNamespace: () => deleteNamedNetns(name),
      makeNamespace: () => createNamedNetns(name),
    };
  };

  describe.concurrent(`DEL of ${each.name}`, () => {
    test("succeeds for a container that never was, with and without a namespace, and twice", async () => {
      const { host, request, collect, deleteNamespace } = stage();
      try {
        const before = await stateOf(host);
        for (const netns of [undefined, "", "/run/netns/there-is-none"]) {
          await succeed(host, request("DEL", undefined, netns));
          await succeed(host, request("DEL", undefined, netns));
        }
        await succeed(host, collect);
        expectSameState("DEL of nothing", await stateOf(host), before);
      } finally {
        deleteNamespace();
      }
    });

    for (const { how, netns, result, record, exists } of [
      { how: "with all that a runtime has", netns: true, result: true, record: true, exists: true },
      { how: "without the path of the namespace", netns: false, result: true, record: true, exists: true },
      {
        how: "without the path of the namespace and without result",
        netns: false,
        result: false,
        record: true,
        exists: true,
      },
      { how: "without result", netns: true, result: false, record: true, exists: true },
      { how: "without record", netns: true, result: true, record: false, exists: true },
      { how: "without record and without result", netns: true, result: false, record: false, exists: true },
      {
        how: "without record and without the path of the namespace",
        netns: false,
        result: true,
        record: false,
        exists: true,
      },
      { how: "after the namespace has gone", netns: true, result: true, record: true, exists: false },
      { how: "after the namespace and the record have gone", netns: true, result: true, record: false, exists: false },
      { how: "after everything has gone", netns: false, result: false, record: false, exists: false },
    ]) {
      // All that macvlan makes is in the container, where nothing leads to then.
      if (!record && !netns && exists && each.name.startsWith("macvlan")) continue;
      test(`leaves nothing, twice, ${how}`, async () => {
        const { host, request, collect, deleteNamespace } = stage();
        try {
          const before = await stateOf(host);
          const made = await succeed(host, request("ADD"));
          if (!record) rmSync(host.runFolder, { recursive: true });
          if (!exists) deleteNamespace();
          const del = request("DEL", result ? made : undefined, netns ? undefined : "");
          await succeed(host, del);
          await succeed(host, del);
          await succeed(host, collect);
          // What all containers share nobody knows to be ours when the notes about it are lost.
          const now = await stateOf(host);
          if (record) expectSameState(how, now, before);
          else expect(ownOf(now)).toEqual(ownOf(before));
        } finally {
          deleteNamespace();
        }
      });
    }

    test("does not touch a namespace that was made anew under the same path", async () => {
      const { host, request, collect, deleteNamespace, makeNamespace, netns } = stage();
      try {
        const before = await stateOf(host);
        const made = await succeed(host, request("ADD"));
        deleteNamespace();
        const other = makeNamespace();
        try {
          const add =
            "ip link add eth0 type veth peer name other && ip address add 10.77.0.2/24 dev eth0 && ip link set eth0 up";
          const done = inNetns(other, () => Bun.spawnSync(["sh", "-c", add]));
          expect(done.exitCode).toBe(0);
          const untouched = await namespaceState(other);
          await succeed(host, request("DEL", made));
          expectSameState("DEL by the path", await namespaceState(other), untouched);
          await succeed(host, request("DEL", made, netns));
          await succeed(host, collect);
          expectSameState("DEL by the path, GC", await namespaceState(other), untouched);
          expectSameState("DEL by the path, GC", await stateOf(host), before);
        } finally {
          closeNetns(other);
        }
      } finally {
        deleteNamespace();
      }
    });

    test("removes the host's part when another container is attached under the same path", async () => {
      const { host, request, collect, deleteNamespace, makeNamespace } = stage();
      try {
        const before = await stateOf(host);
        const made = await succeed(host, request("ADD"));
        deleteNamespace();
        closeNetns(makeNamespace());
        const old = request("DEL", made);
        const young = { ...request("ADD"), container: { id: "c2", ifname: "eth0", netns: old.container?.netns ?? "" } };
        const living = await succeed(host, young);
        const check: PluginCall = { ...young, verb: "CHECK", config: withResult(young.config, living) };
        await succeed(host, old);
        await succeed(host, check);
        await succeed(host, { ...check, verb: "DEL" });
        await succeed(host, collect);
        expectSameState("DEL of both, GC", await stateOf(host), before);
      } finally {
        deleteNamespace();
      }
    });
  });
}

/** What belongs to one attachment alone: its veth, leases, records and elements. */
function ownOf(state: readonly string[]): string[] {
  return state.filter((line) => /\bveth|^file |elements = /.test(line));
}
