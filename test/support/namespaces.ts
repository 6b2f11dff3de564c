/**
 * Fresh network namespaces for tests, taken away after the last test of a file whatever happened in between.
 *
 * Their names hold the number of the process, so that several test runs share a machine, and so that the next run takes
 * away what a killed one left.
 */

import { afterAll } from "bun:test";
import { existsSync } from "node:fs";
import { NETLINK_ROUTE, NetlinkSocket } from "../../src/linux/netlink/socket.ts";
import {
  closeNetns,
  createNamedNetns,
  deleteNamedNetns,
  inNetns,
  listNamedNetns,
  type Netns,
} from "../../src/linux/netns.ts";

/** How the names of this process's namespaces begin. */
export const OWN_PREFIX = `tt-${process.pid}-`;

export interface TestNetns {
  readonly name: string;
  readonly netns: Netns;
  /** A netlink socket in it, closed with the namespace. */
  readonly socket: NetlinkSocket;
  /** The output of a shell command run in it. Throws with the command's words when it fails. */
  sh(command: string): string;
  /** The parsed output of a command such as `ip -j link`; an empty list where it printed nothing. */
  json<T>(command: string): T[];
}

export interface TestNamespaces {
  fresh(): TestNetns;
}

let count = 0;

/** Namespaces for the tests of one file. To be called at the file's top level, or in a `describe`. */
export function testNamespaces(): TestNamespaces {
  const open: TestNetns[] = [];
  let swept = false;
  afterAll(() => {
    for (const { name, netns, socket } of open.splice(0)) {
      socket.close();
      closeNetns(netns);
      deleteNamedNetns(name);
    }
  });
  return {
    fresh() {
      if (!swept) sweepLeftovers();
      swept = true;
      count++;
      const name = `${OWN_PREFIX}${count}`;
      const netns = createNamedNetns(name);
      const made: TestNetns = {
        name,
        netns,
        socket: inNetns(netns, () => new NetlinkSocket(NETLINK_ROUTE)),
        sh: (command) => runIn(netns, command),
        json: (command) => JSON.parse(runIn(netns, command) || "[]"),
      };
      open.push(made);
      return made;
    },
  };
}

function runIn(netns: Netns, command: string): string {
  const done = Bun.spawnSync(["nsenter", `--net=${netns.path}`, "sh", "-c", command]);
  if (done.exitCode !== 0) {
    // Some, such as ping, say on standard output what was wrong.
    throw new Error(`${command}: exit status ${done.exitCode}: ${done.stderr.toString()}${done.stdout.toString()}`);
  }
  return done.stdout.toString();
}

/** Takes away the namespaces of test processes that are gone. */
function sweepLeftovers(): void {
  for (const name of listNamedNetns()) {
    const pid = /^tt-([0-9]+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) deleteNamedNetns(name);
  }
}
