import { hostLocal, V4, V6 } from "../../../test/support/attachment-cases.ts";
import { kernelLink } from "../../../test/support/kernel.ts";
import { testHosts } from "../../../test/support/plugin-calls.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { describeLife } from "../test-support/life.ts";
import { dummy } from "./dummy.ts";

const hosts = testHosts();
expectNothingLeft();

describeLife(hosts, {
  title: "dummy",
  planner: dummy,
  needs: [kernelLink("dummy")],
  config: (host) => ({ ipam: hostLocal(host, V4, V6) }),
  meet: false,
  damage: { command: "ip link set eth0 down", finding: 'link "eth0" is down' },
});
