/** Configurations of dummy with one thing wrong each. */

import { hostLocal, V4 } from "../../support/attachment-cases.ts";
import { kernelLink } from "../../support/kernel.ts";
import { CONFIG, CONFLICT, type PluginWrongs, type Wrong, wrong } from "./wrong.ts";

const list: readonly Wrong[] = [
  { name: "no ipam", code: CONFIG, says: ['"ipam"', "is missing"] },
  { name: "an empty ipam", code: CONFIG, says: ['"ipam"', "is missing"], config: () => ({ ipam: {} }) },
  wrong("ipam", "host-local"),
  wrong("ipam.type", 7),
  {
    name: "an interface that exists",
    code: CONFLICT,
    says: ['"eth0"', "container"],
    given: (_, container) => container.sh("ip link add eth0 type veth peer name other"),
    config: (host) => ({ ipam: hostLocal(host, V4) }),
    need: kernelLink("dummy"),
  },
];

export const dummy: PluginWrongs = { type: "dummy", list };
