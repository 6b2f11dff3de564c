/** What holds for every interface plugin from ADD to DEL, in whatever order things go. */

import { describe, expect } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { expectSameState } from "../../../test/support/kills.ts";
import { OWN_PREFIX, type TestNetns } from "../../../test/support/namespaces.ts";
import { type Need, needs, program, root } from "../../../test/support/needs.ts";
import { stateOf } from "../../../test/support/network-state.ts";
import type { Container, Host, Hosts } from "../../../test/support/plugin-calls.ts";
import { ConflictError, TendrilError, VerificationError } from "../../core/errors.ts";
import type { Planner } from "../../core/planner.ts";
import type { Result } from "../../core/result.ts";
import { closeNetns, createNamedNetns, deleteNamedNetns } from "../../linux/netns.ts";
import { type Fields, serve } from "./served.ts";

export interface Life<C> {
  readonly title: string;
  readonly planner: Planner<C>;
  readonly config: (host: Host) => Fields;
  readonly needs?: readonly Need[];
  /** Shell commands run in the host before. */
  readonly given?: string;
  /** Shell commands run in each container before. */
  readonly givenInside?: string;
  /** Whether containers reach each other by their addresses. */
  readonly meet: boolean;
  /** The command that breaks the container's interface, and what CHECK says of it. */
  readonly damage: { readonly command: string; readonly finding: string };
}

/** The kernel takes away what was in a namespace some time after the call that ended it. */
const PATIENCE_MS = 4_000;

export function describeLife<C>(hosts: Hosts, life: Life<C>): void {
  const test = needs(root, program("ip"), program("ping"), ...(life.needs ?? []));

  function stage() {
    const host = hosts.fresh();
    if (life.given !== undefined) host.netns.sh(life.given);
    const pod = (id: string) => {
      const container = hosts.container(id);
      if (life.givenInside !== undefined) container.namespace.sh(life.givenInside);
      return container;
    };
    const [first, second] = [pod("c1"), pod("c2")];
    const network = serve(life.planner, host, life.config(host));
    const state = () => stateOf(host, [first.namespace, second.namespace]);
    return { host, first, second, network, state };
  }

  /** Without records, as after a reboot of the run folder or a change-over from another vendor's plugin. */
  const forget = (host: Host) => rmSync(`${host.runFolder}/attachments`, { recursive: true });

  describe(life.title, () => {
    test("two containers are attached, meet, and go without a trace", async () => {
      const { first, second, network, state } = stage();
      const before = await state();
      const results = [network.add(first), network.add(second)] as const;
      network.check(first, results[0]);
      network.check(second, results[1]);
      if (life.meet) {
        for (const { address = "" } of results[1].ips ?? []) {
          first.namespace.sh(`ping -c 1 -W 10 ${address.split("/")[0]}`);
        }
      }
      network.del(first, { prevResult: results[0] });
      network.check(second, results[1]);
      network.check(first, network.add(first));
      network.check(second, results[1]);
      network.del(first);
      network.del(second);
      network.gc();
      expectSameState("DEL of both", await state(), before);
    });

    test("a second ADD is refused, a second DEL is fine", async () => {
      const { first, network, state } = stage();
      const before = await state();
      const result = network.add(first);
      const attached = await state();
      expect(() => network.add(first)).toThrow(ConflictError);
      expectSameState("a second ADD", await state(), attached);
      network.del(first, { prevResult: result });
      network.del(first, { prevResult: result });
      network.gc();
      expectSameState("two DELs", await state(), before);
    });

    test("DEL works without the namespace's path, without a record, and with neither record nor result", async () => {
      const { host, first, second, network, state } = stage();
      const before = await state();
      network.add(first);
      network.del(first, { netns: null });
      expectSameState(
        "DEL without a path, but for what is shared",
        withoutShared(await state()),
        withoutShared(before),
      );
      const result = network.add(first);
      network.add(second);
      forget(host);
      network.check(first, result);
      network.del(first, { prevResult: result });
      network.del(second);
      network.gc();
      expectSameState("DEL without record", await state(), before);
    });

    test("DEL and GC work when the namespace is gone", async () => {
      const { host, first, second, network, state } = stage();
      const before = await state();
      for (const end of ["del", "gc"] as const) {
        const name = `${OWN_PREFIX}${end}`;
        const netns = createNamedNetns(name);
        const third: Container = { id: `c3-${end}`, ifname: "eth0", netns: netns.path };
        try {
          if (life.givenInside !== undefined) {
            Bun.spawnSync(["nsenter", `--net=${netns.path}`, "sh", "-c", life.givenInside]);
          }
          network.add(third);
        } finally {
          closeNetns(netns);
          deleteNamedNetns(name);
        }
        if (end === "del") network.del(third);
        network.gc(first, second);
        await settled(async () => withoutShared(await state()), withoutShared(before));
        expectSameState(`${end} without namespace`, withoutShared(await state()), withoutShared(before));
      }
      network.gc();
      expect(existsSync(`${host.dataDir}/net/10.77.0.2`)).toBe(false);
    });

    test("CHECK says what is not as it was", () => {
      const { first, network } = stage();
      const result = network.add(first);
      first.namespace.sh(life.damage.command);
      expect(findingsOf(() => network.check(first, result))).toContain(life.damage.finding);
      network.del(first, { prevResult: result });
    });

    test("an ADD that fails leaves nothing", async () => {
      const { first, network, state } = stage();
      first.namespace.sh("ip link add eth0 type veth peer name other");
      const before = await state();
      expect(() => network.add(first)).toThrow(TendrilError);
      expectSameState("a failed ADD", await state(), before);
    });

    test("what it would do is said without doing it, and done by hand makes the same", async () => {
      const [byHand, byAdd] = [stage(), stage()];
      const before = await byHand.state();
      const foreseen = byHand.network.foreseeAdd(byHand.first);
      expectSameState("foresight", await byHand.state(), before);
      const result = byAdd.network.add(byAdd.first);
      expect(result).toEqual(resultIn(byAdd.first, byHand.first, foreseen?.result));
      byHand.host.netns.sh(`set -e\n${foreseen?.commands.join("\n")}`);
      expectSameState("commands", await networkOf(byHand), await networkOf(byAdd));
      byAdd.network.del(byAdd.first);
    });
  });
}

/** A result of one container as it is of another one. */
function resultIn(container: Container, other: Container, result: Result | undefined): Result {
  return JSON.parse(JSON.stringify(result).replaceAll(other.netns, container.netns));
}

/** The state of a host and a container, in words that are the same on another machine. */
async function networkOf({ host, first }: { host: Host; first: { namespace: TestNetns } }): Promise<string[]> {
  const names = { [host.netns.name]: "HOST", [first.namespace.name]: "CONTAINER" };
  return (await stateOf(host, [first.namespace]))
    .filter((line) => !line.startsWith("file "))
    .map((line) => Object.entries(names).reduce((text, [name, word]) => text.replaceAll(name, word), line));
}

/** Links, addresses and leases, but not what goes with GC. */
function withoutShared(lines: readonly string[]): string[] {
  return lines.filter((line) => /^(host|container \d): \d+: |^file .*\/leases\//.test(line));
}

async function settled(state: () => Promise<string[]>, wanted: readonly string[]): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline && !Bun.deepEquals(await state(), wanted)) await Bun.sleep(20);
}

/** The findings of a CHECK that fails. */
function findingsOf(check: () => void): readonly string[] {
  try {
    check();
  } catch (error) {
    if (error instanceof VerificationError) return error.findings;
    throw error;
  }
  return [];
}
