import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { ValidAttachment } from "../../core/plugin.ts";
import type { Result } from "../../core/result.ts";
import { inTemporaryFolder, networkConfig, type Outcome, runCall, type TestCall } from "../test-support/call.ts";
import { hostLocal } from "./index.ts";

const FOUR = { subnet: "10.1.0.0/24", rangeStart: "10.1.0.2", rangeEnd: "10.1.0.5" };
const SIX = { subnet: "fd00::/64", rangeStart: "fd00::10", rangeEnd: "fd00::12" };

type More = Record<string, unknown>;

/** A network in a temporary folder. */
function withNetwork(ipam: More, work: (network: ReturnType<typeof makeNetwork>) => void): void {
  inTemporaryFolder((folder) => work(makeNetwork(folder, ipam)));
}

function makeNetwork(folder: string, ipam: More) {
  const directory = join(folder, "net");
  const call = (verb: TestCall["verb"], containerId: string, more: More = {}, ifname = "eth0", args = {}): Outcome =>
    runCall(hostLocal, {
      verb,
      containerId,
      ifname,
      args,
      config: networkConfig({ dataDir: folder, ...ipam, ...((more.ipam as More | undefined) ?? {}) }, omitIpam(more)),
    });
  const add = (containerId: string, more: More = {}, ifname = "eth0", args = {}): string[] => {
    const { result, error } = call("add", containerId, more, ifname, args);
    if (error !== undefined) throw new Error(`${error.name}: ${error.message}`);
    return ((result as Result).ips ?? []).map(({ address }) => address);
  };
  return {
    folder,
    directory,
    call,
    add,
    path: (name: string) => join(directory, name),
    read: (name: string) => readFileSync(join(directory, name), "utf8"),
    /** Addresses that have a file. */
    leases: () =>
      (existsSync(directory) ? readdirSync(directory).filter((name) => /^(10\.|fd)/.test(name)) : []).toSorted(),
  };
}

function omitIpam({ ipam: _, ...rest }: More): More {
  return rest;
}

const valid = (...attachments: [string, string][]): { validAttachments: ValidAttachment[] } => ({
  validAttachments: attachments.map(([containerId, ifname]) => ({ containerId, ifname })),
});

const given = (...addresses: string[]): More => ({ prevResult: { ips: addresses.map((address) => ({ address })) } });

describe("ADD", () => {
  test("answers with address, gateway, routes and DNS settings and no interfaces", () =>
    withNetwork(
      { ranges: [[FOUR], [SIX]], routes: [{ dst: "0.0.0.0/0" }, { dst: "fd01::/64", gw: "fd00::1" }] },
      (n) => {
        const resolvConf = join(n.folder, "resolv.conf");
        writeFileSync(resolvConf, "nameserver 192.0.2.1\nsearch example\n");
        expect(n.call("add", "c1", { ipam: { resolvConf } })).toEqual({
          result: {
            ips: [
              { address: "10.1.0.2/24", gateway: "10.1.0.1" },
              { address: "fd00::10/64", gateway: "fd00::1" },
            ],
            routes: [{ dst: "0.0.0.0/0" }, { dst: "fd01::/64", gw: "fd00::1" }],
            dns: { nameservers: ["192.0.2.1"], search: ["example"] },
          },
          warnings: [],
        });
      },
    ));

  test("writes the reference plugin's files, byte for byte", () =>
    withNetwork({ ranges: [[FOUR], [SIX]] }, (n) => {
      n.add("c1");
      n.add("c2", {}, "net1");
      expect(n.leases()).toEqual(["10.1.0.2", "10.1.0.3", "fd00::10", "fd00::11"]);
      expect(n.read("10.1.0.2")).toBe("c1\r\neth0");
      expect(n.read("fd00::11")).toBe("c2\r\nnet1");
      expect(n.read("last_reserved_ip.0")).toBe("10.1.0.3");
      expect(n.read("last_reserved_ip.1")).toBe("fd00::11");
      expect(statSync(n.path("10.1.0.2")).mode & 0o777).toBe(0o600);
      expect(statSync(n.directory).mode & 0o777).toBe(0o755);
      expect(statSync(n.path("lock")).isFile()).toBe(true);
    }));

  test("goes round the range, so that a released address rests", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      expect(n.add("c1")).toEqual(["10.1.0.2/24"]);
      n.call("del", "c1");
      expect(n.add("c2")).toEqual(["10.1.0.3/24"]);
      expect(n.add("c3")).toEqual(["10.1.0.4/24"]);
      expect(n.add("c4")).toEqual(["10.1.0.5/24"]);
      expect(n.add("c5")).toEqual(["10.1.0.2/24"]);
    }));

  test("begins at the first address when last_reserved_ip is damaged or of another range", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      mkdirSync(n.directory);
      for (const [i, content] of ["", "rubbish", "192.0.2.9", "fd00::1"].entries()) {
        writeFileSync(n.path("last_reserved_ip.0"), content);
        expect(n.add(`c${i}`)).toEqual(["10.1.0.2/24"]);
        n.call("del", `c${i}`);
      }
    }));

  test("finds the one free address of a range with a thousand leases", () =>
    withNetwork({ subnet: "10.1.0.0/20" }, (n) => {
      mkdirSync(n.directory);
      for (let i = 2; i < 4095; i++) {
        if (i !== 2222) writeFileSync(n.path(`10.1.${i >> 8}.${i & 255}`), `c${i}\r\neth0`);
      }
      expect(n.add("new")).toEqual([`10.1.${2222 >> 8}.${2222 & 255}/20`]);
      expect(n.call("add", "more").error?.message).toContain("all 4093 are leased");
    }));

  test("refuses a second address for one attachment, and gives one to another interface", () =>
    withNetwork({ ranges: [[FOUR], [SIX]] }, (n) => {
      n.add("c1");
      const { error } = n.call("add", "c1");
      expect(error?.name).toBe("ConflictError");
      expect(error?.message).toContain('container "c1" interface "eth0": it holds 10.1.0.2 in network "net" already');
      expect(n.call("add", "c1", {}, "eth0", { IP: "10.1.0.4" }).error?.name).toBe("ConflictError");
      expect(n.add("c1", {}, "eth1")).toEqual(["10.1.0.3/24", "fd00::11/64"]);
      expect(n.leases()).toHaveLength(4);
    }));

  test("an address out of today's ranges does not stand in the way", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      n.add("c1");
      expect(n.add("c1", { ipam: { ranges: [[{ subnet: "10.2.0.0/24" }]] } })).toEqual(["10.2.0.2/24"]);
    }));

  test("a full range is an AddressError that says which, how many and where, and changes nothing", () =>
    withNetwork({ ranges: [[SIX], [FOUR]] }, (n) => {
      for (let i = 0; i < 4; i++) writeLease(n, `10.1.0.${i + 2}`, `x${i}\r\neth0`);
      const { error } = n.call("add", "c1");
      expect(error?.name).toBe("AddressError");
      expect(error?.message).toBe(
        `No address is left in "ipam.ranges[1]" (10.1.0.2-10.1.0.5): all 4 are leased in "${n.directory}"`,
      );
      expect(n.leases()).toHaveLength(4);
      expect(existsSync(n.path("last_reserved_ip.0"))).toBe(false);
    }));

  test("a set whose only address is its gateway has none to lease", () =>
    withNetwork({ subnet: "10.1.0.0/24", rangeStart: "10.1.0.1", rangeEnd: "10.1.0.1" }, (n) => {
      expect(n.call("add", "c1").error?.message).toContain("all 0 are leased");
    }));

  test("a failed write releases what the same call has leased", () =>
    withNetwork({ ranges: [[FOUR], [SIX]] }, (n) => {
      mkdirSync(n.directory);
      // A folder with the name of the second set's hint makes its write fail after both leases are there.
      mkdirSync(n.path("last_reserved_ip.1"));
      const { error } = n.call("add", "c1", {}, "eth0", { IP: "fd00::12" });
      expect(error?.name).toBe("FileError");
      expect(error?.message).toContain(n.path("last_reserved_ip.1"));
      expect(n.leases()).toEqual([]);
    }));

  test("a missing resolv.conf fails before anything is leased", () =>
    withNetwork({ ranges: [[FOUR]], resolvConf: "/nonexistent/resolv.conf" }, (n) => {
      expect(n.call("add", "c1").error?.name).toBe("FileError");
      expect(existsSync(n.directory)).toBe(false);
    }));
});

describe("requested addresses", () => {
  const sources: [string, More, Record<string, string>][] = [
    ["IP of CNI_ARGS", {}, { IP: "10.1.0.4" }],
    ["args.cni.ips", { args: { cni: { ips: ["10.1.0.4/24"] } } }, {}],
    ["runtimeConfig.ips", { runtimeConfig: { ips: ["10.1.0.4"] } }, {}],
  ];
  for (const [source, more, args] of sources) {
    test(`are leased when asked for by ${source}, and the next ADD goes on behind them`, () =>
      withNetwork({ ranges: [[FOUR], [SIX]] }, (n) => {
        expect(n.add("c1", more, "eth0", args)).toEqual(["10.1.0.4/24", "fd00::10/64"]);
        expect(n.add("c2")).toEqual(["10.1.0.5/24", "fd00::11/64"]);
        const { error } = n.call("add", "c3", more, "eth0", args);
        expect(error?.name).toBe("AddressError");
        expect(error?.message).toContain('it is leased to container "c1" interface "eth0"');
      }));
  }

  test("may be one for each set", () =>
    withNetwork({ ranges: [[FOUR], [SIX]] }, (n) => {
      expect(n.add("c1", { runtimeConfig: { ips: ["fd00::12", "10.1.0.3"] } })).toEqual(["10.1.0.3/24", "fd00::12/64"]);
    }));

  const refused: [string, string[], string][] = [
    ["in no range", ["10.1.0.9"], "it is in no range"],
    ["that is a gateway", ["10.1.0.3"], 'it is the gateway of "ipam.ranges[0]"'],
    ["beside another of the same set", ["10.1.0.2", "10.1.0.4"], '10.1.0.2 ("runtimeConfig.ips[0]") is in the same'],
    ["beside one that is in no range", ["10.1.0.2", "192.0.2.1"], '192.0.2.1, which "runtimeConfig.ips[1]" asks for'],
  ];
  for (const [what, ips, message] of refused) {
    test(`${what} are refused, and nothing is made`, () =>
      withNetwork({ ranges: [[{ ...FOUR, gateway: "10.1.0.3" }]] }, (n) => {
        const { error } = n.call("add", "c1", { runtimeConfig: { ips } });
        expect(error?.name).toBe("AddressError");
        expect(error?.message).toContain(message);
        expect(existsSync(n.directory)).toBe(false);
      }));
  }

  test("ranges of the runtime come first", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      const more = { runtimeConfig: { ipRanges: [[{ subnet: "10.2.0.0/24" }]] } };
      expect(n.add("c1", more)).toEqual(["10.2.0.2/24", "10.1.0.2/24"]);
      expect(n.read("last_reserved_ip.0")).toBe("10.2.0.2");
    }));
});

describe("DEL", () => {
  test("releases the attachment's addresses and no other's", () =>
    withNetwork({ ranges: [[FOUR], [SIX]] }, (n) => {
      n.add("c1");
      n.add("c1", {}, "eth1");
      n.add("c10");
      expect(n.call("del", "c1")).toEqual({ result: null, warnings: [] });
      expect(n.leases()).toEqual(["10.1.0.3", "10.1.0.4", "fd00::11", "fd00::12"]);
    }));

  test("of what never was succeeds and makes no folder", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      expect(n.call("del", "c1").error).toBeUndefined();
      expect(readdirSync(n.folder)).toEqual([]);
      n.add("c2");
      expect(n.call("del", "c1").error).toBeUndefined();
      expect(n.call("del", "c2").error).toBeUndefined();
      expect(n.call("del", "c2").error).toBeUndefined();
      expect(n.leases()).toEqual([]);
    }));

  test("releases although the ranges have changed or become invalid", () =>
    withNetwork({ ranges: [[FOUR], [SIX]] }, (n) => {
      n.add("c1");
      expect(n.call("del", "c1", { ipam: { ranges: [[{ subnet: "10.9.0.5/31" }]] } }).error).toBeUndefined();
      expect(n.leases()).toEqual([]);
    }));

  test("releases legacy leases, which name the container alone", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      writeLease(n, "10.1.0.2", "c1");
      writeLease(n, "10.1.0.3", " c1\n");
      writeLease(n, "10.1.0.4", "c2");
      n.call("del", "c1");
      expect(n.leases()).toEqual(["10.1.0.4"]);
    }));

  test("leaves a container's legacy lease while the attachment has one of its own", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      writeLease(n, "10.1.0.2", "c1");
      writeLease(n, "10.1.0.3", "c1\r\neth0");
      n.call("del", "c1");
      expect(n.leases()).toEqual(["10.1.0.2"]);
      n.call("del", "c1");
      expect(n.leases()).toEqual([]);
    }));

  test("releases a lease that has lost its end when prevResult says whose it is", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      writeLease(n, "10.1.0.2", "container-");
      writeLease(n, "10.1.0.3", "");
      writeLease(n, "10.1.0.4", "another\r\neth0");
      writeLease(n, "10.1.0.5", "container-1\r\neth1");
      const addresses = ["10.1.0.2/24", "10.1.0.3/24", "10.1.0.4/24", "10.1.0.5/24"];
      const { error, warnings } = n.call("del", "container-1", given(...addresses));
      expect(error).toBeUndefined();
      expect(n.leases()).toEqual(["10.1.0.4", "10.1.0.5"]);
      expect(warnings).toHaveLength(2);
      expect(warnings[0]).toContain("10.1.0.2");
    }));
});

describe("CHECK", () => {
  const check = (n: ReturnType<typeof makeNetwork>, id: string, ...addresses: string[]) =>
    n.call("check", id, addresses.length > 0 ? given(...addresses) : {}).error;

  test("passes after ADD, with prevResult and without", () =>
    withNetwork({ ranges: [[FOUR], [SIX]] }, (n) => {
      n.add("c1");
      expect(check(n, "c1")).toBeUndefined();
      expect(check(n, "c1", "10.1.0.2/24", "fd00:0::10/64")).toBeUndefined();
    }));

  test("fails for what never was, and makes no folder", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      expect(check(n, "c1")?.name).toBe("VerificationError");
      expect(readdirSync(n.folder)).toEqual([]);
      n.add("c2");
      expect(check(n, "c1")?.message).toContain('No address of network "net" is leased to container "c1"');
    }));

  test("finds a missing lease, one of somebody else, an empty one, and one that prevResult lacks", () =>
    withNetwork({ ranges: [[FOUR], [SIX]] }, (n) => {
      n.add("c1");
      expect(check(n, "c1", "10.1.0.2/24")?.message).toContain("fd00::10 is leased to");
      unlinkSync(n.path("fd00::10"));
      expect(check(n, "c1", "10.1.0.2/24", "fd00::10/64")?.message).toBe(
        `fd00::10 is not leased: "${n.path("fd00::10")}" is missing`,
      );
      writeLease(n, "fd00::10", "c2\r\neth0");
      expect(check(n, "c1", "10.1.0.2/24", "fd00::10/64")?.message).toContain('but to container "c2" interface "eth0"');
      writeLease(n, "fd00::10", "");
      expect(check(n, "c1", "10.1.0.2/24", "fd00::10/64")?.message).toContain("its lease file is empty");
    }));

  test("does not judge addresses outside of the ranges, which another plugin may have added", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      n.add("c1");
      expect(check(n, "c1", "10.1.0.2/24", "192.0.2.7/24")).toBeUndefined();
    }));

  test("accepts a legacy lease, and one of another interface of the container beside it", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      writeLease(n, "10.1.0.2", "c1");
      writeLease(n, "10.1.0.3", "c1");
      expect(check(n, "c1", "10.1.0.2/24")).toBeUndefined();
    }));
});

describe("GC", () => {
  test("releases what no valid attachment holds, on an empty list everything, without a list nothing", () =>
    withNetwork({ ranges: [[{ subnet: "10.1.0.0/24" }], [SIX]] }, (n) => {
      n.add("c1");
      n.add("c1", {}, "eth1");
      n.add("c2");
      expect(n.call("gc", "", {}).error).toBeUndefined();
      expect(n.leases()).toHaveLength(6);
      expect(n.call("gc", "", valid(["c1", "eth1"], ["c3", "eth0"]))).toEqual({ result: null, warnings: [] });
      expect(n.leases()).toEqual(["10.1.0.3", "fd00::11"]);
      expect(n.call("gc", "", valid()).error).toBeUndefined();
      expect(n.leases()).toEqual([]);
      expect(existsSync(n.path("last_reserved_ip.0"))).toBe(true);
    }));

  test("of a network that never was succeeds and makes no folder", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      expect(n.call("gc", "", valid()).error).toBeUndefined();
      expect(readdirSync(n.folder)).toEqual([]);
    }));

  test("keeps a legacy lease while any attachment of its container is valid", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      writeLease(n, "10.1.0.2", "c1");
      writeLease(n, "10.1.0.3", "c2");
      n.call("gc", "", valid(["c1", "net7"]));
      expect(n.leases()).toEqual(["10.1.0.2"]);
    }));

  test("keeps a lease that has lost its end while a valid attachment without one of the family may hold it", () =>
    withNetwork({ ranges: [[FOUR], [SIX]] }, (n) => {
      writeLease(n, "10.1.0.2", "containe");
      writeLease(n, "fd00::10", "container\r\neth0");
      const { warnings } = n.call("gc", "", valid(["container", "eth0"]));
      expect(n.leases()).toEqual(["10.1.0.2", "fd00::10"]);
      expect(warnings).toEqual([expect.stringContaining(n.path("10.1.0.2"))]);
      writeLease(n, "10.1.0.3", "container\r\neth0");
      n.call("gc", "", valid(["container", "eth0"]));
      expect(n.leases()).toEqual(["10.1.0.3", "fd00::10"]);
    }));

  test("tells the leases of eth1 and eth10 apart", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      n.add("c1", {}, "eth1");
      n.add("c1", {}, "eth10");
      n.call("gc", "", valid(["c1", "eth10"]));
      expect(n.leases()).toEqual(["10.1.0.3"]);
    }));

  test("removes empty lease files and says which, and leaves files that are no leases", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      writeLease(n, "10.1.0.2", "");
      writeLease(n, "notes.txt", "mine");
      writeLease(n, "10.1.0.999", "mine");
      const { warnings } = n.call("gc", "", valid(["c1", "eth0"]));
      expect(n.leases()).toEqual(["10.1.0.999"]);
      expect(n.read("notes.txt")).toBe("mine");
      expect(warnings).toEqual([expect.stringContaining(n.path("10.1.0.2"))]);
    }));
});

describe("STATUS", () => {
  test("passes before the first use and makes no folder", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      expect(n.call("status", "").error).toBeUndefined();
      expect(readdirSync(n.folder)).toEqual([]);
    }));

  test("fails when every address of any set is leased, and passes when one is free or its file empty", () =>
    withNetwork({ ranges: [[SIX], [FOUR]] }, (n) => {
      for (let i = 2; i <= 4; i++) writeLease(n, `10.1.0.${i}`, `c${i}\r\neth0`);
      expect(n.call("status", "").error).toBeUndefined();
      writeLease(n, "10.1.0.5", "");
      expect(n.call("status", "").error).toBeUndefined();
      writeLease(n, "10.1.0.5", "c5\r\neth0");
      const { error } = n.call("status", "");
      expect(error?.name).toBe("NotAvailableError");
      expect(error?.message).toContain('all 4 of "ipam.ranges[1]" (10.1.0.2-10.1.0.5) are leased');
      expect(error?.details).toContain(n.directory);
    }));

  test("fails when the folder cannot be made, or a file that ADD reads is missing", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      writeFileSync(n.directory, "");
      expect(n.call("status", "").error?.name).toBe("NotAvailableError");
      const file = join(n.folder, "file");
      writeFileSync(file, "");
      chmodSync(file, 0o755);
      expect(n.call("status", "", { ipam: { dataDir: file } }).error?.name).toBe("NotAvailableError");
      const resolvConf = { ipam: { dataDir: join(n.folder, "other"), resolvConf: "/nonexistent/resolv.conf" } };
      expect(n.call("status", "", resolvConf).error?.message).toContain("/nonexistent/resolv.conf");
    }));

  test("reports a wrong configuration as such", () =>
    withNetwork({ ranges: [[{ subnet: "10.1.0.0/32" }]] }, (n) => {
      expect(n.call("status", "").error?.name).toBe("ConfigError");
    }));
});

describe("damage", () => {
  test("an empty lease file is replaced when its turn comes, and named", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      writeLease(n, "10.1.0.2", "");
      const { result, warnings } = n.call("add", "c1");
      expect(result).toMatchObject({ ips: [{ address: "10.1.0.2/24" }] });
      expect(warnings).toEqual([expect.stringContaining(n.path("10.1.0.2"))]);
      expect(n.add("c2")).toEqual(["10.1.0.3/24"]);
    }));

  test("empty lease files are reclaimed when no other address is left", () =>
    withNetwork({ subnet: "10.1.0.0/24" }, (n) => {
      for (let i = 2; i <= 254; i++) writeLease(n, `10.1.0.${i}`, i === 77 ? "" : `c${i}\r\neth0`);
      expect(n.add("new")).toEqual(["10.1.0.77/24"]);
      expect(n.call("add", "more").error?.name).toBe("AddressError");
    }));

  test("a lease that has lost its end is not handed out", () =>
    withNetwork({ ranges: [[{ ...FOUR, rangeEnd: "10.1.0.3" }]] }, (n) => {
      writeLease(n, "10.1.0.2", "c");
      expect(n.add("c1")).toEqual(["10.1.0.3/24"]);
      expect(n.call("add", "c2").error?.name).toBe("AddressError");
    }));

  test("a link in place of a lease is not followed and not handed out", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      mkdirSync(n.directory);
      symlinkSync("/nonexistent", n.path("10.1.0.2"));
      expect(n.add("c1")).toEqual(["10.1.0.3/24"]);
    }));

  test("a folder in place of a lease is one clear error of ADD, and DEL and GC pass by", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      mkdirSync(n.path("10.1.0.2"), { recursive: true });
      const { error } = n.call("add", "c1");
      expect(error?.name).toBe("FileError");
      expect(error?.message).toBe(`Cannot lease 10.1.0.2: "${n.path("10.1.0.2")}" is a folder`);
      writeLease(n, "10.1.0.3", "c2\r\neth0");
      expect(n.call("del", "c2").error).toBeUndefined();
      expect(n.call("gc", "", valid()).error).toBeUndefined();
      expect(n.leases()).toEqual(["10.1.0.2"]);
    }));

  const spoilt: [string, (n: ReturnType<typeof makeNetwork>) => void, string][] = [
    ["a lock that is a folder", (n) => mkdirSync(n.path("lock"), { recursive: true }), "lock"],
    ["a network's folder that is a file", (n) => writeFileSync(n.directory, ""), "net"],
    ["a boot_id that is a folder", (n) => mkdirSync(n.path("boot_id"), { recursive: true }), "boot_id"],
  ];
  for (const [what, spoil, named] of spoilt) {
    test(`${what} is one clear error of ADD, CHECK, DEL and GC`, () =>
      withNetwork({ ranges: [[FOUR]] }, (n) => {
        spoil(n);
        for (const verb of ["add", "check", "del", "gc"] as const) {
          const { error } = n.call(verb, "c1", valid());
          expect(error?.name).toBe("FileError");
          expect(error?.message).toContain(named);
        }
      }));
  }

  test("a dataDir that is a file is an error of ADD, and for DEL and GC there is nothing to release", () =>
    withNetwork({ ranges: [[FOUR]] }, (n) => {
      const dataDir = join(n.folder, "file");
      writeFileSync(dataDir, "");
      expect(n.call("add", "c1", { ipam: { dataDir } }).error?.name).toBe("FileError");
      expect(n.call("del", "c1", { ipam: { dataDir } }).error).toBeUndefined();
      expect(n.call("gc", "c1", { ...valid(), ipam: { dataDir } }).error).toBeUndefined();
    }));
});

/** Writes a lease as another program would. */
function writeLease(n: { directory: string; path(name: string): string }, address: string, content: string): void {
  mkdirSync(n.directory, { recursive: true });
  writeFileSync(n.path(address), content);
  // Writing over a lease in place does not touch the folder, which no program does; removing and making it does.
  utimesSync(n.directory, new Date(), new Date());
}
