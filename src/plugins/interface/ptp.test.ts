import { describe, expect, test } from "bun:test";
import type { Result } from "../../core/result.ts";
import { configError, KEY, NETNS, ofKind, parseWith, planWith } from "../test-support/planning.ts";
import { ptp } from "./ptp.ts";

const fields = { ipam: { type: "host-local" } };
const ipv4: Result = { ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1" }], routes: [{ dst: "0.0.0.0/0" }] };
const dual: Result = { ips: [...(ipv4.ips ?? []), { address: "fd00::5/64", gateway: "fd00::1" }] };

describe("the plan", () => {
  test("has a pair whose names and MACs the result says", () => {
    const plan = planWith(ptp, fields, { ipam: ipv4 });
    const [veth] = ofKind(plan, "link");
    if (veth?.type !== "veth") throw new Error("no pair");
    expect(plan.result).toEqual({
      interfaces: [
        { name: veth.name, mac: veth.mac },
        { name: "eth0", mac: veth.peer.mac, sandbox: NETNS },
      ],
      ips: [{ address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 1 }],
      routes: [{ dst: "0.0.0.0/0" }],
    });
  });

  test("gives the host's end the gateway's address alone and the routes to the container's", () => {
    const plan = planWith(ptp, fields, { ipam: dual });
    const onHost = <T extends { readonly where: string }>(list: T[]) => list.filter(({ where }) => where === "host");
    expect(onHost(ofKind(plan, "address")).map(({ address }) => address)).toEqual(["10.1.0.1/32", "fd00::1/128"]);
    expect(onHost(ofKind(plan, "route"))).toMatchObject([
      { destination: "10.1.0.5/32", scope: 254 },
      { destination: "fd00::5/128", scope: undefined },
    ]);
  });

  test("routes all of the container's networks by the gateway, before what the IPAM plugin says", () => {
    const plan = planWith(ptp, fields, { ipam: ipv4 });
    const inside = ofKind(plan, "route").filter(({ where }) => where === "container");
    expect(inside.map(({ destination, gateway, preferredSource }) => [destination, gateway, preferredSource])).toEqual([
      ["10.1.0.1/32", undefined, "10.1.0.5"],
      ["10.1.0.0/16", "10.1.0.1", "10.1.0.5"],
      ["0.0.0.0/0", "10.1.0.1", undefined],
    ]);
    expect(ofKind(plan, "address")[0]).toMatchObject({ where: "container", noPrefixRoute: true });
  });

  test("routes to a gateway and a network once, and to no network of a single address", () => {
    const plan = planWith(ptp, fields, {
      ipam: {
        ips: [
          { address: "10.1.0.5/16", gateway: "10.1.0.1" },
          { address: "10.1.0.6/16", gateway: "10.1.0.1" },
          { address: "10.2.0.5/32", gateway: "10.1.0.1" },
        ],
      },
    });
    const destinations = ofKind(plan, "route").map(({ where, destination }) => `${where} ${destination}`);
    expect(destinations).toEqual([
      "container 10.1.0.1/32",
      "container 10.1.0.0/16",
      "host 10.1.0.5/32",
      "host 10.1.0.6/32",
      "host 10.2.0.5/32",
    ]);
    expect(ofKind(plan, "address").filter(({ where }) => where === "host")).toHaveLength(1);
  });

  test("takes another gateway of the network for one on the link", () => {
    const ipam = { ...ipv4, routes: [{ dst: "10.9.0.0/16", gw: "10.1.0.77" }, { dst: "0.0.0.0/0" }] };
    const routes = ofKind(planWith(ptp, fields, { ipam }), "route");
    expect(routes.filter(({ onlink }) => onlink).map(({ gateway }) => gateway)).toEqual(["10.1.0.77"]);
  });

  test("forwards in the families of the addresses", () => {
    const names = (ipam: Result) =>
      ofKind(planWith(ptp, fields, { ipam }), "sysctl").flatMap(({ name, shared }) => (shared ? [name] : []));
    expect(names(ipv4)).toEqual(["net/ipv4/ip_forward"]);
    expect(names(dual)).toEqual(["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"]);
  });

  test("keeps the container from giving the host routes, and the host's end from waiting", () => {
    const names = (ipam: Result) =>
      ofKind(planWith(ptp, fields, { ipam }), "sysctl").flatMap(({ name, where, shared }) =>
        where === "host" && !shared ? [name.replace(/conf\/veth\w+/, "conf/VETH")] : [],
      );
    expect(names(ipv4)).toEqual(["net/ipv6/conf/VETH/accept_ra"]);
    expect(names(dual)).toEqual(["net/ipv6/conf/VETH/accept_ra", "net/ipv6/conf/VETH/accept_dad"]);
  });

  test("masquerades only when it is asked to", () => {
    const elements = (more: object) =>
      ofKind(planWith(ptp, { ...fields, ...more }, { ipam: dual }), "nft-element").map(({ element }) => element.key);
    expect(elements({})).toEqual([]);
    expect(elements({ ipMasq: true })).toEqual([["10.1.0.5"], ["fd00::5"]]);
    expect(elements({ ipMasq: true, ipMasqBackend: "nftables" })).toEqual([["10.1.0.5"], ["fd00::5"]]);
  });

  test("has the MTU at both ends", () => {
    expect(ofKind(planWith(ptp, { ...fields, mtu: 1300 }, { ipam: ipv4 }), "link")[0]).toMatchObject({ mtu: 1300 });
    expect(ofKind(planWith(ptp, { ...fields, mtu: 0 }, { ipam: ipv4 }), "link")[0]).toMatchObject({ mtu: undefined });
  });

  test("passes on the configuration's DNS settings, or else those of the IPAM plugin", () => {
    const ipam = { ...ipv4, dns: { nameservers: ["10.0.0.1"] } };
    expect(planWith(ptp, fields, { ipam }).result.dns).toEqual({ nameservers: ["10.0.0.1"] });
    const dns = { domain: "a.example" };
    expect(planWith(ptp, { ...fields, dns }, { ipam }).result.dns).toEqual(dns);
  });

  test("takes the names of another vendor's ADD from its result", () => {
    const adopted: Result = {
      interfaces: [
        { name: "veth12345678", mac: "0a:00:00:00:00:02" },
        { name: "eth0", mac: "0a:00:00:00:00:03", sandbox: NETNS },
      ],
    };
    expect(ofKind(planWith(ptp, fields, { ipam: ipv4, adopted }), "link")[0]).toMatchObject({
      name: "veth12345678",
      mac: "0a:00:00:00:00:02",
      peer: { name: "eth0", mac: "0a:00:00:00:00:03" },
    });
  });

  test("expects of another vendor's ADD no more than that makes", () => {
    const plan = planWith(ptp, fields, { ipam: dual, adopted: { interfaces: [{ name: "veth12345678" }] } });
    expect(ofKind(plan, "sysctl").map(({ name }) => name)).not.toContain("net/ipv6/conf/veth12345678/accept_dad");
    expect(ofKind(plan, "address").map(({ duplicateDetection }) => duplicateDetection)).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  test("of a lost attachment takes away whatever elements are its own", () => {
    const plan = planWith(ptp, { ...fields, ipMasq: true }, { ipam: { ips: [] }, recovering: true });
    expect(ofKind(plan, "nft-owned")).toMatchObject([{ comment: `net eth0 ${KEY.containerId}` }]);
  });
});

describe("refused is", () => {
  const wrong: readonly (readonly [field: string, value: unknown])[] = [
    ["ipMasq", "yes"],
    ["ipMasqBackend", "pf"],
    ["mtu", "1500"],
    ["mtu", -1],
    ["mtu", 67],
    ["mtu", 65536],
  ];
  test.each(wrong)("%s %p", (field, value) => {
    const error = configError(() => parseWith(ptp, { ...fields, [field]: value }));
    expect(error.field).toBe(field);
    expect(error.message).toContain(JSON.stringify(value));
  });

  test("a configuration without ipam", () => {
    expect(configError(() => parseWith(ptp, {})).message).toContain('"ipam" is missing: ptp needs addresses');
  });

  test("an address without a gateway, but not when it is about to be removed", () => {
    const ipam = { ips: [{ address: "10.1.0.5/16" }] };
    const error = configError(() => planWith(ptp, fields, { ipam }));
    expect(error.message).toContain('"ipam" must give a gateway with each address');
    expect(error.message).toContain('"10.1.0.5/16"');
    expect(() => planWith(ptp, fields, { ipam, adopted: ipam })).not.toThrow();
    expect(() => planWith(ptp, fields, { ipam, recovering: true })).not.toThrow();
  });
});
