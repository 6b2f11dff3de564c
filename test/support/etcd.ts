/** A real etcd on the loopback. */

import { join } from "node:path";

export interface EtcdServer {
  readonly endpoint: string;
  readonly port: number;
  kill(): Promise<void>;
}

export interface EtcdStart {
  /** For its data, which a later start finds again. */
  readonly folder: string;
  /** A free one unless given. */
  readonly port?: number;
  /** More of its arguments. */
  readonly flags?: readonly string[];
  readonly scheme?: "http" | "https";
  /** Whether it serves, asked until it does. */
  readonly isReady?: (endpoint: string) => Promise<boolean>;
}

/** Starts an etcd and waits until it serves. Throws with what it said when it does not. */
export async function startEtcd(start: EtcdStart): Promise<EtcdServer> {
  const { folder, flags = [], scheme = "http", isReady = hasHealth } = start;
  const port = start.port ?? freePort();
  const endpoint = `${scheme}://127.0.0.1:${port}`;
  const log = Bun.file(join(folder, "etcd.log"));
  const child = Bun.spawn(
    [
      "etcd",
      ...["--data-dir", join(folder, "data"), "--unsafe-no-fsync"],
      ...["--listen-client-urls", endpoint, "--advertise-client-urls", endpoint],
      ...["--listen-peer-urls", `http://127.0.0.1:${freePort()}`],
      ...flags,
    ],
    { stdout: log, stderr: log },
  );
  const kill = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) break;
    if (await isReady(endpoint)) return { endpoint, port, kill };
    await Bun.sleep(100);
  }
  await kill();
  throw new Error(`etcd does not serve: ${await log.text()}`);
}

async function hasHealth(endpoint: string): Promise<boolean> {
  try {
    const answer = await fetch(`${endpoint}/health`, { signal: AbortSignal.timeout(500) });
    return ((await answer.json()) as { health: string }).health === "true";
  } catch {
    // Not yet.
    return false;
  }
}

/** A port of the loopback that nobody listens on. */
export function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}
