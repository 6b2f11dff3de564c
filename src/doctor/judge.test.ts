import { describe, expect, test } from "bun:test";
import type { DoctorFacts } from "./facts.ts";
import { CHECK_COUNT, judge } from "./judge.ts";

const AGENT = { version: "1.0.0", ready: true, problems: [], mode: "vxlan", mtu: 1450, families: [4] } as const;

const HEALTHY: DoctorFacts = {
  forwarding: { ipv4: true, ipv6: true },
  links: [
    { name: "eth0", mtu: 1500, reversePathFilter: 1 },
    { name: "tendril.vxlan", kind: "vxlan", mtu: 1450, reversePathFilter: 0 },
    { name: "cni0", kind: "bridge", mtu: 1500 },
  ],
  defaultRoutes: [{ family: 4, link: "eth0", gateway: "192.0.2.1", metric: 0 }],
  bridgeFrames: { ipv4: false, ipv6: false },
  legacyTables: [],
  droppingChains: [{ family: "ip", table: "filter", chain: "FORWARD", acceptsOurs: true }],
  connections: { count: 100, max: 1000 },
  networks: { folder: "/n", files: [{ name: "10-tendril.conflist", network: "tendril", isOurs: true }] },
  emptyFiles: [],
  agent: AGENT,
  agentExpectedBy: "/etc/tendril/agent.yaml",
  version: "1.0.0",
};

/** What is found when these facts are as given: the check, how severe, and the words of finding and remedy. */
function found(facts: Partial<DoctorFacts>) {
  return judge({ ...HEALTHY, ...facts }).map(({ check, severity, finding, remedy }) => ({
    is: `${severity} ${check}`,
    words: `${finding} | ${remedy}`,
  }));
}

function expectOne(facts: Partial<DoctorFacts>, is: string, ...words: readonly string[]): void {
  const findings = found(facts);
  expect(findings.map((finding) => finding.is)).toEqual([is]);
  for (const word of words) expect(findings[0]?.words).toContain(word);
}

test("a healthy node has no finding", () => {
  expect(found({})).toEqual([]);
  expect(CHECK_COUNT).toBeGreaterThan(10);
});

describe("it is found that", () => {
  test("the kernel does not forward", () => {
    expectOne({ forwarding: { ipv4: false, ipv6: true } }, "error forwarding", "net.ipv4.ip_forward=1");
    expectOne({ forwarding: { ipv4: true, ipv6: false } }, "info forwarding", "net.ipv6.conf.all.forwarding=1");
    const agent = { ...AGENT, families: [4, 6] as const };
    expectOne({ forwarding: { ipv4: true, ipv6: false }, agent }, "error forwarding", "IPv6");
    expect(found({ forwarding: { ipv4: true, ipv6: undefined }, agent })).toEqual([]);
  });

  test("a link has what routers advertise, to whom the kernel does not listen any more", () => {
    const link = { name: "eth0", mtu: 1500, isAdvertised: true, acceptsAdvertisements: 1, forwardsIpv6: true } as const;
    expectOne({ links: [link] }, "warning router-advertisements", '"eth0"', "net/ipv6/conf/eth0/accept_ra=2");
    const fine = [
      { acceptsAdvertisements: 0 },
      { acceptsAdvertisements: 2 },
      { forwardsIpv6: false },
      { isAdvertised: undefined },
    ];
    for (const fields of fine) expect(found({ links: [{ ...link, ...fields } as typeof link] })).toEqual([]);
  });

  test("a tunnel looks at sources strictly, and a link that is none may", () => {
    const tunnel = { name: "tunl", kind: "ipip", mtu: 1480, reversePathFilter: 1 };
    expectOne({ links: [tunnel] }, "warning reverse-path-filter", '"tunl"', "conf/tunl/rp_filter=2");
    expect(found({ links: [{ ...tunnel, reversePathFilter: 2 }] })).toEqual([]);
  });

  test("frames of bridges pass rules for packets", () => {
    const bridgeFrames = { ipv4: true, ipv6: false };
    expectOne({ bridgeFrames }, "warning bridge-frames", '"cni0"', "bridge-nf-call-iptables=0");
    expectOne({ bridgeFrames, droppingChains: [] }, "info bridge-frames");
    expect(found({ bridgeFrames, links: [] })).toEqual([]);
  });

  test("iptables' older kind is in use", () => {
    const legacyTables = [{ family: 6, tables: ["filter", "nat"] }] as const;
    expectOne({ legacyTables }, "warning legacy-iptables", "filter, nat", "ip6tables-legacy-save");
  });

  test("somebody's chain drops what it does not know", () => {
    const chain = { family: "inet", table: "firewalld", chain: "filter_FORWARD", acceptsOurs: false } as const;
    expectOne({ droppingChains: [chain] }, "error forward-policy", '"firewalld" "filter_FORWARD"', "0x1000 accept");
    expectOne({ droppingChains: undefined }, "info forward-policy");
  });

  test("packets do not fit through the link below", () => {
    const links = [
      { name: "eth0", mtu: 1400 },
      { name: "vx", kind: "vxlan", mtu: 1450 },
    ];
    const agent = { ...AGENT, mtu: undefined };
    expectOne({ links, agent }, "error mtu", '"vx"', "ip link set eth0 mtu 1500", '"mtu: 1350"');
    const directly = { ...AGENT, mode: "host-gw", mtu: 9000 };
    expectOne({ agent: directly }, "error mtu", "mode host-gw", "takes 1500");
    expect(found({ agent: { ...directly, mtu: 1500 } })).toEqual([]);
    expect(found({ links, defaultRoutes: [] })).toEqual([]);
  });

  test("there are two ways to the world", () => {
    const [route] = HEALTHY.defaultRoutes;
    if (route === undefined) throw new Error("no route");
    const other = { ...route, link: "eth1", metric: 100 };
    expectOne({ defaultRoutes: [route, other] }, "warning default-routes", '"eth1" with metric 100');
    expect(found({ defaultRoutes: [route, { ...route, metric: 5 }] })).toEqual([]);
    expect(found({ defaultRoutes: [route, { family: 6, link: "eth0", metric: 0 }] })).toEqual([]);
  });

  test("the table of connections is nearly, or wholly, full", () => {
    expectOne({ connections: { count: 950, max: 1000 } }, "warning connections", "nf_conntrack_max=2000");
    expectOne({ connections: { count: 1000, max: 1000 } }, "error connections");
    expect(found({ connections: undefined })).toEqual([]);
  });

  test("a file of a network cannot be used", () => {
    for (const [problem, word] of [
      ["empty", "is empty"],
      ["no JSON", "is not JSON"],
      ["no network", "describes no network"],
    ] as const) {
      const files = [{ name: "00-x.conf", problem, isOurs: false }, ...HEALTHY.networks.files];
      expectOne(
        { networks: { folder: "/n", files } },
        "error network-files",
        '"/n/00-x.conf"',
        word,
        "rm /n/00-x.conf",
      );
    }
  });

  test("a runtime takes another network before ours, or does not see ours", () => {
    const other = { name: "05-other.conflist", network: "other", isOurs: false };
    const [ours] = HEALTHY.networks.files;
    if (ours === undefined) throw new Error("no file");
    expectOne({ networks: { folder: "/n", files: [other, ours] } }, "warning foreign-network", '"05-other.conflist"');
    expect(found({ networks: { folder: "/n", files: [ours, { ...other, name: "20-other.conflist" }] } })).toEqual([]);
    expectOne({ networks: { folder: "/n", files: [other] } }, "warning foreign-network", "networkConfig");
  });

  test("files have lost their content", () => {
    expectOne({ emptyFiles: ["/r/a"] }, "warning empty-files", "/r/a", "rm /r/a");
    expectOne({ emptyFiles: [..."abcdefg"] }, "warning empty-files", "a, b, c, d, e and 2 more");
  });

  test("the agent is down, old, or not ready", () => {
    expectOne({ agent: undefined }, "error agent", "tendril agent --config /etc/tendril/agent.yaml");
    expectOne({ agent: undefined, agentExpectedBy: undefined }, "info agent");
    expectOne({ agent: { ...AGENT, version: "0.9.0" } }, "warning agent", "0.9.0", "Restart");
    expectOne({ agent: { ...AGENT, ready: false, problems: ["No block."] } }, "error agent", "No block.");
  });
});

test("the worst comes first", () => {
  const findings = found({ emptyFiles: ["/x"], forwarding: { ipv4: false, ipv6: false } });
  expect(findings.map(({ is }) => is)).toEqual(["error forwarding", "warning empty-files", "info forwarding"]);
});
