/**
 * Calls served in the test's own process, as an agent serves them: for what only surrounds the call that is tested, where
 * starting the executable is dear.
 */

import { dispatch } from "../../src/cni/dispatch.ts";
import type { Planner } from "../../src/core/planner.ts";
import { hostLocal } from "../../src/ipam/host-local/index.ts";
import { bootId } from "../../src/linux/boot.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { attachments } from "../../src/plan/attachment.ts";
import { vrf } from "../../src/plugins/chained/vrf.ts";
import { bridge } from "../../src/plugins/interface/bridge.ts";
import { dummy } from "../../src/plugins/interface/dummy.ts";
import { ipvlan } from "../../src/plugins/interface/ipvlan.ts";
import { vlan } from "../../src/plugins/interface/vlan.ts";
import { kernelKinds } from "../../src/resources/kinds.ts";
import type { Host, Outcome, PluginCall } from "./plugin-calls.ts";

/** Those of the links that not every kernel has, and what they are chained after. With host-local alone. */
export async function callHere(host: Host, call: PluginCall): Promise<Outcome> {
  const { id = "", ifname = "", netns = "" } = call.container ?? {};
  let stdout = "";
  let stderr = "";
  const status = inNetns(host.netns.netns, () =>
    dispatch({
      plugin: pluginOf(host, call.config.type),
      env: {
        CNI_COMMAND: call.verb,
        CNI_CONTAINERID: id,
        CNI_IFNAME: ifname,
        CNI_NETNS: netns,
        CNI_PATH: "/nowhere",
        CNI_ARGS: call.args ?? "",
      },
      stdin: () => call.stdin ?? JSON.stringify(call.config),
      stdout: (text) => {
        stdout += text;
      },
      stderr: (text) => {
        stderr += text;
      },
      about: "",
    }),
  );
  return { status, killed: false, answer: stdout === "" ? undefined : JSON.parse(stdout), stdout, stderr };
}

function pluginOf({ runFolder }: Host, type: string) {
  const serve = <C>(planner: Planner<C>) =>
    attachments(planner, { runFolder, bootId: bootId(), kinds: kernelKinds, resolveIpam: () => hostLocal });
  switch (type) {
    case "bridge":
      return serve(bridge);
    case "dummy":
      return serve(dummy);
    case "ipvlan":
      return serve(ipvlan);
    case "vlan":
      return serve(vlan);
    case "vrf":
      return serve(vrf);
    default:
      throw new Error(`No plugin "${type}" is served here`);
  }
}
