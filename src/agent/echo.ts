/**
 * What answers other nodes' probes: all that comes by UDP and TCP to the node's own address among the pods goes back as it
 * came, to other nodes alone. So nobody can have it answer a third one.
 */

/** The port, by UDP and TCP. */
export const PROBE_PORT = 9479;

/** Nobody listens there, or there is no way there by now. */
const UNHEARD = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EPERM", "EMSGSIZE"];

export interface Echo {
  close(): void;
}

/** Listens on an address. Throws what the kernel refuses. */
export async function listenEcho(address: string, isNode: (address: string) => boolean): Promise<Echo> {
  const udp = await Bun.udpSocket({
    hostname: address,
    port: PROBE_PORT,
    socket: {
      data(socket, data, port, from) {
        if (!isNode(from)) return;
        try {
          socket.send(data, port, from);
        } catch (error) {
          passOverUnheard(error);
        }
      },
      error: passOverUnheard,
    },
  });
  const tcp = Bun.listen({
    hostname: address,
    port: PROBE_PORT,
    socket: {
      open(socket) {
        if (!isNode(socket.remoteAddress)) socket.terminate();
      },
      data(socket, data) {
        socket.write(data);
      },
    },
  });
  return {
    close() {
      udp.close();
      tcp.stop(true);
    },
  };
}

/** What came back of an answer that nobody waited for any more is told at the next call. @see udp(7) */
function passOverUnheard(error: unknown): void {
  if (error instanceof Error && "code" in error && UNHEARD.includes(String(error.code))) return;
  throw error;
}
