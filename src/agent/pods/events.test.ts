import { afterEach, expect, test } from "bun:test";
import { logTo } from "../../cluster/log.ts";
import { ApiClient } from "../../store/kubernetes/client.ts";
import { PodEvents } from "./events.ts";

const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

interface Event {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly note: string;
  readonly regarding: object;
  readonly type: string;
}

let now = 0;

function recording(status = 201) {
  const seen: { readonly path: string; readonly event: Event }[] = [];
  const lines: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      seen.push({ path: new URL(request.url).pathname, event: (await request.json()) as Event });
      return Response.json({ message: "told so" }, { status });
    },
  });
  const client = new ApiClient({ source: () => ({ servers: [`http://127.0.0.1:${server.port}`], tls: {} }) });
  ending.push(() => {
    client.close();
    server.stop(true);
  });
  const log = logTo((line) => void lines.push(line), "warn");
  return { seen, lines, events: new PodEvents({ client, node: "node1", log, clock: () => now }) };
}

const pod = { namespace: "shop", name: "web-0", uid: "u1" };

test("an event is on its pod, in the pod's namespace, with the sentence", async () => {
  const { seen, events } = recording();
  await events.warn(pod, "WrongAnnotation", "It is wrong.");
  expect(seen.map(({ path }) => path)).toEqual(["/apis/events.k8s.io/v1/namespaces/shop/events"]);
  const regarding = { apiVersion: "v1", kind: "Pod", ...pod };
  const reporting = { reportingController: "tendril.dev/agent", reportingInstance: "node1" };
  expect(seen[0]?.event).toMatchObject({
    ...{ type: "Warning", reason: "WrongAnnotation", note: "It is wrong.", regarding },
    ...reporting,
  });
});

test("the same is told again after five minutes only, and something else at once", async () => {
  const { seen, events } = recording();
  for (const minutes of [0, 1, 4, 5, 9, 10]) {
    now = minutes * 60_000;
    await events.warn(pod, "WrongAnnotation", "a");
  }
  await events.warn(pod, "WrongAnnotation", "b");
  expect(seen.map(({ event }) => event.note)).toEqual(["a", "a", "a", "b"]);
  expect(new Set(seen.map(({ event }) => event.metadata.name)).size).toBe(4);
});

test("many at once are no more than the server can bear", async () => {
  now = 0;
  const { seen, events } = recording();
  for (let i = 0; i < 100; i++) await events.warn({ ...pod, uid: String(i) }, "WrongAnnotation", "a");
  expect(seen).toHaveLength(25);
  now = 8000;
  for (let i = 0; i < 100; i++) await events.warn({ ...pod, uid: `b${i}` }, "WrongAnnotation", "a");
  expect(seen).toHaveLength(27);
});

test("a note that is too long is cut, and a server that refuses it is told to the log", async () => {
  const { seen, lines, events } = recording(403);
  await events.warn(pod, "WrongAnnotation", "x".repeat(5000));
  expect(seen[0]?.event.note).toHaveLength(1024);
  expect(lines.join()).toContain("an event on a pod could not be written");
});
