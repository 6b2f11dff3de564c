import { describe, expect, test } from "bun:test";
import { isForContainer } from "./container-calls.ts";

const NETNS = "/run/netns/cni-1";

function call(type: string | undefined, config: object, netns = NETNS) {
  return isForContainer({ type, env: { CNI_COMMAND: "ADD", CNI_NETNS: netns }, stdin: JSON.stringify(config) });
}

describe("from a container", () => {
  test("the cluster's plugins are served, whatever name they are called by", () => {
    expect(call("tendril", { type: "tendril" })).toBe(true);
    expect(call(undefined, { type: "tendril", mode: "vxlan" })).toBe(true);
    expect(call("simplecni", { type: "simplecni" })).toBe(true);
    expect(call("bridge", { type: "bridge", ipam: { type: "tendril" } })).toBe(true);
    expect(call("loopback", { type: "loopback" })).toBe(true);
  });

  test("the cluster's addresses are given to other vendors' plugins", () => {
    expect(call(undefined, { type: "calico", ipam: { type: "tendril" } })).toBe(true);
    expect(call("whereabouts", { type: "macvlan", ipam: { type: "whereabouts" } })).toBe(true);
  });

  test("what needs the host's files is left to who has them", () => {
    expect(call("bridge", { type: "bridge", ipam: { type: "host-local" } })).toBe(false);
    expect(call("host-local", { type: "bridge", ipam: { type: "host-local" } })).toBe(false);
    expect(call("tap", { type: "tap", ipam: { type: "tendril" } })).toBe(false);
    expect(call("tuning", { type: "tuning" })).toBe(false);
    expect(call("host-device", { type: "host-device" })).toBe(false);
    expect(call("tendril", { type: "tendril", ipam: { type: "host-local" } })).toBe(false);
  });

  test("a namespace that the container may not see is left to who sees it", () => {
    expect(call("tendril", { type: "tendril" }, "/var/run/netns/cni-1")).toBe(true);
    expect(call("tendril", { type: "tendril" }, "/proc/77/ns/net")).toBe(true);
    expect(call("tendril", { type: "tendril" }, "/run/user/1000/netns/cni-1")).toBe(false);
    expect(call("tendril", { type: "tendril" }, "")).toBe(true);
  });

  test("what is no configuration is left to the process, which says so", () => {
    expect(isForContainer({ type: undefined, env: {}, stdin: "{" })).toBe(false);
  });
});
