import { demand, type Requirement } from "../requirement.ts";
import { type Attached, type Outcome, type Stage, said } from "../stage.ts";
import { demandNothingLeft, demandState, demandWhole, settled, settledState } from "../state.ts";
import type { Subject } from "../subject.ts";

const section = "GC: Clean up any stale resources";
const since = "1.1.0";
const VALID = "cni.dev/valid-attachments";

const keepsInterface = ({ interfaceIsThere }: Subject) =>
  interfaceIsThere ? "its attachment is the interface that is always there" : undefined;

export const gcRequirements: readonly Requirement[] = [
  {
    id: "gc-keeps-valid",
    section,
    level: "must",
    says: "GC leaves the attachments of the list alone",
    since,
    async judge(stage) {
      const [one, other] = [await stage.attach(), await stage.attach()];
      await gc(stage, [one, other]);
      await demandWhole(stage, one, "after GC");
      await demandWhole(stage, other, "after GC");
    },
  },
  {
    id: "gc-removes-stale",
    section,
    level: "should",
    says: "GC removes what is left of an attachment that is not in the list, whose namespace is gone",
    ofKernel: true,
    since,
    async judge(stage) {
      await settledState(stage);
      const alive = await stage.attach();
      const before = await settled(stage);
      const stale = await stage.attach();
      stage.node.sh(`ip netns delete ${stale.netns.replace("/run/netns/", "")}`);
      await gc(stage, [alive]);
      await stage.undoBefore(stale);
      await demandState(stage, before, "after GC");
      await demandWhole(stage, alive, "after GC");
    },
  },
  {
    id: "gc-empty-list",
    section,
    level: "should",
    says: "GC with an empty list removes what is left of all attachments",
    since,
    async judge(stage) {
      const before = await settledState(stage);
      const stale = [await stage.attach(), await stage.attach()];
      for (const { netns } of stale) stage.node.sh(`ip netns delete ${netns.replace("/run/netns/", "")}`);
      await gc(stage, []);
      for (const each of stale) await stage.undoBefore(each);
      // What was there for all containers may have gone with the last one.
      await demandNothingLeft(stage, before);
    },
  },
  {
    id: "gc-without-list",
    section,
    level: "promised",
    says: "GC without a list removes nothing",
    since,
    async judge(stage) {
      const attached = await stage.attach();
      const before = await settled(stage);
      await stage.succeed("GC");
      await demandState(stage, before, "after GC without a list");
      await demandWhole(stage, attached, "after GC without a list");
    },
  },
  {
    id: "gc-by-interface",
    section,
    level: "should",
    says: "GC tells the interfaces of one container apart",
    since,
    of: ["interface", "ipam"],
    unless: keepsInterface,
    async judge(stage) {
      await settledState(stage);
      const alive = await stage.attach();
      const before = await settled(stage);
      const stale = await stage.attach(await stage.container({ ...alive, ifname: "net1" }));
      if (stage.subject.kind !== "ipam") await stage.inside(stale, "ip link delete net1");
      await gc(stage, [alive]);
      await demandState(stage, before, "after GC");
      await demandWhole(stage, alive, "after GC");
    },
  },
  {
    id: "gc-of-network",
    section,
    level: "must",
    says: "GC leaves other networks alone",
    since,
    async judge(stage) {
      const other = stage.with({ network: "other" });
      const attached = await other.attach();
      await gc(stage, []);
      await demandWhole(other, attached, "after GC of another network");
    },
  },
  {
    id: "gc-of-nothing",
    section,
    level: "should",
    says: "GC succeeds, without output, where there is nothing, and again",
    since,
    async judge(stage) {
      for (let i = 0; i < 2; i++) {
        const { stdout } = await gc(stage, []);
        demand(stdout.trim() === "", `it prints ${stdout}`);
      }
    },
  },
  {
    id: "gc-list-malformed",
    section,
    level: "promised",
    says: "GC with a list that is none fails and removes nothing",
    since,
    async judge(stage) {
      const attached = await stage.attach();
      const before = await settled(stage);
      for (const list of ["x", [{ containerID: 7 }], [null]]) {
        const outcome = await stage.call("GC", { fields: { [VALID]: list } });
        demand(outcome.status !== 0, `GC takes ${JSON.stringify(list)}`);
      }
      await demandState(stage, before, "after GC with a wrong list");
      await demandWhole(stage, attached, "after GC with a wrong list");
    },
  },
];

async function gc(stage: Stage, alive: readonly Attached[]): Promise<Outcome> {
  const list = alive.map(({ id, ifname }) => ({ containerID: id, ifname }));
  const outcome = await stage.call("GC", { fields: { [VALID]: list } });
  demand(outcome.status === 0, `GC fails: ${said(outcome)}`);
  return outcome;
}
