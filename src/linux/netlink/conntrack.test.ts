/**
 * What the kernel says of tracked connections, and what conntrack(8) 1.4.7 sends to delete one.
 *
 * Captured by `strace -e trace=sendto,recvmsg -e write=all -e read=all COMMAND` in a fresh namespace, in which a program
 * had sent a datagram from 127.0.0.1 port 40000 to port 8080, where a rule had it go to port 9090, and one from ::1 port
 * 40001 to port 8081. Of the answer to the question for all only the message for one of them is kept; the sequence
 * number of requests is set to 1.
 */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { deleteFlow, type Flow, flowMessage } from "./conntrack.ts";
import { readMessages } from "./message.ts";
import { type Difference, type Layout, testCaptured } from "./rtnetlink/test-support/captured.ts";
import { fields, ipText, testFormats } from "./test-support/formats.ts";

const LISTED_4 =
  "a4000000000122003858016be3660000020000003400018014000180080001007f000001080002007f0000011c0002800500010011000000060002009c400000060003001f9000003400028014000180080001007f000001080002007f0000011c00028005000100110000000600020023820000060003009c40000008000300000001a8080008000000000008000c00dd5d563808000b0000000001080007000000001d";
const LISTED_6 =
  "d4000000000122003858016bf36700000a0000004c0001802c000180140003000000000000000000000000000000000114000400000000000000000000000000000000011c0002800500010011000000060002009c410000060003001f9100004c0002802c000180140003000000000000000000000000000000000114000400000000000000000000000000000000011c0002800500010011000000060002001f910000060003009c4100000800030000000188080008000000000008000c007603cece08000b0000000001080007000000001d";

function listed(hex: string): Flow {
  const [message] = readMessages(Uint8Array.from(Buffer.from(hex, "hex")));
  return flowMessage.read(message?.payload ?? new Uint8Array());
}

test("a flow whose destination is translated is read, as conntrack(8) shows it", () => {
  // udp 17 29 src=127.0.0.1 dst=127.0.0.1 sport=40000 dport=8080 [UNREPLIED] src=127.0.0.1 dst=127.0.0.1 sport=9090
  // dport=40000 mark=0 use=1 id=3713881656
  expect(listed(LISTED_4)).toEqual({
    protocol: 2,
    version: 0,
    resource: 0,
    original: {
      addresses: { source4: "127.0.0.1", destination4: "127.0.0.1" },
      protocol: { number: 17, sourcePort: 40000, destinationPort: 8080 },
    },
    reply: {
      addresses: { source4: "127.0.0.1", destination4: "127.0.0.1" },
      protocol: { number: 17, sourcePort: 9090, destinationPort: 40000 },
    },
    status: 0x1a8,
    timeout: 29,
    mark: 0,
    use: 1,
    id: 0xdd5d5638,
  });
});

test("a flow of IPv6 is read", () => {
  expect(listed(LISTED_6)).toMatchObject({
    protocol: 10,
    original: { addresses: { source6: "::1", destination6: "::1" }, protocol: { sourcePort: 40001 } },
    reply: { addresses: { source6: "::1", destination6: "::1" }, protocol: { destinationPort: 40001 } },
    id: 0x7603cece,
  });
});

const ID = "with its id the kernel deletes this flow only, not one that has come in its place";
const UNNEEDED = "the kernel does not look at it when it deletes";

/** They send all that they were told of the flow. */
function differences(id: string, ...theirs: readonly string[]): Difference[] {
  return [...theirs.map((line) => ({ reason: UNNEEDED, theirs: line })), { reason: ID, ours: `12 ${id}` }];
}

const tuple = { "1": 0, "1.1": 0, "1.2": 0, "2": 0, "2.1": 0, "2.2": 0 };

const layouts: readonly Layout[] = [
  {
    name: "tracked connection",
    header: 4,
    nested: tuple,
    wire: flowMessage,
    captured: [
      {
        command: "conntrack -D -f ipv4 -p udp --orig-port-dst 8080",
        sent: "94000000020105000100000000000000020000003400018014000180080001007f000001080002007f0000011c0002800500010011000000060002009c400000060003001f9000003400028014000180080001007f000001080002007f0000011c00028005000100110000000600020023820000060003009c40000008000300000001a8080007000000001d0800080000000000",
        ours: deleteFlow(listed(LISTED_4)),
        differences: differences(
          "dd5d5638",
          "2 nested",
          "2.1 nested",
          "2.1.1 7f000001",
          "2.1.2 7f000001",
          "2.2 nested",
          "2.2.1 11",
          "2.2.2 2382",
          "2.2.3 9c40",
          "3 000001a8",
          "7 0000001d",
          "8 00000000",
        ),
        reads: { original: listed(LISTED_4).original ?? {}, timeout: 29 },
      },
      {
        command: "conntrack -D -f ipv6 -p udp --orig-port-dst 8081",
        sent: "c40000000201050001000000000000000a0000004c0001802c000180140003000000000000000000000000000000000114000400000000000000000000000000000000011c0002800500010011000000060002009c410000060003001f9100004c0002802c000180140003000000000000000000000000000000000114000400000000000000000000000000000000011c0002800500010011000000060002001f910000060003009c4100000800030000000188080007000000001d0800080000000000",
        ours: deleteFlow(listed(LISTED_6)),
        differences: differences(
          "7603cece",
          "2 nested",
          "2.1 nested",
          "2.1.3 00000000000000000000000000000001",
          "2.1.4 00000000000000000000000000000001",
          "2.2 nested",
          "2.2.1 11",
          "2.2.2 1f91",
          "2.2.3 9c41",
          "3 00000188",
          "7 0000001d",
          "8 00000000",
        ),
        reads: { original: listed(LISTED_6).original ?? {} },
      },
    ],
  },
];

testCaptured(layouts);

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const direction = fields(
  {},
  {
    addresses: fields({}, { source4: ipText, destination4: ipText, source6: ipText, destination6: ipText }),
    protocol: fields({}, { number: u8, sourcePort: u16, destinationPort: u16 }),
    zone: u16,
  },
);

testFormats([
  [
    "tracked connection",
    flowMessage,
    fields(
      { protocol: u8, version: u8, resource: u16 },
      {
        original: direction,
        reply: direction,
        status: u32,
        timeout: u32,
        mark: u32,
        use: u32,
        id: u32,
        zone: u16,
        filter: fields({}, { original: u32, reply: u32 }),
      },
    ),
  ],
]);
