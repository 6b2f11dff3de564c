/** The load that proofs rest on: it loses nothing of a server that answers, and tells of one that does not. */

import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { startLoad } from "./load.ts";

const HERE = { name: "here", enter: ["nice"] };

let server: Server | undefined;
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server?.close();
});

/** Answers each request that has come whole, as long as it is told to. Returns its port. */
async function serve(answersNow: () => boolean): Promise<number> {
  const made = createServer((socket) => {
    sockets.add(socket);
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      text += bytes.toString();
      const requests = text.split("\r\n\r\n");
      text = requests.pop() ?? "";
      if (!answersNow()) return void socket.destroy();
      for (const request of requests) {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nweb");
        if (request.includes("Connection: close")) socket.end();
      }
    });
  });
  server = made;
  await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve));
  return (made.address() as { port: number }).port;
}

describe("requests at a constant rate", () => {
  test("are all answered by a server that is there", async () => {
    const load = await startLoad([HERE], [{ address: "127.0.0.1", port: await serve(() => true) }]);
    await Bun.sleep(1500);
    const { asked, lost, slowest } = await load.end();
    expect({ isMany: asked >= 6, lost, isTimed: slowest > 0 }).toEqual({ isMany: true, lost: 0, isTimed: true });
  });

  test("are lost by both ways with a server that hangs up, and only then", async () => {
    let isWell = true;
    const load = await startLoad([HERE], [{ address: "127.0.0.1", port: await serve(() => isWell) }]);
    await Bun.sleep(600);
    isWell = false;
    await Bun.sleep(600);
    isWell = true;
    await Bun.sleep(600);
    const { asked, lost, reasons } = await load.end();
    expect(lost).toBeGreaterThan(1);
    expect(lost).toBeLessThan(asked);
    expect(reasons.some((reason) => reason.startsWith('answered ""'))).toBe(true);
    expect(reasons.some((reason) => reason.startsWith("the kept connection was closed"))).toBe(true);
  });
});
