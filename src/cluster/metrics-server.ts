/** What a daemon serves on the loopback: its metrics, and answers to who asks whether it lives and whether it is ready. */

/** What a daemon can be asked for by TCP. */
export interface Observed {
  /** Whether it does what it is there for. */
  isReady(): boolean;
  /** In the text format of Prometheus. */
  metrics(): Promise<string>;
}

export interface Server {
  /** Takes no more requests, and waits for those that are being served. */
  close(): Promise<void>;
}

/** Listens on an address of the loopback, `HOST:PORT`; of the rest nothing is told there. */
export function serveMetrics(address: string, observed: Observed): Server {
  const colon = address.lastIndexOf(":");
  const server = Bun.serve({
    hostname: address.slice(0, colon).replace(/^\[|\]$/g, ""),
    port: Number(address.slice(colon + 1)),
    fetch: async (request) => {
      switch (new URL(request.url).pathname) {
        case "/metrics":
          return await metricsResponse(observed);
        case "/livez":
          return new Response("ok\n");
        case "/readyz":
          return observed.isReady() ? new Response("ok\n") : new Response("not ready\n", { status: 503 });
        default:
          return new Response(null, { status: 404 });
      }
    },
  });
  return { close: () => server.stop(true) };
}

export async function metricsResponse({ metrics }: Pick<Observed, "metrics">): Promise<Response> {
  return new Response(await metrics(), { headers: { "Content-Type": "text/plain; version=0.0.4" } });
}
