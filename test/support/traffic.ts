/** Real connections between network namespaces, made from this process: who answers, and whom it sees. */

import { inNetns } from "../../src/linux/netns.ts";
import type { TestNetns } from "./namespaces.ts";

/** How long an answer may take on a machine that has much else to do. */
const PATIENCE_MS = 20_000;
/** How long to wait for an answer that should not come: much longer than one takes here. */
const NO_ANSWER_MS = 300;

/** What closes with the test. */
export interface Closable {
  close(): void;
}

/** An IPv4 address as it was written, where a socket of both families shows it mapped. */
function plain(address: string): string {
  return address.replace(/^::ffff:/, "");
}

/**
 * Answers on ports of TCP and UDP in both families, with a name and the address that the question came from:
 * `web 10.77.0.1`.
 */
export async function answering(
  { netns }: Pick<TestNetns, "netns">,
  name: string,
  ports: { readonly tcp?: readonly number[]; readonly udp?: readonly number[] },
): Promise<Closable> {
  const servers = (ports.tcp ?? []).map((port) =>
    inNetns(netns, () =>
      Bun.listen({
        hostname: "::",
        port,
        socket: { open: (socket) => void socket.end(`${name} ${plain(socket.remoteAddress)}`), data() {} },
      }),
    ),
  );
  const sockets = await Promise.all(
    (ports.udp ?? []).map((port) =>
      inNetns(netns, () =>
        Bun.udpSocket({
          hostname: "::",
          port,
          socket: {
            data: (socket, _, from, address) => void socket.send(`${name} ${plain(address)}`, from, address),
            // A client may have gone before its answer came.
            error() {},
          },
        }),
      ),
    ),
  );
  return {
    close() {
      for (const server of servers) server.stop(true);
      for (const socket of sockets) socket.close();
    },
  };
}

/**
 * The answer of a TCP server, or why there was none: an error's code, or `no answer`; which tests had better ask of UDP,
 * for a connection that is being tried cannot be given up.
 */
export function askTcp({ netns }: Pick<TestNetns, "netns">, address: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    let close = () => {};
    const end = (answer: string) => {
      clearTimeout(timer);
      close();
      resolve(answer);
    };
    const timer = setTimeout(() => end("no answer"), PATIENCE_MS);
    const failed = (error: unknown) => end((error as { code?: string }).code ?? String(error));
    inNetns(netns, () =>
      Bun.connect({
        hostname: address,
        port,
        socket: {
          open: (socket) => {
            close = () => socket.terminate();
          },
          data: (_, bytes) => {
            text += bytes.toString();
          },
          close: () => end(text === "" ? "closed" : text),
          error: (_, error) => failed(error),
          connectError: (_, error) => failed(error),
        },
      }).then((socket) => {
        // The wait may be over by now.
        close = () => socket.terminate();
      }, failed),
    );
  });
}

/** A client of UDP that keeps its port, so that its datagrams are one flow to the kernel. */
export interface UdpClient extends Closable {
  readonly port: number;
  /** The answer to one datagram, `refused`, or `no answer`. */
  ask(address: string, port: number, options?: { readonly patience?: number }): Promise<string>;
}

export async function udpClient({ netns }: Pick<TestNetns, "netns">, family: 4 | 6): Promise<UdpClient> {
  let heard: (answer: string) => void = () => {};
  const socket = await inNetns(netns, () =>
    Bun.udpSocket({
      hostname: family === 4 ? "0.0.0.0" : "::",
      socket: { data: (_, bytes) => heard(bytes.toString()), error: () => heard("refused") },
    }),
  );
  return {
    port: socket.port,
    ask: (address, port, { patience = PATIENCE_MS } = {}) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve("no answer"), patience);
        heard = (answer) => {
          clearTimeout(timer);
          resolve(answer);
        };
        // The first error may be what the socket was told of an earlier datagram, and this one was not sent.
        const error = sendingError(socket, port, address) && sendingError(socket, port, address);
        if (error !== undefined) heard(error);
      }),
    close: () => socket.close(),
  };
}

function sendingError(socket: Bun.udp.Socket<"buffer">, port: number, address: string): string | undefined {
  try {
    socket.send("?", port, address);
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/** The answer of a UDP server to a client that is new to it, or `no answer`. */
export async function askUdp(
  from: Pick<TestNetns, "netns">,
  address: string,
  port: number,
  options?: { readonly patience?: number },
): Promise<string> {
  const client = await udpClient(from, address.includes(":") ? 6 : 4);
  try {
    return await client.ask(address, port, options);
  } finally {
    client.close();
  }
}

/** For a question that should get no answer. */
export const BRIEFLY = { patience: NO_ANSWER_MS };
