import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { onBothKernels } from "../../../../test/support/kernel.ts";
import { type TestNetns, testNamespaces } from "../../../../test/support/namespaces.ts";
import { needs, program, root } from "../../../../test/support/needs.ts";
import { expectNothingLeft } from "../../../../test/support/snapshot.ts";
import { NetlinkError } from "../error.ts";
import { addRedirect, deleteFilter, isRedirect, listIngressFilters } from "./filter/filter.ts";
import { findLink } from "./link/link.ts";
import { addIngress, addTokenBucket, deleteQdisc, findQdisc } from "./qdisc/qdisc.ts";
import { PSCHED_TICK_NS, type TokenBucket, tokenBucketDifferences } from "./qdisc/tbf.ts";
import { TC_H_INGRESS, TC_H_ROOT } from "./traffic-control.ts";

const namespaces = testNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("tc"));
/** What kernels answer differently. */
const onBoth = needs(root, program("ip"), program("tc"), onBothKernels);

/** A namespace with both ends of a veth pair. */
function withLinks(): TestNetns & { readonly one: number; readonly other: number } {
  const namespace = namespaces.fresh();
  namespace.sh("ip link add a0 type veth peer name b0 && ip link set a0 up && ip link set b0 up");
  const index = (name: string) => findLink(namespace.socket, name)?.index ?? 0;
  return { ...namespace, one: index("a0"), other: index("b0") };
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof NetlinkError) return error.code;
    throw error;
  }
  return "none";
}

describe("token buckets", () => {
  const buckets: readonly (TokenBucket & { readonly name: string })[] = [
    { name: "a common one", rate: 12_500_000, burst: 125_000, limit: 437_500 },
    { name: "the slowest", rate: 1, burst: 100, limit: 200 },
    {
      name: "a burst that lasts longer than the kernel can tell",
      rate: 125_000,
      burst: 536_870_911,
      limit: 2 ** 32 - 1,
    },
    { name: "a rate of more than 32 bits", rate: 5_000_000_000, burst: 1_048_576, limit: 126_048_576 },
    { name: "a rate beyond all hardware", rate: 125_000_000_000_000, burst: 4_294_967_294, limit: 4_294_967_295 },
    { name: "odd numbers", rate: 123_457, burst: 7_919, limit: 104_729 },
  ];
  for (const { name, ...bucket } of buckets) {
    kernelTest(`${name} is made, found as it was asked for, and deleted`, () => {
      const { socket, one, json } = withLinks();
      socket.execute(addTokenBucket(one, 1, bucket));
      const found = findQdisc(socket, one, TC_H_ROOT);
      expect(found).toMatchObject({ index: one, kind: "tbf", handle: 0x10000 });
      expect(tokenBucketDifferences(found?.tbf ?? {}, bucket)).toEqual([]);
      expect(tokenBucketDifferences(found?.tbf ?? {}, { ...bucket, rate: bucket.rate + 1 })).toEqual(["rate"]);
      expect(tokenBucketDifferences(found?.tbf ?? {}, { ...bucket, limit: bucket.limit - 1 })).toEqual(["limit"]);
      const less = { ...bucket, burst: Math.floor(bucket.burst / 2) };
      expect(tokenBucketDifferences(found?.tbf ?? {}, less)).toEqual(["burst"]);
      expect(json("tc -j qdisc show dev a0")).toMatchObject([
        { kind: "tbf", handle: "1:", root: true, options: { rate: bucket.rate } },
      ]);
      expect(codeOf(() => socket.execute(addTokenBucket(one, 1, bucket)))).toBe("EEXIST");
      expect(codeOf(() => socket.execute(addTokenBucket(one, 2, bucket)))).toBe("EEXIST");
      socket.execute(deleteQdisc(one, TC_H_ROOT));
      expect(findQdisc(socket, one, TC_H_ROOT)?.kind).toBe("noqueue");
      expect(codeOf(() => socket.execute(deleteQdisc(one, TC_H_ROOT)))).toBe("ENOENT");
    });
  }

  onBoth("made by tc(8) are found", () => {
    const { socket, one, sh } = withLinks();
    sh("tc qdisc add dev a0 root handle 7: tbf rate 80mbit burst 20000 latency 25ms");
    const found = findQdisc(socket, one, TC_H_ROOT);
    expect(found?.handle).toBe(0x70000);
    const bucket = { rate: 10_000_000, burst: 20_000, limit: 270_000 };
    expect(tokenBucketDifferences(found?.tbf ?? {}, bucket)).toEqual([]);
  });

  kernelTest("count in ticks of the length that we know", () => {
    const [toNs = 0, fromUs = 1] = readFileSync("/proc/net/psched", "utf8")
      .trim()
      .split(" ")
      .map((word) => Number.parseInt(word, 16));
    // So many nanoseconds are a microsecond, and so many nanoseconds are a tick.
    expect([toNs, fromUs]).toEqual([1000, PSCHED_TICK_NS]);
  });
});

describe("queueing disciplines", () => {
  onBoth("of a link that has none, is down or is gone are not found", () => {
    const { socket, one, sh } = withLinks();
    expect(findQdisc(socket, one, TC_H_INGRESS)).toBeUndefined();
    sh("ip link add c0 type veth peer name d0");
    const down = findLink(socket, "c0")?.index ?? 0;
    expect(findQdisc(socket, down, TC_H_ROOT)).toBeUndefined();
    sh("ip link delete c0");
    expect(findQdisc(socket, down, TC_H_ROOT)).toBeUndefined();
  });
});

describe("redirection", () => {
  for (const kind of ["ingress", "clsact"]) {
    onBoth(`by a qdisc of kind ${kind} is made, listed and deleted`, () => {
      const { socket, one, other, sh, json } = withLinks();
      expect(listIngressFilters(socket, one)).toEqual([]);
      expect(codeOf(() => socket.execute(addRedirect({ index: one, priority: 1, target: other })))).toBe("EINVAL");
      if (kind === "ingress") socket.execute(addIngress(one));
      else sh("tc qdisc add dev a0 clsact");
      expect(codeOf(() => socket.execute(addIngress(one)))).toBe("EEXIST");
      expect(findQdisc(socket, one, TC_H_INGRESS)).toMatchObject({ kind, handle: 0xffff0000 });
      sh(
        "tc filter add dev a0 ingress protocol ip prio 3 u32 match ip dst 10.0.0.0/8 action mirred egress mirror dev b0",
      );
      socket.execute(addRedirect({ index: one, priority: 1, target: other }));
      const isOurs = (filter: ReturnType<typeof listIngressFilters>[number]) =>
        isRedirect(filter, { priority: 1, target: other });
      const ours = listIngressFilters(socket, one).filter(isOurs);
      expect(ours).toMatchObject([{ kind: "u32", handle: 0x80000800 + 0x100000 }]);
      const printed = json<{ pref: number; options?: { actions?: object[] } }>("tc -j filter show dev a0 ingress");
      const redirect = { kind: "mirred", mirred_action: "redirect", direction: "egress", to_dev: "b0" };
      expect(printed.flatMap(({ pref, options }) => (pref === 1 ? (options?.actions ?? []) : []))).toMatchObject([
        redirect,
      ]);
      for (const filter of ours) socket.execute(deleteFilter(filter));
      expect(listIngressFilters(socket, one).filter(isOurs)).toEqual([]);
      expect(listIngressFilters(socket, one).length).toBeGreaterThan(0);
      for (const filter of ours) expect(codeOf(() => socket.execute(deleteFilter(filter)))).toBe("ENOENT");
      socket.execute(deleteQdisc(one, TC_H_INGRESS));
      expect(findQdisc(socket, one, TC_H_INGRESS)).toBeUndefined();
    });
  }

  kernelTest("takes all frames to the other link", () => {
    const { socket, one, sh, json } = withLinks();
    sh("ip link add ifb0 type ifb && ip link set ifb0 up");
    const target = findLink(socket, "ifb0")?.index ?? 0;
    socket.execute(addIngress(one));
    socket.execute(addRedirect({ index: one, priority: 1, target }));
    const received = () => {
      const [link] = json<{ stats64: { rx: { packets: number } } }>("ip -j -s link show ifb0");
      return link?.stats64.rx.packets ?? 0;
    };
    const before = received();
    sh(
      "ip address add 10.7.0.1/24 dev a0; ip neighbour replace 10.7.0.9 lladdr 02:00:00:00:00:09 dev b0; ip route add 10.7.0.9 dev b0",
    );
    sh("ping -c 2 -i 0.01 -W 0.2 10.7.0.9 || true");
    expect(received() - before).toBeGreaterThanOrEqual(2);
  });
});
