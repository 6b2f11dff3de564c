import { demand, type Requirement } from "../requirement.ts";
import { type Attached, type Result, type Stage, said } from "../stage.ts";
import { ownAddresses, settled, stateOf } from "../state.ts";
import type { Subject } from "../subject.ts";

const section = "CHECK: Check container's networking is as expected";
const since = "0.4.0";

const withoutInterface = ({ interfaceIsThere }: Subject) =>
  interfaceIsThere ? "the interface is there before and stays" : undefined;
const withoutDamages = ({ damages = [] }: Subject) =>
  damages.length === 0 ? "it is not known what could be damaged" : undefined;

export const checkRequirements: readonly Requirement[] = [
  {
    id: "check-after-add",
    section,
    level: "must",
    says: "CHECK right after ADD succeeds, and prints nothing",
    ofKernel: true,
    since,
    async judge(stage) {
      const { stdout } = await check(stage, await stage.attach(), true);
      demand(stdout.trim() === "", `it prints ${stdout}`);
    },
  },
  {
    id: "check-interface",
    section,
    level: "should",
    says: "CHECK fails when the interface is gone",
    ofKernel: true,
    since,
    of: ["interface"],
    unless: withoutInterface,
    async judge(stage) {
      const attached = await stage.attach();
      await stage.inside(attached, `ip link delete ${attached.ifname}`);
      await check(stage, attached, false);
    },
  },
  {
    id: "check-address",
    section,
    level: "should",
    says: "CHECK fails when an address is gone",
    ofKernel: true,
    since,
    of: ["interface"],
    unless: (subject) => withoutInterface(subject) ?? (subject.plugins.at(-1)?.ipam ? undefined : "it gives none"),
    async judge(stage) {
      for (const index of ownAddresses(await stage.attach()).keys()) {
        const attached = await stage.attach();
        await stage.inside(attached, `ip address delete ${ownAddresses(attached)[index]} dev ${attached.ifname}`);
        await check(stage, attached, false);
      }
    },
  },
  {
    id: "check-route",
    section,
    level: "should",
    says: "CHECK fails when a route is gone",
    since,
    of: ["interface"],
    unless: (subject) => withoutInterface(subject) ?? (subject.plugins.at(-1)?.ipam ? undefined : "it makes none"),
    async judge(stage) {
      const attached = await stage.attach();
      const { routes = [] } = attached.result;
      demand(routes.length > 0, "the result has no route");
      for (const { dst } of routes) {
        const one = await stage.attach();
        await stage.inside(one, `ip ${dst.includes(":") ? "-6" : "-4"} route delete ${dst}`);
        await check(stage, one, false, `without the route to ${dst}`);
      }
    },
  },
  {
    id: "check-later-plugin",
    section,
    level: "must",
    says: "CHECK allows for what a later plugin has changed: MAC, addresses, routes",
    since,
    of: ["interface"],
    unless: withoutInterface,
    async judge(stage) {
      const attached = await stage.attach();
      const { ifname, result } = attached;
      const mac = "02:00:5e:00:53:77";
      await stage.inside(
        attached,
        `ip link set ${ifname} address ${mac} && ip address add 192.0.2.7/24 dev ${ifname} && ` +
          `ip route add 198.51.100.0/24 via 192.0.2.1 dev ${ifname}`,
      );
      const interfaces = (result.interfaces ?? []).map((each) =>
        each.name === ifname && each.sandbox ? { ...each, mac } : each,
      );
      const changed: Result = {
        ...result,
        interfaces,
        ips: [
          ...(result.ips ?? []),
          { address: "192.0.2.7/24", interface: interfaces.findIndex(({ name }) => name === ifname) },
        ],
        routes: [...(result.routes ?? []), { dst: "198.51.100.0/24", gw: "192.0.2.1" }],
      };
      await check(stage, { ...attached, result: changed }, true);
    },
  },
  {
    id: "check-damage",
    section,
    level: "should",
    says: "CHECK fails when something else that the plugin made is missing or changed",
    ofKernel: true,
    since,
    unless: withoutDamages,
    async judge(stage) {
      for (const { what, sh, where } of stage.subject.damages ?? []) {
        const attached = await stage.attach();
        if (where === "node") stage.node.sh(sh);
        else await stage.inside(attached, sh);
        await check(stage, attached, false, `when ${what}`);
        await stage.detach(attached);
      }
    },
  },
  {
    id: "check-without-result",
    section,
    level: "promised",
    says: "CHECK of what was never added fails",
    since,
    of: ["interface", "chained"],
    async judge(stage) {
      const container = await stage.container();
      const prevResult = await stage.before(container);
      await stage.fail("CHECK", { container, fields: { prevResult } });
    },
  },
  {
    id: "check-namespace-gone",
    section,
    level: "should",
    says: "CHECK fails when the namespace is gone",
    since,
    of: ["interface", "chained"],
    async judge(stage) {
      const attached = await stage.attach();
      stage.node.sh(`ip netns delete ${attached.netns.replace("/run/netns/", "")}`);
      await check(stage, attached, false);
    },
  },
  {
    id: "check-changes-nothing",
    section,
    level: "promised",
    says: "CHECK changes nothing",
    since,
    async judge(stage) {
      const attached = await stage.attach();
      const before = await settled(stage);
      await check(stage, attached, true);
      const after = await stateOf(stage);
      demand(Bun.deepEquals(after, before), "the node is not as before");
    },
  },
];

async function check(stage: Stage, attached: Attached, isFine: boolean, when = "") {
  const outcome = await stage.call("CHECK", { container: attached, fields: { prevResult: attached.result } });
  demand((outcome.status === 0) === isFine, `${when} CHECK ${isFine ? `fails: ${said(outcome)}` : "succeeds"}`.trim());
  return outcome;
}
