import { describe, expect } from "bun:test";
import { source, startChild } from "../../../test/support/child.ts";
import { type TestNetns, testNamespaces } from "../../../test/support/namespaces.ts";
import { needs, program, root } from "../../../test/support/needs.ts";
import { expectNothingLeft } from "../../../test/support/snapshot.ts";
import { AF_NETLINK, closeSocket, openSocket, receive, SOCK_RAW, send } from "../libc.ts";
import { inNetns } from "../netns.ts";
import { NetlinkError } from "./error.ts";
import {
  type NetlinkRequest,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  readMessages,
  request,
  writeMessage,
} from "./message.ts";
import { addAddress, addressMessage, listAddresses } from "./rtnetlink/address.ts";
import {
  changeLink,
  changeLinkFlags,
  createLink,
  deleteLink,
  findLink,
  IFF_UP,
  listLinks,
} from "./rtnetlink/link/link.ts";
import { listNeighbours, setNeighbour } from "./rtnetlink/neighbour.ts";
import { listRoutes } from "./rtnetlink/route.ts";
import { NETLINK_ROUTE } from "./socket.ts";
import { bytes, Writer } from "./wire.ts";

const namespaces = testNamespaces();
expectNothingLeft();
const kernelTest = needs(root, program("ip"), program("nsenter"));

function bridge(name: string): NetlinkRequest {
  return createLink({ name, info: { kind: "bridge" } });
}

/** A veth whose both ends are up, so that it takes neighbours; returns its index. */
function vethUp({ socket }: TestNetns, name: string): number {
  socket.execute(createLink({ name, info: { kind: "veth", veth: { peer: { name: `${name}p` } } } }));
  for (const end of [name, `${name}p`]) socket.execute(changeLinkFlags({ name: end }, IFF_UP));
  return findLink(socket, name)?.index ?? 0;
}

function refusal(work: () => unknown): NetlinkError {
  try {
    work();
  } catch (error) {
    if (error instanceof NetlinkError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("requests in one send", () => {
  kernelTest("all take effect but the one in the middle that fails, whose error names it", () => {
    const { socket, json } = namespaces.fresh();
    const outcomes: string[] = [];
    const note = (error: NetlinkError | undefined) => outcomes.push(error === undefined ? "done" : error.message);
    for (const name of ["one", "two", "lo", "three"]) socket.post(bridge(name), note);
    expect(outcomes).toEqual([]);
    socket.flush();
    expect(outcomes).toEqual(["done", "done", 'Cannot create link "lo": EEXIST', "done"]);
    expect(json<{ ifname: string }>("ip -j link").map(({ ifname }) => ifname)).toEqual(["lo", "one", "two", "three"]);
  });

  kernelTest("are each settled although one of them throws, and then it is thrown", () => {
    const { socket } = namespaces.fresh();
    const outcomes: string[] = [];
    const settle = (name: string) => (error: NetlinkError | undefined) => {
      outcomes.push(name);
      if (error !== undefined) throw error;
    };
    for (const name of ["one", "lo", "two", "lo", "three"]) socket.post(bridge(name), settle(name));
    expect(refusal(() => socket.flush()).operation).toBe('create link "lo"');
    expect(outcomes).toEqual(["one", "lo", "two", "lo", "three"]);
    // What has been settled is not sent again.
    socket.flush();
    expect(outcomes).toHaveLength(5);
  });

  kernelTest("may be followed by others from within what settles them", () => {
    const { socket } = namespaces.fresh();
    const seen: (string | undefined)[] = [];
    for (const name of ["one", "two"]) {
      socket.post(bridge(name), () => {
        seen.push(findLink(socket, name)?.name);
        socket.execute(changeLink({ name, alias: `of ${name}` }));
      });
    }
    socket.flush();
    expect(seen).toEqual(["one", "two"]);
    expect(listLinks(socket).map(({ alias }) => alias)).toEqual([undefined, "of one", "of two"]);
  });

  kernelTest("five hundred of them, posted in one go, are all done in order", () => {
    const namespace = namespaces.fresh();
    const { socket, sh } = namespace;
    const index = vethUp(namespace, "many");
    const settled: number[] = [];
    for (let i = 0; i < 500; i++) {
      const ip = `10.0.${i >> 8}.${i & 255}`;
      socket.post(setNeighbour({ index, ip, mac: "02:00:00:00:00:01" }), (error) => {
        if (error !== undefined) throw error;
        settled.push(i);
      });
    }
    socket.flush();
    expect(settled).toEqual(Array.from({ length: 500 }, (_, i) => i));
    expect(sh("ip -4 neighbour show nud permanent | wc -l").trim()).toBe("500");
  });

  kernelTest("that fail by the hundred do not lose one answer", () => {
    const { socket } = namespaces.fresh();
    let refused = 0;
    for (let i = 0; i < 500; i++) {
      socket.post(bridge("lo"), (error) => {
        if (error?.code === "EEXIST") refused++;
      });
    }
    socket.flush();
    expect(refused).toBe(500);
  });

  kernelTest("leave no trace of one whose value cannot be encoded", () => {
    const { socket } = namespaces.fresh();
    socket.post(bridge("one"), () => {});
    expect(() => socket.execute(addAddress({ index: 1, ip: "nowhere", prefixLength: 8 }))).toThrow(TypeError);
    socket.execute(bridge("two"));
    expect(listLinks(socket).map(({ name }) => name)).toEqual(["lo", "one", "two"]);
  });

  kernelTest("larger than the default send buffer are taken as one datagram", () => {
    const namespace = namespaces.fresh();
    const { socket } = namespace;
    const index = vethUp(namespace, "large");
    const requests = Array.from({ length: 6_000 }, (_, i) =>
      setNeighbour({ index, ip: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, mac: "02:00:00:00:00:01" }),
    );
    // Entries of this kind do not count against gc_thresh, so the kernel takes them all.
    expect(socket.transact(requests, requests.length - 1)).toEqual([]);
    expect(listNeighbours(socket, 2).filter(({ state }) => state === 0x80)).toHaveLength(6_000);
  });

  kernelTest("that are refused by the thousand within one datagram do not lose one answer", () => {
    const { socket } = namespaces.fresh();
    const requests = [bridge("first"), ...Array.from({ length: 2_000 }, () => bridge("lo")), bridge("last")];
    const errors = socket.transact(requests, requests.length - 1);
    expect(errors).toHaveLength(2_000);
    expect(findLink(socket, "last")?.name).toBe("last");
  });
});

describe("the kernel's words", () => {
  kernelTest("are in the error of a link of unknown type", () => {
    const { socket } = namespaces.fresh();
    const error = refusal(() => socket.execute(createLink({ name: "x", info: { kind: "nonsense" } })));
    expect(error).toMatchObject({
      code: "EOPNOTSUPP",
      kernelMessage: "Unknown device type",
      message: 'Cannot create link "x": EOPNOTSUPP (Unknown device type)',
    });
  });

  kernelTest("come with the place of the attribute that is wrong", () => {
    const { socket } = namespaces.fresh();
    const error = refusal(() =>
      socket.execute(createLink({ name: "a-name-that-is-too-long", info: { kind: "bridge" } })),
    );
    expect(error.code).toBe("ERANGE");
    // The name comes first, after the headers of the message and of the link.
    expect(error.offset).toBe(32);
  });

  kernelTest("are in the error of a dump that the kernel refuses", () => {
    const { socket } = namespaces.fresh();
    const body = new Uint8Array(12);
    // The kernel, asked to be strict, does not take a prefix length in the header of a dump of routes.
    body[0] = 2;
    body[1] = 24;
    const error = refusal(() => socket.dump(request("list routes", 26, 0, bytes, body)));
    expect(error).toMatchObject({ code: "EINVAL", operation: "list routes" });
    expect(error.kernelMessage).toContain("nvalid values in header");
  });
});

describe("a look-up", () => {
  kernelTest("finds an object or says that there is none", () => {
    const { socket } = namespaces.fresh();
    expect(findLink(socket, "lo")?.index).toBe(1);
    expect(findLink(socket, "missing0")).toBeUndefined();
  });

  kernelTest("of routes in a table that does not exist finds none", () => {
    const { socket } = namespaces.fresh();
    expect(listRoutes(socket, 4711)).toEqual([]);
  });
});

describe("a dump", () => {
  kernelTest("of thousands of objects has each of them once", () => {
    const { socket } = namespaces.fresh();
    const ips = Array.from({ length: 3_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
    for (const ip of ips) {
      socket.post(addAddress({ index: 1, ip, prefixLength: 32 }), (error) => {
        if (error !== undefined) throw error;
      });
    }
    socket.flush();
    expect(listAddresses(socket, 1).map(({ local }) => local)).toEqual(ips);
  });

  kernelTest(
    "during which objects go is taken again, so that none of those that stay is missing",
    async () => {
      const { socket, netns } = namespaces.fresh();
      // The kernel counts its way through a link's addresses: when an early one goes between two parts of a dump, one
      // of those that stay is passed over.
      const going = Array.from({ length: 250 }, (_, i) => `10.2.${i >> 8}.${i & 255}`);
      const staying = Array.from({ length: 1_500 }, (_, i) => `10.3.${i >> 8}.${i & 255}`);
      // It takes an address off the list a moment before it counts the change, so that it can miss to report one before
      // the last part of a dump: this part is not looked at.
      const last = Array.from({ length: 600 }, (_, i) => `10.4.${i >> 8}.${i & 255}`);
      for (const ip of [...going, ...staying, ...last])
        socket.post(addAddress({ index: 1, ip, prefixLength: 32 }), throwIt);
      socket.flush();
      const child = startChild(`
        import { inNetns, openNetns } from ${source("linux/netns.ts")};
        import { NetlinkSocket } from ${source("linux/netlink/socket.ts")};
        import { deleteAddress } from ${source("linux/netlink/rtnetlink/address.ts")};
        const socket = inNetns(openNetns(${JSON.stringify(netns.path)}), () => new NetlinkSocket(0));
        console.log("ready");
        for (const ip of ${JSON.stringify(going)}) {
          socket.execute(deleteAddress({ index: 1, ip, prefixLength: 32 }));
          Bun.sleepSync(4);
        }
      `);
      expect(await child.line()).toBe("ready");
      let running = true;
      const ended = child.ended().finally(() => {
        running = false;
      });
      let interrupted = 0;
      let dumps = 0;
      while (running) {
        if (rawAddressDump(netns).interrupted) interrupted++;
        try {
          const found = new Set(listAddresses(socket, 1).map(({ local }) => local));
          dumps++;
          expect(staying.filter((ip) => !found.has(ip))).toEqual([]);
        } catch (error) {
          // On a busy machine each attempt may be interrupted; that is told, not hidden.
          if (!(error instanceof NetlinkError && error.code === "EINTR")) throw error;
        }
        await Bun.sleep(0);
      }
      expect(await ended).toBe(0);
      // Else nothing was proved.
      expect(dumps).toBeGreaterThan(5);
      expect(interrupted).toBeGreaterThan(0);
      expect(listAddresses(socket, 1).map(({ local }) => local)).toEqual([...staying, ...last]);
    },
    20_000,
  );

  kernelTest(
    "that is interrupted over and over ends with an error and not with a part",
    async () => {
      const { socket, netns } = namespaces.fresh();
      for (let i = 0; i < 3_000; i++) {
        const ip = `10.1.${i >> 8}.${i & 255}`;
        socket.post(addAddress({ index: 1, ip, prefixLength: 32 }), throwIt);
      }
      socket.flush();
      // Two children that never rest: no dump of many parts comes through.
      const children = ["10.9.0.1", "10.9.0.2"].map((ip) =>
        startChild(`
          import { inNetns, openNetns } from ${source("linux/netns.ts")};
          import { NetlinkSocket } from ${source("linux/netlink/socket.ts")};
          import { addAddress, deleteAddress } from ${source("linux/netlink/rtnetlink/address.ts")};
          const socket = inNetns(openNetns(${JSON.stringify(netns.path)}), () => new NetlinkSocket(0));
          const address = { index: 1, ip: ${JSON.stringify(ip)}, prefixLength: 32 };
          console.log("ready");
          for (;;) { socket.execute(addAddress(address)); socket.execute(deleteAddress(address)); }
        `),
      );
      try {
        for (const child of children) expect(await child.line()).toBe("ready");
        for (let i = 0; i < 10; i++) {
          try {
            const found = listAddresses(socket, 1).filter(({ local }) => local?.startsWith("10.1."));
            expect(found).toHaveLength(3_000);
          } catch (error) {
            if (!(error instanceof NetlinkError)) throw error;
            expect(error.message).toBe("Cannot list addresses: EINTR (interrupted 20 times by changes)");
          }
        }
      } finally {
        for (const child of children) {
          child.kill("SIGKILL");
          await child.ended();
        }
      }
      expect(listAddresses(socket, 1).length).toBeGreaterThanOrEqual(3_000);
    },
    20_000,
  );

  function throwIt(error: NetlinkError | undefined): void {
    if (error !== undefined) throw error;
  }
});

/** One dump of all addresses without any care, as the kernel gives it. */
function rawAddressDump(netns: TestNetns["netns"]): { interrupted: boolean } {
  const fd = inNetns(netns, () => openSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  try {
    const out = new Writer();
    const which = { family: 0, prefixLength: 0, flags8: 0, scope: 0, index: 0 };
    writeMessage(out, request("list", 22, 0, addressMessage, which), NLM_F_REQUEST | NLM_F_DUMP, 1);
    send(fd, out.written());
    const buffer = new Uint8Array(64 * 1024);
    let interrupted = false;
    for (;;) {
      for (const { type, flags } of readMessages(buffer.subarray(0, receive(fd, buffer)))) {
        if ((flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (type === NLMSG_DONE) return { interrupted };
      }
    }
  } finally {
    closeSocket(fd);
  }
}

kernelTest("a socket stays in the namespace in which it was opened", () => {
  const one = namespaces.fresh();
  const other = namespaces.fresh();
  one.socket.execute(bridge("only-one"));
  expect(findLink(other.socket, "only-one")).toBeUndefined();
  // Wherever the thread is by then.
  const names = inNetns(other.netns, () => {
    one.socket.execute(bridge("from-there"));
    return listLinks(one.socket).map(({ name }) => name);
  });
  expect(names).toEqual(["lo", "only-one", "from-there"]);
  expect(other.sh("ip -br link | wc -l").trim()).toBe("1");
  one.socket.execute(deleteLink({ name: "from-there" }));
});
