/**
 * Our runtime beside cnitool, which is the reference library: each removes, checks and collects what the other has
 * added, and both tell plugins the same. The plugins are shell scripts, so no network is touched.
 *
 * cnitool's cache cannot be moved by a setting, so it runs in a mount namespace that has our folder in its place.
 */

import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { type Need, needs, root } from "../../../test/support/needs.ts";
import { parseArgs } from "../environment.ts";
import { resultJson } from "../results/result.ts";
import { type TestFolder, testFolders } from "../testing/folders.ts";
import type { CniVersion } from "../versions.ts";
import { type Attachment, cnitoolContainerId } from "./attachment.ts";
import { loadNetwork, type Network } from "./network.ts";
import { addNetwork, checkNetwork, delNetwork, gcNetwork, type Runtime, statusNetwork } from "./operations.ts";
import { pluginRunner } from "./runner.ts";

const cnitool = process.env.TENDRIL_PEER_CNITOOL ?? "";
const peer: Need = () => (existsSync(cnitool) ? undefined : "TENDRIL_PEER_CNITOOL names no cnitool");
const test = needs(root, peer);
const freshFolder = testFolders();

const NETNS = "/run/netns/there-is-none";
const CNI_ARGS = "IgnoreUnknown=1;A=b";
const CAP_ARGS = '{"portMappings":[{"hostPort":80,"containerPort":8080}],"mac":"02:00:00:00:00:01"}';

const results: Record<string, Record<string, object>> = {
  "0.2.0": {
    first: { ip4: { ip: "10.1.0.5/16", gateway: "10.1.0.1" }, dns: {} },
    second: { ip4: { ip: "10.1.0.5/16", gateway: "10.1.0.1", routes: [{ dst: "0.0.0.0/0" }] }, dns: { domain: "a" } },
  },
  "0.4.0": {
    first: { interfaces: [{ name: "eth0" }], ips: [{ version: "4", interface: 0, address: "10.1.0.5/16" }], dns: {} },
    second: { ips: [{ version: "6", address: "fd00::5/64" }], routes: [{ dst: "::/0", gw: "fd00::1" }], dns: {} },
  },
  "1.1.0": {
    first: {
      interfaces: [{ name: "eth0", mtu: 1500, sandbox: NETNS }],
      ips: [{ interface: 0, address: "10.1.0.5/16" }],
    },
    second: { ips: [{ address: "10.1.0.5/16" }], routes: [{ dst: "0.0.0.0/0", mtu: 1400, table: 7 }] },
  },
};
const testedVersions = Object.keys(results) as CniVersion[];

interface Stage {
  readonly folder: TestFolder;
  readonly network: Network;
  readonly attachment: Attachment;
  readonly runtime: Runtime;
  /** Runs cnitool with the same network, attachment and cache. Throws when it fails. */
  cnitool(verb: string): string;
  /** What plugins were called with since the last time: verb, plugin, environment and request. */
  calls(): { readonly who: string; readonly env: string; readonly request: Record<string, unknown> }[];
  cache(): string[];
}

/** A network of two scripts that take notes and answer ADD with the results of a version. */
function stage(cniVersion: CniVersion): Stage {
  const folder = freshFolder();
  mkdirSync(`${folder.path}/cache`);
  const notes = `${folder.path}/notes`;
  for (const name of ["first", "second"]) {
    folder.script(
      `bin/${name}`,
      `echo "$CNI_COMMAND ${name}" >> ${notes}`,
      `echo "$CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS $CNI_PATH" >> ${notes}`,
      `cat >> ${notes}`,
      `echo >> ${notes}`,
      `[ "$CNI_COMMAND" != ADD ] || echo '${JSON.stringify({ cniVersion, ...results[cniVersion]?.[name] })}'`,
    );
  }
  folder.write("net.d/10-net.conflist", {
    cniVersion,
    name: "net",
    plugins: [
      { type: "first", own: [1, { a: null }] },
      { type: "second", capabilities: { portMappings: true, mac: false } },
    ],
  });
  const path = `${folder.path}/bin`;
  return {
    folder,
    network: loadNetwork(`${folder.path}/net.d`, "net"),
    attachment: {
      containerId: cnitoolContainerId(NETNS),
      netns: NETNS,
      ifname: "net1",
      args: [...parseArgs(CNI_ARGS)],
      capabilityArgs: JSON.parse(CAP_ARGS),
    },
    runtime: {
      run: pluginRunner({ builtin: () => undefined, inherited: { PATH: process.env.PATH } }),
      path: [path],
      cacheFolder: `${folder.path}/cache`,
      warn: (sentence) => {
        throw new Error(`Unexpected warning: ${sentence}`);
      },
    },
    cnitool(verb) {
      const mounts = `mount -t tmpfs none /var/lib && mkdir /var/lib/cni && mount --bind ${folder.path}/cache /var/lib/cni`;
      const { exitCode, stdout, stderr } = Bun.spawnSync({
        cmd: ["unshare", "--mount", "sh", "-c", `${mounts} && exec "$@"`, "sh", cnitool, verb, "net", NETNS],
        env: {
          PATH: process.env.PATH ?? "",
          NETCONFPATH: `${folder.path}/net.d`,
          CNI_PATH: path,
          CNI_IFNAME: "net1",
          CNI_ARGS,
          CAP_ARGS,
        },
      });
      if (exitCode !== 0) throw new Error(`cnitool ${verb}: ${stdout}${stderr}`);
      return stdout.toString();
    },
    calls() {
      const lines = existsSync(notes) ? readFileSync(notes, "utf8").trim().split("\n") : [];
      folder.write("notes", "");
      return Array.from({ length: lines.length / 3 }, (_, i) => ({
        who: lines[3 * i] ?? "",
        env: lines[3 * i + 1] ?? "",
        request: JSON.parse(lines[3 * i + 2] ?? "") as Record<string, unknown>,
      }));
    },
    cache: () => (existsSync(`${folder.path}/cache/results`) ? readdirSync(`${folder.path}/cache/results`) : []),
  };
}

/** What cnitool tells plugins but for `capabilities`, which the specification keeps from them. */
function calledByCnitool(calls: ReturnType<Stage["calls"]>): ReturnType<Stage["calls"]> {
  return calls.map(({ request: { capabilities: _, ...request }, ...call }) => ({ ...call, request }));
}

for (const cniVersion of testedVersions) {
  describe(`a network of version ${cniVersion}`, () => {
    test("ADD: plugins are told the same, the result and the cached file are the same", () => {
      const ours = stage(cniVersion);
      const theirs = stage(cniVersion);
      const result = addNetwork(ours.network, ours.attachment, ours.runtime);
      expect(resultJson(result, cniVersion)).toEqual(JSON.parse(theirs.cnitool("add")));
      const portable = (value: unknown, { folder }: Stage) =>
        JSON.parse(JSON.stringify(value).replaceAll(folder.path, "FOLDER"));
      expect(portable(ours.calls(), ours)).toEqual(portable(calledByCnitool(theirs.calls()), theirs));
      expect(ours.cache()).toEqual(theirs.cache());
      const cached = ({ folder, cache }: Stage) =>
        JSON.parse(readFileSync(`${folder.path}/cache/results/${cache()[0]}`, "utf8"));
      expect(cached(ours)).toEqual(cached(theirs));
    });

    test("cnitool checks and deletes what we have added", () => {
      const { attachment, cache, calls, cnitool, network, runtime } = stage(cniVersion);
      addNetwork(network, attachment, runtime);
      calls();
      if (cniVersion !== "0.2.0") {
        cnitool("check");
        checkNetwork(network, attachment, runtime);
        const [a, b, ...ours] = calls();
        expect(calledByCnitool([a, b].filter((call) => call !== undefined))).toEqual(ours);
        expect(ours.map(({ who }) => who)).toEqual(["CHECK first", "CHECK second"]);
      }
      cnitool("del");
      expect(cache()).toEqual([]);
      const seen = calls();
      expect(seen.map(({ who }) => who)).toEqual(["DEL second", "DEL first"]);
      const expected = cniVersion === "0.2.0" ? undefined : { cniVersion, ...results[cniVersion]?.second };
      for (const { request } of seen) expect(request.prevResult).toEqual(expected as object);
    });

    test("we check and delete what cnitool has added, and tell plugins what it does", () => {
      const { attachment, cache, calls, cnitool, network, runtime } = stage(cniVersion);
      cnitool("add");
      cnitool("del");
      cnitool("add");
      const theirs = calls().slice(2, 4);
      if (cniVersion !== "0.2.0") checkNetwork(network, attachment, runtime);
      calls();
      delNetwork(network, attachment, runtime);
      expect(cache()).toEqual([]);
      expect(calls()).toEqual(calledByCnitool(theirs));
    });

    test("each collects what the other has added", () => {
      const { attachment, cache, calls, cnitool, network, runtime } = stage(cniVersion);
      addNetwork(network, attachment, runtime);
      calls();
      cnitool("gc");
      expect(cache()).toEqual([]);
      const theirs = calls();
      cnitool("add");
      calls();
      gcNetwork(network, undefined, runtime);
      expect(cache()).toEqual([]);
      expect(calls()).toEqual(calledByCnitool(theirs));
    });

    test("STATUS asks plugins as cnitool does", () => {
      const { calls, cnitool, network, runtime } = stage(cniVersion);
      cnitool("status");
      const theirs = calls();
      statusNetwork(network, runtime);
      expect(calls()).toEqual(calledByCnitool(theirs));
      expect(theirs).toHaveLength(cniVersion === "1.1.0" ? 2 : 0);
    });
  });
}
