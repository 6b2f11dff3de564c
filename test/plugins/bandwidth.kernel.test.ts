/** `bandwidth` behind `bridge`: the rates that it holds, what CHECK finds, and that DEL leaves nothing. */

import { beforeAll, describe, expect } from "bun:test";
import { rmSync } from "node:fs";
import { inNetns } from "../../src/linux/netns.ts";
import { hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { addChain, checkChain, delChain } from "../support/chain.ts";
import { kernelLink } from "../support/kernel.ts";
import type { TestNetns } from "../support/namespaces.ts";
import { needs, program, root } from "../support/needs.ts";
import { type Config, expectBuilt, fail, type Host, succeed, testHosts, withResult } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root, program("tc"), kernelLink("ifb"));

const CONFIG = 7;
const CONFLICT = 103;
const VERIFICATION = 104;

const INGRESS = 100_000_000;
const EGRESS = 20_000_000;
const RATES = { ingressRate: INGRESS, ingressBurst: 1_000_000, egressRate: EGRESS, egressBurst: 1_000_000 };

const bridge = (host: Host, fields: Record<string, unknown> = {}): Config => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "bridge",
  bridge: "br0",
  isGateway: true,
  ipam: hostLocal(host, V4, V6),
  ...fields,
});
const bandwidth = (fields: Record<string, unknown> = RATES): Config => ({
  cniVersion: "1.1.0",
  name: "net",
  type: "bandwidth",
  ...fields,
});

/** What there is of traffic control, without the kernel's own. */
function control({ sh }: TestNetns): string[] {
  const qdiscs = sh("tc qdisc show").split("\n");
  return [...qdiscs, ...sh("ip -br link show type ifb").split("\n")].filter((line) => !/ noqueue |^$/.test(line));
}

function nameOf(result: { interfaces?: { name: string }[] }, pattern: RegExp): string {
  return result.interfaces?.find(({ name }) => pattern.test(name))?.name ?? "";
}

/** Bits a second of one TCP connection that come through, once its start is over. */
async function measure(host: Host, container: TestNetns, address: string, reverse: boolean): Promise<number> {
  const run = (where: TestNetns, ...args: string[]) =>
    inNetns(where.netns, () => Bun.spawn(["iperf3", ...args], { stdout: "pipe", stderr: "pipe", cwd: "/" }));
  const server = run(host.netns, "--server", "--one-off", "--forceflush");
  const reader = server.stdout.getReader();
  await reader.read();
  const client = run(container, "-J", "-c", address, "-t", "4", "-O", "1", ...(reverse ? ["--reverse"] : []));
  const report = JSON.parse(await new Response(client.stdout).text()) as {
    error?: string;
    end: { sum_received?: { bits_per_second: number } };
  };
  await reader.cancel();
  await Promise.all([client.exited, server.exited]);
  if (report.end.sum_received === undefined) throw new Error(report.error ?? "iperf3 measured nothing");
  return report.end.sum_received.bits_per_second;
}

needs(root, program("iperf3"), kernelLink("ifb"))(
  "the rate that iperf3 measures is within a tenth of the one asked for, in both directions and families",
  async () => {
    const wanted = [
      { address: "10.77.0.1", reverse: true, rate: INGRESS },
      { address: "fd77::1", reverse: true, rate: INGRESS },
      { address: "10.77.0.1", reverse: false, rate: EGRESS },
      { address: "fd77::1", reverse: false, rate: EGRESS },
    ];
    const measured = await Promise.all(
      wanted.map(async ({ address, reverse }) => {
        const host = hosts.fresh();
        const container = hosts.container("c1");
        const chain = [{ config: bridge(host) }, { config: bandwidth() }];
        const result = await addChain(host, container, chain);
        const measured = await measure(host, container.namespace, address, reverse);
        await checkChain(host, container, chain, result);
        await delChain(host, container, chain, result);
        return measured;
      }),
    );
    for (const [i, { rate, ...what }] of wanted.entries()) {
      const percent = (100 * (measured[i] ?? 0)) / rate;
      expect({ ...what, percent: percent > 90 && percent < 110 ? "within" : percent }).toEqual({
        ...what,
        percent: "within",
      });
    }
  },
  20_000,
);

describe.concurrent("what it makes", () => {
  test("is a bucket for each direction, in the host alone, and the ifb is in the result", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const chain = [{ config: bridge(host, { mtu: 1400 }) }, { config: bandwidth() }];
    const previous = await addChain(host, container, chain.slice(0, 1));
    const before = control(container.namespace);
    const config = withResult(bandwidth(), previous);
    const result = await succeed(host, { verb: "ADD", container, config });
    const ifb = nameOf(result, /^bwp/);
    const veth = nameOf(result, /^veth/);
    const [shown] = host.netns.json<{ address: string; mtu: number }>(`ip -j link show ${ifb}`);
    expect(result).toEqual({
      ...previous,
      interfaces: [...(previous.interfaces ?? []), { name: ifb, mac: shown?.address ?? "" }],
    });
    expect(shown?.mtu).toBe(1400);
    const qdiscs = host.netns
      .json<Record<string, unknown>>("tc -j qdisc show")
      .filter(({ kind }) => kind !== "noqueue");
    expect(qdiscs).toEqual([
      expect.objectContaining({ kind: "tbf", dev: veth, root: true, handle: "1:" }),
      expect.objectContaining({ kind: "ingress", dev: veth }),
      expect.objectContaining({ kind: "tbf", dev: ifb, root: true, handle: "1:" }),
    ]);
    expect(qdiscs.map(({ options }) => options)).toEqual([
      { rate: 12_500_000, burst: 125_000, lat: 25_000 },
      {},
      { rate: 2_500_000, burst: 125_000, lat: 25_000 },
    ]);
    expect(control(container.namespace)).toEqual(before);
    await delChain(host, container, chain, result);
  });

  test("is nothing where nothing is limited, whatever the plugin before has made", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const result = { interfaces: [{ name: "eth0", sandbox: container.netns }] };
    for (const fields of [{}, { ingressRate: 0, ingressBurst: 0 }, { runtimeConfig: { bandwidth: {} } }]) {
      const config = withResult(bandwidth(fields), result);
      const answer = await succeed(host, { verb: "ADD", container, config });
      expect(answer.interfaces).toEqual(result.interfaces);
      await succeed(host, { verb: "CHECK", container, config });
      await succeed(host, { verb: "DEL", container, config });
    }
    expect(control(host.netns)).toEqual([]);
  });

  test("lets full frames through however small the burst is, as that of the reference's documentation", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const rates = { ingressRate: 8_000_000, ingressBurst: 456, egressRate: 8_000_000, egressBurst: 456 };
    const chain = [{ config: bridge(host) }, { config: bandwidth(rates) }];
    const result = await addChain(host, container, chain);
    container.namespace.sh("ping -c 1 -W 10 -s 1472 -M do 10.77.0.1");
    await checkChain(host, container, chain, result);
    await delChain(host, container, chain, result);
  });

  test("is there for each interface of a container in one network", async () => {
    const host = hosts.fresh();
    const first = hosts.container("c1");
    const second = { ...first, ifname: "net1" };
    const chain = [{ config: bridge(host) }, { config: bandwidth() }];
    const results = [await addChain(host, first, chain), await addChain(host, second, chain)];
    const [ifb = "", other = ""] = results.map((result) => nameOf(result, /^bwp/));
    expect(ifb).not.toBe(other);
    await checkChain(host, first, chain, results[0] ?? {});
    await checkChain(host, second, chain, results[1] ?? {});
    await delChain(host, second, chain, results[1]);
    // Neither record nor result: the other interface's ifb stays.
    await delChain(host, second, chain);
    await checkChain(host, first, chain, results[0] ?? {});
    await delChain(host, first, chain, results[0]);
    expect(control(host.netns)).toEqual([]);
  });
});

describe.concurrent("CHECK finds", () => {
  const damages: readonly (readonly [
    title: string,
    command: (veth: string, ifb: string) => string,
    finding: RegExp,
  ])[] = [
    ["a bucket that is gone", (veth) => `tc qdisc delete dev ${veth} root`, /link "veth\w+" has no qdisc tbf 1:/],
    [
      "another rate",
      (veth) => `tc qdisc change dev ${veth} root tbf rate 90mbit burst 125000 limit 437500`,
      /qdisc tbf of "veth\w+" has not rate 100000000bit/,
    ],
    [
      "another burst",
      (_, ifb) => `tc qdisc change dev ${ifb} root tbf rate 20mbit burst 120000 limit 187500`,
      /qdisc tbf of "bwp\w+" has not burst 125000/,
    ],
    [
      "another limit",
      (_, ifb) => `tc qdisc change dev ${ifb} root tbf rate 20mbit burst 125000 limit 187501`,
      /qdisc tbf of "bwp\w+" has not limit 187500/,
    ],
    [
      "another kind of bucket",
      (_, ifb) => `tc qdisc replace dev ${ifb} root handle 2: htb`,
      /link "bwp\w+" has no qdisc tbf 1:/,
    ],
    [
      "a filter that is gone",
      (veth) => `tc filter delete dev ${veth} ingress`,
      /^link "veth\w+" has no filter that redirects to "bwp\w+"$/,
    ],
    [
      "a filter that redirects elsewhere",
      (veth) =>
        `tc filter delete dev ${veth} ingress && tc filter add dev ${veth} ingress protocol all priority 1 u32 match u32 0 0 action mirred egress redirect dev br0`,
      /link "veth\w+" has no filter that redirects to "bwp\w+"/,
    ],
    ["ingress that is gone", (veth) => `tc qdisc delete dev ${veth} ingress`, /link "veth\w+" has no qdisc ingress/],
    ["an ifb that is down", (_, ifb) => `ip link set ${ifb} down`, /link "bwp\w+" is down/],
    ["an ifb that is gone", (_, ifb) => `ip link delete ${ifb}`, /interface "bwp\w+" is not in the host/],
  ];
  for (const [title, command, finding] of damages) {
    test(title, async () => {
      const host = hosts.fresh();
      const container = hosts.container("c1");
      const chain = [{ config: bridge(host) }, { config: bandwidth() }];
      const result = await addChain(host, container, chain);
      host.netns.sh(command(nameOf(result, /^veth/), nameOf(result, /^bwp/)));
      const config = withResult(bandwidth(), result);
      const { code, msg } = await fail(host, { verb: "CHECK", container, config });
      expect({ code, msg }).toEqual({ code: VERIFICATION, msg: expect.stringMatching(finding) });
      await delChain(host, container, chain, result);
      expect(control(host.netns)).toEqual([]);
    });
  }
});

describe.concurrent("DEL leaves nothing, twice,", () => {
  for (const { how, netns, result, record } of [
    { how: "with all that a runtime has", netns: true, result: true, record: true },
    { how: "without a namespace", netns: false, result: true, record: true },
    { how: "without a namespace and result", netns: false, result: false, record: true },
    { how: "without record", netns: true, result: true, record: false },
    { how: "without record and namespace", netns: false, result: true, record: false },
    { how: "without record, namespace and result", netns: false, result: false, record: false },
  ]) {
    test(how, async () => {
      const host = hosts.fresh();
      const container = hosts.container("c1");
      const chain = [{ config: bridge(host) }, { config: bandwidth() }];
      const made = await addChain(host, container, chain);
      if (!record) rmSync(`${host.runFolder}/attachments/net/c1@bandwidth@eth0.json`);
      const whose = netns ? container : { ...container, netns: "" };
      await delChain(host, whose, chain.slice(1), result ? made : undefined);
      // Without record and result the veth pair is not known; what is on it goes with it.
      if (record || result) expect(control(host.netns)).toEqual([]);
      await delChain(host, whose, chain.slice(1), result ? made : undefined);
      await delChain(host, whose, chain, result ? made : undefined);
      await delChain(host, whose, chain);
      expect(control(host.netns)).toEqual([]);
    });
  }

  test("for a container that never was", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    for (const netns of [container.netns, "", "/run/netns/there-is-none"]) {
      await succeed(host, { verb: "DEL", container: { ...container, netns }, config: bandwidth() });
    }
    expect(control(host.netns)).toEqual([]);
  });
});

describe.concurrent("an ADD fails and changes nothing", () => {
  test("without the result of the plugin before", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const { code, msg } = await fail(host, { verb: "ADD", container, config: bandwidth() });
    expect({ code, msg }).toEqual({ code: CONFIG, msg: expect.stringContaining('"prevResult" is missing') });
  });

  test("where the interface is not an end of a veth pair, or not of one that the result names", async () => {
    const host = hosts.fresh();
    host.netns.sh("ip link add below0 type bridge");
    const [one, two] = [hosts.container("c1"), hosts.container("c2")];
    host.netns.sh(`ip link add link below0 name eth0 netns ${one.namespace.name} type macvlan mode bridge`);
    host.netns.sh(`ip link add other0 type veth peer name eth0 netns ${two.namespace.name}`);
    for (const container of [one, two]) {
      const interfaces = [{ name: "below0" }, { name: "eth0", sandbox: container.netns }];
      const config = withResult(bandwidth(), { interfaces });
      const { code, msg } = await fail(host, { verb: "ADD", container, config });
      const says = '"prevResult" names no interface of the host whose other end is "eth0"';
      expect({ code, msg }).toEqual({ code: CONFIG, msg: expect.stringContaining(says) });
      // A runtime deletes what it could not add.
      await succeed(host, { verb: "DEL", container, config });
    }
    expect(control(host.netns)).toEqual([]);
  });

  test("where another one of the chain limits the same direction", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const [inwards, outwards] = [
      bandwidth({ ingressRate: INGRESS, ingressBurst: 1_000_000 }),
      bandwidth({ egressRate: EGRESS, egressBurst: 1_000_000 }),
    ];
    const chain = [{ config: bridge(host) }, { config: inwards }, { config: outwards }];
    const result = await addChain(host, container, chain);
    const before = control(host.netns);
    for (const fields of [
      { ingressRate: 8000, ingressBurst: 8000 },
      { egressRate: 8000, egressBurst: 8000 },
    ]) {
      const config = withResult(bandwidth(fields), result);
      const { code, msg } = await fail(host, { verb: "ADD", container, config });
      expect({ code, msg }).toEqual({ code: CONFLICT, msg: expect.stringContaining("already") });
      expect(control(host.netns)).toEqual(before);
    }
    await checkChain(host, container, chain, result);
    await delChain(host, container, chain, result);
    expect(control(host.netns)).toEqual([]);
  });

  test("where somebody else holds the rate already", async () => {
    const host = hosts.fresh();
    const container = hosts.container("c1");
    const chain = [{ config: bridge(host) }, { config: bandwidth() }];
    const previous = await addChain(host, container, chain.slice(0, 1));
    host.netns.sh(`tc qdisc add dev ${nameOf(previous, /^veth/)} root handle 5: tbf rate 1gbit burst 1mb limit 2mb`);
    const before = control(host.netns);
    const { code, msg } = await fail(host, { verb: "ADD", container, config: withResult(bandwidth(), previous) });
    expect({ code, msg }).toEqual({
      code: CONFLICT,
      msg: expect.stringContaining("it has a queueing discipline already"),
    });
    expect(control(host.netns)).toEqual(before);
    await delChain(host, container, chain, previous);
  });
});
