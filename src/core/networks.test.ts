import { describe, expect, test } from "bun:test";
import { hasAddress, holds, overlap } from "./networks.ts";

describe("networks as texts", () => {
  test("have addresses of their family that lie in one of them", () => {
    const networks = ["10.0.0.0/24", "fd00::/64"];
    const asked = ["10.0.0.255", "10.0.1.0", "fd00::1", "fd00:0:0:1::", "nothing"];
    expect(asked.map((address) => hasAddress(networks, address))).toEqual([true, false, true, false, false]);
  });

  test("hold what lies in them whole, and themselves", () => {
    const asked: [string, string][] = [
      ["10.0.0.0/16", "10.0.1.0/24"],
      ["10.0.0.0/16", "10.0.0.0/16"],
      ["10.0.1.0/24", "10.0.0.0/16"],
      ["10.0.0.0/16", "10.1.0.0/24"],
      ["::/0", "10.0.0.0/8"],
    ];
    expect(asked.map(([outer, inner]) => holds(outer, inner))).toEqual([true, true, false, false, false]);
    expect(asked.map(([a, b]) => overlap(a, b))).toEqual([true, true, true, false, false]);
  });
});
