import { expect, test } from "bun:test";
import { attachmentMac } from "../../core/names.ts";
import type { Result } from "../../core/result.ts";
import { configError, KEY, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { dummy } from "./dummy.ts";

const fields = { ipam: { type: "host-local" } };
const ipam: Result = {
  ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }, { address: "fd00::5/64" }],
  routes: [{ dst: "10.2.0.0/16" }],
  dns: { nameservers: ["10.0.0.1"] },
};

test("the container gets a dummy with addresses and routes, and the result says them", () => {
  const plan = planWith(dummy, fields, { ipam });
  const mac = attachmentMac("container", KEY);
  expect(ofKind(plan, "link")).toEqual([{ kind: "link", type: "dummy", where: "container", name: "eth0", mac }]);
  expect(ofKind(plan, "address").map(({ address }) => address)).toEqual(["10.1.0.5/16", "fd00::5/64"]);
  expect(ofKind(plan, "route")).toMatchObject([{ destination: "10.2.0.0/16", gateway: "10.1.0.1" }]);
  expect(ofKind(plan, "link-settings")).toMatchObject([{ set: { up: true } }]);
  expect(plan.result).toEqual({
    interfaces: [{ name: "eth0", mac, sandbox: NETNS }],
    ips: [
      { address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 0 },
      { address: "fd00::5/64", interface: 0 },
    ],
    routes: [{ dst: "10.2.0.0/16" }],
    dns: { nameservers: ["10.0.0.1"] },
  });
});

test("the MAC of another vendor's ADD is taken from its result", () => {
  const adopted: Result = { interfaces: [{ name: "eth0", mac: "0a:00:00:00:00:09", sandbox: NETNS }] };
  expect(ofKind(planWith(dummy, fields, { ipam, adopted }), "link")[0]).toMatchObject({ mac: "0a:00:00:00:00:09" });
});

test("a configuration without ipam is refused", () => {
  expect(configError(() => parseWith(dummy, {})).message).toContain('"ipam" is missing: dummy needs addresses');
});
