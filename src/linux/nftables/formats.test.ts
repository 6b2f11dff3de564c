/** The formats of messages: round trips, truncation, corruption, and attributes of newer kernels. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DecodeError } from "../../core/errors.ts";
import type { NftSet } from "../../core/nftables.ts";
import { readMessages, writeMessage } from "../netlink/message.ts";
import { encode, type Wire, Writer } from "../netlink/wire.ts";
import { batchMessage, generationMessage } from "./batch.ts";
import { addChain, chainMessage, decodeChain } from "./chain.ts";
import { addElements, decodeElementList, elementListMessage } from "./element.ts";
import { type Expression, expression } from "./expression.ts";
import { formatElements } from "./print-element.ts";
import { formatRule } from "./printer.ts";
import { addRule, decodeRule, ruleMessage } from "./rule.ts";
import { readRule } from "./ruleset.ts";
import { addSet, decodeSet, setMessage } from "./set.ts";
import { addTable, decodeTable, tableMessage } from "./table.ts";
import { filledSets, models } from "./test-support/tables.ts";

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const i32 = fc.integer();
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const name = fc.string({ unit: "grapheme-ascii", maxLength: 20 });
const bytes = fc.uint8Array({ maxLength: 20 });
/** Numbers beyond those that the kernel has today. */
const unknown = fc.array(
  fc.record({ type: fc.integer({ min: 200, max: 0x3fff }), payload: fc.uint8Array({ maxLength: 12 }) }),
  { minLength: 1, maxLength: 3 },
);

/** Any of these fields, and perhaps attributes that are not known. */
function some(fields: Record<string, fc.Arbitrary<unknown>>) {
  return fc.record({ ...fields, unknown }, { requiredKeys: [] });
}

const header = { protocol: u8, version: u8, resource: u16 };

function message(fields: Record<string, fc.Arbitrary<unknown>>) {
  return fc.tuple(fc.record(header), some(fields)).map(([head, rest]) => ({ ...head, ...rest }));
}

const data = fc.oneof(some({ value: bytes }), some({ verdict: some({ code: i32, chain: name }) }));
const register = u32;

const EXPRESSIONS: Record<Exclude<Expression["name"], "other">, Record<string, fc.Arbitrary<unknown>>> = {
  bitwise: { sreg: register, dreg: register, length: u32, mask: data, xor: data, op: u32, data },
  byteorder: { sreg: register, dreg: register, op: u32, length: u32, size: u32 },
  cmp: { sreg: register, op: u32, data },
  counter: { bytes: u64, packets: u64 },
  ct: { key: u32, dreg: register, direction: u8, sreg: register },
  fib: { flags: u32, result: u32, dreg: register },
  immediate: { dreg: register, data },
  limit: { rate: u64, unit: u64, burst: u32, type: u32, flags: u32 },
  log: { prefix: name, group: u16, snaplen: u32, queueThreshold: u16, level: u32, flags: u32 },
  lookup: { sreg: register, dreg: register, set: name, setId: u32, flags: u32 },
  masq: { flags: u32, portMin: register, portMax: register },
  match: { name, revision: u32, info: bytes },
  meta: { key: u32, dreg: register, sreg: register },
  nat: {
    type: u32,
    family: u32,
    addressMin: register,
    addressMax: register,
    portMin: register,
    portMax: register,
    flags: u32,
  },
  notrack: {},
  payload: { dreg: register, base: u32, offset: u32, length: u32, sreg: register, checksumType: u32 },
  range: { sreg: register, op: u32, from: data, to: data },
  redir: { portMin: register, portMax: register, flags: u32 },
  reject: { type: u32, code: u8 },
};

const known = Object.entries(EXPRESSIONS).map(([kind, fields]) =>
  fc.tuple(some(fields), some({})).map(([content, rest]) => ({ name: kind, data: content, ...rest })),
);
const other = fc
  .record({ kernelName: fc.constantFrom("quota", "queue", "future"), data: bytes })
  .map((one) => ({ name: "other", ...one }));
const anyExpression = fc.oneof(...known, other);

const element = some({
  key: data,
  keyEnd: data,
  data,
  flags: u32,
  timeout: u64,
  expiration: u64,
  userdata: bytes,
  objectName: name,
  expression: anyExpression,
  expressions: fc.array(anyExpression, { maxLength: 2 }),
});

const FORMATS: readonly {
  readonly name: string;
  readonly wire: Wire<unknown>;
  readonly value: fc.Arbitrary<unknown>;
}[] = [
  { name: "batch", wire: batchMessage, value: message({ generation: u32 }) },
  { name: "generation", wire: generationMessage, value: message({ id: u32, processId: u32, processName: name }) },
  {
    name: "table",
    wire: tableMessage,
    value: message({ name, flags: u32, use: u32, handle: u64, userdata: bytes, owner: u32 }),
  },
  {
    name: "chain",
    wire: chainMessage,
    value: message({
      table: name,
      name,
      type: name,
      policy: u32,
      hook: some({ number: u32, priority: i32, device: name, devices: fc.array(name, { maxLength: 3 }) }),
      handle: u64,
      use: u32,
      flags: u32,
      id: u32,
      userdata: bytes,
    }),
  },
  {
    name: "set",
    wire: setMessage,
    value: message({
      table: name,
      name,
      flags: u32,
      keyType: u32,
      keyLength: u32,
      dataType: u32,
      dataLength: u32,
      objectType: u32,
      id: u32,
      policy: u32,
      description: some({ size: u32, fields: fc.array(some({ length: u32 }), { maxLength: 3 }) }),
      timeout: u64,
      gcInterval: u32,
      userdata: bytes,
      handle: u64,
    }),
  },
  {
    name: "element list",
    wire: elementListMessage,
    value: message({ table: name, set: name, setId: u32, elements: fc.array(element, { maxLength: 3 }) }),
  },
  {
    name: "rule",
    wire: ruleMessage,
    value: message({
      table: name,
      chain: name,
      handle: u64,
      expressions: fc.array(anyExpression, { maxLength: 4 }),
      position: u64,
      userdata: bytes,
      id: u32,
    }),
  },
  { name: "expression", wire: expression as Wire<unknown>, value: anyExpression },
];

function orDecodeError(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
}

describe("the format of a", () => {
  for (const format of FORMATS) {
    test(`${format.name} reads what it wrote, attributes that it does not know included`, () => {
      fc.assert(
        fc.property(format.value, (value) => {
          expect(format.wire.read(encode(format.wire, value))).toEqual(value);
        }),
      );
    });

    test(`${format.name} that is cut off anywhere is a DecodeError or a shorter one`, () => {
      fc.assert(
        fc.property(format.value, fc.nat(), (value, cut) => {
          const whole = encode(format.wire, value);
          orDecodeError(() => format.wire.read(whole.subarray(0, cut % (whole.length + 1))));
        }),
      );
    });
  }
});

/** What we send, as the kernel would send it. */
const requests = models.flatMap(({ table, sets = [], chains = [], elements = [] }) => [
  addTable(table),
  ...sets.map(addSet),
  ...chains.flatMap(({ chain, rules }) => [addChain(chain), ...rules.flatMap(addRule)]),
  ...addElements(elements),
]);

const payloads = requests.map((request) => {
  const out = new Writer();
  writeMessage(out, request, 0, 1);
  const [one] = readMessages(out.written());
  return one?.payload.slice() ?? new Uint8Array();
});

const anySet = fc.constantFrom(...filledSets.map(({ set }) => set));

/** All that is done with an answer of the kernel, up to the text. */
const READERS: readonly ((payload: Uint8Array, set: NftSet) => unknown)[] = [
  decodeTable,
  decodeChain,
  decodeSet,
  (payload, set) => formatElements(set, decodeElementList(set, payload)),
  (payload, set) => {
    const elements = filledSets.find((one) => one.set === set)?.elements ?? [];
    return formatRule(readRule(decodeRule(payload), () => ({ ...set, anonymous: elements })));
  },
  (payload, set) => formatRule(readRule(decodeRule(payload), () => set)),
];

test("an answer of which bytes are changed at random never makes another error than DecodeError", () => {
  const changes = fc.array(fc.tuple(fc.nat(), u8), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(
      fc.constantFrom(...payloads),
      changes,
      anySet,
      fc.constantFrom(...READERS),
      (whole, list, set, read) => {
        const changed = whole.slice();
        for (const [at, value] of list) changed[at % changed.length] = value;
        orDecodeError(() => read(changed, set));
      },
    ),
    { numRuns: 20_000 },
  );
});

test("random expressions never make another error than DecodeError", () => {
  const rule = fc.array(anyExpression, { maxLength: 6 });
  fc.assert(
    fc.property(rule, anySet, fc.constantFrom("inet", "bridge", "ip", "ip6", "arp", "netdev"), (list, set, family) => {
      const found = { family, table: "t", chain: "c", handle: 1n, expressions: list as Expression[] } as const;
      orDecodeError(() => formatRule(readRule(found, () => set)));
    }),
    { numRuns: 5_000 },
  );
});
