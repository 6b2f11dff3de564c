import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Outcome } from "../../cni/executable.ts";
import { testFolders } from "../../cni/testing/folders.ts";
import { DelegateError, NotAvailableError, TryAgainError } from "../../core/errors.ts";
import type { Call, NetworkConfig, Plugin } from "../../core/plugin.ts";
import type { Result } from "../../core/result.ts";
import type { PodNetwork } from "./pod-network.ts";
import { listNetworks, readNetworks } from "./record.ts";
import { withNetworks } from "./several.ts";
import type { NetworkStatus } from "./status.ts";

const folders = testFolders();

function network(name: string, ifname: string, ...types: readonly string[]): PodNetwork {
  const list = { cniVersion: "1.0.0", name, plugins: types.map((type) => ({ type })) };
  return { name: `shop/${name}`, ifname, list, capabilities: {} };
}

const LAN = network("lan", "net1", "macvlan", "tuning");
const DATA = network("data", "net2", "bridge");

/** A pod's runtime, in which each step of a plugin is noted as `VERB type ifname`. */
function stage(networks: readonly PodNetwork[] = [LAN, DATA]) {
  const runFolder = folders().path;
  const steps: string[] = [];
  const warnings: string[] = [];
  const told: NetworkStatus[] = [];
  /** What a step answers that is to fail. */
  const failing = new Map<string, Error | number>();
  const own = (verb: string) => {
    const step = `${verb} tendril eth0`;
    steps.push(step);
    const error = failing.get(step);
    if (error instanceof Error) throw error;
  };
  const plugin: Plugin = {
    type: "tendril",
    add(): Result {
      own("ADD");
      return { interfaces: [{ name: "eth0", sandbox: "/n" }], ips: [{ address: "10.244.0.5/32", interface: 0 }] };
    },
    check: () => own("CHECK"),
    del: () => own("DEL"),
    gc: () => own("GC"),
    status: () => own("STATUS"),
  };
  const run = (type: string, verb: string, env: Readonly<Record<string, string | undefined>>): Outcome => {
    const step = `${verb} ${type} ${env.CNI_IFNAME}`;
    steps.push(step);
    const code = failing.get(step);
    if (typeof code === "number") {
      return { exitCode: 1, stdout: JSON.stringify({ code, msg: `of ${step}` }), stderr: "" };
    }
    const result = { cniVersion: "1.0.0", interfaces: [{ name: env.CNI_IFNAME, sandbox: "/n" }], ips: [] };
    return { exitCode: 0, stdout: verb === "ADD" ? JSON.stringify(result) : "", stderr: "" };
  };
  const attached = (status: readonly NetworkStatus[]) => void told.push(...status);
  const served = withNetworks(plugin, { runFolder, run, networks, attached });
  const config = { cniVersion: "1.0.0", name: "tendril", type: "tendril" } as NetworkConfig;
  const common = { stdin: "{}", path: ["/opt/cni/bin"], warn: (sentence: string) => void warnings.push(sentence) };
  const call: Call = {
    ...common,
    config,
    ...{ containerId: "c1", ifname: "eth0", netns: "/n", cniArgs: "", args: new Map([["K8S_POD_NAME", "web"]]) },
  };
  return {
    ...{ runFolder, steps, warnings, told, failing, served, call },
    /** What is noted of a piece of work alone. */
    noting(work: () => unknown): string[] {
      const before = steps.length;
      work();
      return steps.slice(before);
    },
    failure(work: () => unknown): Error {
      try {
        work();
      } catch (error) {
        return error as Error;
      }
      throw new Error("Nothing was thrown");
    },
    record: () => readNetworks(runFolder, { network: "tendril", containerId: "c1", ifname: "eth0" }, () => {}),
    without: (): Call => ({ ...call, config: { ...config, validAttachments: [] } as NetworkConfig }),
  };
}

describe("a pod's further networks", () => {
  test("are attached after the cluster's in their order, checked with it, and taken off in reverse before it", () => {
    const { served, call, noting, told, record, runFolder } = stage();
    expect(noting(() => served.add(call))).toEqual([
      "ADD tendril eth0",
      "ADD macvlan net1",
      "ADD tuning net1",
      "ADD bridge net2",
    ]);
    expect(told.map((each) => [each.name, each.interface, each.default ?? false])).toEqual([
      ["tendril", "eth0", true],
      ["shop/lan", "net1", false],
      ["shop/data", "net2", false],
    ]);
    expect(told[0]?.ips).toEqual(["10.244.0.5"]);
    expect(record()?.networks).toEqual([LAN, DATA]);
    expect(noting(() => served.check(call))).toEqual([
      "CHECK tendril eth0",
      "CHECK macvlan net1",
      "CHECK tuning net1",
      "CHECK bridge net2",
    ]);
    expect(noting(() => served.del(call))).toEqual([
      "DEL bridge net2",
      "DEL tuning net1",
      "DEL macvlan net1",
      "DEL tendril eth0",
    ]);
    expect(record()).toBeUndefined();
    expect(readdirSync(join(runFolder, "networks")).filter((name) => name.endsWith(".json"))).toEqual([]);
  });

  test("leave nothing to write where there are none", () => {
    const { served, call, told, runFolder } = stage([]);
    served.add(call);
    served.check(call);
    served.del(call);
    expect(told).toEqual([]);
    expect(existsSync(join(runFolder, "networks"))).toBe(false);
  });

  test("of which one cannot be attached are taken off, the one that failed too, and the first error is told", () => {
    const { served, call, failing, noting, failure, record, steps, warnings } = stage();
    failing.set("ADD bridge net2", 11);
    failing.set("DEL macvlan net1", 100);
    const error = failure(() => served.add(call));
    expect(error).toBeInstanceOf(DelegateError);
    expect(error.message).toStartWith('Network "shop/data" (net2): ');
    expect((error as DelegateError).code).toBe(11);
    expect(steps.slice(4)).toEqual(["DEL bridge net2", "DEL tuning net1", "DEL macvlan net1", "DEL tendril eth0"]);
    expect(warnings.join()).toContain('Taking back a failed ADD failed too: Network "shop/lan" (net1)');
    // What is left is the next DEL's, by the record.
    expect(record()).toBeDefined();
    failing.clear();
    expect(noting(() => served.del(call))).toContain("DEL macvlan net1");
    expect(record()).toBeUndefined();
  });

  test("are not attached where the cluster's cannot be", () => {
    const { served, call, failing, failure, steps, record } = stage();
    failing.set("ADD tendril eth0", new TryAgainError("no address"));
    expect(failure(() => served.add(call)).message).toBe("no address");
    expect(steps).toEqual(["ADD tendril eth0"]);
    expect(record()).toBeUndefined();
  });

  test("stay on record when a DEL fails, and the others are taken off, the cluster's too", () => {
    const { served, call, failing, noting, failure, record } = stage();
    served.add(call);
    failing.set("DEL bridge net2", 100);
    const steps = noting(() => expect(failure(() => served.del(call)).message).toContain('"shop/data" (net2)'));
    expect(steps.at(-1)).toBe("DEL tendril eth0");
    expect(steps).toContain("DEL macvlan net1");
    expect(record()).toBeDefined();
    failing.clear();
    served.del(call);
    expect(record()).toBeUndefined();
  });

  test("whose plugin refuses its configuration hold up no DEL, unless they have been attached by it", () => {
    const { served, call, failing, failure, record, warnings } = stage();
    const refused = 7;
    failing.set("ADD macvlan net1", refused);
    failing.set("DEL macvlan net1", refused);
    failure(() => served.add(call));
    expect(record()).toBeUndefined();
    expect(warnings.join()).toContain('Network "shop/lan" (net1)');
    failing.delete("ADD macvlan net1");
    served.add(call);
    expect(failure(() => served.del(call)).message).toContain('"shop/lan" (net1)');
    expect(record()).toBeDefined();
  });

  test("are checked by what the cluster's has, and the network that is not as it was is named", () => {
    const { served, call, failing, failure } = stage();
    served.add(call);
    failing.set("CHECK bridge net2", 101);
    expect(failure(() => served.check(call)).message).toStartWith('Network "shop/data" (net2): ');
    failing.set("CHECK tendril eth0", new NotAvailableError("gone"));
    expect(failure(() => served.check(call)).message).toBe("gone");
  });

  test("of pods that a GC does not name are taken off by their records; without a list none are", () => {
    const { served, call, noting, without, record, runFolder } = stage();
    served.add(call);
    expect(noting(() => served.gc(call))).toEqual(["GC tendril eth0"]);
    const named = { ...call, config: { ...call.config, validAttachments: [{ containerId: "c1", ifname: "eth0" }] } };
    expect(noting(() => served.gc(named))).toEqual(["GC tendril eth0"]);
    expect(listNetworks(runFolder, "tendril", () => {})).toHaveLength(1);
    expect(listNetworks(runFolder, "another", () => {})).toEqual([]);
    expect(noting(() => served.gc(without()))).toEqual([
      "DEL bridge net2",
      "DEL tuning net1",
      "DEL macvlan net1",
      "GC tendril eth0",
    ]);
    expect(record()).toBeUndefined();
  });
});

test("a record that does not parse is set aside with a message, and a DEL goes on", () => {
  const { served, call, runFolder, warnings, noting } = stage();
  served.add(call);
  const folder = join(runFolder, "networks");
  const [name = ""] = readdirSync(folder).filter((each) => each.endsWith(".json"));
  for (const text of ["{", "null", '{"version":2,"networks":[]}', '{"version":1}']) {
    writeFileSync(join(folder, name), text);
    warnings.splice(0);
    expect(noting(() => served.del(call))).toEqual(["DEL tendril eth0"]);
    expect(warnings.join()).toContain("record of a pod's networks");
    expect(existsSync(join(folder, name))).toBe(false);
  }
});
