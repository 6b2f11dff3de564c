import { demand, type Requirement } from "../requirement.ts";
import type { Attached } from "../stage.ts";
import { demandState, demandWhole, interfaceOf, settled, settledState } from "../state.ts";
import type { Subject } from "../subject.ts";

const section = "DEL: Remove container from network, or un-apply modifications";

/** For tests in which the container's interface goes, which there only is with plugins that make one. */
const keepsInterface = ({ interfaceIsThere }: Subject) =>
  interfaceIsThere ? "the interface is there before and stays" : undefined;

export const delRequirements: readonly Requirement[] = [
  {
    id: "del-interface",
    section,
    level: "must",
    says: "DEL takes the interface away",
    ofKernel: true,
    of: ["interface"],
    unless: keepsInterface,
    async judge(stage) {
      const attached = await stage.attach();
      await stage.detach(attached);
      demand((await interfaceOf(stage, attached)) === undefined, `"${attached.ifname}" is still there`);
    },
  },
  {
    id: "del-leaves-nothing",
    section,
    level: "must",
    says: "after DEL the node is as before ADD",
    ofKernel: true,
    async judge(stage) {
      const before = await settledState(stage);
      await stage.detach(await stage.attach());
      await demandState(stage, before, "after ADD and DEL");
    },
  },
  {
    id: "del-twice",
    section,
    level: "must",
    says: "a second DEL succeeds",
    ofKernel: true,
    async judge(stage) {
      const attached = await stage.attach();
      await stage.detach(attached);
      await stage.succeed("DEL", { container: attached, fields: { prevResult: attached.result } });
      await stage.succeed("DEL", { container: attached });
    },
  },
  {
    id: "del-never-added",
    section,
    level: "must",
    says: "DEL of what was never added succeeds, and changes nothing",
    async judge(stage) {
      const before = await settledState(stage);
      await stage.succeed("DEL", { container: await stage.container() });
      await demandState(stage, before, "after DEL of what was never added");
    },
  },
  {
    id: "del-without-result",
    section,
    level: "must",
    says: "DEL without prevResult succeeds and leaves nothing",
    async judge(stage) {
      const before = await settledState(stage);
      const attached = await stage.attach();
      await stage.succeed("DEL", { container: attached });
      await stage.undoBefore(attached);
      await demandState(stage, before, "after DEL without prevResult");
    },
  },
  ...(["without", "with an empty", "with a stale"] as const).map(
    (which): Requirement => ({
      id: `del-namespace-gone-${which.split(" ").at(-1)}`,
      section,
      level: "must",
      says: `DEL when the namespace is gone, ${which} CNI_NETNS, succeeds and leaves nothing`,
      ...(which === "with an empty" ? { ofKernel: true } : {}),
      async judge(stage) {
        const before = await settledState(stage);
        const attached = await stage.attach();
        stage.node.sh(`ip netns delete ${nameOf(attached)}`);
        const env = which === "with a stale" ? {} : { CNI_NETNS: which === "without" ? undefined : "" };
        await stage.succeed("DEL", { container: attached, fields: { prevResult: attached.result }, env });
        await stage.undoBefore(attached, attached.result);
        await demandState(stage, before, "after DEL without the namespace");
      },
    }),
  ),
  {
    id: "del-interface-gone",
    section,
    level: "must",
    says: "DEL when the container's interface is gone succeeds and leaves nothing",
    ofKernel: true,
    of: ["interface", "chained"],
    unless: keepsInterface,
    async judge(stage) {
      const before = await settledState(stage);
      const attached = await stage.attach();
      await stage.inside(attached, `ip link delete ${attached.ifname}`);
      await stage.detach(attached);
      await demandState(stage, before, "after DEL without the interface");
    },
  },
  {
    id: "del-state-lost",
    section,
    level: "must",
    says: "DEL when all files of state and all rules of nf_tables are lost succeeds and takes the interface away",
    async judge(stage) {
      const attached = await stage.attach();
      stage.node.sh("find /run /var/lib -mindepth 1 -not -path '/run/netns*' -delete; nft flush ruleset");
      await stage.detach(attached);
      const isGone = stage.subject.kind !== "interface" || (await interfaceOf(stage, attached)) === undefined;
      demand(isGone || stage.subject.interfaceIsThere === true, `"${attached.ifname}" is still there`);
    },
  },
  {
    id: "del-of-one",
    section,
    level: "must",
    says: "DEL of one container leaves another alone",
    async judge(stage) {
      const [one, other] = [await stage.attach(), await stage.attach()];
      await stage.detach(one);
      await demandWhole(stage, other, "after DEL of another container");
    },
  },
  {
    id: "del-of-one-interface",
    section: "Section 3: Execution of Network Configurations",
    level: "must",
    says: "DEL of one interface of a container leaves its other one alone",
    of: ["interface", "ipam"],
    unless: keepsInterface,
    async judge(stage) {
      const one = await stage.attach();
      const other = await stage.attach(await stage.container({ ...one, ifname: "net1" }));
      await stage.detach(one);
      await demandWhole(stage, other, "after DEL of the other interface");
    },
  },
  {
    id: "del-late",
    section: "Lifecycle & Ordering",
    level: "promised",
    says: "a late DEL leaves a container alone that has got the path of the first one's namespace",
    of: ["interface"],
    unless: keepsInterface,
    async judge(stage) {
      const first = await stage.attach();
      const name = nameOf(first);
      stage.node.sh(`ip netns delete ${name} && ip netns add ${name}`);
      const second = await stage.attach(await stage.container({ ...first, id: "second" }));
      await stage.succeed("DEL", { container: first, fields: { prevResult: first.result } });
      await demandWhole(stage, second, "after the late DEL");
    },
  },
  {
    id: "del-keeps-shared",
    section,
    level: "promised",
    says: "DEL of all containers in any order leaves nothing",
    async judge(stage) {
      const before = await settledState(stage);
      const all: Attached[] = [];
      for (let i = 0; i < 3; i++) all.push(await stage.attach());
      for (const i of [1, 2, 0]) await stage.detach(all[i] as Attached);
      await settled(stage);
      await demandState(stage, before, "after all DELs");
    },
  },
];

function nameOf({ netns }: { readonly netns: string }): string {
  return netns.replace("/run/netns/", "");
}
