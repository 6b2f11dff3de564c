import { describe, expect } from "bun:test";
import { testNamespaces } from "../../test/support/namespaces.ts";
import { needs, program, root } from "../../test/support/needs.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import { KernelError } from "../core/errors.ts";
import { createLink } from "./netlink/rtnetlink/link/link.ts";
import { inNetns } from "./netns.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

const namespaces = testNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("sysctl"), program("nsenter"));

function refusal(work: () => void): KernelError {
  try {
    work();
  } catch (error) {
    if (error instanceof KernelError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("a kernel parameter", () => {
  kernelTest("is set and read in the namespace that the thread is in, and in no other", () => {
    const one = namespaces.fresh();
    const other = namespaces.fresh();
    const name = "net/ipv4/ip_forward";
    const before = readSysctl(name);
    for (const value of ["1", "0", "1"]) {
      inNetns(one.netns, () => writeSysctl(name, value));
      expect(inNetns(one.netns, () => readSysctl(name))).toBe(value);
      expect(one.sh("sysctl -n net.ipv4.ip_forward")).toBe(`${value}\n`);
    }
    expect(inNetns(other.netns, () => readSysctl(name))).toBe("0");
    expect(readSysctl(name)).toBe(before as string);
  });

  kernelTest("with several words comes without the end of its line", () => {
    const { netns } = namespaces.fresh();
    inNetns(netns, () => writeSysctl("net/ipv4/ping_group_range", "0 5"));
    expect(inNetns(netns, () => readSysctl("net/ipv4/ping_group_range"))).toBe("0\t5");
  });

  kernelTest("of an interface whose name has dots is found", () => {
    const { netns, socket, sh } = namespaces.fresh();
    socket.execute(createLink({ name: "br.1.2", info: { kind: "bridge" } }));
    const name = "net/ipv4/conf/br.1.2/rp_filter";
    inNetns(netns, () => writeSysctl(name, "2"));
    expect(inNetns(netns, () => readSysctl(name))).toBe("2");
    expect(sh("cat /proc/sys/net/ipv4/conf/br.1.2/rp_filter")).toBe("2\n");
  });

  kernelTest("that does not exist reads as undefined and cannot be set", () => {
    const name = "net/ipv4/conf/missing0/rp_filter";
    expect(readSysctl(name)).toBeUndefined();
    expect(refusal(() => writeSysctl(name, "1"))).toMatchObject({
      code: "ENOENT",
      message: `Cannot set sysctl "${name}": ENOENT`,
    });
  });

  kernelTest("refuses a value that it cannot have, and keeps the old one", () => {
    const { netns } = namespaces.fresh();
    inNetns(netns, () => {
      const name = "net/ipv4/ip_default_ttl";
      const before = readSysctl(name);
      expect(refusal(() => writeSysctl(name, "words")).code).toBe("EINVAL");
      expect(refusal(() => writeSysctl(name, "256")).code).toBe("EINVAL");
      expect(readSysctl(name)).toBe(before as string);
    });
  });
});
