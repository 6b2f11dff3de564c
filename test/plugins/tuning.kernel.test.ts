/** `tuning` behind `bridge`: what it changes, what CHECK finds, and that DEL gives back what was there before. */

import { beforeAll, describe, expect } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { addChain, checkChain, delChain } from "../support/chain.ts";
import type { TestNetns } from "../support/namespaces.ts";
import { needs, root } from "../support/needs.ts";
import { type Config, expectBuilt, fail, type Host, succeed, testHosts, withResult } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root);

const VERIFICATION = 104;
const KERNEL = 100;
const CONFIG = 7;

const MAC = "02:00:5e:00:53:01";
const PARAMETERS = ["net/core/somaxconn", "net/ipv4/conf/eth0/arp_filter", "net/ipv4/ip_local_port_range"];

const bridge = (name = "net"): Config => ({ cniVersion: "1.1.0", name, type: "bridge", bridge: "br0" });
const tuning = (fields: Record<string, unknown>, name = "net"): Config => ({
  cniVersion: "1.1.0",
  name,
  type: "tuning",
  // Not the folder where the reference plugin leaves its files on this machine.
  dataDir: "/there/is/none",
  ...fields,
});
const sysctl = {
  "net.core.somaxconn": "500",
  "net.ipv4.conf.IFNAME.arp_filter": "1",
  "net/ipv4/ip_local_port_range": "1024 65000",
};
const everything = { sysctl, mac: MAC, promisc: true, mtu: 1400, allmulti: true, txQLen: 77 };

/** What the plugin can change. */
function look({ sh }: TestNetns): Record<string, unknown> {
  const [link] = JSON.parse(sh("ip -d -j link show eth0")) as Record<string, unknown>[];
  const { address, mtu, txqlen, flags } = link ?? {};
  const values = Object.fromEntries(PARAMETERS.map((name) => [name, sh(`cat /proc/sys/${name}`).trim()]));
  return {
    address,
    mtu,
    txqlen,
    flags: (flags as string[]).filter((flag) => /PROMISC|ALLMULTI/.test(flag)),
    ...values,
  };
}

describe.concurrent("all that it can change", () => {
  test("is changed, checked, told in the result, and given back", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const [first, second] = [{ config: bridge() }, { config: tuning(everything) }];
    const previous = await addChain(host, container, [first]);
    const before = look(container.namespace);
    const request = { container, config: withResult(second.config, previous) };
    const result = await succeed(host, { verb: "ADD", ...request });
    expect(look(container.namespace)).toEqual({
      address: MAC,
      mtu: 1400,
      txqlen: 77,
      flags: ["ALLMULTI", "PROMISC"],
      "net/core/somaxconn": "500",
      "net/ipv4/conf/eth0/arp_filter": "1",
      "net/ipv4/ip_local_port_range": "1024\t65000",
    });
    const interfaces = previous.interfaces?.map((one) => (one.sandbox ? { ...one, mac: MAC, mtu: 1400 } : one));
    expect(result).toEqual({ ...previous, interfaces: interfaces ?? [] });
    await checkChain(host, container, [first, second], result);
    await delChain(host, container, [second], result);
    expect(look(container.namespace)).toEqual(before);
    await delChain(host, container, [second], result);
    await delChain(host, container, [first, second], result);
  });

  test("is given back when the last of it is refused", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const previous = await addChain(host, container, [{ config: bridge() }]);
    const before = look(container.namespace);
    for (const wrong of [{ mtu: 70_000 }, { sysctl: { ...sysctl, "net.core.somaxconn": "many" } }]) {
      const config = withResult(tuning({ ...everything, ...wrong }), previous);
      const { code, msg } = await fail(host, { verb: "ADD", container, config });
      expect({ code, msg }).toEqual({ code: KERNEL, msg: expect.stringContaining("EINVAL") });
      expect(msg).toContain("mtu" in wrong ? 'link "eth0" to mtu 70000' : '"net/core/somaxconn"');
      expect(look(container.namespace)).toEqual(before);
    }
    await delChain(host, container, [{ config: bridge() }]);
  });

  test("is found by CHECK when somebody has changed it", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const chain = [{ config: bridge() }, { config: tuning(everything) }];
    const result = await addChain(host, container, chain);
    const damages: readonly [command: string, finding: string][] = [
      ["sysctl -qw net.core.somaxconn=99", "sysctl net/core/somaxconn is 99, not 500"],
      ["sysctl -qw net.ipv4.conf.eth0.arp_filter=0", "sysctl net/ipv4/conf/eth0/arp_filter is 0, not 1"],
      ["ip link set eth0 address 02:00:00:00:00:99", 'link "eth0" has MAC 02:00:00:00:00:99'],
      ["ip link set eth0 mtu 1300", 'link "eth0" has MTU 1300, not 1400'],
      ["ip link set eth0 txqueuelen 5", 'link "eth0" has transmit queue length 5, not 77'],
      ["ip link set eth0 promisc off", 'promisc of link "eth0" is off'],
      ["ip link set eth0 allmulticast off", 'allmulticast of link "eth0" is off'],
    ];
    for (const [command] of damages) container.namespace.sh(command);
    const config = withResult(chain[1]?.config as Config, result);
    const { code, msg } = await fail(host, { verb: "CHECK", container, config });
    expect(code).toBe(VERIFICATION);
    for (const [, finding] of damages) expect(msg).toContain(finding);
    await delChain(host, container, chain, result);
  });
});

describe.concurrent("DEL", () => {
  test("without a namespace, after it has died, and without a record succeeds", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const chain = [{ config: bridge() }, { config: tuning(everything) }];
    const result = await addChain(host, container, chain);
    const tuned = look(container.namespace);
    rmSync(`${host.runFolder}/attachments/net/c1@tuning@eth0.json`);
    await delChain(host, container, chain.slice(1), result);
    expect(look(container.namespace)).toEqual(tuned);
    await delChain(host, container, chain, result);
    await addChain(host, container, chain);
    await delChain(host, { ...container, netns: "" }, chain);
    await delChain(host, { ...container, netns: "/run/netns/there-is-none" }, chain);
    expect(container.namespace.sh("ip -br link")).not.toContain("eth0");
  });

  test("of one of two plugins in a chain gives back what was there before both", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const chain = [{ config: bridge() }, { config: tuning({ mtu: 1400, sysctl }) }, { config: tuning({ mtu: 1300 }) }];
    const previous = await addChain(host, container, chain.slice(0, 1));
    const before = look(container.namespace);
    const first = await succeed(host, {
      verb: "ADD",
      container,
      config: withResult(chain[1]?.config as Config, previous),
    });
    await succeed(host, { verb: "ADD", container, config: withResult(chain[2]?.config as Config, first) });
    expect(look(container.namespace)).toMatchObject({ mtu: 1300 });
    await delChain(host, container, chain.slice(1));
    expect(look(container.namespace)).toEqual(before);
    await delChain(host, container, chain);
  });
});

/** Three networks of one container, each of which sets what the whole namespace shares. */
describe.concurrent("a parameter of the namespace that several attachments set", () => {
  const names = ["a", "b", "c"];
  const values = (same: boolean) => names.map((_, i) => (same ? "500" : String(500 + i)));
  const orders = [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
  ];
  for (const same of [true, false]) {
    for (const order of orders) {
      const title = `${same ? "alike" : "each to another value"}, taken down as ${order.join(", ")}`;
      test(`${title}, is as it was when the last has gone`, async () => {
        const host = hosts.fresh();
        const container = hosts.container("c1");
        const value = () => container.namespace.sh("sysctl -n net.core.somaxconn").trim();
        const before = value();
        const chains = names.map((name, i) => {
          const config = tuning({ sysctl: { "net.core.somaxconn": values(same)[i] } }, name);
          return { of: { ...container, ifname: `net${i}` }, chain: [{ config: bridge(name) }, { config }] };
        });
        const results = [];
        for (const { of, chain } of chains) results.push(await addChain(host, of, chain));
        const left = new Set([0, 1, 2]);
        for (const i of order) {
          const { of, chain } = chains[i] as (typeof chains)[0];
          await delChain(host, of, chain, results[i]);
          left.delete(i);
          const needed = [...left].map((other) => values(same)[other]);
          expect(needed.length === 0 ? [before] : needed).toContain(value());
        }
      });
    }
  }
});

describe("the allow list", () => {
  /** The plugin sees a folder /etc of the test's own. */
  function withList(host: Host, list: string): readonly string[] {
    const folder = host.path("etc");
    mkdirSync(`${folder}/cni/tuning`, { recursive: true });
    writeFileSync(`${folder}/cni/tuning/allowlist.conf`, list);
    return ["unshare", "--mount", "sh", "-c", `mount --bind ${folder} /etc && exec "$@"`, "sh"];
  }

  test("is asked by ADD, by no other verb", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const previous = await addChain(host, container, [{ config: bridge() }]);
    const before = look(container.namespace);
    const config = withResult(tuning({ sysctl }), previous);
    const strict = withList(host, "^net.ipv4.conf.IFNAME.[a-z_]*$\n");
    const { code, msg } = await fail(host, { verb: "ADD", container, config, prefix: strict });
    expect({ code, msg }).toEqual({ code: CONFIG, msg: expect.stringContaining('"net.core.somaxconn"') });
    expect(look(container.namespace)).toEqual(before);
    const loose = withList(host, "^net.ipv4.conf.IFNAME.[a-z_]*$\n^net.core\nport_range\n");
    await succeed(host, { verb: "ADD", container, config, prefix: loose });
    const none = withList(host, "");
    await succeed(host, { verb: "CHECK", container, config, prefix: none });
    await succeed(host, { verb: "DEL", container, config, prefix: none });
    expect(look(container.namespace)).toEqual(before);
    await delChain(host, container, [{ config: bridge() }]);
  });
});

describe.concurrent("an ADD fails", () => {
  test("without the result of the plugin before", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const { code, msg } = await fail(host, { verb: "ADD", container, config: tuning(everything) });
    expect({ code, msg }).toEqual({ code: CONFIG, msg: expect.stringContaining('"prevResult"') });
  });

  test("when the interface, or a parameter, is not there", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const result = { interfaces: [{ name: "eth0", mac: MAC, sandbox: container.netns }] };
    const attempt = async (fields: Record<string, unknown>) =>
      (await fail(host, { verb: "ADD", container, config: withResult(tuning(fields), result) })).msg;
    expect(await attempt({ mtu: 1400 })).toContain('link "eth0" to mtu 1400: ENODEV');
    expect(await attempt({ sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1" } })).toContain(
      'sysctl "net/ipv4/conf/eth0/arp_filter": ENOENT',
    );
  });

  test("when the MTU is above that of the link below", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    host.netns.sh(
      `ip link add below0 type bridge && ip link add link below0 name eth0 netns ${container.namespace.name} type macvlan`,
    );
    const result = { interfaces: [{ name: "eth0", mac: MAC, sandbox: container.netns }] };
    const config = withResult(tuning({ mtu: 9000 }), result);
    const { code, msg } = await fail(host, { verb: "ADD", container, config });
    expect({ code, msg }).toEqual({ code: KERNEL, msg: expect.stringContaining('link "eth0" to mtu 9000: EINVAL') });
  });
});
