/** Requests that iproute2 has sent, compared with what we send for the same wish. */

import { describe, expect, test } from "bun:test";
import { readAttributes } from "../../attributes.ts";
import { type NetlinkRequest, NLM_F_ACK, NLM_F_REQUEST, readMessages, writeMessage } from "../../message.ts";
import { type Wire, Writer } from "../../wire.ts";

export interface Difference {
  readonly reason: string;
  /** The line that they have and we do not. */
  readonly theirs?: string;
  /** The line that we have and they do not. */
  readonly ours?: string;
}

export interface Captured {
  readonly command: string;
  readonly sent: string;
  readonly ours: NetlinkRequest;
  readonly differences?: readonly Difference[];
  /** Why the attributes come in another order; the kernel takes them in any. */
  readonly order?: string;
  /** What our decoder finds in the bytes that they sent. */
  readonly reads: object;
}

export interface Layout {
  readonly name: string;
  /** Bytes of the structure before the attributes. */
  readonly header: number;
  /** Paths of the attributes that hold attributes, with the bytes of a structure before these. */
  readonly nested: Readonly<Record<string, number>>;
  readonly wire: Wire<unknown>;
  readonly captured: readonly Captured[];
}

/** Tests each captured request: the same bytes from us but for the differences listed, and theirs decoded. */
export function testCaptured(layouts: readonly Layout[]): void {
  describe.each(layouts)("a request for a $name", (layout) => {
    test.each(layout.captured.map((captured) => [captured.command, captured] as const))("%s", (_, captured) => {
      const theirs = Uint8Array.from(Buffer.from(captured.sent, "hex"));
      const ours = sentBytes(captured.ours);
      if (captured.differences === undefined && captured.order === undefined) expect(hex(ours)).toBe(captured.sent);
      const translated = translate(lines(theirs, layout), captured.differences ?? []);
      const own = lines(ours, layout);
      // A line that is only ours has no place among theirs.
      const ordered = captured.order === undefined && !captured.differences?.some((one) => one.theirs === undefined);
      expect(ordered ? own : own.toSorted()).toEqual(ordered ? translated : translated.toSorted());
      // An order that is the same needs no reason.
      if (captured.order !== undefined) expect(own).not.toEqual(translated);
      const [message] = readMessages(theirs);
      expect(layout.wire.read(message?.payload ?? new Uint8Array())).toMatchObject(captured.reads);
    });
  });
}

/** A request as it would be sent with sequence number 1. */
function sentBytes(request: NetlinkRequest): Uint8Array {
  const out = new Writer();
  writeMessage(out, request, NLM_F_REQUEST | NLM_F_ACK, 1);
  return out.written().slice();
}

/** One line for the frame, the header and each attribute, this with the path of numbers that leads to it. */
function lines(bytes: Uint8Array, layout: Layout): string[] {
  const [message, ...others] = readMessages(bytes);
  if (message === undefined || others.length > 0) throw new Error("not one message");
  const { type, flags, payload } = message;
  return [
    `type ${type} flags ${flags.toString(16)}`,
    `header ${hex(payload.subarray(0, layout.header))}`,
    ...attributeLines(payload.subarray(layout.header), "", layout.nested),
  ];
}

function attributeLines(bytes: Uint8Array, prefix: string, nested: Layout["nested"]): string[] {
  return readAttributes(bytes).flatMap(({ type, payload }) => {
    const path = `${prefix}${type & 0x3fff}`;
    const header = nested[path];
    if (header === undefined) return [`${path} ${hex(payload)}`];
    const flag = type > 0x3fff ? [`${path} nested`] : [];
    const start = header === 0 ? [] : [`${path} header ${hex(payload.subarray(0, header))}`];
    return [...flag, ...start, ...attributeLines(payload.subarray(header), `${path}.`, nested)];
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Their lines with the listed differences made ours. */
function translate(theirs: readonly string[], differences: readonly Difference[]): string[] {
  let result = [...theirs];
  for (const { theirs: from, ours: to } of differences) {
    if (from !== undefined && !result.includes(from)) throw new Error(`They have no line "${from}"`);
    if (from === undefined) result = to === undefined ? result : [...result, to];
    else result = result.flatMap((line) => (line !== from ? [line] : to === undefined ? [] : [to]));
  }
  return result;
}
