/**
 * The token bucket filter: lets through at a rate, and at once as much as has been saved up.
 * @see linux/pkt_sched.h struct tc_tbf_qopt, TCA_TBF_UNSPEC and below, tc-tbf(8)
 */

import { attributes, type WithUnknown } from "../../attributes.ts";
import { struct, u8, u16, u32, u64 } from "../../wire.ts";

/** @see linux/pkt_sched.h */
export const TC_LINKLAYER_ETHERNET = 1;

export interface RateSpec {
  cellLog: number;
  linkLayer: number;
  overhead: number;
  cellAlign: number;
  mpu: number;
  /** In bytes a second; the largest number for one that does not fit. */
  rate: number;
}

export interface TbfParameters {
  rate: RateSpec;
  peakRate: RateSpec;
  /** How many bytes may wait. */
  limit: number;
  /** How long it takes to send what has been saved up at most, in ticks; its lower 32 bits. */
  buffer: number;
  mtu: number;
}

export interface TbfData extends WithUnknown {
  parameters?: TbfParameters;
  /** A rate that does not fit into 32 bits. */
  rate64?: bigint;
  /** How many bytes may be saved up; only in requests. */
  burst?: number;
}

export const rateSpec = struct<RateSpec>(12, {
  cellLog: [0, u8],
  linkLayer: [1, u8],
  overhead: [2, u16],
  cellAlign: [4, u16],
  mpu: [6, u16],
  rate: [8, u32],
});

export const tbfParameters = struct<TbfParameters>(36, {
  rate: [0, rateSpec],
  peakRate: [12, rateSpec],
  limit: [24, u32],
  buffer: [28, u32],
  mtu: [32, u32],
});

export const tbfData = attributes<TbfData>({
  parameters: [1, tbfParameters],
  rate64: [4, u64],
  burst: [6, u32],
});

/** A token bucket as a caller asks for it. */
export interface TokenBucket {
  /** In bytes a second. */
  readonly rate: number;
  /** In bytes. */
  readonly burst: number;
  /** How many bytes may wait. */
  readonly limit: number;
}

const MAX_U32 = 0xffffffff;

/**
 * The kernel's tick, in which it counts time for queueing disciplines: fixed since Linux 2.6.31, whatever the machine.
 * @see net/pkt_sched.h PSCHED_SHIFT, /proc/net/psched
 */
export const PSCHED_TICK_NS = 64;

/** The data that makes a token bucket. The rate tables that tc(8) sends too the kernel has not used since Linux 3.8. */
export function tokenBucketData({ rate, burst, limit }: TokenBucket): TbfData {
  return {
    parameters: {
      rate: { ...NO_RATE, linkLayer: TC_LINKLAYER_ETHERNET, rate: Math.min(rate, MAX_U32) },
      peakRate: NO_RATE,
      limit,
      buffer: Math.min(bufferTicks(rate, burst), MAX_U32),
      mtu: 0,
    },
    rate64: rate > MAX_U32 ? BigInt(rate) : undefined,
    // What counts where it is known (Linux 3.13); the buffer's ticks alone would be too coarse, and overflow.
    burst,
  };
}

const NO_RATE: RateSpec = { cellLog: 0, linkLayer: 0, overhead: 0, cellAlign: 0, mpu: 0, rate: 0 };

function bufferTicks(rate: number, burst: number): number {
  return Math.floor((burst * 1e9) / rate / PSCHED_TICK_NS);
}

/** What a token bucket of the kernel's differs in from the one that was asked for. */
export function tokenBucketDifferences({ parameters, rate64 }: TbfData, wanted: TokenBucket): (keyof TokenBucket)[] {
  if (parameters === undefined) return ["rate", "burst", "limit"];
  const rate = rate64 === undefined ? parameters.rate.rate : Number(rate64);
  const differences: (keyof TokenBucket)[] = [];
  if (rate !== wanted.rate) differences.push("rate");
  else if (!isBuffer(parameters.buffer, bufferTicks(rate, wanted.burst))) differences.push("burst");
  if (parameters.limit !== wanted.limit) differences.push("limit");
  return differences;
}

/** The kernel tells the lower 32 bits of ticks that it has rounded, by some parts in a thousand million. */
function isBuffer(found: number, wanted: number): boolean {
  const apart = (((found - wanted) % 2 ** 32) + 2 ** 32) % 2 ** 32;
  return Math.min(apart, 2 ** 32 - apart) <= 2 + wanted * 1e-8;
}
