import { expect, test } from "bun:test";
import { asksOthers } from "./in-agent.ts";
import { askingFor, partOf } from "./parts.ts";
import { networkStatus } from "./status.ts";

test("a configuration asks for a part of a call, and stays what it was beside", () => {
  const text = '{"name":"tendril","type":"tendril"}';
  for (const part of ["networks", "own", "tell"] as const) {
    const asking = JSON.parse(askingFor(text, part)) as Record<string, unknown>;
    expect(partOf(asking)).toBe(part);
    expect(asking).toMatchObject({ name: "tendril", type: "tendril" });
  }
  const status = [networkStatus("lan", "net1", {}, false)];
  expect(JSON.parse(askingFor(text, "tell", status))).toMatchObject({ "tendril.dev/status": status });
  for (const config of [undefined, {}, JSON.parse(text), { "tendril.dev/part": "all" }]) {
    expect(partOf(config)).toBeUndefined();
  }
});

test("a configuration's IPAM plugin is another vendor's where it is none of ours", () => {
  const asks = (ipam: unknown) => asksOthers({ ipam });
  expect(["dhcp", "calico-ipam"].map((type) => asks({ type }))).toEqual([true, true]);
  expect(["tendril", "whereabouts", "host-local", "static", ""].map((type) => asks({ type }))).toEqual(
    Array<boolean>(5).fill(false),
  );
  for (const ipam of [undefined, null, "dhcp", {}, { type: 7 }, []]) expect(asks(ipam)).toBe(false);
  expect(asksOthers(undefined)).toBe(false);
});

test("the status of a network is its own interface's, with the gateways of its default routes", () => {
  const result = {
    interfaces: [{ name: "veth1" }, { name: "net1", mac: "02:00:00:00:00:01", sandbox: "/n" }],
    ips: [
      { address: "10.9.0.5/24", interface: 1 },
      { address: "192.0.2.1/24", interface: 0 },
      { address: "FD09::5/64" },
    ],
    routes: [{ dst: "0.0.0.0/0", gw: "10.9.0.1" }, { dst: "10.0.0.0/8", gw: "10.9.0.2" }, { dst: "::/0" }],
    dns: { nameservers: ["10.9.0.3"] },
  };
  const status = {
    ...{ name: "shop/lan", interface: "net1", ips: ["10.9.0.5", "fd09::5"], mac: "02:00:00:00:00:01" },
    dns: { nameservers: ["10.9.0.3"] },
  };
  expect(networkStatus("shop/lan", "net1", result, false)).toEqual({ ...status, gateway: ["10.9.0.1"] });
  expect(networkStatus("shop/lan", "net1", result, true)).toEqual({ ...status, default: true });
  // A plugin that tells nothing of its interfaces.
  expect(networkStatus("l", "net1", { ips: [{ address: "10.9.0.5/24", interface: 0 }] }, false)).toEqual({
    ...{ name: "l", interface: "net1", ips: ["10.9.0.5"], dns: {} },
  });
});
