import { expect, test } from "bun:test";
import { isOver, reservationName, selects } from "./cluster.ts";

test("an owner's reservation has a name that every store can take, and another one for every owner", () => {
  const owners = [
    "default/web-0",
    "default/web.0",
    "a-b/c",
    "a/b-c",
    "Default/web-0",
    "-/x",
    "a/b/c",
    "x".repeat(300),
    "",
  ];
  const names = owners.map(reservationName);
  expect(names.slice(0, 2)).toEqual(["default.web-0", "default.web.0"]);
  for (const name of names) expect(name).toMatch(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);
  expect(new Set(names).size).toBe(owners.length);
});

test("a reservation is over when its time has come, and one without a time never", () => {
  const expires = "2030-01-01T00:00:00Z";
  const at = Date.parse(expires);
  expect([isOver({ expires }, at - 1), isOver({ expires }, at), isOver({}, at)]).toEqual([false, true, false]);
});

test("a pool serves the nodes that have all of its labels", () => {
  expect(selects({ nodeSelector: {} }, {})).toBe(true);
  expect(selects({ nodeSelector: { zone: "a" } }, { zone: "a", disk: "ssd" })).toBe(true);
  expect(selects({ nodeSelector: { zone: "a", disk: "ssd" } }, { zone: "a" })).toBe(false);
});
