import { afterEach, expect, test } from "bun:test";
import { type Server, serveMetrics } from "./metrics-server.ts";

const PORT = 39_095;
let server: Server | undefined;
afterEach(() => server?.close());

test("on the loopback there are metrics and the two probes, and nothing else", async () => {
  let ready = false;
  server = serveMetrics(`127.0.0.1:${PORT}`, { metrics: async () => "figures 1\n", isReady: () => ready });
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${PORT}${path}`);
    return { status: response.status, text: await response.text() };
  };
  expect(await ask("/metrics")).toEqual({ status: 200, text: "figures 1\n" });
  expect(await ask("/livez")).toEqual({ status: 200, text: "ok\n" });
  expect(await ask("/readyz")).toEqual({ status: 503, text: "not ready\n" });
  ready = true;
  expect(await ask("/readyz")).toEqual({ status: 200, text: "ok\n" });
  for (const path of ["/", "/status", "/cni"]) expect((await ask(path)).status).toBe(404);
});
