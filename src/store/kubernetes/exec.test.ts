import { afterEach, expect, test } from "bun:test";
import { StoreUnavailableError } from "../store.ts";
import { ApiClient, ApiError } from "./client.ts";
import { execInPod } from "./exec.ts";

const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

const COMMAND = { namespace: "n", pod: "p", container: "c", command: ["/bin/x", "a b"] };

/** Messages with their channels, after which the server ends the connection unless it is to go on. */
interface Answer {
  readonly refusal?: { readonly status: number; readonly message: string };
  readonly messages?: readonly (readonly [number, string | Uint8Array])[];
  readonly goesOn?: boolean;
}

function serve({ refusal, messages = [], goesOn = false }: Answer) {
  const seen: Request[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request, own) {
      seen.push(request);
      if (refusal !== undefined) {
        const { status, message } = refusal;
        return Response.json({ kind: "Status", message, reason: "Forbidden", code: status }, { status });
      }
      const headers = { "Sec-WebSocket-Protocol": "v5.channel.k8s.io" };
      if (own.upgrade(request, { headers })) return undefined;
      return Response.json({ kind: "Status", message: "Upgrade request required" }, { status: 400 });
    },
    websocket: {
      open(socket) {
        for (const [channel, content] of messages) {
          const bytes = typeof content === "string" ? Buffer.from(content) : content;
          socket.send(new Uint8Array([channel, ...bytes]));
        }
        if (!goesOn) socket.close(1000);
      },
      message() {},
    },
  });
  ending.push(() => server.stop(true));
  const client = new ApiClient({
    source: () => ({ servers: [`http://127.0.0.1:${server.port}`], tls: {}, token: "t", headers: { "X-As": "me" } }),
  });
  ending.push(() => client.close());
  return { client, seen };
}

const failure = (code: string) =>
  JSON.stringify({
    status: "Failure",
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: code }] },
  });

test("gives what a command has written, and how it ended", async () => {
  const [first, rest] = [Buffer.from("ä").subarray(0, 1), Buffer.from("ä").subarray(1)];
  const { client, seen } = serve({
    messages: [
      [1, "out "],
      [1, first],
      [2, "err"],
      [1, rest],
      [3, JSON.stringify({ status: "Success" })],
    ],
  });
  expect(await execInPod(client, COMMAND, 5000)).toEqual({ exitCode: 0, stdout: "out ä", stderr: "err" });
  const [request] = seen;
  expect(request?.url).toEndWith(
    "/api/v1/namespaces/n/pods/p/exec?container=c&stdout=true&stderr=true&command=%2Fbin%2Fx&command=a+b",
  );
  expect(request?.headers.get("Authorization")).toBe("Bearer t");
  expect(request?.headers.get("X-As")).toBe("me");
  const three = serve({ messages: [[3, failure("3")]] });
  expect(await execInPod(three.client, COMMAND, 5000)).toEqual({ exitCode: 3, stdout: "", stderr: "" });
});

test("says why a command was not run", async () => {
  const forbidden = serve({ refusal: { status: 403, message: "not yours" } });
  const error = await execInPod(forbidden.client, COMMAND, 5000).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ApiError);
  expect(String(error)).toContain("GET /api/v1/namespaces/n/pods/p/exec: not yours");
  const missing = { status: "Failure", reason: "InternalError", message: "no such program" };
  const { client } = serve({ messages: [[3, JSON.stringify(missing)]] });
  await expect(execInPod(client, COMMAND, 5000)).rejects.toThrow('container "c" of pod "p": no such program');
});

test("passes on what a server says that opens no WebSocket, or ends a command in other words", async () => {
  const closed = serve({ refusal: { status: 400, message: "container is not running" } });
  await expect(execInPod(closed.client, COMMAND, 5000)).rejects.toThrow("opens no WebSocket: The API server refuses");
  await expect(execInPod(closed.client, COMMAND, 5000)).rejects.toThrow("container is not running");
  const plain = serve({ messages: [[3, "out of order"]] });
  await expect(execInPod(plain.client, COMMAND, 5000)).rejects.toThrow("Cannot run the command in container");
});

test("does not take an end without a word for success, and does not wait for ever", async () => {
  const cut = serve({ messages: [[1, "half"]] });
  await expect(execInPod(cut.client, COMMAND, 5000)).rejects.toBeInstanceOf(StoreUnavailableError);
  const silent = serve({ goesOn: true });
  await expect(execInPod(silent.client, COMMAND, 200)).rejects.toThrow("Waited 0.2 seconds");
});
