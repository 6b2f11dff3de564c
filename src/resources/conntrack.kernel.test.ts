/** Tracked connections that have to start anew, in the kernel's own table. */

import { afterAll, expect } from "bun:test";
import { needs, program, root } from "../../test/support/needs.ts";
import { type Closable, udpClient } from "../../test/support/traffic.ts";
import type { ConntrackResource } from "../core/plan.ts";
import { apply, explain, explainRemoval, rollBack } from "../plan/engine.ts";
import { type Place, testPlaces, undoStack } from "./test-support/place.ts";

const open: Closable[] = [];
afterAll(() => {
  for (const one of open.splice(0)) one.close();
});
const { fresh, within, make, findings, unmake } = testPlaces();
const test = needs(root, program("nft"), program("conntrack"));

/** A host in which a client has sent to two addresses of the host and to one beyond it, and to another port. */
async function sent(): Promise<Place & { readonly flows: () => string[] }> {
  const place = fresh();
  const { host } = place;
  host.sh(`ip link set lo up; ip link add a0 type veth peer name b0; ip link set a0 up; ip link set b0 up
    ip address add 10.0.0.1/24 dev a0; ip address add fd00::1/64 dev a0 nodad
    ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev a0; ip neigh add fd00::9 lladdr 02:00:00:00:00:09 dev a0
    nft add table inet t; nft 'add chain inet t c { type nat hook output priority -100; }'
    nft add rule inet t c ip daddr 10.0.0.1 udp dport 53 dnat ip to 10.0.0.9:5353
    nft add rule inet t c ip6 daddr fd00::1 udp dport 53 dnat ip6 to [fd00::9]:5353`);
  for (const [family, addresses] of [
    [4, ["127.0.0.1", "10.0.0.1", "10.0.0.9"]],
    [6, ["::1", "fd00::1", "fd00::9"]],
  ] as const) {
    const client = await udpClient(host, family);
    open.push(client);
    for (const address of addresses) for (const port of [53, 54]) await client.ask(address, port, { patience: 0 });
  }
  return { ...place, flows: () => flowsOf(place) };
}

/** Destination and port of each flow. */
function flowsOf({ host }: Place): string[] {
  const lines = host.sh("(conntrack -L -f ipv4 -p udp; conntrack -L -f ipv6 -p udp) 2>/dev/null").split("\n");
  return lines.flatMap((line) => / dst=(\S+) .*? dport=(\d+)/.exec(line)?.slice(1, 3).join(" ") ?? []).sort();
}

const ALL = ["10.0.0.1", "10.0.0.9", "127.0.0.1", "::1", "fd00::1", "fd00::9"].flatMap((to) => [
  `${to} 53`,
  `${to} 54`,
]);
const without = (...gone: readonly string[]) => ALL.filter((one) => !gone.includes(one));

const conntrack = (when: "made" | "removed", ...flows: ConntrackResource["flows"]): ConntrackResource => ({
  kind: "conntrack",
  where: "host",
  when,
  flows,
});
const udp = { protocol: "udp", port: 53 } as const;

test("to any address of the host are forgotten, not those that pass through or go to another port", async () => {
  const place = await sent();
  expect(place.flows()).toEqual(ALL);
  const resource = conntrack("made", { ...udp, family: 4 }, { ...udp, family: 6 });
  make(place, resource);
  expect(place.flows()).toEqual(without("10.0.0.1 53", "127.0.0.1 53", "::1 53", "fd00::1 53"));
  expect(findings(place, resource)).toEqual([]);
  make(place, resource);
});

test("to one address, and to what answers, are forgotten alone", async () => {
  const place = await sent();
  make(place, conntrack("made", { ...udp, family: 4, destination: "127.0.0.1" }));
  expect(place.flows()).toEqual(without("127.0.0.1 53"));
  make(place, conntrack("made", { ...udp, family: 4, answeredBy: "10.0.0.8" }));
  expect(place.flows()).toEqual(without("127.0.0.1 53"));
  make(place, conntrack("made", { ...udp, family: 4, answeredBy: "10.0.0.9" }));
  expect(place.flows()).toEqual(without("127.0.0.1 53", "10.0.0.1 53"));
});

test("are forgotten when the resource is made, or when it is removed or its making undone, as it says", async () => {
  const place = await sent();
  const flow = { ...udp, family: 4, destination: "127.0.0.1" } as const;
  const gone = { ...udp, family: 4, destination: "10.0.0.1" } as const;
  expect(unmake(place, conntrack("made", flow))).toEqual([]);
  make(place, conntrack("removed", flow));
  expect(place.flows()).toEqual(ALL);
  expect(unmake(place, conntrack("removed", flow))).toEqual([]);
  expect(place.flows()).toEqual(without("127.0.0.1 53"));
  within(place, (machine) => {
    const undo = undoStack();
    apply([conntrack("removed", gone)], machine, undo);
    expect(rollBack(undo.own)).toEqual([]);
  });
  expect(place.flows()).toEqual(without("127.0.0.1 53", "10.0.0.1 53"));
});

test("are forgotten by the commands that explain it", async () => {
  const place = await sent();
  const naming = { container: place.container.netns.path };
  const flow = { ...udp, family: 4, destination: "10.0.0.1", answeredBy: "10.0.0.9" } as const;
  const commands = within(place, ({ kinds }) => [
    ...explain([conntrack("made", flow), conntrack("removed", flow)], kinds, naming),
    ...explainRemoval([conntrack("removed", { ...udp, family: 6, destination: "::1" })], kinds, naming),
  ]);
  expect(commands).toEqual([
    "conntrack -D -f ipv4 -p udp --orig-port-dst 53 --orig-dst 10.0.0.1 --reply-src 10.0.0.9 || true",
    "conntrack -D -f ipv6 -p udp --orig-port-dst 53 --orig-dst ::1 || true",
  ]);
  place.host.sh(`set -e\n${commands.join("\n")}\n${commands.join("\n")}`);
  expect(place.flows()).toEqual(without("10.0.0.1 53", "::1 53"));
});
