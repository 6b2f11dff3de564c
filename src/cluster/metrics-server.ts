/** What a daemon serves on the loopback: its metrics, and answers to who asks whether it lives and whether it is ready. */

import { ConfigError } from "../core/errors.ts";
import { type Schema, text } from "../core/schema.ts";

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

/** Of a configuration: nowhere. */
export const METRICS_OFF = "off";

/** A port of the machine itself: what a daemon tells of its node is nobody else's business. */
export const metricsAddress: Schema<string> = (value, field) => {
  const given = text(value, field);
  const port = /^(?:127(?:\.\d{1,3}){3}|\[::1\]|localhost):(\d{1,5})$/.exec(given)?.[1];
  if (given === METRICS_OFF || (port !== undefined && Number(port) <= 65_535)) return given;
  throw new ConfigError(
    field,
    `must be an address of the loopback and a port, such as 127.0.0.1:9095, or ${METRICS_OFF}`,
    {
      value,
    },
  );
};

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
