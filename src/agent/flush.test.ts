import { expect, test } from "bun:test";
import { LateFlusher } from "./flush.ts";

/** A flusher that notes what it is called with. */
function noting(fail?: Error) {
  const flushed: (readonly string[])[] = [];
  const flush = (addresses: readonly string[]) => {
    if (fail !== undefined) throw fail;
    if (addresses.length > 0) flushed.push(addresses);
  };
  return { flushed, flusher: { flush, close: () => {} } };
}

test("addresses are flushed together, soon", async () => {
  const { flushed, flusher } = noting();
  const late = new LateFlusher(flusher, () => {});
  late.note(["192.0.2.1"]);
  late.note(["192.0.2.2", "2001:db8::1"]);
  expect(flushed).toEqual([]);
  while (flushed.length === 0) await Bun.sleep(5);
  late.close();
  expect(flushed).toEqual([["192.0.2.1", "192.0.2.2", "2001:db8::1"]]);
});

test("an address that somebody is about to have is flushed before", () => {
  const { flushed, flusher } = noting();
  const late = new LateFlusher(flusher, () => {});
  late.note(["192.0.2.1", "192.0.2.2"]);
  late.require(["192.0.2.3"]);
  expect(flushed).toEqual([]);
  late.require(["192.0.2.2"]);
  expect(flushed).toEqual([["192.0.2.1", "192.0.2.2"]]);
  late.close();
  expect(flushed).toHaveLength(1);
});

test("what is left is flushed at the end", () => {
  const { flushed, flusher } = noting();
  const late = new LateFlusher(flusher, () => {});
  late.note(["192.0.2.1"]);
  late.close();
  expect(flushed).toEqual([["192.0.2.1"]]);
});

test("a failure is told with the addresses", () => {
  const failure = new Error("no");
  const told: unknown[] = [];
  const late = new LateFlusher(noting(failure).flusher, (error, addresses) => told.push([error, addresses]));
  late.note(["192.0.2.1"]);
  late.close();
  expect(told).toEqual([[failure, ["192.0.2.1"]]]);
});
