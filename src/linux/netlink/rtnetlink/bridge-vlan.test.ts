/**
 * A port's VLANs as the kernel told them to bridge(8), Linux 6.12 with iproute2 6.1.0, by `strace -e trace=recvmsg
 * -e read=all bridge -compressvlans vlan show`. The message's attributes before the VLANs are left out.
 *
 *     ip link add br0 type bridge vlan_filtering 1
 *     ip link add veth0 type veth peer name veth1
 *     ip link set veth0 master br0
 *     bridge vlan del dev veth0 vid 1
 *     bridge vlan add dev veth0 vid 100 pvid untagged
 *     bridge vlan add dev veth0 vid 10-12
 *     bridge vlan add dev veth0 vid 42
 *     bridge vlan add dev veth0 vid 50-51 untagged
 */

import { expect, test } from "bun:test";
import { bridgeVlanMessage, portVlansOf } from "./bridge-vlan.ts";

const CAPTURED = `
  07 00 01 00 04 00 00 00  02 10 00 00 00 00 00 00
  34 00 1a 00 08 00 02 00  08 00 0a 00 08 00 02 00
  10 00 0c 00 08 00 02 00  00 00 2a 00 08 00 02 00
  0c 00 32 00 08 00 02 00  14 00 33 00 08 00 02 00
  06 00 64 00`;

test("ranges are what bridge(8) prints", () => {
  const message = bridgeVlanMessage.read(Uint8Array.fromHex(CAPTURED.replace(/\s/g, "")));
  expect(message.index).toBe(4);
  const tagged = (vlan: number) => ({ vlan, pvid: false, untagged: false });
  expect(portVlansOf(message.vlans ?? [])).toEqual([
    ...[10, 11, 12, 42].map(tagged),
    ...[50, 51].map((vlan) => ({ vlan, pvid: false, untagged: true })),
    { vlan: 100, pvid: true, untagged: true },
  ]);
});

test("an end without a beginning is a VLAN by itself", () => {
  expect(portVlansOf([{ flags: 16, vlan: 7 }])).toEqual([{ vlan: 7, pvid: false, untagged: false }]);
});

test("the beginning of a range is not that of the next", () => {
  const entries = [
    { flags: 8, vlan: 2 },
    { flags: 16, vlan: 3 },
    { flags: 16, vlan: 9 },
  ];
  expect(portVlansOf(entries).map(({ vlan }) => vlan)).toEqual([2, 3, 9]);
});
