/** What the kernel answers to a request that it refuses. @see linux/netlink.h struct nlmsgerr, enum nlmsgerr_attrs */

import { DecodeError, KernelError } from "../../core/errors.ts";
import { errnoName } from "../errno.ts";
import { attributes, type WithUnknown } from "./attributes.ts";
import { type NetlinkMessage, type NetlinkRequest, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_HEADER } from "./message.ts";
import { i32, string, u32 } from "./wire.ts";

/** A refused request: what was tried, the error's name, and the kernel's own words where it gives any. */
export class NetlinkError extends KernelError {
  readonly operation: string;
  /** The kernel's extended acknowledgement, such as `Device is already a bridge port`. */
  readonly kernelMessage: string | undefined;
  /** Where in the request the offending attribute starts, in bytes. */
  readonly offset: number | undefined;

  constructor(operation: string, code: string, extended: ExtendedAck = {}) {
    const words = extended.message === undefined ? "" : ` (${extended.message})`;
    super(`Cannot ${operation}: ${code}${words}`, code);
    this.operation = operation;
    this.kernelMessage = extended.message;
    this.offset = extended.offset;
  }
}

export interface ExtendedAck extends WithUnknown {
  message?: string;
  offset?: number;
}

const extendedAck = attributes<ExtendedAck>({ message: [1, string], offset: [2, u32] });

/** What an error is about; asked for only when there is one. */
type Request = Pick<NetlinkRequest, "operation">;

/** The outcome in a message of type NLMSG_ERROR: an error, or undefined for an acknowledgement. */
export function decodeAck(request: Request, answer: NetlinkMessage): NetlinkError | undefined {
  const errno = -i32.read(answer.payload);
  if (errno === 0) return undefined;
  return new NetlinkError(request.operation, errnoName(errno), readExtendedAck(answer));
}

/** The error with which a message of type NLMSG_DONE ends a dump, or undefined. Attributes follow the number at once. */
export function decodeDumpEnd(request: Request, { flags, payload }: NetlinkMessage): NetlinkError | undefined {
  // Not every kernel puts a number into it.
  const errno = payload.length < 4 ? 0 : -i32.read(payload);
  // A number above zero is a length that some dumps leave there.
  if (errno <= 0) return undefined;
  const extended = (flags & NLM_F_ACK_TLVS) === 0 ? {} : extendedAck.read(payload.subarray(4));
  return new NetlinkError(request.operation, errnoName(errno), extended);
}

/** What follows the error number: the request's header, the rest of the request unless capped, then attributes. */
function readExtendedAck({ flags, payload }: NetlinkMessage): ExtendedAck {
  if ((flags & NLM_F_ACK_TLVS) === 0) return {};
  const requestLength = (flags & NLM_F_CAPPED) !== 0 ? NLMSG_HEADER : u32.read(payload.subarray(4));
  const start = 4 + 4 * Math.ceil(requestLength / 4);
  if (start > payload.length) throw new DecodeError("Truncated acknowledgement");
  return extendedAck.read(payload.subarray(start));
}
