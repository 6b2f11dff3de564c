/** Host ports of SCTP, with real associations. */

import { afterAll, beforeAll, expect } from "bun:test";
import {
  AF_INET,
  AF_INET6,
  acceptSocket,
  bindSocket,
  closeSocket,
  connectSocket,
  listenSocket,
  openSocket,
  receive,
  SO_RCVTIMEO,
  SO_SNDTIMEO,
  SOCK_STREAM,
  SystemCallError,
  send,
  setSocketTimeout,
} from "../../src/linux/libc.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { encodeSocketAddress } from "../../src/linux/socket-address.ts";
import { checkChain } from "../support/chain.ts";
import { kernelFeature } from "../support/kernel.ts";
import type { TestNetns } from "../support/namespaces.ts";
import { needs, program, root } from "../support/needs.ts";
import { expectBuilt, testHosts } from "../support/plugin-calls.ts";
import { expectNothingLeft } from "../support/snapshot.ts";
import type { Closable } from "../support/traffic.ts";
import { HOST_V4, HOST_V6, makePod, makeSite, SECOND_V4, takeDown } from "./portmap-stage.ts";

/** @see linux/in.h */
const IPPROTO_SCTP = 132;
const TIMEOUT_MS = 5_000;

const sctp = kernelFeature("SCTP sockets", () => {
  try {
    closeSocket(openSocket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
    return true;
  } catch (error) {
    if (error instanceof SystemCallError) return false;
    throw error;
  }
});

beforeAll(expectBuilt);
const hosts = testHosts();
const open: Closable[] = [];
afterAll(() => {
  for (const one of open.splice(0)) one.close();
});
expectNothingLeft();
const test = needs(root, program("ip"), program("nft"), sctp);

function sctpSocket({ netns }: TestNetns, address: string): number {
  const fd = inNetns(netns, () => openSocket(address.includes(":") ? AF_INET6 : AF_INET, SOCK_STREAM, IPPROTO_SCTP));
  setSocketTimeout(fd, SO_RCVTIMEO, TIMEOUT_MS);
  setSocketTimeout(fd, SO_SNDTIMEO, TIMEOUT_MS);
  return fd;
}

/** What a server in one namespace gets of a client in another, which connects to another address and port. */
function deliver(
  server: TestNetns,
  at: readonly [string, number],
  client: TestNetns,
  to: readonly [string, number],
): string {
  const listener = sctpSocket(server, at[0]);
  const sender = sctpSocket(client, to[0]);
  try {
    bindSocket(listener, encodeSocketAddress(...at));
    listenSocket(listener, 1);
    connectSocket(sender, encodeSocketAddress(...to));
    const accepted = acceptSocket(listener);
    try {
      setSocketTimeout(accepted, SO_RCVTIMEO, TIMEOUT_MS);
      send(sender, new TextEncoder().encode("by SCTP"));
      const buffer = new Uint8Array(64);
      return new TextDecoder().decode(buffer.subarray(0, receive(accepted, buffer)));
    } finally {
      closeSocket(accepted);
    }
  } finally {
    closeSocket(sender);
    closeSocket(listener);
  }
}

test("an association through a host port comes about from outside, from the host and from the container itself", async () => {
  const place = makeSite(hosts);
  const port = { containerPort: 7, protocol: "sctp" };
  const ports = [
    { ...port, hostPort: 3868 },
    { ...port, hostPort: 3869, hostIP: SECOND_V4 },
  ];
  const pod = await makePod(hosts, open, place, "web", ports);
  const inside = pod.container.namespace;
  const ways: readonly (readonly [TestNetns, string, number, string])[] = [
    [place.outside, HOST_V4, 3868, "10.77.0.2"],
    [place.outside, SECOND_V4, 3869, "10.77.0.2"],
    [place.outside, HOST_V6, 3868, "fd77::2"],
    [place.host.netns, "127.0.0.1", 3868, "10.77.0.2"],
    [inside, HOST_V4, 3868, "10.77.0.2"],
  ];
  for (const [from, address, hostPort, own] of ways) {
    const got = deliver(inside, [own, 7], from, [address, hostPort]);
    expect({ address, hostPort, got }).toEqual({ address, hostPort, got: "by SCTP" });
  }
  await checkChain(place.host, pod.container, pod.chain, pod.result);
  await takeDown(place, pod);
  expect(() => deliver(inside, ["10.77.0.2", 7], place.outside, [HOST_V4, 3868])).toThrow(/ECONNREFUSED|EADDRNOTAVAIL/);
});
