import { expect, test } from "bun:test";
import { logTo } from "../cluster/log.ts";
import { misfit, NodeCidrs } from "./node-cidrs.ts";

const POOL = { cidrs: ["10.244.0.0/16"], blockBits: { ipv4: 24, ipv6: 122 } };

test("a node says what it waits for, takes what it is given, and again when that is another one", async () => {
  let answer: readonly string[] | undefined;
  let now = 0;
  let asked = 0;
  const changes: (readonly string[] | undefined)[] = [];
  const cidrs = new NodeCidrs({
    node: "n1",
    async read() {
      asked++;
      return answer;
    },
    changed: () => void changes.push(cidrs.territory.networks),
    clock: () => now,
    log: logTo(() => {}, "error"),
  });
  expect(cidrs.problem(POOL, "default")).toContain("has not asked");
  await cidrs.look();
  expect(cidrs.problem(POOL, "default")).toStartWith('The API server knows no Node "n1"');
  answer = [];
  await cidrs.look();
  expect(cidrs.problem(POOL, "default")).toContain("--allocate-node-cidrs");
  answer = ["10.244.1.0/24"];
  await cidrs.look();
  expect(cidrs.problem(POOL, "default")).toBeUndefined();
  expect(cidrs.problem(undefined, "default")).toBeUndefined();

  const before = asked;
  await cidrs.look();
  expect(asked).toBe(before);
  // A Node that is gone leaves them to its pods; one that is made anew has others.
  answer = undefined;
  now += 60_000;
  await cidrs.look();
  expect(cidrs.territory.networks).toEqual(["10.244.1.0/24"]);
  expect(cidrs.problem(POOL, "default")).toBeUndefined();
  answer = [];
  await cidrs.look();
  answer = ["10.244.9.0/24"];
  await cidrs.look();
  expect(changes).toEqual([["10.244.1.0/24"], ["10.244.9.0/24"]]);
});

test("what does not fit to the pool is told, with both", () => {
  const of = (networks: readonly string[], pool: Partial<typeof POOL> = {}) =>
    misfit("n1", networks, { ...POOL, ...pool }, "default");
  expect(of(["10.244.1.0/24"])).toBeUndefined();
  // Larger than a block, and of a family more than the pool has.
  expect(of(["10.244.0.0/20", "fd00:1::/64"])).toBeUndefined();
  expect(of(["10.245.1.0/24"])).toStartWith(
    'Node "n1" has the podCIDRs 10.245.1.0/24, of which 10.245.1.0/24 is none of pool "default" (10.244.0.0/16). Make',
  );
  expect(of(["10.244.1.0/25"])).toContain('10.244.1.0/25 is smaller than a block of pool "default", which is a /24');
  expect(of(["10.244.1.0/24"], { cidrs: ["10.244.0.0/16", "fd00::/56"] })).toContain(
    'none of IPv6, of which pool "default"',
  );
});
