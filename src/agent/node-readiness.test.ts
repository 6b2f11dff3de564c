import { afterEach, expect, test } from "bun:test";
import { logTo } from "../cluster/log.ts";
import { ApiClient } from "../store/kubernetes/client.ts";
import { conditionOf, type NodeObject, planReadiness, STARTUP_TAINT, tellReadiness } from "./node-readiness.ts";

const NOW = "2026-01-01T00:00:00Z";
const READY = { isReady: true, unreadyFor: 0, obstacles: [], inTheWay: [] };
const UNREADY = { ...READY, isReady: false };
const UP = { type: "NetworkUnavailable", status: "False", reason: "TendrilIsUp" } as const;

test("a node is told to be unable only when it has been so for a while, with the sentences", () => {
  expect(conditionOf(READY)).toMatchObject(UP);
  const obstacles = ["The node has no address.", "It is alone."];
  expect(conditionOf({ ...UNREADY, unreadyFor: 29_999, obstacles })).toBeUndefined();
  expect(conditionOf({ ...UNREADY, unreadyFor: 30_000, obstacles })).toMatchObject({
    status: "True",
    reason: "TendrilIsNotReady",
    message: "The node has no address. It is alone.",
  });
});

test("only what is another one is written, and the time of a change only when it is one", () => {
  const [first] = planReadiness({}, READY, NOW);
  expect(first).toMatchObject({
    part: "/status",
    body: { status: { conditions: [{ ...UP, lastTransitionTime: NOW }] } },
  });
  const told = (conditionOf(READY) ?? UP) as typeof UP;
  expect(planReadiness({ status: { conditions: [told] } }, READY, NOW)).toEqual([]);
  const other = { ...told, reason: "RouteCreated", message: "by somebody else" };
  const [second] = planReadiness({ status: { conditions: [other] } }, READY, NOW);
  expect(JSON.stringify(second?.body)).toContain("TendrilIsUp");
  expect(JSON.stringify(second?.body)).not.toContain("lastTransitionTime");
});

test("the taint goes, whatever its effect, and others stay; not before the node is ready", () => {
  const status = { conditions: [conditionOf(READY) ?? UP] };
  const taint = (key: string, effect = "NoSchedule") => ({ key, effect });
  const spec = { taints: [taint(STARTUP_TAINT), taint("other"), taint(STARTUP_TAINT, "NoExecute")] };
  expect(planReadiness({ spec, status }, READY, NOW)).toEqual([
    {
      part: "",
      contentType: "application/json-patch+json",
      body: [
        { op: "test", path: "/spec/taints/2/key", value: STARTUP_TAINT },
        { op: "remove", path: "/spec/taints/2" },
        { op: "test", path: "/spec/taints/0/key", value: STARTUP_TAINT },
        { op: "remove", path: "/spec/taints/0" },
      ],
    },
  ]);
  expect(planReadiness({ spec, status }, UNREADY, NOW)).toEqual([]);
});

test("a node whose runtime takes another network first is told so, is not unable, and keeps the taint", () => {
  const sentence = 'Runtimes take the first file of "/n", which is "05-other.conflist".';
  const state = { ...READY, inTheWay: [sentence] };
  const condition = { type: UP.type, status: "False", reason: "AnotherNetworkIsFirst", message: sentence } as const;
  expect(conditionOf(state)).toEqual(condition);
  const spec = { taints: [{ key: STARTUP_TAINT, effect: "NoSchedule" }] };
  expect(planReadiness({ spec, status: { conditions: [condition] } }, state, NOW)).toEqual([]);
  const changes = planReadiness({ spec, status: { conditions: [condition] } }, READY, NOW);
  expect(changes.map(({ part }) => part)).toEqual(["/status", ""]);
  // Whoever cannot serve says why it cannot.
  expect(conditionOf({ ...state, isReady: false, unreadyFor: 60_000, obstacles: ["Alone."] })).toMatchObject({
    status: "True",
    message: "Alone.",
  });
});

const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

test("it is told at once when it changes, and tried again when the server refuses", async () => {
  let refusals = 1;
  const patches: string[] = [];
  const node: { status: { conditions: unknown[] }; spec: object } = { status: { conditions: [] }, spec: {} };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const path = new URL(request.url).pathname;
      if (request.method === "GET") return Response.json(node satisfies object as NodeObject);
      if (refusals-- > 0) return Response.json({ message: "not now", reason: "Forbidden" }, { status: 403 });
      const { status } = (await request.json()) as typeof node;
      patches.push(path);
      node.status = status;
      return Response.json(node);
    },
  });
  const client = new ApiClient({ source: () => ({ servers: [`http://127.0.0.1:${server.port}`], tls: {} }) });
  const end = new AbortController();
  const lines: string[] = [];
  const log = logTo((line) => void lines.push(line), "warn");
  ending.push(() => {
    end.abort();
    client.close();
    server.stop(true);
  });
  const telling = tellReadiness(
    {
      client,
      node: "n1",
      isReady: () => true,
      obstacles: () => [],
      inTheWay: () => [],
      clock: () => performance.now(),
      log,
    },
    end.signal,
  );
  while (patches.length === 0) await Bun.sleep(20);
  end.abort();
  await telling;
  expect(patches).toEqual(["/api/v1/nodes/n1/status"]);
  expect(lines.join()).toContain("not now");
});
