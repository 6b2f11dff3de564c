/** The constants and attribute numbers that we wrote down, compared with the kernel's headers by a C compiler. */

import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { headers, needs } from "../../../test/support/needs.ts";
import { encode, type Wire } from "../netlink/wire.ts";
import { batchMessage, generationMessage } from "./batch.ts";
import { chainMessage } from "./chain.ts";
import * as constants from "./constants.ts";
import { data } from "./data.ts";
import { elementListMessage } from "./element.ts";
import { bitwise } from "./expressions/bitwise.ts";
import { byteorder } from "./expressions/byteorder.ts";
import { cmp } from "./expressions/cmp.ts";
import { counter } from "./expressions/counter.ts";
import { ct } from "./expressions/ct.ts";
import { fib } from "./expressions/fib.ts";
import { immediate } from "./expressions/immediate.ts";
import { limit } from "./expressions/limit.ts";
import { log } from "./expressions/log.ts";
import { lookup } from "./expressions/lookup.ts";
import { masq } from "./expressions/masq.ts";
import { match } from "./expressions/match.ts";
import { meta } from "./expressions/meta.ts";
import { nat } from "./expressions/nat.ts";
import { payload } from "./expressions/payload.ts";
import { range } from "./expressions/range.ts";
import { redir } from "./expressions/redir.ts";
import { reject } from "./expressions/reject.ts";
import { ruleMessage } from "./rule.ts";
import { setMessage } from "./set.ts";
import { tableMessage } from "./table.ts";

const HEADERS = [
  "stdio.h",
  "linux/netfilter.h",
  "linux/netlink.h",
  "linux/netfilter/nfnetlink.h",
  "linux/netfilter/nf_tables.h",
  "linux/netfilter/nf_tables_compat.h",
  "linux/netfilter/nf_nat.h",
];

/** The fields of a format with the ends of their constants' names. */
interface Format {
  readonly wire: Wire<unknown>;
  readonly prefix: string;
  readonly fields: Readonly<Record<string, string>>;
  /** Whether the header of nfnetlink comes first. */
  readonly message?: true;
}

const NFNL = { protocol: 0, version: 0, resource: 0 };

/** Values of fields that are no numbers. */
const VALUES: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(["table", "chain", "name", "type", "set", "prefix", "processName"].map((name) => [name, "x"])),
  ...Object.fromEntries(["data", "mask", "xor", "from", "to", "hook", "description"].map((name) => [name, {}])),
  ...Object.fromEntries(
    ["handle", "timeout", "position", "bytes", "packets", "rate", "unit"].map((name) => [name, 1n]),
  ),
  ...Object.fromEntries(["userdata", "value", "info"].map((name) => [name, new Uint8Array()])),
  ...Object.fromEntries(["elements", "expressions"].map((name) => [name, []])),
};

const FORMATS: readonly Format[] = [
  { wire: batchMessage, prefix: "NFNL_BATCH", message: true, fields: { generation: "GENID" } },
  {
    wire: generationMessage,
    prefix: "NFTA_GEN",
    message: true,
    fields: { id: "ID", processId: "PROC_PID", processName: "PROC_NAME" },
  },
  {
    wire: tableMessage,
    prefix: "NFTA_TABLE",
    message: true,
    fields: { name: "NAME", flags: "FLAGS", use: "USE", handle: "HANDLE", userdata: "USERDATA", owner: "OWNER" },
  },
  {
    wire: chainMessage,
    prefix: "NFTA_CHAIN",
    message: true,
    fields: {
      table: "TABLE",
      handle: "HANDLE",
      name: "NAME",
      hook: "HOOK",
      policy: "POLICY",
      use: "USE",
      type: "TYPE",
      flags: "FLAGS",
      id: "ID",
      userdata: "USERDATA",
    },
  },
  {
    wire: setMessage,
    prefix: "NFTA_SET",
    message: true,
    fields: {
      table: "TABLE",
      name: "NAME",
      flags: "FLAGS",
      keyType: "KEY_TYPE",
      keyLength: "KEY_LEN",
      dataType: "DATA_TYPE",
      dataLength: "DATA_LEN",
      policy: "POLICY",
      description: "DESC",
      id: "ID",
      timeout: "TIMEOUT",
      gcInterval: "GC_INTERVAL",
      userdata: "USERDATA",
      objectType: "OBJ_TYPE",
      handle: "HANDLE",
    },
  },
  {
    wire: elementListMessage,
    prefix: "NFTA_SET_ELEM_LIST",
    message: true,
    fields: { table: "TABLE", set: "SET", elements: "ELEMENTS", setId: "SET_ID" },
  },
  {
    wire: ruleMessage,
    prefix: "NFTA_RULE",
    message: true,
    fields: {
      table: "TABLE",
      chain: "CHAIN",
      handle: "HANDLE",
      expressions: "EXPRESSIONS",
      position: "POSITION",
      userdata: "USERDATA",
      id: "ID",
    },
  },
  { wire: data, prefix: "NFTA_DATA", fields: { value: "VALUE" } },
  {
    wire: bitwise,
    prefix: "NFTA_BITWISE",
    fields: { sreg: "SREG", dreg: "DREG", length: "LEN", mask: "MASK", xor: "XOR", op: "OP", data: "DATA" },
  },
  {
    wire: byteorder,
    prefix: "NFTA_BYTEORDER",
    fields: { sreg: "SREG", dreg: "DREG", op: "OP", length: "LEN", size: "SIZE" },
  },
  { wire: cmp, prefix: "NFTA_CMP", fields: { sreg: "SREG", op: "OP", data: "DATA" } },
  { wire: counter, prefix: "NFTA_COUNTER", fields: { bytes: "BYTES", packets: "PACKETS" } },
  { wire: ct, prefix: "NFTA_CT", fields: { dreg: "DREG", key: "KEY", direction: "DIRECTION", sreg: "SREG" } },
  { wire: fib, prefix: "NFTA_FIB", fields: { dreg: "DREG", result: "RESULT", flags: "FLAGS" } },
  { wire: immediate, prefix: "NFTA_IMMEDIATE", fields: { dreg: "DREG", data: "DATA" } },
  {
    wire: limit,
    prefix: "NFTA_LIMIT",
    fields: { rate: "RATE", unit: "UNIT", burst: "BURST", type: "TYPE", flags: "FLAGS" },
  },
  {
    wire: log,
    prefix: "NFTA_LOG",
    fields: {
      group: "GROUP",
      prefix: "PREFIX",
      snaplen: "SNAPLEN",
      queueThreshold: "QTHRESHOLD",
      level: "LEVEL",
      flags: "FLAGS",
    },
  },
  {
    wire: lookup,
    prefix: "NFTA_LOOKUP",
    fields: { set: "SET", sreg: "SREG", dreg: "DREG", setId: "SET_ID", flags: "FLAGS" },
  },
  { wire: masq, prefix: "NFTA_MASQ", fields: { flags: "FLAGS", portMin: "REG_PROTO_MIN", portMax: "REG_PROTO_MAX" } },
  { wire: match, prefix: "NFTA_MATCH", fields: { name: "NAME", revision: "REV", info: "INFO" } },
  { wire: meta, prefix: "NFTA_META", fields: { dreg: "DREG", key: "KEY", sreg: "SREG" } },
  {
    wire: nat,
    prefix: "NFTA_NAT",
    fields: {
      type: "TYPE",
      family: "FAMILY",
      addressMin: "REG_ADDR_MIN",
      addressMax: "REG_ADDR_MAX",
      portMin: "REG_PROTO_MIN",
      portMax: "REG_PROTO_MAX",
      flags: "FLAGS",
    },
  },
  {
    wire: payload,
    prefix: "NFTA_PAYLOAD",
    fields: {
      dreg: "DREG",
      base: "BASE",
      offset: "OFFSET",
      length: "LEN",
      sreg: "SREG",
      checksumType: "CSUM_TYPE",
      checksumOffset: "CSUM_OFFSET",
      checksumFlags: "CSUM_FLAGS",
    },
  },
  { wire: range, prefix: "NFTA_RANGE", fields: { sreg: "SREG", op: "OP", from: "FROM_DATA", to: "TO_DATA" } },
  { wire: redir, prefix: "NFTA_REDIR", fields: { portMin: "REG_PROTO_MIN", portMax: "REG_PROTO_MAX", flags: "FLAGS" } },
  { wire: reject, prefix: "NFTA_REJECT", fields: { type: "TYPE", code: "ICMP_CODE" } },
];

/** The number under which a format writes a field, found by encoding the field alone. */
function attributeNumber({ wire, prefix, message }: Format, field: string): number {
  // What is text elsewhere is a number in these.
  const numeric = field === "type" && ["NFTA_LIMIT", "NFTA_NAT", "NFTA_REJECT"].includes(prefix);
  const value = numeric ? 1 : (VALUES[field] ?? 1);
  const written = encode(wire, { ...(message ? NFNL : {}), [field]: value });
  return new DataView(written.buffer, written.byteOffset).getUint16((message ? 4 : 0) + 2, true) & 0x3fff;
}

/** Messages of later kernels than the header may be of. */
const NEWER = /^NFT_MSG_DESTROY/;

needs(headers(...HEADERS))("numbers are those of the kernel's headers", () => {
  const own = Object.entries(constants).filter(([name]) => !NEWER.test(name));
  const attributes = FORMATS.flatMap((format) =>
    Object.entries(format.fields).map(([field, end]): [string, number] => [
      `${format.prefix}_${end}`,
      attributeNumber(format, field),
    ]),
  );
  const names = [...own, ...attributes].map(([name]) => name);
  expect(Object.fromEntries([...own.map(withoutSubsystem), ...attributes])).toEqual(compile(names));
  // The kernel adds to the end of this list only.
  expect(constants.NFT_MSG_DESTROYTABLE & 0xff).toBe(26);
});

/** The header numbers messages without their subsystem; data types and verdicts of 32 bits. */
function withoutSubsystem([name, value]: [string, number]): [string, number] {
  return [name, name.startsWith("NFT_MSG_") ? value & 0xff : value];
}

/** What the compiler makes of the names. */
function compile(names: readonly string[]): Record<string, number> {
  const folder = mkdtempSync(join(tmpdir(), "tendril-constants-"));
  try {
    const lines = names.map((name) => `printf("%lld ${name}\\n", (long long)${name});`);
    const includes = HEADERS.map((header) => `#include <${header}>`);
    writeFileSync(join(folder, "c.c"), [...includes, "int main(void) {", ...lines, "return 0; }"].join("\n"));
    const built = Bun.spawnSync(["gcc", "-o", join(folder, "c"), join(folder, "c.c")]);
    if (built.exitCode !== 0) throw new Error(built.stderr.toString());
    const output = Bun.spawnSync([join(folder, "c")]).stdout.toString();
    const pairs = output
      .trim()
      .split("\n")
      .map((line) => line.split(" ") as [string, string]);
    return Object.fromEntries(pairs.map(([value, name]) => [name, Number(value)]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
