import { expect, test } from "bun:test";
import type { Change } from "./changes.ts";
import type { Picture } from "./picture.ts";
import { type PoolStatus, planPools } from "./pool-status.ts";
import { block, machine, node, pictureOf, pool } from "./test-support/picture.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const options = { now: NOW, nearlyExhausted: 90 };

function statusOf(changes: readonly Change[], name = "default"): PoolStatus | undefined {
  const change = changes.find((each) => each.type === "pool-status" && each.pool === name);
  return change?.type === "pool-status" ? change.status : undefined;
}

function statesOf(status: PoolStatus | undefined): Record<string, string> {
  return Object.fromEntries(
    (status?.conditions ?? []).map(({ type, status: is, reason }) => [type, `${is} ${reason}`]),
  );
}

function reasonsOf(changes: readonly Change[]): string[] {
  return changes.flatMap((change) => (change.type === "event" ? [`${change.event.type} ${change.event.reason}`] : []));
}

/** Pods with the addresses from one of 10.0.0.0/24 to another. */
function pods(first: number, last: number): Record<string, object> {
  const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  return Object.fromEntries(numbers.map((n) => [`default/p${n}`, { addresses: [`10.0.0.${n}`] }]));
}

const small = { cidrs: ["10.0.0.0/28"], blockBits: { ipv4: 30 } };

test("counts each address once, whoever uses it", () => {
  const picture = pictureOf({
    pools: { default: pool({ cidrs: ["10.0.0.0/24", "fd00::/112"] }), other: pool({ cidrs: ["10.9.0.0/24"] }) },
    pods: {
      "default/a": { addresses: ["10.0.0.5", "fd00::5"] },
      "default/b": { addresses: ["10.0.0.6"] },
      "default/host": { addresses: [] },
      "default/elsewhere": { addresses: ["172.16.0.1"] },
    },
    nodes: {
      n1: node({ podAddresses: ["10.0.0.1", "fd00::1"] }),
      n2: node({ podAddresses: ["10.0.0.9"], gone: true }),
    },
    blocks: {
      "10.0.0.0-26": block({ cidr: "10.0.0.0/26", node: "n1", reserved: { "10.0.0.5": "default.a", "10.0.0.7": "x" } }),
      "fd00---122": block({ cidr: "fd00::/122", node: "n1" }),
    },
  });
  const changes = planPools(picture, options);
  expect(statusOf(changes)).toMatchObject({
    observedGeneration: 1,
    ipv4: { capacity: "254", used: 4, free: "250", blocks: 1 },
    ipv6: { capacity: "65535", used: 2, free: "65533", blocks: 1 },
  });
  expect(statusOf(changes, "other")).toMatchObject({ ipv4: { used: 0, free: "254", blocks: 0 } });
  expect(reasonsOf(changes)).toEqual([]);
});

test("what has been told already is not told again", () => {
  const before = pictureOf({ pools: { default: pool(small) } });
  const status = statusOf(planPools(before, options)) as PoolStatus;
  const after = pictureOf({ pools: { default: pool(small, status) } });
  expect(planPools(after, { ...options, now: NOW + 5000 })).toEqual([]);
});

test("warns before the addresses are all used, once each time, and says when it is over", () => {
  let status: PoolStatus = {};
  const look = (used: number, now: number) => {
    const picture = pictureOf({ pools: { default: pool(small, status) }, pods: pods(1, used) });
    const changes = planPools(picture, { ...options, now });
    status = statusOf(changes) ?? status;
    return { states: statesOf(status), events: reasonsOf(changes) };
  };
  expect(look(12, NOW)).toEqual({
    states: {
      Exhausted: "False AddressesLeft",
      NearlyExhausted: "False AddressesLeft",
      Conflicting: "False NoConflict",
    },
    events: [],
  });
  const nearly = look(13, NOW + 1000);
  expect(nearly.states).toMatchObject({ NearlyExhausted: "True FewAddressesLeft", Exhausted: "False AddressesLeft" });
  expect(nearly.events).toEqual(["Warning NearlyExhausted"]);
  const full = look(14, NOW + 2000);
  expect(full.states).toMatchObject({ NearlyExhausted: "True FewAddressesLeft", Exhausted: "True NoAddressLeft" });
  expect(full.events).toEqual(["Warning Exhausted"]);
  expect(look(14, NOW + 3000).events).toEqual([]);
  const times = Object.fromEntries(
    (status.conditions ?? []).map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
  );
  expect(times).toEqual({
    Exhausted: "2026-01-01T00:00:02Z",
    NearlyExhausted: "2026-01-01T00:00:01Z",
    Conflicting: "2026-01-01T00:00:00Z",
  });
  expect(look(1, NOW + 4000).events).toEqual(["Normal NotExhausted", "Normal NotNearlyExhausted"]);
});

test("warns when no block is left for a new node, though there are addresses", () => {
  const blocks = Object.fromEntries(
    [0, 4, 8, 12].map((n) => [`10.0.0.${n}-30`, block({ cidr: `10.0.0.${n}/30`, node: "n1" })]),
  );
  const changes = planPools(pictureOf({ pools: { default: pool(small) }, blocks }), options);
  expect(statesOf(statusOf(changes))).toMatchObject({
    NearlyExhausted: "True NoBlockLeft",
    Exhausted: "False AddressesLeft",
  });
});

test("names what else has a pool's addresses: pools, Services, nodes", () => {
  const of = (kinds: Parameters<typeof pictureOf>[0]) => {
    const picture: Picture = pictureOf(kinds);
    return (statusOf(planPools(picture, options))?.conditions ?? []).find(({ type }) => type === "Conflicting");
  };
  const serviceNetworks = { kubernetes: { cidrs: ["10.0.0.128/25"] } };
  const machines = { n1: machine({ addresses: ["10.0.0.9"] }) };
  const wide = { cidrs: ["10.0.0.0/24"] };
  expect(of({ pools: { default: pool(wide), other: pool(small) } })).toMatchObject({
    status: "True",
    reason: "OverlapsPool",
    message: 'It overlaps 10.0.0.0/28 of pool "other"',
  });
  expect(of({ pools: { default: pool(wide) }, serviceNetworks })?.message).toBe(
    "It overlaps 10.0.0.128/25, the addresses of Services",
  );
  expect(of({ pools: { default: pool(wide) }, machines })?.message).toContain('10.0.0.9 of node "n1"');
  const excluding = pool({ ...wide, excluded: ["10.0.0.9/32", "10.0.0.128/25"] });
  expect(of({ pools: { default: excluding }, machines, serviceNetworks })).toMatchObject({ status: "False" });
});
