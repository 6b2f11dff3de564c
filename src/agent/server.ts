/**
 * The agent's socket: HTTP for plugins, which have their calls served by it, and for people, who ask how it is.
 *
 * The socket is its owner's alone from the beginning: it is bound under a name that nobody looks for, and renamed once its
 * mode is right. So a socket of a former agent, too, is replaced at once.
 */

import { chmodSync, renameSync } from "node:fs";
import { errorMessage } from "../core/errors.ts";
import { AGENT_SOCKET, CALL_PATH, type ResidentAnswer, type ResidentCall } from "../core/resident.ts";
import { ensureFolder } from "../linux/file.ts";
import type { Log } from "./log.ts";

/** What the agent can be asked for. */
export interface Service {
  /** Serves a plugin's call; undefined for one that the plugin's own process has to serve. */
  call(call: ResidentCall): Promise<ResidentAnswer | undefined>;
  /** Whether plugins' calls for the cluster can be served. */
  isReady(): boolean;
  /** How the node is, as JSON. */
  status(): unknown;
  /** In the text format of Prometheus. */
  metrics(): Promise<string>;
}

export interface Server {
  /** Takes no more requests, and waits for those that are being served. */
  close(): Promise<void>;
}

/** Listens on the socket in the run folder. */
export function serveSocket(runFolder: string, service: Service, log: Log): Server {
  ensureFolder(runFolder);
  const path = `${runFolder}/${AGENT_SOCKET}`;
  const bound = `${path}.${process.pid}`;
  const server = Bun.serve({ unix: bound, fetch: (request) => answer(request, service, log) });
  chmodSync(bound, 0o600);
  renameSync(bound, path);
  return { close: () => server.stop() };
}

/**
 * Listens on an address of the loopback for who gathers metrics, and for who asks whether the agent lives and whether its
 * node is ready; of the rest nothing is told there.
 */
export function serveMetrics(address: string, service: Pick<Service, "metrics" | "isReady">): Server {
  const colon = address.lastIndexOf(":");
  const server = Bun.serve({
    hostname: address.slice(0, colon).replace(/^\[|\]$/g, ""),
    port: Number(address.slice(colon + 1)),
    fetch: async (request) => {
      switch (new URL(request.url).pathname) {
        case "/metrics":
          return await metricsResponse(service);
        case "/livez":
          return new Response("ok\n");
        case "/readyz":
          return service.isReady() ? new Response("ok\n") : new Response("not ready\n", { status: 503 });
        default:
          return new Response(null, { status: 404 });
      }
    },
  });
  return { close: () => server.stop(true) };
}

async function answer(request: Request, service: Service, log: Log): Promise<Response> {
  const { pathname } = new URL(request.url);
  try {
    switch (`${request.method} ${pathname}`) {
      case `POST ${CALL_PATH}`: {
        const served = await service.call((await request.json()) as ResidentCall);
        return served === undefined ? new Response(null, { status: 409 }) : Response.json(served);
      }
      case "GET /status":
        return Response.json(service.status());
      case "GET /metrics":
        return metricsResponse(service);
      default:
        return new Response(null, { status: 404 });
    }
  } catch (error) {
    log.error("a request failed", { path: pathname, error: errorMessage(error) });
    return new Response(errorMessage(error), { status: 500 });
  }
}

async function metricsResponse(service: Pick<Service, "metrics">): Promise<Response> {
  return new Response(await service.metrics(), { headers: { "Content-Type": "text/plain; version=0.0.4" } });
}
