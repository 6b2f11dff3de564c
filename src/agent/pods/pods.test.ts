import { afterEach, describe, expect, test } from "bun:test";
import { until } from "../../../test/support/agent.ts";
import { logTo } from "../../cluster/log.ts";
import { TryAgainError } from "../../core/errors.ts";
import { ApiClient } from "../../store/kubernetes/client.ts";
import { Pods } from "./pods.ts";

const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly annotations?: Record<string, string>;
  readonly ownerReferences?: readonly object[];
}

/** An API server with some pods and namespaces, which notes what it is asked for. */
function apiServer() {
  const pods = new Map<string, Metadata>();
  const namespaces = new Map<string, Metadata>([["shop", { name: "shop" }]]);
  const asked: string[] = [];
  const watches: ReadableStreamDefaultController<Uint8Array>[] = [];
  const state = { isAway: false };
  const missing = () => Response.json({ kind: "Status", reason: "NotFound", code: 404 }, { status: 404 });
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      asked.push(`${pathname}?${searchParams.get("fieldSelector") ?? ""} ${request.headers.get("accept")}`);
      if (state.isAway) return new Response("away", { status: 500 });
      if (searchParams.get("watch")) {
        return new Response(
          new ReadableStream({
            start(controller) {
              if (pathname === "/api/v1/pods") watches.push(controller);
            },
          }),
        );
      }
      const [, , , , namespace, kind, name] = pathname.split("/");
      if (pathname === "/api/v1/pods") return Response.json(list(pods));
      if (namespace === undefined) return Response.json(list(namespaces));
      const found = kind === undefined ? namespaces.get(namespace) : pods.get(`${namespace}/${name}`);
      return found === undefined ? missing() : Response.json({ metadata: found });
    },
  });
  const client = new ApiClient({ source: () => ({ servers: [`http://127.0.0.1:${server.port}`], tls: {} }) });
  ending.push(() => {
    client.close();
    server.stop(true);
  });
  const tell = (type: string, metadata: Metadata) => {
    const line = `${JSON.stringify({ type, object: { metadata: { resourceVersion: "9", ...metadata } } })}\n`;
    for (const watch of watches) watch.enqueue(new TextEncoder().encode(line));
  };
  return { client, pods, namespaces, asked, state, watches, tell };
}

function list(objects: ReadonlyMap<string, Metadata>): object {
  return { metadata: { resourceVersion: "1" }, items: [...objects.values()].map((metadata) => ({ metadata })) };
}

/** The pods of a node as they are followed from such a server, and those that have gone. */
async function following(server: ReturnType<typeof apiServer>) {
  const gone: string[] = [];
  const log = logTo(() => {}, "error");
  const pods = new Pods({ client: server.client, node: "node1", log, gone: (pod) => void gone.push(pod) });
  pods.follow(server.client.closed, (error) => {
    throw error;
  });
  await until("they are listed", () => server.watches.length > 0);
  server.asked.length = 0;
  return { pods, gone };
}

const web: Metadata = {
  name: "web-0",
  namespace: "shop",
  uid: "u1",
  annotations: { "tendril.dev/pool": "storage", "example.com/long": "x".repeat(1000) },
  ownerReferences: [{ kind: "StatefulSet", name: "web", controller: true }],
};
const name = { namespace: "shop", name: "web-0", uid: "u1" };

describe("a pod of the node", () => {
  test("that has been seen is known with its controller and what concerns its network, and nobody is asked", async () => {
    const server = apiServer();
    server.pods.set("shop/web-0", web);
    server.namespaces.set("shop", { name: "shop", annotations: { "tendril.dev/sticky": "true", other: "x" } });
    const { pods } = await following(server);
    await until("namespaces are listed", async () => {
      server.asked.length = 0;
      await pods.find(name);
      return server.asked.length === 0;
    });
    expect(await pods.find(name)).toEqual({
      ...name,
      annotations: { "tendril.dev/pool": "storage" },
      controller: "StatefulSet",
      namespaceAnnotations: { "tendril.dev/sticky": "true" },
    });
  });

  test("is one that the server picks out, of which it tells the metadata alone", async () => {
    const server = apiServer();
    const { asked } = server;
    const pods = new Pods({ client: server.client, node: "node1", log: logTo(() => {}, "error"), gone: () => {} });
    pods.follow(server.client.closed, () => {});
    await until("they are listed", () => server.watches.length > 0);
    const accept = "application/json;as=PartialObjectMetadata";
    const own = asked.filter((each) => each.startsWith("/api/v1/pods?"));
    expect(own).toEqual([
      `/api/v1/pods?spec.nodeName=node1 ${accept}List;g=meta.k8s.io;v=v1`,
      `/api/v1/pods?spec.nodeName=node1 ${accept};g=meta.k8s.io;v=v1`,
    ]);
  });

  test("that has not been seen is asked for once, as is one that is known under another UID", async () => {
    const server = apiServer();
    const { pods } = await following(server);
    server.pods.set("shop/web-0", web);
    expect((await pods.find(name))?.annotations).toEqual({ "tendril.dev/pool": "storage" });
    expect(server.asked.filter((each) => each.includes("/pods/"))).toHaveLength(1);
    server.tell("ADDED", web);
    await until("it is seen", () => pods.size === 1);
    server.pods.set("shop/web-0", { ...web, uid: "u2", annotations: {} });
    expect((await pods.find({ ...name, uid: "u2" }))?.annotations).toEqual({});
  });

  test("that was seen changes and goes with what the server tells", async () => {
    const server = apiServer();
    server.pods.set("shop/web-0", web);
    const { pods, gone } = await following(server);
    server.tell("MODIFIED", { ...web, annotations: { "tendril.dev/pool": "other" } });
    await until("it is another", async () => (await pods.find(name))?.annotations["tendril.dev/pool"] === "other");
    server.tell("DELETED", web);
    await until("it is gone", () => gone.length === 1);
    expect(gone).toEqual(["shop/web-0"]);
  });

  test("is no reason to fail while the server is away, when it has been seen; one that has not is to be tried again", async () => {
    const server = apiServer();
    server.pods.set("shop/web-0", web);
    const { pods } = await following(server);
    await until("namespaces are listed", async () => {
      server.asked.length = 0;
      await pods.find(name);
      return server.asked.length === 0;
    });
    server.state.isAway = true;
    expect((await pods.find(name))?.name).toBe("web-0");
    const unseen = pods.find({ ...name, name: "web-1" });
    expect(await unseen.catch((error: unknown) => error)).toBeInstanceOf(TryAgainError);
  });

  test("that the server does not know, or knows as another one, is to be tried again", async () => {
    const server = apiServer();
    const { pods } = await following(server);
    expect(await pods.find(name).catch((error: Error) => error.message)).toStartWith(
      'Cannot learn what network pod "shop/web-0" asks for',
    );
    server.pods.set("shop/web-0", { ...web, uid: "u2" });
    expect(await pods.find(name).catch((error: Error) => error.message)).toContain("is another one by now");
  });

  test("is known without a UID, as some runtimes name it", async () => {
    const server = apiServer();
    server.pods.set("shop/web-0", web);
    const { pods } = await following(server);
    expect((await pods.find({ ...name, uid: undefined }))?.uid).toBe("u1");
  });

  test("that is the kubelet's own is known by the UID that the kubelet has given it, and there without the server", async () => {
    const server = apiServer();
    const uid = "0123456789abcdef0123456789abcdef";
    const { pods } = await following(server);
    expect(await pods.find({ ...name, uid })).toBeUndefined();
    server.pods.set("shop/web-0", { ...web, annotations: { ...web.annotations, "kubernetes.io/config.hash": uid } });
    expect((await pods.find({ ...name, uid }))?.uid).toBe("u1");
    server.state.isAway = true;
    expect(await pods.find({ ...name, name: "other", uid })).toBeUndefined();
  });

  test("is gone when the server says so, and not when it says nothing", async () => {
    const server = apiServer();
    server.pods.set("shop/web-0", web);
    const { pods } = await following(server);
    expect([await pods.isGone("shop/web-0"), await pods.isGone("shop/web-1")]).toEqual([false, true]);
    server.state.isAway = true;
    expect(await pods.isGone("shop/web-1")).toBe(false);
  });
});
