/**
 * The agent's socket: HTTP for plugins, which have their calls served by it, and for people, who ask how it is.
 *
 * The socket is its owner's alone from the beginning: it is bound under a name that nobody looks for, and renamed once its
 * mode is right. So a socket of a former agent, too, is replaced at once.
 */

import { chmodSync, renameSync } from "node:fs";
import type { Log } from "../cluster/log.ts";
import { metricsResponse, type Observed, type Server } from "../cluster/metrics-server.ts";
import { errorMessage } from "../core/errors.ts";
import {
  AGENT_SOCKET,
  CALL_PATH,
  decodeCall,
  encodeAnswer,
  type ResidentAnswer,
  type ResidentCall,
} from "../core/resident.ts";
import { ensureFolder } from "../linux/file.ts";

/** What the agent can be asked for. */
export interface Service extends Observed {
  /** Serves a plugin's call; undefined for one that the plugin's own process has to serve. */
  call(call: ResidentCall): Promise<ResidentAnswer | undefined>;
  /** Which plugin the executable is under a name; undefined where the configuration has to tell. */
  typeOf(name: string): string | undefined;
  /** How the node is, as JSON. */
  status(): unknown;
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

async function answer(request: Request, service: Service, log: Log): Promise<Response> {
  const { pathname } = new URL(request.url);
  try {
    switch (`${request.method} ${pathname}`) {
      case `POST ${CALL_PATH}`: {
        const call = decodeCall(await request.bytes(), (name) => service.typeOf(name));
        const served = await service.call(call);
        return served === undefined ? new Response(null, { status: 409 }) : new Response(encodeAnswer(served));
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
