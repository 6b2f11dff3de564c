/** The clock that nobody sets and that goes on while the machine sleeps. */

import { check, systemCall } from "./libc.ts";

/** @see linux/time.h */
const CLOCK_BOOTTIME = 7;

const memory = new Uint8Array(16);
const view = new DataView(memory.buffer);

/** Milliseconds since the boot, with a fraction. @see clock_gettime(2) CLOCK_BOOTTIME */
export function bootClock(): number {
  check(systemCall("clock_gettime", CLOCK_BOOTTIME, memory), "clock_gettime");
  // struct timespec: two 64-bit numbers, neither of which is as long. Big integers would cost a plugin's process 1 ms.
  return view.getUint32(0, true) * 1000 + view.getUint32(8, true) / 1e6;
}
