import { describe, expect } from "bun:test";
import { addressAsIp, alike } from "../../../../test/support/ip-json.ts";
import { type TestNetns, testNamespaces } from "../../../../test/support/namespaces.ts";
import { needs, program, root } from "../../../../test/support/needs.ts";
import { expectNothingLeft } from "../../../../test/support/snapshot.ts";
import { NetlinkError } from "../error.ts";
import { addAddress, deleteAddress, IFA_F_NODAD, IFA_F_PERMANENT, IFA_F_TENTATIVE, listAddresses } from "./address.ts";
import { changeLinkFlags, createLink, findLink, IFF_UP } from "./link/link.ts";

const namespaces = testNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("nsenter"));

/** A namespace with a bridge, and the bridge's index. */
function withBridge(): TestNetns & { readonly index: number } {
  const namespace = namespaces.fresh();
  namespace.socket.execute(createLink({ name: "br0", info: { kind: "bridge" } }));
  return { ...namespace, index: findLink(namespace.socket, "br0")?.index ?? 0 };
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

/** The addresses that ip(8) prints, with the index of their link. */
function printed({ json }: TestNetns): object[] {
  const links = json<{ ifindex: number; addr_info: object[] }>("ip -j address show");
  return links.flatMap(({ ifindex, addr_info }) => addr_info.map((info) => ({ ifindex, ...info })));
}

function byText(a: object, b: object): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/** Compares all addresses, in all fields that we know, with what ip(8) prints. */
function expectAsPrinted(namespace: TestNetns): void {
  const ours = listAddresses(namespace.socket).map((address) => ({ ifindex: address.index, ...addressAsIp(address) }));
  const theirs = printed(namespace);
  expect(ours).toHaveLength(theirs.length);
  const key = ({ ifindex, family, local }: Record<string, unknown>) => `${ifindex} ${family} ${local}`;
  for (const address of ours) {
    const same = theirs.find((other) => key(other as never) === key(address));
    expect(address).toEqual(alike(same, address) as never);
  }
}

describe("addresses", () => {
  kernelTest("are added with their prefix, broadcast and flags, listed as ip(8) prints them, and deleted", () => {
    const namespace = withBridge();
    const { socket, index, json } = namespace;
    socket.execute(addAddress({ index, ip: "10.1.2.3", prefixLength: 24, broadcast: "10.1.2.255" }));
    socket.execute(addAddress({ index, ip: "10.1.2.4", prefixLength: 32 }));
    socket.execute(addAddress({ index, ip: "fd00::1", prefixLength: 64, flags: IFA_F_NODAD }));
    socket.execute(addAddress({ index: 1, ip: "::1", prefixLength: 128 }));
    expect(printed(namespace).sort(byText)).toMatchObject(
      [
        { ifindex: index, family: "inet", local: "10.1.2.3", prefixlen: 24, broadcast: "10.1.2.255", scope: "global" },
        { ifindex: index, family: "inet", local: "10.1.2.4", prefixlen: 32, scope: "global" },
        { ifindex: index, family: "inet6", local: "fd00::1", prefixlen: 64, nodad: true, scope: "global" },
        { ifindex: 1, family: "inet6", local: "::1", prefixlen: 128, scope: "host" },
      ].sort(byText),
    );
    expectAsPrinted(namespace);
    socket.execute(deleteAddress({ index, ip: "10.1.2.3", prefixLength: 24 }));
    socket.execute(deleteAddress({ index, ip: "fd00::1", prefixLength: 64 }));
    expect(json<{ addr_info: { local: string }[] }>("ip -j address show dev br0")[0]?.addr_info).toMatchObject([
      { local: "10.1.2.4" },
    ]);
    expectAsPrinted(namespace);
  });

  kernelTest("that ip(8) made in all its ways decode to what it prints", () => {
    const namespace = withBridge();
    namespace.sh(`ip link add a0 type veth peer name b0
      ip addr add 10.2.0.1 peer 10.2.0.2/30 dev a0
      ip addr add 10.3.0.1/24 brd + dev br0 label br0:one
      ip addr add 10.4.0.1/16 dev br0 scope link metric 77
      ip addr add 10.5.0.1/16 dev br0 valid_lft 1000 preferred_lft 900
      ip addr add fd00::1/64 dev br0 nodad
      ip addr add fd01::1 peer fd01::2/128 dev a0 nodad
      ip link set br0 up`);
    expectAsPrinted(namespace);
  });

  kernelTest("of one link are listed without the others'", () => {
    const { socket, index } = withBridge();
    socket.execute(addAddress({ index, ip: "10.1.2.3", prefixLength: 24 }));
    socket.execute(addAddress({ index, ip: "fd00::1", prefixLength: 64 }));
    socket.execute(addAddress({ index: 1, ip: "10.9.9.9", prefixLength: 32 }));
    expect(listAddresses(socket, index).map(({ local, address }) => local ?? address)).toEqual(["10.1.2.3", "fd00::1"]);
    expect(listAddresses(socket, 1).map(({ local }) => local)).toEqual(["10.9.9.9"]);
    expect(listAddresses(socket)).toHaveLength(3);
    expect(codeOf(() => listAddresses(socket, 4711))).toBe("ENODEV");
  });

  kernelTest("of one link that come in many parts are complete, and without the others'", () => {
    const { socket, index } = withBridge();
    for (let i = 0; i < 600; i++) {
      for (const link of [index, 1]) {
        socket.post(addAddress({ index: link, ip: `10.${link}.${i >> 8}.${i & 255}`, prefixLength: 32 }), () => {});
      }
    }
    socket.flush();
    const ours = Array.from({ length: 600 }, (_, i) => `10.${index}.${i >> 8}.${i & 255}`);
    expect(listAddresses(socket, index).map(({ local }) => local)).toEqual(ours);
  });

  kernelTest("are refused with the kernel's code", () => {
    const { socket, index } = withBridge();
    const address = { index, ip: "10.1.2.3", prefixLength: 24 };
    socket.execute(addAddress(address));
    expect(codeOf(() => socket.execute(addAddress(address)))).toBe("EEXIST");
    expect(codeOf(() => socket.execute(deleteAddress({ ...address, ip: "10.1.2.9" })))).toBe("EADDRNOTAVAIL");
    expect(codeOf(() => socket.execute(deleteAddress({ ...address, ip: "fd00::9" })))).toBe("EADDRNOTAVAIL");
    expect(codeOf(() => socket.execute(addAddress({ ...address, index: 4711 })))).toBe("ENODEV");
    expect(() => socket.execute(addAddress({ ...address, prefixLength: 33 }))).toThrow(
      "Cannot add address 10.1.2.3/33: EINVAL",
    );
  });

  kernelTest("with IFA_F_NODAD are usable at once, others are tentative first", () => {
    const { socket, sh } = namespaces.fresh();
    sh("ip link add a0 type veth peer name b0");
    for (const name of ["a0", "b0"]) socket.execute(changeLinkFlags({ name }, IFF_UP));
    const index = findLink(socket, "a0")?.index ?? 0;
    socket.execute(addAddress({ index, ip: "fd00::1", prefixLength: 64, flags: IFA_F_NODAD }));
    socket.execute(addAddress({ index, ip: "fd00::2", prefixLength: 64 }));
    const flagsOf = (ip: string) => listAddresses(socket, index).find(({ address }) => address === ip)?.flags ?? 0;
    expect(flagsOf("fd00::1") & (IFA_F_TENTATIVE | IFA_F_PERMANENT)).toBe(IFA_F_PERMANENT);
    expect(flagsOf("fd00::2") & IFA_F_TENTATIVE).toBe(IFA_F_TENTATIVE);
  });
});
