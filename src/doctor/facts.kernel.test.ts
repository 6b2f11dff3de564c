import { afterAll, beforeAll, expect } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { needs, program, root } from "../../test/support/needs.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import { inNetns } from "../linux/netns.ts";
import { commit } from "../linux/nftables/batch.ts";
import { addChain } from "../linux/nftables/chain.ts";
import { addRule } from "../linux/nftables/rule.ts";
import { addTable } from "../linux/nftables/table.ts";
import { netfilterNamespaces } from "../linux/nftables/test-support/netfilter.ts";
import { type DoctorFacts, type DoctorPlaces, gatherFacts } from "./facts.ts";
import { judge } from "./judge.ts";

const namespaces = netfilterNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("nsenter"));

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tendril-doctor-"));
  for (const path of ["net.d", "results", "networks/mynet"]) mkdirSync(join(folder, path), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

const places = (): DoctorPlaces => ({
  networkFolder: join(folder, "net.d"),
  cacheFolder: folder,
  leaseFolder: join(folder, "networks"),
  agent: undefined,
  agentConfig: join(folder, "agent.yaml"),
  version: "1",
});

kernelTest("what is wrong in a namespace and its folders is found", () => {
  const host = namespaces.fresh();
  const look = () => inNetns(host.netns, () => gatherFacts(places()));
  const checks = (facts: DoctorFacts) => judge(facts).map(({ check, severity }) => `${severity} ${check}`);
  host.sh(`echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up
    ip addr add 192.0.2.1/24 dev up0; ip route add default via 192.0.2.254`);
  expect(checks(look())).toEqual(["info agent"]);

  host.sh(`echo 0 >/proc/sys/net/ipv4/ip_forward
    ip link add vx0 type vxlan id 7 dstport 4789 local 192.0.2.1; ip link set vx0 mtu 1500
    echo 1 >/proc/sys/net/ipv4/conf/vx0/rp_filter; echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
    ip addr add 198.51.100.1/24 dev up1; ip route add default via 198.51.100.254 metric 9`);
  const chain = { family: "ip", table: "filter", name: "FORWARD" } as const;
  const base = { type: "filter", hook: "forward", priority: "filter", policy: "drop" } as const;
  commit(host.netfilter, [addTable({ family: "ip", name: "filter" }), addChain({ ...chain, base })]);
  const write = (path: string, text: string) => writeFileSync(join(folder, path), text);
  write("net.d/00-empty.conf", "");
  write("net.d/05-other.conflist", '{"name":"other","plugins":[{"type":"bridge"}]}');
  write("net.d/10-tendril.conflist", '{"name":"tendril","plugins":[{"type":"tendril"}]}');
  write("net.d/readme.txt", "");
  write("results/net-c1-eth0", "");
  write("networks/mynet/10.1.0.2", "");
  write("networks/mynet/lock", "");
  const facts = look();
  expect(checks(facts)).toEqual([
    "error forwarding",
    "error forward-policy",
    "error mtu",
    "error network-files",
    "error agent",
    "warning reverse-path-filter",
    "warning default-routes",
    "warning foreign-network",
    "warning empty-files",
  ]);
  expect(facts.emptyFiles).toEqual([join(folder, "results/net-c1-eth0"), join(folder, "networks/mynet/10.1.0.2")]);

  host.sh(`echo 1 >/proc/sys/net/ipv6/conf/up0/accept_ra
    ip -6 route add default via fe80::1 dev up0 proto ra; ip -6 addr add 2001:db8::9/64 dev up1 valid_lft 900 preferred_lft 900`);
  expect(checks(look())).toContain("warning router-advertisements");
  const isAdvertised = (name: string) => look().links.find((link) => link.name === name)?.isAdvertised;
  expect([isAdvertised("up0"), isAdvertised("up1"), isAdvertised("vx0")]).toEqual([true, true, undefined]);

  const statements = [
    { kind: "match", key: "meta mark", mask: 0x1000, operator: "==", value: 0x1000 },
    { kind: "verdict", verdict: "accept" },
  ] as const;
  commit(host.netfilter, addRule({ family: "ip", table: "filter", chain: "FORWARD", statements }));
  expect(look().droppingChains).toEqual([{ family: "ip", table: "filter", chain: "FORWARD", acceptsOurs: true }]);
});
