import { expect, test } from "bun:test";
import type { Planner } from "../core/planner.ts";
import type { Call } from "../core/plugin.ts";
import type { Result } from "../core/result.ts";
import { resultFor } from "./service.ts";

const planner = (more: Partial<Planner<undefined>>) => more as Planner<undefined>;
const call = (prevResult: Result | undefined) => ({ config: { prevResult } }) as unknown as Call;

const earlier: Result = {
  interfaces: [{ name: "br0" }, { name: "net1", sandbox: "/run/netns/pod" }],
  ips: [{ address: "192.0.2.7/24", interface: 1 }],
  routes: [{ dst: "198.51.100.0/24" }],
  dns: { domain: "earlier" },
};
const own: Result = {
  interfaces: [{ name: "veth1" }, { name: "eth0", sandbox: "/run/netns/pod" }],
  ips: [{ address: "10.77.0.2/24", interface: 1 }, { address: "10.77.0.3/24" }],
  dns: { domain: "own" },
};

test("an interface plugin's result follows the one that it was given", () => {
  expect(resultFor(planner({}), undefined, call(earlier), own)).toEqual({
    interfaces: [...(earlier.interfaces ?? []), ...(own.interfaces ?? [])],
    ips: [
      { address: "192.0.2.7/24", interface: 1 },
      { address: "10.77.0.2/24", interface: 3 },
      { address: "10.77.0.3/24" },
    ],
    routes: [{ dst: "198.51.100.0/24" }],
    dns: { domain: "own" },
  });
  const { dns: _, ...silent } = own;
  expect(resultFor(planner({}), undefined, call(earlier), silent).dns).toEqual({ domain: "earlier" });
});

test("without one before it, or from a chained plugin, the result is as planned", () => {
  expect(resultFor(planner({}), undefined, call(undefined), own)).toBe(own);
  expect(resultFor(planner({ chained: true }), undefined, call(earlier), own)).toBe(own);
  expect(resultFor(planner({}), undefined, call(earlier), earlier)).toBe(earlier);
  expect(resultFor(planner({ takesOver: () => true }), undefined, call(earlier), own)).toBe(own);
});
