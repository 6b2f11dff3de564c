/**
 * The executable is killed at every single system call by which it changes something: netlink messages, writes,
 * renames. Finer than its own steps, of which one may be several calls.
 */

import { beforeAll, describe, expect } from "bun:test";
import { attachmentCases } from "../support/attachment-cases.ts";
import { expectSameState } from "../support/kills.ts";
import { needs, program, root } from "../support/needs.ts";
import { stateOf } from "../support/network-state.ts";
import { call, expectBuilt, type PluginCall, succeed, testHosts, withValid } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

beforeAll(expectBuilt);
const hosts = testHosts();
expectNothingLeft();
const test = needs(root, program("strace"));

/** Groups of calls, each with how many of it an ADD makes at least. */
const GROUPS: readonly { readonly calls: string; readonly atLeast: number }[] = [
  { calls: "sendto,sendmsg", atLeast: 5 },
  { calls: "write,pwrite64,ftruncate", atLeast: 3 },
  { calls: "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat", atLeast: 3 },
];

/** More than any call makes. */
const MOST = 200;

const names = [
  "bridge with host-local, dual stack",
  "bridge with ipMasq, dual stack",
  "bridge with macspoofchk",
  "host-device with host-local, dual stack",
];

for (const { name, given, config: configure } of attachmentCases.filter(({ name }) => names.includes(name))) {
  describe.concurrent(name, () => {
    for (const { calls, atLeast } of GROUPS) {
      for (const verb of ["ADD", "DEL"] as const) {
        test(`${verb} killed at any of ${calls} leaves nothing once DEL and GC have come`, async () => {
          const host = hosts.fresh();
          given?.(host);
          const container = hosts.container("c1");
          const config = configure(host);
          const state = () => stateOf(host, [container.namespace]);
          const before = await state();
          const request = (verb: PluginCall["verb"]): PluginCall => ({ verb, container, config });
          for (let nth = 1; nth <= MOST; nth++) {
            if (verb === "DEL") await succeed(host, request("ADD"));
            const inject = ["--quiet=all", "--output=/dev/null", `--trace=${calls}`];
            const prefix = ["strace", ...inject, `--inject=${calls}:signal=KILL:when=${nth}`];
            const { killed, status, stdout } = await call(host, { ...request(verb), prefix });
            await succeed(host, request("DEL"));
            await succeed(host, { verb: "GC", config: withValid(config, []) });
            expectSameState(`${verb} killed at the ${nth}. of ${calls}, DEL, GC`, await state(), before);
            if (killed) continue;
            expect({ nth, status, said: status === 0 ? "" : stdout }).toEqual({ nth, status: 0, said: "" });
            if (verb === "ADD") expect(nth).toBeGreaterThan(atLeast);
            return;
          }
          throw new Error(`${verb} was still killed at the ${MOST}. call`);
        });
      }
    }
  });
}
