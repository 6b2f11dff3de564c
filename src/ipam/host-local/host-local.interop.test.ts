import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Result } from "../../core/result.ts";
import { inTemporaryFolder, networkConfig, type Outcome, runCall, type TestCall } from "../test-support/call.ts";
import { callPeer, findPeer } from "../test-support/peer.ts";
import { hostLocal } from "./index.ts";

const peer = findPeer("host-local");
const path = "path" in peer ? peer.path : "";
const why = "missing" in peer ? ` (skipped: ${peer.missing})` : "";
const SCRIPT = join(import.meta.dir, "..", "test-support", "process.ts");

type More = Record<string, unknown>;

const ours = (call: TestCall): Outcome => runCall(hostLocal, call);
const theirs = (call: TestCall) => callPeer(path, call);
const leasesIn = (directory: string) =>
  (existsSync(directory) ? readdirSync(directory) : []).filter((name) => /^(10\.|fd)/.test(name)).toSorted();
const addressOf = (result: unknown) => (result as Result | undefined)?.ips?.map(({ address }) => address);

/** What the folder says, without the files that only we write. */
function contents(directory: string): Record<string, string> {
  const names = readdirSync(directory).filter((name) => !["boot_id", ".owners"].includes(name));
  return Object.fromEntries(names.toSorted().map((name) => [name, readFileSync(join(directory, name), "utf8")]));
}

/** Each is called by both in a folder of its own, three times with different containers. */
const SAME: [string, More, More?, Record<string, string>?][] = [
  ["a subnet in the old style", { subnet: "10.1.0.0/24" }],
  [
    "bounds and gateway",
    { subnet: "10.1.0.0/24", rangeStart: "10.1.0.9", rangeEnd: "10.1.0.10", gateway: "10.1.0.254" },
  ],
  ["a gateway within the bounds", { ranges: [[{ subnet: "10.1.0.0/29", gateway: "10.1.0.3" }]] }],
  ["the last address of IPv6", { ranges: [[{ subnet: "fd00::/126" }]] }],
  ["two families", { ranges: [[{ subnet: "10.1.0.0/24" }], [{ subnet: "fd00::/64" }]] }],
  ["two ranges in a set", { ranges: [[{ subnet: "10.1.0.0/30" }, { subnet: "10.2.0.0/30" }]] }],
  ["three sets", { subnet: "10.1.0.0/24", ranges: [[{ subnet: "10.2.0.0/24" }], [{ subnet: "10.3.0.0/24" }]] }],
  ["the network's own address", { subnet: "10.1.0.0/24", rangeStart: "10.1.0.0", rangeEnd: "10.1.0.255" }],
  [
    "routes",
    { subnet: "10.1.0.0/24", routes: [{ dst: "0.0.0.0/0" }, { dst: "10.0.0.0/8", gw: "10.1.0.9", mtu: 1400 }] },
  ],
  ["empty fields", { ranges: [[{ subnet: "10.1.0.0/24", gateway: "", rangeStart: "" }]], resolvConf: "" }],
  ["ranges of the runtime", { subnet: "10.1.0.0/24" }, { runtimeConfig: { ipRanges: [[{ subnet: "10.7.0.0/24" }]] } }],
  ["IP of CNI_ARGS", { subnet: "10.1.0.0/24" }, {}, { IP: "10.1.0.77" }],
  ["an IP with prefix length", { subnet: "10.1.0.0/24" }, {}, { IP: "10.1.0.77/8" }],
  ["args.cni.ips", { subnet: "10.1.0.0/24" }, { args: { cni: { ips: ["10.1.0.5"] } } }],
  ["runtimeConfig.ips", { subnet: "10.1.0.0/24" }, { runtimeConfig: { ips: ["10.1.0.6/24"] } }],
  [
    "one address of each family before 0.3.0",
    { ranges: [[{ subnet: "10.1.0.0/24" }], [{ subnet: "10.2.0.0/24" }]] },
    { cniVersion: "0.2.0" },
  ],
  ["a requested gateway", { subnet: "10.1.0.0/24" }, {}, { IP: "10.1.0.1" }],
  ["a requested address elsewhere", { subnet: "10.1.0.0/24" }, { runtimeConfig: { ips: ["10.9.0.1"] } }],
  ["an overlap in a set", { ranges: [[{ subnet: "10.1.0.0/24" }, { subnet: "10.1.0.128/25" }]] }],
  ["an overlap of sets", { ranges: [[{ subnet: "10.1.0.0/24" }], [{ subnet: "10.1.0.128/25" }]] }],
  ["mixed families in a set", { ranges: [[{ subnet: "10.1.0.0/24" }, { subnet: "fd00::/64" }]] }],
  ["host bits", { subnet: "10.1.0.1/24" }],
  ["a /31", { subnet: "10.1.0.0/31" }],
  ["a bound elsewhere", { subnet: "10.1.0.0/24", rangeEnd: "10.2.0.1" }],
  ["an end before the start", { subnet: "10.1.0.0/24", rangeStart: "10.1.0.9", rangeEnd: "10.1.0.8" }],
  ["no ranges", {}],
  ["an empty set", { ranges: [[]] }],
  ["a subnet that is none", { subnet: "10.1.0.0" }],
  ["an IP that is none", { subnet: "10.1.0.0/24" }, {}, { IP: "ten" }],
  ["a resolv.conf that is missing", { subnet: "10.1.0.0/24", resolvConf: "/nonexistent/resolv.conf" }],
  ["a full range", { subnet: "10.1.0.0/30" }],
];

describe.skipIf(path === "")(`beside the reference plugin${why}`, () => {
  for (const [what, ipam, more, args] of SAME) {
    test(`the same results, refusals and files: ${what}`, async () => {
      await inTemporaryFolder(async (folder) => {
        for (const [i, verb] of (["add", "add", "del", "add"] as const).entries()) {
          const call = (dataDir: string): TestCall => ({
            verb,
            containerId: verb === "del" ? "c0" : `c${i}`,
            config: networkConfig({ ...ipam, dataDir: join(folder, dataDir) }, more),
            ...(args === undefined ? {} : { args }),
          });
          const mine = ours(call("ours"));
          const other = await theirs(call("theirs"));
          expect(mine.error !== undefined).toBe(other.error !== undefined && verb !== "del");
          expect(mine.result ?? undefined).toEqual(other.result);
          expect(leasesIn(join(folder, "ours", "net"))).toEqual(leasesIn(join(folder, "theirs", "net")));
          // A failed ADD of the reference may leave its hint where the next search begins; ours changes nothing.
          if (verb === "add" && mine.error === undefined) {
            expect(contents(join(folder, "ours", "net"))).toEqual(contents(join(folder, "theirs", "net")));
          }
        }
      });
    });
  }

  test("resolv.conf is read alike", async () => {
    await inTemporaryFolder(async (folder) => {
      const resolvConf = join(folder, "resolv.conf");
      const lines = [
        "#c",
        "nameserver 192.0.2.1 x",
        " search a b",
        "search c",
        "domain d",
        "options e:1",
        "options",
        ";",
      ];
      writeFileSync(resolvConf, lines.join("\n"));
      const config = networkConfig({ subnet: "10.1.0.0/24", resolvConf });
      const call = (dataDir: string): TestCall => ({
        verb: "add",
        containerId: "c1",
        config: { ...config, ipam: { type: "host-local", ...config.ipam, dataDir: join(folder, dataDir) } },
      });
      expect(ours(call("ours")).result).toEqual((await theirs(call("theirs"))).result);
    });
  });

  test("taking turns on one folder, each goes on where the other stopped and releases the other's leases", async () => {
    await inTemporaryFolder(async (folder) => {
      const directory = join(folder, "net");
      const ranges = [[{ subnet: "10.1.0.0/28" }], [{ subnet: "fd00::/64" }]];
      const config = networkConfig({ ranges, dataDir: folder });
      const call = (verb: TestCall["verb"], containerId: string): TestCall => ({ verb, containerId, config });
      const seen: unknown[] = [];
      for (let i = 0; i < 12; i++) {
        const { result } = i % 2 === 0 ? await theirs(call("add", `c${i}`)) : ours(call("add", `c${i}`));
        seen.push(...(addressOf(result) ?? ["none"]));
      }
      expect(seen.filter((_, i) => i % 2 === 0)).toEqual(Array.from({ length: 12 }, (_, i) => `10.1.0.${i + 2}/28`));

      expect(ours(call("add", "c0")).error?.name).toBe("ConflictError");
      expect((await theirs(call("add", "c1"))).error?.msg).toContain("duplicate allocation");
      expect(ours(call("check", "c0")).error).toBeUndefined();
      expect((await theirs(call("check", "c1"))).error).toBeUndefined();
      expect((await theirs(call("check", "never"))).error).toBeDefined();

      for (let i = 0; i < 12; i++) {
        if (i % 2 === 0) expect(ours(call("del", `c${i}`)).error).toBeUndefined();
        else expect(await theirs(call("del", `c${i}`))).toEqual({});
        expect(ours(call("check", `c${i}`)).error?.name).toBe("VerificationError");
        expect((await theirs(call("check", `c${i}`))).error).toBeDefined();
      }
      expect(leasesIn(directory)).toEqual([]);
    });
  });

  test("both at once on one folder give no address twice and lose no lease", async () => {
    await inTemporaryFolder(async (folder) => {
      const directory = join(folder, "net");
      const config = networkConfig({ subnet: "10.1.0.0/24", dataDir: folder });
      const calls = (verb: TestCall["verb"], who: string): TestCall[] =>
        Array.from({ length: 60 }, (_, i) => ({ verb, containerId: `${who}${i}`, config }));
      const run = async (verb: TestCall["verb"]) => {
        const mine = Array.from({ length: 6 }, (_, part) =>
          spawnOurs(calls(verb, "ours").slice(part * 10, part * 10 + 10)),
        );
        const other = Array.from({ length: 6 }, async (_, part) => {
          const answers = [];
          for (const call of calls(verb, "theirs").slice(part * 10, part * 10 + 10)) answers.push(await theirs(call));
          return answers;
        });
        return [...(await Promise.all(mine)).flat(), ...(await Promise.all(other)).flat()];
      };
      const added = await run("add");
      expect(added.flatMap(({ error }) => error ?? [])).toEqual([]);
      const addresses = added.flatMap(({ result }) => addressOf(result) ?? []).map((each) => each.replace("/24", ""));
      expect(addresses).toHaveLength(120);
      expect(leasesIn(directory)).toEqual([...new Set(addresses)].toSorted());
      expect(leasesIn(directory)).toHaveLength(120);

      expect((await run("check")).flatMap(({ error }) => error ?? [])).toEqual([]);
      expect((await run("del")).flatMap(({ error }) => error ?? [])).toEqual([]);
      expect(leasesIn(directory)).toEqual([]);
    });
  }, 60_000);
});

async function spawnOurs(calls: readonly TestCall[]): Promise<Outcome[]> {
  const child = Bun.spawn([process.execPath, SCRIPT, JSON.stringify(calls)], { stdout: "pipe", stderr: "inherit" });
  return JSON.parse(await new Response(child.stdout).text()) as Outcome[];
}
