/** An ADD that fails leaves nothing, the bridge included when this ADD made it; one that others use stays as it was. */

import { beforeAll, describe, expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import type { TestNetns } from "../support/namespaces.ts";
import { needs, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  type Config,
  expectBuilt,
  fail,
  type Host,
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

interface Failure {
  readonly name: string;
  readonly config: (host: Host) => Record<string, unknown>;
  /** What is there before, in the host and in the container. */
  readonly given?: (host: Host, container: TestNetns) => void;
  readonly code: number;
  /** Words of the message. */
  readonly says: readonly string[];
}

/** Who holds the leases that are there before. */
const OTHER = { id: "other", ifname: "eth0", netns: "" };

const KERNEL = 100;
const ADDRESS = 102;
const CONFLICT = 103;
const FILE = 5;

const full = { isDefaultGateway: true, ipMasq: true, macspoofchk: true };
const narrow = (host: Host, rangeEnd: string) =>
  hostLocal(host, [{ subnet: "10.77.0.0/24", rangeStart: rangeEnd, rangeEnd }]);

const failures: readonly Failure[] = [
  {
    name: "the container has the interface already",
    config: (host) => ({ isDefaultGateway: true, ipam: hostLocal(host, V4, V6) }),
    given: (_, container) => container.sh("ip link add eth0 type veth peer name other"),
    code: CONFLICT,
    says: ['"eth0"'],
  },
  {
    name: "the container has the interface already, with ipMasq and macspoofchk",
    config: (host) => ({ ...full, ipam: hostLocal(host, V4, V6) }),
    given: (_, container) => container.sh("ip link add eth0 type veth peer name other"),
    code: CONFLICT,
    says: ['"eth0"'],
  },
  {
    name: "the first range has addresses and the second is exhausted",
    config: (host) => ({ isGateway: true, ipam: hostLocal(host, V4, [{ subnet: "fd77::/126" }]) }),
    given(host) {
      mkdirSync(`${host.dataDir}/net`, { recursive: true });
      for (const last of [2, 3]) writeFileSync(`${host.dataDir}/net/fd77::${last}`, "other\r\neth0");
    },
    code: ADDRESS,
    says: ["ipam.ranges[1]", "fd77::1-fd77::3"],
  },
  {
    name: "the kernel refuses the last route",
    config: () => ({
      isGateway: true,
      ipMasq: true,
      macspoofchk: true,
      ipam: {
        type: "static",
        addresses: [{ address: "10.77.0.9/24" }, { address: "fd77::9/64" }],
        routes: [{ dst: "10.78.0.0/16" }, { dst: "10.79.0.0/16", gw: "172.31.0.1" }],
      },
    }),
    code: KERNEL,
    says: ["10.79.0.0/16", "172.31.0.1", "ENETUNREACH"],
  },
  {
    name: "the bridge's name is that of a link of another kind",
    config: (host) => ({ ...full, ipam: hostLocal(host, V6) }),
    given: (host) => host.netns.sh("ip link add vethtaken type veth peer name br0"),
    code: CONFLICT,
    says: ['"br0"', "not a bridge"],
  },
  {
    name: "the bridge has another address",
    config: (host) => ({ isGateway: true, ipMasq: true, ipam: hostLocal(host, V4) }),
    given: (host) => host.netns.sh("ip link add br0 type bridge && ip address add 10.77.0.9/24 dev br0"),
    code: CONFLICT,
    says: ['"br0"', "10.77.0.9/24", "10.77.0.1/24"],
  },
  {
    name: "forceAddress has replaced the address of a bridge that is not ours, and the interface is there already",
    config: (host) => ({ isGateway: true, forceAddress: true, ipam: hostLocal(host, V4) }),
    given(host, container) {
      host.netns.sh("ip link add br0 type bridge && ip link set br0 up && ip address add 10.77.0.9/24 dev br0");
      container.sh("ip link add eth0 type veth peer name other");
    },
    code: CONFLICT,
    says: ['"eth0"'],
  },
  {
    name: "promiscMode has changed a bridge that is not ours, and the interface is there already",
    config: () => ({ promiscMode: true }),
    given(host, container) {
      host.netns.sh("ip link add br0 type bridge && ip link set br0 up");
      container.sh("ip link add eth0 type veth peer name other");
    },
    code: CONFLICT,
    says: ['"eth0"'],
  },
  {
    name: "a file is where the folder of the leases should be",
    config: (host) => ({ isGateway: true, ipam: hostLocal(host, V4) }),
    given: (host) => writeFileSync(host.dataDir, "no folder"),
    code: FILE,
    says: ["ENOTDIR", "leases/net"],
  },
  {
    name: "the address that the configuration asks for is leased to another",
    config: (host) => ({ isGateway: true, ipam: narrow(host, "10.77.0.5") }),
    given(host) {
      mkdirSync(`${host.dataDir}/net`, { recursive: true });
      writeFileSync(`${host.dataDir}/net/10.77.0.5`, "other\r\neth0");
    },
    code: ADDRESS,
    says: ["10.77.0.5"],
  },
];

function network(fields: Record<string, unknown>, name = "net"): Config {
  return { cniVersion: "1.1.0", name, type: "bridge", bridge: "br0", ...fields };
}

describe.concurrent("an ADD leaves nothing when", () => {
  for (const { name, config, given, code, says } of failures) {
    test(name, async () => {
      const host = hosts.fresh();
      const container = hosts.container("c1");
      given?.(host, container.namespace);
      const made = network(config(host));
      const before = await stateOf(host, [container.namespace]);
      const error = await fail(host, { verb: "ADD", config: made, container });
      expect({ code: error.code, msg: error.msg }).toEqual({ code, msg: expect.any(String) });
      for (const word of says) expect(error.msg).toContain(word);
      expectSameState("a failed ADD", await stateOf(host, [container.namespace]), before);
      // As the specification has it, the runtime calls DEL nevertheless. A file instead of a folder has no leases.
      await succeed(host, { verb: "DEL", config: made, container });
      await succeed(host, { verb: "GC", config: withValid(made, [OTHER]) });
      expectSameState("a failed ADD, DEL, GC", await stateOf(host, [container.namespace]), before);
    });
  }
});

describe("an ADD that fails beside a living container of another network on the same bridge", () => {
  for (const forceAddress of [false, true]) {
    test(`leaves its gateway address, ${forceAddress ? "with" : "without"} forceAddress`, async () => {
      const host = hosts.fresh();
      const [first, second] = [hosts.container("c1"), hosts.container("c2")];
      const others = network({ isDefaultGateway: true, ipMasq: true, ipam: hostLocal(host, V4) }, "others");
      const living = await succeed(host, { verb: "ADD", config: others, container: second });
      const before = await stateOf(host, [first.namespace, second.namespace]);
      first.namespace.sh("ip link add eth0 type veth peer name other");
      const withLink = await stateOf(host, [first.namespace, second.namespace]);
      const ours = network({ isGateway: true, forceAddress, ipam: hostLocal(host, [{ subnet: "10.88.0.0/24" }]) });
      await fail(host, { verb: "ADD", config: ours, container: first });
      expectSameState("a failed ADD", await stateOf(host, [first.namespace, second.namespace]), withLink);
      first.namespace.sh("ip link delete eth0");
      await succeed(host, { verb: "DEL", config: ours, container: first });
      await succeed(host, { verb: "GC", config: withValid(ours, []) });
      expectSameState("a failed ADD, DEL, GC", await stateOf(host, [first.namespace, second.namespace]), before);
      await succeed(host, { verb: "CHECK", config: withResult(others, living), container: second });
    });
  }
});
