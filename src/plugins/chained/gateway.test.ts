import { describe, expect, test } from "bun:test";
import type { Result } from "../../core/result.ts";
import { configError, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { gateway } from "./gateway.ts";

const BEFORE: Result = {
  interfaces: [{ name: "eth0", sandbox: "/run/netns/c1" }],
  ips: [
    { address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 0 },
    { address: "fd00::5/64", gateway: "fd00::1", interface: 0 },
  ],
  routes: [{ dst: "10.9.0.0/16", gw: "10.1.0.7" }],
};

describe("default routes by the interface of a chain", () => {
  test("lead to the gateways that its result tells, one of each family", () => {
    const plan = planWith(gateway, {}, { prevResult: BEFORE });
    const route = { kind: "route", where: "container", link: "eth0" };
    expect(plan.resources).toMatchObject([
      { ...route, destination: "0.0.0.0/0", gateway: "10.1.0.1" },
      { ...route, destination: "::/0", gateway: "fd00::1" },
    ]);
    expect(plan.result).toEqual({
      ...BEFORE,
      routes: [
        { dst: "10.9.0.0/16", gw: "10.1.0.7" },
        { dst: "0.0.0.0/0", gw: "10.1.0.1" },
        { dst: "::/0", gw: "fd00::1" },
      ],
    });
  });

  test("lead to those that are given instead", () => {
    const plan = planWith(gateway, { gateways: ["10.1.0.254"] }, { prevResult: BEFORE });
    expect(ofKind(plan, "route").map((route) => [route.destination, route.gateway])).toEqual([
      ["0.0.0.0/0", "10.1.0.254"],
    ]);
  });

  test("are not made where the chain has made one already", () => {
    const routes = [{ dst: "0.0.0.0/0", gw: "10.1.0.1" }];
    const plan = planWith(gateway, {}, { prevResult: { ...BEFORE, routes } });
    expect(ofKind(plan, "route").map(({ destination }) => destination)).toEqual(["::/0"]);
    expect(plan.result.routes).toEqual([...routes, { dst: "::/0", gw: "fd00::1" }]);
  });

  test("need a gateway, but for a DEL without a record, which has nothing to remove then", () => {
    const without = { ips: [{ address: "10.1.0.5/16" }] };
    const error = configError(() => planWith(gateway, {}, { prevResult: without }));
    expect(error.field).toBe("gateways");
    expect(error.message).toContain('the network of "eth0" tells no gateway');
    expect(planWith(gateway, {}, { prevResult: undefined, recovering: true }).resources).toEqual([]);
  });

  test("are refused where a gateway is no address", () => {
    for (const gateways of [["10.1.0.1/16"], ["gateway"], "10.1.0.1", [7]]) {
      expect(configError(() => parseWith(gateway, { gateways })).field).toStartWith("gateways");
    }
  });
});
