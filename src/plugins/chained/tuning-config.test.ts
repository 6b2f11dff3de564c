import { describe, expect, test } from "bun:test";
import { ConfigError } from "../../core/errors.ts";
import type { NetworkConfig } from "../../core/plugin.ts";
import { parametersOf, parseTuningConfig } from "./tuning-config.ts";

const base = { cniVersion: "1.1.0", name: "net", type: "tuning" };
const a = "02:00:00:00:00:0a";
const b = "02:00:00:00:00:0b";
const c = "02:00:00:00:00:0c";
const d = "02:00:00:00:00:0d";

function parse(fields: Record<string, unknown>, args: Record<string, string> = {}) {
  return parseTuningConfig({ ...base, ...fields } as NetworkConfig, new Map(Object.entries(args)));
}

function refusal(work: () => unknown): ConfigError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("It was accepted");
}

const nothing = {
  mac: undefined,
  promisc: undefined,
  mtu: undefined,
  allmulticast: undefined,
  txQueueLength: undefined,
};

test("without fields nothing is changed", () => {
  expect(parse({})).toEqual({ sysctl: new Map(), settings: nothing, dataDir: "/run/cni/tuning" });
});

test("null, the empty MAC, MTU 0 and promisc false ask for nothing, as for the reference plugin", () => {
  const fields = { sysctl: null, mac: "", promisc: false, mtu: 0, allmulti: null, txQLen: null, dataDir: "" };
  expect(parse(fields)).toEqual(parse({}));
});

test("each field has its meaning, whatever its case", () => {
  expect(
    parse({
      SYSCTL: { "net.core.somaxconn": "500" },
      MAC: "02-00-00-00-00-0A",
      Promisc: true,
      mtu: 1400,
      dataDir: "/x",
    }),
  ).toEqual({
    sysctl: new Map([["net.core.somaxconn", "500"]]),
    settings: { ...nothing, mac: a, promisc: true, mtu: 1400 },
    dataDir: "/x",
  });
  expect(parse({ allmulti: false, txQLen: 0 }).settings).toEqual({ ...nothing, allmulticast: false, txQueueLength: 0 });
});

describe("the MAC", () => {
  test("of args.cni comes before runtimeConfig's, that before the one of CNI_ARGS, and that before the field's", () => {
    const all = { mac: d, runtimeConfig: { mac: b }, args: { cni: { mac: a } } };
    const args = { MAC: c };
    expect(parse(all, args).settings.mac).toBe(a);
    expect(parse({ ...all, args: undefined }, args).settings.mac).toBe(b);
    expect(parse({ mac: d, runtimeConfig: { mac: "" } }, args).settings.mac).toBe(c);
    expect(parse({ mac: d }, { MAC: "" }).settings.mac).toBe(d);
  });

  test("that is empty in args.cni takes away the others", () => {
    expect(parse({ mac: d, args: { cni: { mac: "" } } }, { MAC: c }).settings.mac).toBeUndefined();
  });
});

test("args.cni comes before the fields, parameter by parameter", () => {
  const parsed = parse({
    sysctl: { "net.a": "1", "net.b": "2" },
    promisc: true,
    mtu: 1400,
    allmulti: true,
    txQLen: 5,
    args: { cni: { sysctl: { "net.b": "3" }, promisc: false, mtu: 0, allmulti: false, txQLen: 6 } },
  });
  expect([...parsed.sysctl]).toEqual([
    ["net.a", "1"],
    ["net.b", "3"],
  ]);
  expect(parsed.settings).toEqual({ ...nothing, allmulticast: false, txQueueLength: 6 });
});

describe("the names of parameters", () => {
  const nameOf = (key: string, ifname = "eth0.100") => parametersOf(new Map([[key, "1"]]), ifname)[0]?.name;

  test("have dots or slashes, and IFNAME for the interface, whose own dots stay", () => {
    expect(nameOf("net.core.somaxconn")).toBe("net/core/somaxconn");
    expect(nameOf("net/core/somaxconn")).toBe("net/core/somaxconn");
    expect(nameOf("net.ipv4.conf.IFNAME.arp_filter")).toBe("net/ipv4/conf/eth0.100/arp_filter");
    expect(nameOf("net.ipv4.conf.IFNAME.IFNAME")).toBe("net/ipv4/conf/eth0.100/IFNAME");
    expect(nameOf("net.ipv4.conf.IFNAME.x", "$&")).toBe("net/ipv4/conf/$&/x");
  });

  test("cannot leave the part that is the network's", () => {
    for (const key of ["kernel.shmmax", "net", "net.", "", "..", "../kernel/x", "net..//", "IFNAME.x"]) {
      const error = refusal(() => parse({ sysctl: { [key]: "1" } }));
      expect(error.field).toBe("sysctl");
      expect(error.message).toContain(JSON.stringify(key));
    }
    // As every dot parts words, none leads out of a folder.
    expect(nameOf("../net/ipv4/../kernel")).toBe("net/ipv4/kernel");
  });

  test("name a parameter once", () => {
    const error = refusal(() => parse({ sysctl: { "net.core.somaxconn": "1", "net/core/somaxconn": "2" } }));
    expect(error.message).toContain('"net.core.somaxconn"');
    expect(error.message).toContain('"net/core/somaxconn"');
    const twice = new Map([
      ["net.ipv4.conf.IFNAME.x", "1"],
      ["net.ipv4.conf.eth0.x", "2"],
    ]);
    expect(refusal(() => parametersOf(twice, "eth0")).field).toBe("sysctl");
  });
});

describe("a wrong field is named with its value", () => {
  const wrong: [fields: Record<string, unknown>, field: string, value: string][] = [
    [{ sysctl: "net.core.somaxconn" }, "sysctl", '"net.core.somaxconn"'],
    [{ sysctl: ["net.core.somaxconn"] }, "sysctl", "somaxconn"],
    [{ sysctl: { "net.core.somaxconn": 500 } }, "sysctl.net.core.somaxconn", "500"],
    [{ sysctl: { "net.core.somaxconn": null } }, "sysctl.net.core.somaxconn", "null"],
    [{ mac: 7 }, "mac", "7"],
    [{ mac: "nonsense" }, "mac", '"nonsense"'],
    [{ mac: "01:00:5e:00:00:01" }, "mac", '"01:00:5e:00:00:01"'],
    [{ mac: "00:00:00:00:00:00" }, "mac", '"00:00:00:00:00:00"'],
    [{ promisc: "yes" }, "promisc", '"yes"'],
    [{ mtu: "1500" }, "mtu", '"1500"'],
    [{ mtu: -1 }, "mtu", "-1"],
    [{ mtu: 1500.5 }, "mtu", "1500.5"],
    [{ allmulti: 1 }, "allmulti", "1"],
    [{ txQLen: -1 }, "txQLen", "-1"],
    [{ txQLen: "5" }, "txQLen", '"5"'],
    [{ dataDir: 7 }, "dataDir", "7"],
    [{ runtimeConfig: "x" }, "runtimeConfig", '"x"'],
    [{ runtimeConfig: { mac: "x" } }, "runtimeConfig.mac", '"x"'],
    [{ args: "x" }, "args", '"x"'],
    [{ args: { cni: 7 } }, "args.cni", "7"],
    [{ args: { cni: { sysctl: 7 } } }, "args.cni.sysctl", "7"],
    [{ args: { cni: { mac: "x" } } }, "args.cni.mac", '"x"'],
    [{ args: { cni: { promisc: 1 } } }, "args.cni.promisc", "1"],
    [{ args: { cni: { mtu: -5 } } }, "args.cni.mtu", "-5"],
    [{ args: { cni: { allmulti: "x" } } }, "args.cni.allmulti", '"x"'],
    [{ args: { cni: { txQLen: 0.5 } } }, "args.cni.txQLen", "0.5"],
  ];
  for (const [fields, field, value] of wrong) {
    test(JSON.stringify(fields), () => {
      const error = refusal(() => parse(fields));
      expect(error.field).toBe(field);
      expect(error.message).toContain(value);
    });
  }

  test("a MAC of CNI_ARGS", () => {
    expect(refusal(() => parse({}, { MAC: "zz" })).field).toBe("CNI_ARGS MAC");
  });
});
