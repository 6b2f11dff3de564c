/**
 * What tc(8) of iproute2 6.1.0 sends and receives for queueing disciplines and filters, and what we make of it.
 *
 * Captured in a fresh namespace by `strace -e trace=sendmsg,recvmsg -e write=all -e read=all COMMAND`; look-ups that come
 * before a request are left out, and the sequence number is set to 1. Link 4 is a veth, 6 an ifb.
 */

import { describe, expect, test } from "bun:test";
import { encode, type Wire } from "../wire.ts";
import { addRedirect, deleteFilter, filterMessage, isRedirect } from "./filter/filter.ts";
import { addIngress, addTokenBucket, deleteQdisc, qdiscMessage } from "./qdisc/qdisc.ts";
import { tokenBucketDifferences } from "./qdisc/tbf.ts";
import { type Layout, testCaptured } from "./test-support/captured.ts";
import { TC_H_CLSACT_INGRESS, TC_H_INGRESS, TC_H_ROOT } from "./traffic-control.ts";

/** How many ticks so many bytes take, which tc(8) works out for old kernels. */
const RATE_TABLE = `
  000000000f0000000f0000001f0000002e0000002e0000003e0000004e0000004e0000005d0000006d0000006d0000007d0000007d000000
  8c0000009c0000009c000000ab000000bb000000bb000000cb000000da000000da000000ea000000fa000000fa0000000901000009010000
  1901000028010000280100003801000048010000480100005701000067010000670100007701000077010000860100009601000096010000
  a5010000b5010000b5010000c5010000d4010000d4010000e4010000f4010000f40100000302000003020000130200002202000022020000
  32020000420200004202000051020000610200006102000071020000710200008002000090020000900200009f020000af020000af020000
  bf020000ce020000ce020000de020000ee020000ee020000fd020000fd0200000d0300001c0300001c0300002c0300003c0300003c030000
  4b0300005b0300005b0300006b0300006b0300007a0300008a0300008a03000099030000a9030000a9030000b9030000c8030000c8030000
  d8030000e8030000e8030000f7030000f7030000070400001604000016040000260400003604000036040000450400005504000055040000
  650400006504000074040000840400008404000093040000a3040000a3040000b3040000c2040000c2040000d2040000e2040000e2040000
  f1040000f10400000105000010050000100500002005000030050000300500003f0500004f0500004f0500005f0500005f0500006e050000
  7e0500007e0500008d0500009d0500009d050000ad050000bc050000bc050000cc050000dc050000dc050000eb050000eb050000fb050000
  0a0600000a0600001a0600002a0600002a060000390600004906000049060000590600005906000068060000780600007806000087060000
  9706000097060000a7060000b6060000b6060000c6060000d6060000d6060000e5060000e5060000f5060000040700000407000014070000
  24070000240700003307000043070000430700005307000053070000620700007207000072070000810700009107000091070000a1070000
  b0070000b0070000c0070000d0070000d0070000df070000df070000ef070000fe070000fe0700000e0800001e0800001e0800002d080000
  3d0800003d0800004d0800004d0800005c0800006c0800006c0800007b0800008b0800008b0800009b080000aa080000aa080000ba080000
  ca080000ca080000d9080000d9080000e9080000f8080000f808000008090000180900001809000027090000370900003709000047090000
  4709000056090000660900006609000075090000850900008509000095090000a4090000a4090000b4090000c4090000c4090000d3090000
  d3090000e3090000f2090000f2090000
`.replace(/\s/g, "");
const NO_TABLE = "the kernel has not used rate tables since Linux 3.8";
const CELL = "how the rate table is divided; we send none";
const ORDER = "we write in the order of our tables";
const KIND = "the handle of the parent says enough";

const qdiscs: Layout = {
  name: "queueing discipline",
  header: 20,
  nested: { "2": 0 },
  wire: qdiscMessage,
  captured: [
    {
      command: "tc qdisc add dev h0 root handle 1: tbf rate 100mbit burst 125000 latency 25ms",
      sent: `64040000240005060100000000000000000000000400000000000100ffffffff000000000800010074626600380402002800010003010000ffff000020bcbe00000000000000000000000000fcac06005a620200000000000800060048e8010004040200${RATE_TABLE}`,
      ours: addTokenBucket(4, 1, { rate: 12_500_000, burst: 125_000, limit: 437_500 }),
      differences: [
        { reason: NO_TABLE, theirs: `2.2 ${RATE_TABLE}` },
        {
          reason: CELL,
          theirs: "2.1 03010000ffff000020bcbe00000000000000000000000000fcac06005a62020000000000",
          ours: "2.1 000100000000000020bcbe00000000000000000000000000fcac06005a62020000000000",
        },
      ],
      reads: { index: 4, handle: 0x10000, parent: TC_H_ROOT, kind: "tbf", tbf: { burst: 125_000 } },
    },
    {
      command: "tc qdisc add dev ifb9 root handle 1: tbf rate 40gbit burst 1mb limit 2000000",
      sent: `70040000240005060100000000000000000000000600000000000100ffffffff000000000800010074626600440402002800010003010000ffff0000ffffffff00000000000000000000000080841e00e40e00000000000008000600000010000c00040000f2052a0100000004040200${"00".repeat(1024)}`,
      ours: addTokenBucket(6, 1, { rate: 5_000_000_000, burst: 1_048_576, limit: 2_000_000 }),
      differences: [
        { reason: NO_TABLE, theirs: `2.2 ${"00".repeat(1024)}` },
        {
          reason: `${CELL}; and the buffer by the whole rate, which matters to kernels alone that do not know the burst`,
          theirs: "2.1 03010000ffff0000ffffffff00000000000000000000000080841e00e40e000000000000",
          ours: "2.1 0001000000000000ffffffff00000000000000000000000080841e00cc0c000000000000",
        },
      ],
      order: ORDER,
      reads: { index: 6, tbf: { rate64: 5_000_000_000n, burst: 1_048_576, parameters: { limit: 2_000_000 } } },
    },
    {
      command: "tc qdisc add dev h0 ingress",
      sent: "3000000024000506010000000000000000000000040000000000fffff1ffffff000000000c000100696e677265737300",
      ours: addIngress(4),
      reads: { handle: 0xffff0000, parent: TC_H_INGRESS, kind: "ingress" },
    },
    {
      command: "tc qdisc del dev h0 ingress",
      sent: "3000000025000500010000000000000000000000040000000000fffff1ffffff000000000c000100696e677265737300",
      ours: deleteQdisc(4, TC_H_INGRESS),
      differences: [
        { reason: KIND, theirs: "1 696e677265737300" },
        {
          reason: KIND,
          theirs: "header 00000000040000000000fffff1ffffff00000000",
          ours: "header 000000000400000000000000f1ffffff00000000",
        },
      ],
      reads: { parent: TC_H_INGRESS },
    },
    {
      command: "tc qdisc del dev h0 root",
      sent: "24000000250005000100000000000000000000000400000000000000ffffffff00000000",
      ours: deleteQdisc(4, TC_H_ROOT),
      reads: { parent: TC_H_ROOT },
    },
  ],
};

const filters: Layout = {
  name: "filter",
  header: 20,
  nested: { "2": 0, "2.7": 0, "2.7.1": 0, "2.7.1.2": 0 },
  wire: filterMessage,
  captured: [
    {
      command:
        "tc filter add dev h0 ingress protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev ifb9",
      sent: "8c0000002c0005060100000000000000000000000400000000000000f2ffffff0003010008000100753332006000020038000700340001000b0001006d69727265640000240002802000020000000000000000000400000000000000000000000100000006000000240005000100010000000000000000000000000000000000000000000000000000000000",
      ours: addRedirect({ index: 4, priority: 1, target: 6 }),
      order: ORDER,
      reads: { parent: TC_H_CLSACT_INGRESS, info: 0x10300, kind: "u32" },
    },
    {
      command: "tc filter del dev h0 ingress protocol all prio 1 handle 800::800 u32",
      sent: "2c0000002d0005000100000000000000000000000400000000080080f2ffffff000301000800010075333200",
      ours: deleteFilter({
        family: 0,
        index: 4,
        handle: 0x80000800,
        parent: TC_H_CLSACT_INGRESS,
        info: 0x10300,
        kind: "u32",
      }),
      reads: { handle: 0x80000800, info: 0x10300 },
    },
  ],
};

testCaptured([qdiscs, filters]);

/** `tc -j qdisc show`: {"kind":"tbf","handle":"1:","dev":"h0","root":true,"options":{"rate":12500000,"burst":125000,"lat":25000}} … */
const QDISCS = [
  `
    000000000400000000000100ffffffff0300000008000100746266002c00020028000100000100000000000020bcbe00000000000000
    000000000000fcac06005a6202000000000005000c000000000030000700140001000000000000000000000000000000000018000300
    00000000000000000000000000000000000000002c000300000000000000000000000000000000000000000000000000000000000000
    00000000000000000000`,
  `
    00000000040000000000fffff1ffffff010000000c000100696e6772657373000400020005000c000000000030000700140001000000
    00000000000000000000000000001800030000000000000000000000000000000000000000002c000300000000000000000000000000
    00000000000000000000000000000000000000000000000000000000`,
  `
    000000000600000000000100ffffffff02000000080001007462660038000200280001000001000000000000ffffffff000000000000
    00000000000080841e00cc0c0000000000000c00040000f2052a0100000005000c000000000030000700140001000000000000000000
    00000000000000001800030000000000000000000000000000000000000000002c000300000000000000000000000000000000000000
    00000000000000000000000000000000000000000000`,
];

/** `tc filter show dev h0 ingress`: the first two are what stands for the hash table of the third. */
const FILTERS = [
  `
    000000000400000000000000f2ffffff00030100080001007533320008000b0000000000`,
  `
    000000000400000000000080f2ffffff00030100080001007533320008000b00000000000c0002000800040001000000`,
  `
    000000000400000000080080f2ffffff00030100080001007533320008000b0000000000e00002002400050001000100000000000000
    00000000000000000000000000000000000000000000080002000000008008000b0008000000a8000700a40001000b0001006d697272
    656400004400040014000100000000000000000000000000000000001400070000000000000000000000000000000000180003000000
    00000000000000000000000000000000000008000a000000000048000200200002000100000000000000040000000100000001000000
    0100000006000000240001008e1b0000000000008e1b00000000000000000000000000000000000000000000`,
];

const bytesOf = (message: string) => Uint8Array.from(Buffer.from(message.replace(/\s/g, ""), "hex"));

describe("a dump decodes to what was printed:", () => {
  test("queueing disciplines", () => {
    const [first, second, third] = QDISCS.map((message) => qdiscMessage.read(bytesOf(message)));
    expect(first).toMatchObject({ index: 4, kind: "tbf", handle: 0x10000, parent: TC_H_ROOT });
    expect(tokenBucketDifferences(first?.tbf ?? {}, { rate: 12_500_000, burst: 125_000, limit: 437_500 })).toEqual([]);
    expect(second).toMatchObject({ index: 4, kind: "ingress", handle: 0xffff0000, parent: TC_H_INGRESS });
    expect(third).toMatchObject({ index: 6, kind: "tbf" });
    const wanted = { rate: 5_000_000_000, burst: 1_048_576, limit: 2_000_000 };
    expect(tokenBucketDifferences(third?.tbf ?? {}, wanted)).toEqual([]);
    expect(tokenBucketDifferences(third?.tbf ?? {}, { ...wanted, rate: 5_000_000_001 })).toEqual(["rate"]);
    expect(tokenBucketDifferences(third?.tbf ?? {}, { ...wanted, burst: 1_050_000 })).toEqual(["burst"]);
    expect(tokenBucketDifferences(third?.tbf ?? {}, { ...wanted, limit: 1 })).toEqual(["limit"]);
    expect(tokenBucketDifferences({}, wanted)).toEqual(["rate", "burst", "limit"]);
  });

  test("filters", () => {
    const found = FILTERS.map((message) => filterMessage.read(bytesOf(message)));
    expect(found.map((filter) => isRedirect(filter, { priority: 1, target: 6 }))).toEqual([false, false, true]);
    expect(found.map(({ handle }) => handle)).toEqual([0, 0x80000000, 0x80000800]);
    expect(found.some((filter) => isRedirect(filter, { priority: 2, target: 6 }))).toBe(false);
    expect(found.some((filter) => isRedirect(filter, { priority: 1, target: 4 }))).toBe(false);
    expect(found[2]?.u32?.actions?.[0]).toMatchObject({ kind: "mirred", mirred: { parameters: { references: 1 } } });
  });
});

test("each message of the kernel's, read and written, has lost no attribute", () => {
  const all: readonly (readonly [Wire<unknown>, readonly string[]])[] = [
    [qdiscMessage, QDISCS],
    [filterMessage, FILTERS],
  ];
  for (const [wire, messages] of all) {
    for (const message of messages) {
      const bytes = bytesOf(message);
      const written = encode(wire, wire.read(bytes));
      expect(written).toHaveLength(bytes.length);
      expect(encode(wire, wire.read(written))).toEqual(written);
    }
  }
});
