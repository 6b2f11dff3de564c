import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { needs, program } from "../../../test/support/needs.ts";
import { StoreUnavailableError } from "../store.ts";
import type { Access } from "./access.ts";
import { ApiClient, ApiError } from "./client.ts";

const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

/** A server that answers each request by the next of these, and the last for ever. */
function serve(...answers: readonly ((request: Request) => Response | Promise<Response>)[]) {
  const seen: Request[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      seen.push(request);
      return answers[Math.min(seen.length, answers.length) - 1]?.(request) ?? new Response("{}");
    },
  });
  ending.push(() => server.stop(true));
  return { url: `http://127.0.0.1:${server.port}`, seen };
}

function clientOf(source: () => Access, timeout = 5000): ApiClient {
  const client = new ApiClient({ source, timeout });
  ending.push(() => client.close());
  return client;
}

const of = (...servers: readonly string[]) => clientOf(() => ({ servers, tls: {} }));
const says =
  (status: number, body: unknown = {}, headers = {}) =>
  () =>
    Response.json(body, { status, headers });
const GET = { path: "/api/v1/nodes" };
const POST = { ...GET, method: "POST", body: {} } as const;

test("waits as long as a server with too much to do asks for, also with a change", async () => {
  const { url, seen } = serve(says(429, {}, { "Retry-After": "1" }), says(201, { a: 1 }));
  const begun = performance.now();
  expect(await of(url).call<object>(POST)).toEqual({ a: 1 });
  expect(performance.now() - begun).toBeGreaterThanOrEqual(1000);
  expect(seen).toHaveLength(2);
});

test("does not wait for longer than a request may take", async () => {
  const { url } = serve(says(429, {}, { "Retry-After": "60" }));
  const client = clientOf(() => ({ servers: [url], tls: {} }), 200);
  await expect(client.call(GET)).rejects.toBeInstanceOf(StoreUnavailableError);
});

test("asks again for what changes nothing when a server is about to end, and leaves a change to its caller", async () => {
  const one = serve(says(503, {}, { "Retry-After": "1" }), says(200, { a: 1 }));
  expect(await of(one.url).call<object>(GET)).toEqual({ a: 1 });
  const two = serve(says(503, { message: "ending" }, { "Retry-After": "1" }), says(200));
  await expect(of(two.url).call(POST)).rejects.toThrow("ending");
  expect(two.seen).toHaveLength(1);
});

test("says what a server refuses, and why", async () => {
  const { url } = serve(says(403, { kind: "Status", message: "not yours", reason: "Forbidden", code: 403 }));
  const error = await of(url)
    .call(POST)
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status: 403, reason: "Forbidden" });
  expect(String(error)).toContain("POST /api/v1/nodes: not yours");
  const plain = serve(() => new Response("404 page not found\n", { status: 404 }));
  await expect(of(plain.url).call(GET)).rejects.toMatchObject({ status: 404, reason: "" });
});

test("reads a token again that is not taken any more, once", async () => {
  const tokens = ["old", "new"];
  const { url, seen } = serve(({ headers }) =>
    headers.get("Authorization") === "Bearer new" ? Response.json({ a: 1 }) : new Response("", { status: 401 }),
  );
  const client = clientOf(() => ({ servers: [url], tls: {}, token: tokens.shift() ?? "new" }));
  expect(await client.call<object>(GET)).toEqual({ a: 1 });
  expect(seen).toHaveLength(2);
  const stranger = clientOf(() => ({ servers: [url], tls: {}, token: "wrong" }));
  await expect(stranger.call(GET)).rejects.toMatchObject({ status: 401 });
  expect(seen).toHaveLength(4);
});

test("goes on to the next server when nobody listens at one, and back when that ends", async () => {
  const dead = serve();
  ending.pop()?.();
  const { url, seen } = serve(says(200, { a: 1 }));
  expect(await of(dead.url, url).call<object>(POST)).toEqual({ a: 1 });
  expect(seen).toHaveLength(1);
});

test("finds a server that has moved where its source says so", async () => {
  const old = serve(says(200, { a: "old" }));
  const moved = serve(says(200, { a: "moved" }));
  let url = old.url;
  const client = clientOf(() => ({ servers: [url], tls: {} }));
  expect(await client.call<object>(GET)).toEqual({ a: "old" });
  ending[0]?.();
  url = moved.url;
  await expect(client.call(GET)).rejects.toBeInstanceOf(StoreUnavailableError);
  expect(await client.call<object>(GET)).toEqual({ a: "moved" });
});

test("gives lines as they come, however they are cut, and ends when nothing comes", async () => {
  const bytes = new TextEncoder().encode('{"a":"ä"}\n{"a":2}\n');
  const stream = () =>
    new Response(
      new ReadableStream({
        async start(controller) {
          for (const byte of bytes) {
            controller.enqueue(new Uint8Array([byte]));
            await Bun.sleep(1);
          }
        },
      }),
    );
  const { url } = serve(stream);
  const lines: unknown[] = [];
  const read = async () => {
    const { signal } = new AbortController();
    for await (const line of await of(url).stream(GET, signal, 300)) lines.push(line);
  };
  await expect(read()).rejects.toBeInstanceOf(StoreUnavailableError);
  expect(lines).toEqual([{ a: "ä" }, { a: 2 }]);
});

/** A proxy of HTTP that lets connections through, and whom they were for. */
function proxy() {
  const tunnelled: string[] = [];
  type Both = { other?: Bun.Socket<Both>; asked: string };
  const listener = Bun.listen<Both>({
    hostname: "127.0.0.1",
    port: 0,
    data: { asked: "" },
    socket: {
      open(socket) {
        socket.data = { asked: "" };
      },
      async data(socket, bytes) {
        if (socket.data.other !== undefined) {
          socket.data.other.write(bytes);
          return;
        }
        socket.data.asked += bytes.toString("latin1");
        const [, hostname = "", port] = /^CONNECT ([^:]+):([0-9]+) .*\r\n\r\n$/s.exec(socket.data.asked) ?? [];
        if (port === undefined) return;
        tunnelled.push(`${hostname}:${port}`);
        socket.data.other = await Bun.connect<Both>({
          hostname,
          port: Number(port),
          data: { asked: "" },
          socket: { data: (_, answer) => void socket.write(answer), close: () => void socket.end() },
        });
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
      },
      close: (socket) => void socket.data.other?.end(),
    },
  });
  ending.push(() => listener.stop(true));
  return { url: `http://127.0.0.1:${listener.port}`, tunnelled };
}

const withCertificate = needs(program("openssl"));

/** A certificate for `api.example` that is its own authority, with its key. */
function certificate(): { readonly cert: string; readonly key: string } {
  const folder = mkdtempSync(join(tmpdir(), "tendril-certificate-"));
  ending.push(() => rmSync(folder, { recursive: true }));
  const [cert, key] = [join(folder, "cert"), join(folder, "key")];
  const { exitCode, stderr } = Bun.spawnSync([
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-subj", "/CN=api.example", "-addext", "subjectAltName=DNS:api.example", "-keyout", key, "-out", cert],
  ]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
}

withCertificate("goes through the proxy that is named, by WebSockets too, as whom it is told to", async () => {
  const tls = certificate();
  const seen: [string, string | null][] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls,
    fetch(request, own) {
      seen.push([request.method, request.headers.get("Impersonate-User")]);
      return own.upgrade(request) ? undefined : Response.json({ a: 1 });
    },
    websocket: { open: (socket) => socket.close(4000, "heard"), message() {} },
  });
  ending.push(() => server.stop(true));
  const { url, tunnelled } = proxy();
  const access: Access = {
    servers: [`https://127.0.0.1:${server.port}`],
    tls: { ca: tls.cert, serverName: "api.example" },
    headers: { "Impersonate-User": "jane" },
    proxy: url,
  };
  const client = clientOf(() => access);
  expect(await client.call<object>(GET)).toEqual({ a: 1 });
  const socket = client.webSocket(GET, []);
  expect(await new Promise((resolve) => socket.addEventListener("close", ({ reason }) => resolve(reason)))).toBe(
    "heard",
  );
  expect(seen).toEqual([
    ["GET", "jane"],
    ["GET", "jane"],
  ]);
  expect(tunnelled).toEqual([`127.0.0.1:${server.port}`, `127.0.0.1:${server.port}`]);
});

withCertificate("takes no server for another one, and says so", async () => {
  const own = certificate();
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, tls: own, fetch: says(200) });
  ending.push(() => server.stop(true));
  const url = `https://127.0.0.1:${server.port}`;
  const said = async (tls: Access["tls"]) => {
    const error = await clientOf(() => ({ servers: [url], tls }))
      .call(GET)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StoreUnavailableError);
    return (error as StoreUnavailableError).message;
  };
  expect(await said({})).toStartWith(`The API server ${url} has a certificate that is not taken: `);
  expect(await said({ ca: own.cert })).toBe(
    `The API server ${url} has a certificate that is not taken: it is for others than the host of the server's URL`,
  );
  expect(await clientOf(() => ({ servers: [url], tls: { rejectUnauthorized: false } })).call<object>(GET)).toEqual({});
});
