/** A message of nf_tables as lines that a person can compare: each attribute by its path, nested ones after their parent. */

import { readAttributes } from "../../netlink/attributes.ts";
import { type NetlinkRequest, NLM_F_REQUEST } from "../../netlink/message.ts";
import { Writer } from "../../netlink/wire.ts";

const NLA_F_NESTED = 0x8000;
const NF_HEADER = 4;

/** The lines of a captured message: type, flags and payload in hexadecimal. */
export function capturedLines(captured: string): string[] {
  const [type = "", flags = "", payload = ""] = captured.split(" ");
  return lines(Number.parseInt(type, 16), Number.parseInt(flags, 16), Uint8Array.from(Buffer.from(payload, "hex")));
}

/** The lines of a request of ours. */
export function requestLines(request: NetlinkRequest): string[] {
  const out = new Writer();
  request.write(out);
  return lines(request.type, request.flags | NLM_F_REQUEST, out.written());
}

function lines(type: number, flags: number, payload: Uint8Array): string[] {
  const header = Buffer.from(payload.subarray(0, NF_HEADER)).toString("hex");
  return [
    `type 0x${type.toString(16)} flags 0x${flags.toString(16)} header ${header}`,
    ...attributeLines(payload.subarray(NF_HEADER), ""),
  ];
}

function attributeLines(bytes: Uint8Array, path: string): string[] {
  return readAttributes(bytes).flatMap(({ type, payload }) => {
    const name = `${path}${type & 0x3fff}`;
    if ((type & NLA_F_NESTED) !== 0) return [`${name} nested`, ...attributeLines(payload, `${name}.`)];
    return [`${name} ${Buffer.from(payload).toString("hex")}${readable(payload)}`];
  });
}

/** Names in clear text, for they are most of what one looks for. */
function readable(payload: Uint8Array): string {
  const text = Buffer.from(payload).toString("latin1").replace(/\0$/, "");
  return /^[ -~]{2,}$/.test(text) ? ` "${text}"` : "";
}
