/** Pings that are to be answered, and such as are not. */

import { expect } from "bun:test";
import type { TestNetns } from "./namespaces.ts";

/** Seconds: an answer that comes takes no time, but on a busy machine; one that does not costs all of its own. */
const PATIENCE = 10;
const IMPATIENCE = 0.4;

type Place = Pick<TestNetns, "sh">;

/** Expects that the first packet to an address is answered; it has the source address, where one is given. */
export function expectAnswer(from: Place, address: string, source?: string): void {
  expect([address, source, isAnswered(from, address, source, PATIENCE)]).toEqual([address, source, true]);
}

/** Expects the contrary. */
export function expectNoAnswer(from: Place, address: string, source?: string): void {
  expect([address, source, isAnswered(from, address, source, IMPATIENCE)]).toEqual([address, source, false]);
}

function isAnswered({ sh }: Place, address: string, source: string | undefined, seconds: number): boolean {
  const by = source === undefined ? "" : `-I ${source}`;
  return sh(`ping -n -c 1 -W ${seconds} ${by} ${address} >/dev/null && echo yes || echo no`) === "yes\n";
}
