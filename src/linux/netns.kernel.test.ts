import { describe, expect, test } from "bun:test";
import { mkdtempSync, openSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OWN_PREFIX, testNamespaces } from "../../test/support/namespaces.ts";
import { needs, program, root } from "../../test/support/needs.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import { KernelError, UnknownContainerError } from "../core/errors.ts";
import { createLink, listLinks } from "./netlink/rtnetlink/link/link.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "./netlink/socket.ts";
import {
  closeNetns,
  createNamedNetns,
  deleteNamedNetns,
  inNetns,
  listNamedNetns,
  namedNetnsPath,
  openCurrentNetns,
  openNetns,
  openNetnsIfExists,
} from "./netns.ts";

const namespaces = testNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("nsenter"), program("unshare"));

function currentId(): string {
  const netns = openCurrentNetns();
  closeNetns(netns);
  return netns.id;
}

function linkNames(): string[] {
  const socket = new NetlinkSocket(NETLINK_ROUTE);
  try {
    return listLinks(socket).map(({ name }) => name);
  } finally {
    socket.close();
  }
}

/** What this process has open of namespaces and of the paths; what other tests have left to the collector does not count. */
function openOf(paths: readonly string[] = []): string[] {
  return readdirSync("/proc/self/fd")
    .map((fd) => linkOf(`/proc/self/fd/${fd}`))
    .filter((path) => paths.includes(path) || /^(?:net|mnt):\[/.test(path))
    .sort();
}

/** Where a symbolic link leads; nowhere, if it is gone by now. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function thrown(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("createNamedNetns", () => {
  kernelTest("makes a namespace that ip-netns(8) lists and enters", () => {
    const { name, sh } = namespaces.fresh();
    expect(sh("ip -j netns list")).toContain(`"${name}"`);
    expect(listNamedNetns()).toContain(name);
    expect(sh(`ip netns exec ${name} ip -br link | wc -l`).trim()).toBe("1");
  });

  kernelTest("refuses a name in use and leaves that namespace alone", () => {
    const { name, netns } = namespaces.fresh();
    const error = thrown(() => createNamedNetns(name));
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({ code: "EEXIST", message: `Cannot create network namespace "${name}": EEXIST` });
    const again = openNetns(netns.path);
    closeNetns(again);
    expect(again.id).toBe(netns.id);
  });

  kernelTest("comes back to the namespace that it was called in, also when it fails", () => {
    const before = currentId();
    const { name } = namespaces.fresh();
    expect(currentId()).toBe(before);
    thrown(() => createNamedNetns(name));
    expect(currentId()).toBe(before);
  });
});

describe("names that are the first of a machine", () => {
  kernelTest("can be taken away after ip-netns(8) has made its first one", () => {
    const module = JSON.stringify(join(import.meta.dir, "netns.ts"));
    const script = `
      const { createNamedNetns, deleteNamedNetns, listNamedNetns } = await import(${module});
      createNamedNetns("ours");
      Bun.spawnSync(["ip", "netns", "add", "theirs"], { stdio: ["ignore", "inherit", "inherit"] });
      deleteNamedNetns("ours");
      console.log(listNamedNetns().join());
    `;
    // An empty /run in a mount namespace that goes with the process.
    const shell = 'mount -t tmpfs none /run && exec "$0" -e "$1"';
    const done = Bun.spawnSync(["unshare", "--mount", "sh", "-c", shell, process.execPath, script]);
    expect(`${done.stdout}${done.stderr}`).toBe("theirs\n");
  });
});

describe("openNetns", () => {
  kernelTest("knows a namespace again by its id, whatever the path", () => {
    const one = namespaces.fresh();
    const other = namespaces.fresh();
    const [throughProcess, current] = inNetns(one.netns, () => {
      const throughProcess = openNetns("/proc/thread-self/ns/net");
      const current = openCurrentNetns();
      closeNetns(throughProcess);
      closeNetns(current);
      return [throughProcess, current] as const;
    });
    expect(throughProcess.id).toBe(one.netns.id);
    expect(current.id).toBe(one.netns.id);
    expect(new Set([one.netns.id, other.netns.id, currentId()]).size).toBe(3);
  });

  kernelTest("refuses what is not a network namespace, and closes it", () => {
    const folder = mkdtempSync(join(tmpdir(), "tendril-netns-"));
    try {
      const file = join(folder, "file");
      writeFileSync(file, "");
      const paths = [file, folder, "/proc/self/ns/mnt", "/dev/null", join(folder, "missing"), `${file}/below`, ""];
      const before = openOf([file, folder]);
      for (const path of paths) {
        const error = thrown(() => closeNetns(openNetns(path)));
        expect(error).toBeInstanceOf(UnknownContainerError);
        expect(String(error)).toContain(`Cannot open network namespace "${path}"`);
        expect(openNetnsIfExists(path)).toBeUndefined();
      }
      expect(openOf([file, folder])).toEqual(before);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  kernelTest("keeps a namespace usable that has lost its name", () => {
    const name = `${OWN_PREFIX}nameless`;
    const netns = createNamedNetns(name);
    try {
      deleteNamedNetns(name);
      expect(inNetns(netns, linkNames)).toEqual(["lo"]);
    } finally {
      deleteNamedNetns(name);
      closeNetns(netns);
    }
  });
});

describe("inNetns", () => {
  kernelTest("runs the work inside, with its links and its children, and comes back", () => {
    const { netns, socket } = namespaces.fresh();
    socket.execute(createLink({ name: "inside0", info: { kind: "bridge" } }));
    const before = linkNames();
    const [names, childs] = inNetns(netns, () => [linkNames(), Bun.spawnSync(["ip", "-br", "link"]).stdout.toString()]);
    expect(names).toEqual(["lo", "inside0"]);
    expect(childs).toContain("inside0");
    expect(linkNames()).toEqual(before);
  });

  kernelTest("comes back when the work throws, and passes on what it threw", () => {
    const { netns } = namespaces.fresh();
    const home = currentId();
    const before = openOf();
    const error = new Error("within");
    expect(
      thrown(() =>
        inNetns(netns, () => {
          expect(currentId()).toBe(netns.id);
          throw error;
        }),
      ),
    ).toBe(error);
    expect(currentId()).toBe(home);
    expect(openOf()).toEqual(before);
  });

  kernelTest("may be nested", () => {
    const outer = namespaces.fresh();
    const inner = namespaces.fresh();
    const home = currentId();
    const seen = inNetns(outer.netns, () => [currentId(), inNetns(inner.netns, currentId), currentId()]);
    expect(seen).toEqual([outer.netns.id, inner.netns.id, outer.netns.id]);
    expect(currentId()).toBe(home);
  });

  kernelTest("refuses a descriptor of something else and stays where it is", () => {
    const home = currentId();
    const fd = openSync("/proc/self/status", "r");
    const bad = { path: "/proc/self/status", fd, id: "" };
    expect(thrown(() => inNetns(bad, () => undefined))).toBeInstanceOf(UnknownContainerError);
    closeNetns(bad);
    expect(currentId()).toBe(home);
  });
});

describe("deleteNamedNetns", () => {
  kernelTest("takes name and namespace away, and does nothing the second time", () => {
    const name = `${OWN_PREFIX}deleted`;
    closeNetns(createNamedNetns(name));
    deleteNamedNetns(name);
    expect(listNamedNetns()).not.toContain(name);
    expect(openNetnsIfExists(namedNetnsPath(name))).toBeUndefined();
    deleteNamedNetns(name);
  });

  kernelTest("takes away what ip-netns(8) made, and the empty file that stays when a mount has gone", () => {
    const { sh } = namespaces.fresh();
    const name = `${OWN_PREFIX}foreign`;
    sh(`ip netns add ${name}`);
    const made = openNetns(namedNetnsPath(name));
    closeNetns(made);
    sh(`umount ${namedNetnsPath(name)}`);
    expect(listNamedNetns()).toContain(name);
    expect(openNetnsIfExists(namedNetnsPath(name))).toBeUndefined();
    deleteNamedNetns(name);
    expect(listNamedNetns()).not.toContain(name);
  });
});

test("none of this leaves the process in another namespace", () => {
  expect(linkNames()).toContain("lo");
  expect(listNamedNetns().filter((name) => name.startsWith(`${OWN_PREFIX}deleted`))).toEqual([]);
});
