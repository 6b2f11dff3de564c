/** `portmap` behind `bridge`, with real connections: who reaches a host port from where, and whom the container sees. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { rmSync } from "node:fs";
import { hostLocal, V4, V6 } from "../support/attachment-cases.ts";
import { addChain, checkChain, delChain } from "../support/chain.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, program, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import {
  type Config,
  call,
  expectBuilt,
  fail,
  type Host,
  succeed,
  testHosts,
  withResult,
  withValid,
} from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import { answering, askTcp, askUdp, BRIEFLY, type Closable, udpClient } from "../support/traffic.ts";
import {
  bridge,
  DNS,
  type Fields,
  HOST_V4,
  HOST_V6,
  makePod,
  makeSite,
  OUTSIDE_V4,
  OUTSIDE_V6,
  type Pod,
  portmap,
  SECOND_V4,
  type Site,
  takeDown,
  WAYS,
  WEB,
} from "./portmap-stage.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
const open: Closable[] = [];
afterAll(() => {
  for (const one of open.splice(0)) one.close();
});
expectNothingLeft();
const test = needs(root, program("ip"), program("nft"));

const DEFAULT = [{ dst: "0.0.0.0/0" }, { dst: "::/0" }];

const CONFIG = 7;
const CONFLICT = 103;
const VERIFICATION = 104;

const site = () => makeSite(hosts);
const pod = (place: Site, id: string, ports: readonly Fields[], fields: Fields = {}) =>
  makePod(hosts, open, place, id, ports, { fields });

describe.concurrent("a host port of TCP and one of UDP with the same number", () => {
  test("answer from everywhere, and the container sees others only where it could not answer them else", async () => {
    const place = site();
    const before = await stateOf(place.host);
    const web = await pod(place, "web", [WEB, DNS]);
    const other = await pod(place, "other", []);
    for (const { title, from, to, seen } of WAYS) {
      const netns = from(place, web, other);
      expect({ title, tcp: await askTcp(netns, to, 8080) }).toEqual({ title, tcp: `web ${seen}` });
      expect({ title, udp: await askUdp(netns, to, 8080) }).toEqual({ title, udp: `web ${seen}` });
    }
    // Nobody can answer to ::1 from outside, so the host is alone with it.
    expect(await askTcp(place.host.netns, "::1", 8080)).toBe("ECONNREFUSED");
    await checkChain(place.host, web.container, web.chain, web.result);
    await takeDown(place, web);
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe("ECONNREFUSED");
    expect(await askTcp(place.host.netns, "127.0.0.1", 8080)).toBe("ECONNREFUSED");
    await takeDown(place, other);
    for (const { config } of web.chain) await succeed(place.host, { verb: "GC", config: withValid(config, []) });
    expectSameState("DEL and GC", withoutForwarding(await stateOf(place.host)), withoutForwarding(before));
  }, 30_000);

  test("leave the answers of connections that are under way alone when another port comes and goes", async () => {
    const place = site();
    await pod(place, "web", [WEB, DNS]);
    const client = await udpClient(place.outside, 4);
    open.push(client);
    expect(await client.ask(HOST_V4, 8080)).toBe(`web ${OUTSIDE_V4}`);
    const other = await pod(place, "other", [{ ...DNS, hostPort: 8081 }]);
    expect(await askUdp(place.outside, HOST_V4, 8081)).toBe(`other ${OUTSIDE_V4}`);
    await takeDown(place, other);
    expect(await client.ask(HOST_V4, 8080)).toBe(`web ${OUTSIDE_V4}`);
  });
});

/** GC takes the bridge and its rules away; that the host forwards stays. */
function withoutForwarding(lines: readonly string[]): string[] {
  return lines.filter((line) => !/ route .*proto kernel|^host: (broadcast|local|anycast|multicast)/.test(line));
}

test("ports lead to a container behind ptp, whose link alone lets loopback through", async () => {
  const place = site();
  const container = hosts.container("web");
  const ptp: Config = {
    cniVersion: "1.1.0",
    name: "net",
    type: "ptp",
    ipMasq: true,
    ipam: { ...hostLocal(place.host, V4, V6), routes: DEFAULT },
  };
  const chain = [{ config: ptp }, { config: portmap([WEB, DNS]) }];
  const result = await addChain(place.host, container, chain);
  container.namespace.sh("ip link set lo up");
  open.push(await answering(container.namespace, "web", { tcp: [80], udp: [53] }));
  expect(await askTcp(place.outside, HOST_V4, 8080)).toBe(`web ${OUTSIDE_V4}`);
  expect(await askUdp(place.outside, HOST_V6, 8080)).toBe(`web ${OUTSIDE_V6}`);
  expect(await askTcp(place.host.netns, "127.0.0.1", 8080)).toMatch(/^web (10\.77\.0\.1|192\.0\.2\.1)$/);
  expect(await askTcp(container.namespace, HOST_V4, 8080)).toMatch(/^web (10\.77\.0\.1|192\.0\.2\.1)$/);
  const open127 = place.host.netns.sh("cd /proc/sys/net/ipv4/conf; grep -l 1 */route_localnet").trim().split("\n");
  expect(open127).toEqual([expect.stringMatching(/^veth\w+\/route_localnet$/)]);
  await checkChain(place.host, container, chain, result);
  await delChain(place.host, container, chain, result);
});

describe.concurrent("a given address of the host", () => {
  test("is the only one on which the port is taken", async () => {
    const place = site();
    await pod(place, "web", [
      { ...WEB, hostIP: HOST_V4 },
      { ...WEB, hostIP: HOST_V6, containerPort: 81 },
      { ...DNS, hostIP: "127.0.0.1" },
    ]);
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe(`web ${OUTSIDE_V4}`);
    expect(await askTcp(place.outside, HOST_V6, 8080)).toBe(`web ${OUTSIDE_V6}`);
    expect(await askTcp(place.outside, SECOND_V4, 8080)).toBe("ECONNREFUSED");
    expect(await askTcp(place.host.netns, "127.0.0.1", 8080)).toBe("ECONNREFUSED");
    expect(await askTcp(place.host.netns, HOST_V4, 8080)).toBe(`web ${HOST_V4}`);
    expect(await askUdp(place.host.netns, "127.0.0.1", 8080)).toBe("web 10.77.0.1");
    expect(await askUdp(place.outside, HOST_V4, 8080, BRIEFLY)).not.toContain("web");
  });

  test("that is unspecified is any of its family", async () => {
    const place = site();
    await pod(place, "web", [
      { ...WEB, hostIP: "0.0.0.0" },
      { ...WEB, hostPort: 8081, hostIP: "::" },
    ]);
    expect(await askTcp(place.outside, SECOND_V4, 8080)).toBe(`web ${OUTSIDE_V4}`);
    expect(await askTcp(place.outside, HOST_V6, 8080)).toBe("ECONNREFUSED");
    expect(await askTcp(place.outside, HOST_V6, 8081)).toBe(`web ${OUTSIDE_V6}`);
    expect(await askTcp(place.outside, HOST_V4, 8081)).toBe("ECONNREFUSED");
  });

  test("comes before all of them, whoever was first", async () => {
    const place = site();
    await pod(place, "web", [WEB]);
    const special = await pod(place, "special", [{ ...WEB, hostIP: SECOND_V4 }]);
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe(`web ${OUTSIDE_V4}`);
    expect(await askTcp(place.outside, SECOND_V4, 8080)).toBe(`special ${OUTSIDE_V4}`);
    await takeDown(place, special);
    expect(await askTcp(place.outside, SECOND_V4, 8080)).toBe(`web ${OUTSIDE_V4}`);
  });

  test("of loopback cannot be reached by those who send to it from a network", async () => {
    const place = site();
    await pod(place, "web", [{ ...DNS, hostIP: "127.0.0.1" }]);
    open.push(await answering(place.host.netns, "host", { udp: [9000] }));
    const neighbour = await pod(place, "neighbour", []);
    // As an attacker does: the address is one of the gateway's link.
    neighbour.container.namespace.sh(`ip address del 127.0.0.1/8 dev lo
      ip route add 127.0.0.1/32 via 10.77.0.1 dev eth0 src 10.77.0.3 table local || ip route add 127.0.0.1 via 10.77.0.1 src 10.77.0.3
      sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.eth0.route_localnet=1`);
    expect(place.host.netns.sh("sysctl -n net.ipv4.conf.br0.route_localnet").trim()).toBe("1");
    for (const port of [8080, 9000]) {
      expect({ port, answer: await askUdp(neighbour.container.namespace, "127.0.0.1", port, BRIEFLY) }).toEqual({
        port,
        answer: "no answer",
      });
    }
    // So it is the table that keeps them out.
    place.host.netns.sh("nft flush chain inet tendril hostport_prerouting");
    expect(await askUdp(neighbour.container.namespace, "127.0.0.1", 9000)).toBe("host 10.77.0.3");
  });
});

describe.concurrent("masquerading", () => {
  test("is off without snat: loopback and the container itself get no answer, others do", async () => {
    const place = site();
    const web = await pod(place, "web", [WEB, DNS], { snat: false });
    expect(place.host.netns.sh("sysctl -n net.ipv4.conf.br0.route_localnet").trim()).toBe("0");
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe(`web ${OUTSIDE_V4}`);
    expect(await askTcp(place.host.netns, HOST_V4, 8080)).toBe(`web ${HOST_V4}`);
    expect(await askUdp(place.host.netns, "127.0.0.1", 8080, BRIEFLY)).not.toContain("web");
    expect(await askUdp(web.container.namespace, HOST_V4, 8080, BRIEFLY)).toBe("no answer");
    expect(place.host.netns.sh("nft list table inet tendril")).not.toMatch(/hostport_masquerade/);
  });

  test("is for all with masqAll, by the mark's bit that is given", async () => {
    const place = site();
    await pod(place, "web", [WEB, DNS], { masqAll: true, markMasqBit: 31 });
    await pod(place, "other", [{ ...WEB, hostPort: 8081 }]);
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe("web 10.77.0.1");
    expect(await askUdp(place.outside, HOST_V6, 8080)).toBe("web fd77::1");
    expect(await askTcp(place.outside, HOST_V4, 8081)).toBe(`other ${OUTSIDE_V4}`);
    expect(await askTcp(place.host.netns, "127.0.0.1", 8080)).toBe("web 10.77.0.1");
    const rules = place.host.netns.sh("nft list table inet tendril");
    expect(rules).toContain("meta mark 0x80000000/1 ct status dnat masquerade");
    expect(rules).toContain("meta mark & 0x00002000 == 0x00002000 ct status dnat masquerade");
  });
});

describe.concurrent("conditions", () => {
  const cases: readonly (readonly [string, Fields])[] = [
    ["in the words of iptables", { conditionsV4: ["!", "-s", `${OUTSIDE_V4}/32`], conditionsV6: ["-s", "fd77::/64"] }],
    ["in the words of nft", { conditionsV4: [`ip saddr != ${OUTSIDE_V4}`], conditionsV6: ["ip6 saddr", "fd77::/64"] }],
  ];
  for (const [title, conditions] of cases) {
    test(`${title} are asked of each connection`, async () => {
      const place = site();
      const web = await pod(place, "web", [WEB, { ...WEB, hostPort: 8081, hostIP: HOST_V4 }], conditions);
      await pod(place, "other", [{ ...WEB, hostPort: 8081 }]);
      expect(await askTcp(place.outside, HOST_V4, 8080)).toBe("ECONNREFUSED");
      expect(await askTcp(place.outside, HOST_V6, 8080)).toBe("ECONNREFUSED");
      expect(await askTcp(place.host.netns, "127.0.0.1", 8080)).toBe("web 10.77.0.1");
      expect(await askTcp(web.container.namespace, HOST_V6, 8080)).toBe("web fd77::1");
      // Where a given address has conditions that are not met, all addresses have their turn.
      expect(await askTcp(place.outside, HOST_V4, 8081)).toBe(`other ${OUTSIDE_V4}`);
      expect(await askTcp(place.host.netns, HOST_V4, 8081)).toBe(`web ${HOST_V4}`);
      place.outside.sh(`ip address del ${OUTSIDE_V4}/24 dev up1; ip address add 192.0.2.10/24 dev up1`);
      expect(await askTcp(place.outside, HOST_V4, 8080)).toBe("web 192.0.2.10");
      await checkChain(place.host, web.container, web.chain, web.result);
    });
  }
});

describe.concurrent("a UDP client that keeps its port", () => {
  test("reaches the next owner at once, and nobody before the first and after the last", async () => {
    const place = site();
    const clients = [await udpClient(place.outside, 4), await udpClient(place.outside, 6)];
    open.push(...clients);
    const ask = (patience?: { patience: number }) =>
      Promise.all(clients.map((client, i) => client.ask(i === 0 ? HOST_V4 : HOST_V6, 8080, patience)));
    // The kernel has seen each client before there is a mapping.
    for (const answer of await ask(BRIEFLY)) expect(answer).not.toContain("first");
    const first = await pod(place, "first", [DNS]);
    expect(await ask()).toEqual([`first ${OUTSIDE_V4}`, `first ${OUTSIDE_V6}`]);
    await takeDown(place, first);
    for (const answer of await ask(BRIEFLY)) expect(answer).not.toContain("first");
    await pod(place, "second", [DNS]);
    expect(await ask()).toEqual([`second ${OUTSIDE_V4}`, `second ${OUTSIDE_V6}`]);
  });
});

describe.concurrent("a host port that another container has", () => {
  test("is refused with the owner's name, and nothing has changed", async () => {
    const place = site();
    const first = await pod(place, "first", [WEB, { ...DNS, hostIP: HOST_V4 }]);
    const container = hosts.container("second");
    const result = await addChain(place.host, container, [{ config: bridge(place.host) }]);
    // But for the network's notes of what could be swept by GC.
    const ownState = async () =>
      (await stateOf(place.host, [container.namespace])).filter((line) => !line.includes("/run/shared/"));
    const before = await ownState();
    const refused: readonly (readonly [Fields[], string])[] = [
      [[WEB], "8080/tcp"],
      [
        [
          { ...DNS, hostPort: 8081 },
          { ...DNS, hostIP: HOST_V4 },
        ],
        `8080/udp of address ${HOST_V4}`,
      ],
      [
        [
          { ...WEB, hostPort: 8081 },
          { ...WEB, hostPort: 8082 },
          { ...WEB, containerPort: 9 },
        ],
        "8080/tcp",
      ],
    ];
    for (const [ports, port] of refused) {
      const config = withResult(portmap(ports), result);
      const error = await fail(place.host, { verb: "ADD", container, config });
      expect(error).toMatchObject({
        code: CONFLICT,
        msg: `The host port ${port} is taken by container "first" in network "net" as "eth0"`,
      });
      expect(error.details).toContain("DEL of that attachment frees it");
      expectSameState("a refused ADD", await ownState(), before);
      await succeed(place.host, { verb: "DEL", container, config });
      expectSameState("DEL after it", await ownState(), before);
    }
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe(`first ${OUTSIDE_V4}`);
    await takeDown(place, first);
    await succeed(place.host, { verb: "ADD", container, config: withResult(portmap([WEB]), result) });
    open.push(await answering(container.namespace, "second", { tcp: [80] }));
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe(`second ${OUTSIDE_V4}`);
  });

  test("goes to one of those who ask at once, and the others leave nothing", async () => {
    const place = site();
    const ids = Array.from({ length: 8 }, (_, i) => `c${i}`);
    const chain = [{ config: bridge(place.host) }];
    const stages: { container: ReturnType<typeof hosts.container>; config: Config }[] = [];
    for (const id of ids) {
      const container = hosts.container(id);
      const result = await addChain(place.host, container, chain);
      // The port that all want is the last of several.
      const own = { ...WEB, hostPort: 9000 + stages.length };
      stages.push({ container, config: withResult(portmap([own, DNS, WEB]), result) });
    }
    const outcomes = await Promise.all(
      stages.map(({ container, config }) => call(place.host, { verb: "ADD", container, config })),
    );
    const winner = outcomes.findIndex(({ status }) => status === 0);
    const named = expect.stringContaining(`is taken by container "c${winner}" in network "net" as "eth0"`);
    for (const [i, { status, answer }] of outcomes.entries()) {
      if (i === winner) continue;
      expect({ i, status, answer }).toEqual({
        i,
        status: 1,
        answer: expect.objectContaining({ code: CONFLICT, msg: named }),
      });
    }
    const owners = place.host.netns.sh("nft list ruleset").match(/[^ ]+ \. \d+ comment "net eth0 \w+" : [^j]/g) ?? [];
    expect(owners).toHaveLength(2 * 3);
    expect(owners.every((line) => line.includes(`"net eth0 c${winner}"`))).toBe(true);
  });

  test("is free for another protocol, another address and another family", async () => {
    const place = site();
    await pod(place, "first", [{ ...WEB, hostIP: "0.0.0.0" }]);
    await pod(place, "second", [{ ...WEB, hostIP: "::" }, DNS, { ...WEB, protocol: "sctp" }]);
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe(`first ${OUTSIDE_V4}`);
    expect(await askTcp(place.outside, HOST_V6, 8080)).toBe(`second ${OUTSIDE_V6}`);
    expect(await askUdp(place.outside, HOST_V4, 8080)).toBe(`second ${OUTSIDE_V4}`);
    expect(place.host.netns.sh("nft list map inet tendril hostport_any_target_ipv4")).toContain("sctp . 8080");
  });

  test("stays that container's when somebody has wiped the ruleset", async () => {
    const place = site();
    const first = await pod(place, "first", [WEB, DNS]);
    const client = await udpClient(place.outside, 4);
    open.push(client);
    place.host.netns.sh("nft flush ruleset");
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe("ECONNREFUSED");
    expect(await client.ask(HOST_V4, 8080, BRIEFLY)).not.toContain("first");
    const check = await fail(place.host, {
      verb: "CHECK",
      container: first.container,
      config: withResult(portmap([WEB, DNS]), first.result),
    });
    expect(check).toMatchObject({ code: VERIFICATION, msg: expect.stringContaining('table inet "tendril" is gone') });
    const container = hosts.container("second");
    const result = await addChain(place.host, container, [{ config: { ...bridge(place.host), ipMasq: false } }]);
    const error = await fail(place.host, { verb: "ADD", container, config: withResult(portmap([WEB]), result) });
    expect(error).toMatchObject({ code: CONFLICT, msg: expect.stringContaining('container "first"') });
    // What had been wiped is back, for the client too that had found another way meanwhile.
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe(`first ${OUTSIDE_V4}`);
    expect(await client.ask(HOST_V4, 8080)).toBe(`first ${OUTSIDE_V4}`);
    await checkChain(place.host, first.container, first.chain, first.result);
  });
});

describe.concurrent("CHECK finds", () => {
  const damages: readonly (readonly [string, string, RegExp])[] = [
    [
      "an element that is gone",
      "nft delete element inet tendril hostport_any_target_ipv4 '{ tcp . 8080 }'",
      /^element tcp \. 8080 of "hostport_any_target_ipv4" in nf_tables table inet "tendril" is gone$/,
    ],
    [
      "an element that leads elsewhere",
      `nft delete element inet tendril hostport_any_target_ipv6 '{ udp . 8080 }'
       nft add element inet tendril hostport_any_target_ipv6 '{ udp . 8080 comment "net eth0 x" : fd77::9 . 53 }'`,
      /^element udp \. 8080 of "hostport_any_target_ipv6" .* is another one's: "net eth0 x"$/,
    ],
    [
      "a chain that was changed",
      "nft flush chain inet tendril hostport_masquerade_13",
      /^chain "hostport_masquerade_13" of nf_tables table inet "tendril" has been changed$/,
    ],
    [
      "a network's chain that was changed",
      "nft insert rule inet tendril hostport-any-10.77.0.0-24 return",
      /^chain "hostport-any-10.77.0.0-24" of nf_tables table inet "tendril" has been changed$/,
    ],
    [
      "loopback that was closed",
      "sysctl -qw net.ipv4.conf.br0.route_localnet=0",
      /^sysctl net\/ipv4\/conf\/br0\/route_localnet is 0, not 1$/,
    ],
  ];
  for (const [title, command, finding] of damages) {
    test(title, async () => {
      const place = site();
      const { container, chain, result } = await pod(place, "web", [WEB, DNS]);
      await checkChain(place.host, container, chain, result);
      place.host.netns.sh(command);
      const config = withResult(portmap([WEB, DNS]), result);
      const error = await fail(place.host, { verb: "CHECK", container, config });
      expect(error.code).toBe(VERIFICATION);
      expect(error.msg).toMatch(finding);
      await takeDown(place, { container, chain, result });
    });
  }
});

describe.concurrent("DEL", () => {
  const ports = [WEB, DNS, { ...WEB, hostPort: 8443, hostIP: HOST_V4 }];
  const elements = ({ host }: Site) => host.netns.sh("nft list table inet tendril").match(/^.*comment.*$/gm) ?? [];
  const lost = (host: Host) => rmSync(`${host.runFolder}/attachments`, { recursive: true });
  const ways: readonly (readonly [string, (host: Host, pod: Pod) => Config])[] = [
    ["from the record, whatever the configuration says", (_, { result }) => withResult(portmap([]), result)],
    ["from the record, without a result", () => portmap([{ ...WEB, hostPort: 1 }])],
    [
      "without a record, from the result that the runtime holds",
      (host, { result }) => {
        lost(host);
        return withResult(portmap(ports), result);
      },
    ],
    [
      "with neither record nor result",
      (host) => {
        lost(host);
        return portmap([]);
      },
    ],
  ];
  for (const [title, configOf] of ways) {
    test(`removes all that was made ${title}, and nothing of others`, async () => {
      const place = site();
      const other = await pod(place, "other", [{ ...WEB, hostPort: 8081 }]);
      const before = elements(place);
      const web = await pod(place, "web", ports);
      const [link] = web.chain;
      expect(elements(place)).not.toEqual(before);
      const config = configOf(place.host, web);
      await succeed(place.host, { verb: "DEL", container: { ...web.container, netns: "" }, config });
      await succeed(place.host, { verb: "DEL", container: { ...web.container, netns: "" }, config });
      const result = link === undefined ? {} : withResult(link.config, web.result);
      await succeed(place.host, { verb: "DEL", container: web.container, config: result as Config });
      expect(elements(place)).toEqual(before);
      expect(await askTcp(place.outside, HOST_V4, 8081)).toBe(`other ${OUTSIDE_V4}`);
      await takeDown(place, other);
    });
  }

  test("and GC take the rules away with the last port", async () => {
    const place = site();
    const web = await pod(place, "web", ports, { conditionsV4: ["-i", "up0"] });
    const gone = await pod(place, "gone", [{ ...WEB, hostPort: 8081 }]);
    const config = withValid(portmap([]), [web.container]);
    await succeed(place.host, { verb: "GC", config });
    expect(await askTcp(place.outside, HOST_V4, 8081)).toBe("ECONNREFUSED");
    expect(await askTcp(place.outside, HOST_V4, 8080)).toBe(`web ${OUTSIDE_V4}`);
    await takeDown(place, web);
    await takeDown(place, gone);
    expect(place.host.netns.sh("nft list table inet tendril")).toContain("hostport");
    await succeed(place.host, { verb: "GC", config: withValid(portmap([]), []) });
    expect(place.host.netns.sh("nft list ruleset")).not.toContain("hostport");
  });
});

describe.concurrent("what cannot be", () => {
  const refused: readonly (readonly [string, Fields, string])[] = [
    [
      "a host port of 0",
      { runtimeConfig: { portMappings: [{ ...WEB, hostPort: 0 }] } },
      "runtimeConfig.portMappings[0].hostPort",
    ],
    ["a bit that a mark does not have", { markMasqBit: 32 }, "markMasqBit"],
    ["a condition that is not understood", { conditionsV4: ["-m", "set"] }, "conditionsV4[1]"],
  ];
  for (const [title, fields, field] of refused) {
    test(`${title} is an error that names the field, and nothing has changed`, async () => {
      const { host } = site();
      const container = hosts.container("web");
      const result = await addChain(host, container, [{ config: bridge(host) }]);
      const before = await stateOf(host, [container.namespace]);
      const config = withResult(portmap([WEB], fields), result);
      const error = await fail(host, { verb: "ADD", container, config });
      expect(error).toMatchObject({ code: CONFIG, msg: expect.stringContaining(`"${field}"`) });
      expectSameState("a refused ADD", await stateOf(host, [container.namespace]), before);
    });
  }

  test("a container without addresses has no ports, and that is fine", async () => {
    const { host } = site();
    const container = hosts.container("web");
    const previous = { cniVersion: "1.1.0", interfaces: [{ name: "eth0", sandbox: container.netns }], ips: [] };
    const config = withResult(portmap([WEB]), previous);
    expect(await succeed(host, { verb: "ADD", container, config })).toMatchObject({ interfaces: previous.interfaces });
    await succeed(host, { verb: "CHECK", container, config });
    expect(host.netns.sh("nft list ruleset")).toBe("");
    await succeed(host, { verb: "DEL", container, config });
  });
});
