import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isUnicastMac, parseMac } from "./mac.ts";
import {
  attachmentMac,
  hostVethName,
  interfaceNameProblem,
  MAX_INTERFACE_NAME,
  ownerComment,
  ownerOf,
  sharedMac,
} from "./names.ts";

const key = { network: "net", containerId: "c0ffee", ifname: "eth0" };

const anyKey = fc.record({ network: fc.string(), containerId: fc.string(), ifname: fc.string() });

describe("interfaceNameProblem", () => {
  test.each(["eth0", "a", "net1.100", "veth0123456789a", "käse", "$x", "-"])("finds nothing wrong with %p", (name) => {
    expect(interfaceNameProblem(name)).toBeUndefined();
  });

  test.each([
    ["", "is empty"],
    ["abcdefghijklmnop", "is longer than 15 bytes"],
    // Eight characters of two bytes each.
    ["ääääääää", "is longer than 15 bytes"],
    [".", "is . or .."],
    ["..", "is . or .."],
    ["a/b", "contains a slash, a colon or white space"],
    ["a:b", "contains a slash, a colon or white space"],
    ["a b", "contains a slash, a colon or white space"],
    ["a\tb", "contains a slash, a colon or white space"],
    ["a\nb", "contains a slash, a colon or white space"],
    ["a\u00a0b", "contains a slash, a colon or white space"],
    ["là", "contains a slash, a colon or white space"],
    ["eth%d", "contains a % sign, which the kernel replaces by a number"],
    ["all", "is all or default, the names of sysctl folders"],
    ["default", "is all or default, the names of sysctl folders"],
    ["a\0b", "contains a zero byte"],
  ])("says of %p that it %s", (name, problem) => {
    expect(interfaceNameProblem(name)).toBe(problem);
  });
});

describe("names of an attachment", () => {
  test("are the same in every version, because DEL finds by them what an older version made", () => {
    expect(hostVethName(key)).toBe("vethscdyn77v7as");
    expect(attachmentMac("container", key)).toBe("b2:f5:20:0c:60:c8");
    expect(sharedMac("0ad5b4c8-boot", "cni0")).toBe("3a:03:a8:aa:ba:fa");
  });

  test("fit an interface, and MAC addresses are unicast and locally administered", () => {
    fc.assert(
      fc.property(anyKey, fc.string(), (any, purpose) => {
        expect(interfaceNameProblem(hostVethName(any))).toBeUndefined();
        expect(hostVethName(any)).toHaveLength(MAX_INTERFACE_NAME);
        for (const text of [attachmentMac(purpose, any), sharedMac(purpose, any.network)]) {
          const bytes = parseMac(text) as Uint8Array;
          expect(isUnicastMac(bytes)).toBe(true);
          expect((bytes[0] as number) & 2).toBe(2);
        }
      }),
    );
  });

  test("differ where network, container, interface or purpose differ", () => {
    const others = [
      { ...key, network: "net2" },
      { ...key, containerId: "c0ffef" },
      { ...key, ifname: "eth1" },
      // The same characters, parted elsewhere.
      { ...key, network: "netc", containerId: "0ffee" },
    ];
    expect(new Set([key, ...others].map(hostVethName)).size).toBe(5);
    expect(new Set([key, ...others].map((other) => attachmentMac("container", other))).size).toBe(5);
    expect(attachmentMac("host", key)).not.toBe(attachmentMac("container", key));
  });

  test("do not collide among a hundred thousand containers of one network", () => {
    const names = new Set<string>();
    const macs = new Set<string>();
    for (let i = 0; i < 100_000; i++) {
      const container = { ...key, containerId: `pod-${i}` };
      names.add(hostVethName(container));
      macs.add(attachmentMac("container", container));
    }
    expect(names.size).toBe(100_000);
    expect(macs.size).toBe(100_000);
  });
});

test("the owner of an nf_tables element is read from its comment, which nft(8) takes", () => {
  expect(ownerComment(key)).toBe("net eth0 c0ffee");
  expect(ownerOf(ownerComment(key))).toEqual(key);
  const long = { ...key, containerId: "c".repeat(200) };
  expect(ownerComment(long).length).toBeLessThanOrEqual(128);
  expect(ownerOf(ownerComment(long))).toMatchObject({ network: "net", ifname: "eth0" });
});
