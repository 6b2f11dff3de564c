/**
 * What queueing disciplines, classes and filters have in common: the header of their messages, and handles.
 *
 * A handle is a number of 32 bits in two halves, which tc(8) writes in hexadecimal as `1:` or `1:30`.
 * @see linux/rtnetlink.h struct tcmsg, linux/pkt_sched.h, tc(8)
 */

import { i32, struct, u8, u32 } from "../wire.ts";

/** Parents that are no handles. @see linux/pkt_sched.h */
export const TC_H_ROOT = 0xffffffff;
export const TC_H_INGRESS = 0xfffffff1;
/** The parent of filters for what a link receives, whether its qdisc is of kind `ingress` or `clsact`: TC_H_MIN_INGRESS of TC_H_CLSACT. */
export const TC_H_CLSACT_INGRESS = 0xfffffff2;

export interface TcHeader {
  family: number;
  /** Index of the link. */
  index: number;
  handle: number;
  parent: number;
  /** Of a filter the priority and the protocol, of others what only the kernel tells. */
  info: number;
}

export const tcHeader = struct<TcHeader>(20, {
  family: [0, u8],
  index: [4, i32],
  handle: [8, u32],
  parent: [12, u32],
  info: [16, u32],
});

/** The handle of a queueing discipline by its number. */
export function qdiscHandle(major: number): number {
  return major * 0x10000;
}
