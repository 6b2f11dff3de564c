import { afterEach, expect, test } from "bun:test";
import { CompactedError } from "../store.ts";
import { ApiClient, ApiError } from "./client.ts";
import { ObjectWatch } from "./watch.ts";

const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

const event = (type: string, name: string, resourceVersion: string) => ({
  type,
  object: { metadata: { name, resourceVersion } },
});
const failure = (code: number) => ({
  type: "ERROR",
  object: { kind: "Status", code, message: "told so", reason: "x" },
});

/** A server whose `n`th watch tells these and then ends; the last one stays open. */
function watchOf(...connections: readonly (readonly object[])[]) {
  const asked: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      asked.push(new URL(request.url).searchParams.get("resourceVersion") ?? "");
      const told = connections[asked.length - 1];
      return new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(
              new TextEncoder().encode((told ?? []).map((one) => `${JSON.stringify(one)}\n`).join("")),
            );
            if (told !== undefined) controller.close();
          },
        }),
      );
    },
  });
  const client = new ApiClient({ source: () => ({ servers: [`http://127.0.0.1:${server.port}`], tls: {} }) });
  ending.push(() => {
    client.close();
    server.stop(true);
  });
  return { asked, watch: new ObjectWatch(client, "/x", {}, "5") };
}

/** The names that it tells, so many of them. */
async function told(watch: ObjectWatch, count = Number.POSITIVE_INFINITY): Promise<string[]> {
  const names: string[] = [];
  const abort = new AbortController();
  for await (const { type, object } of watch.events(abort.signal)) {
    names.push(`${type} ${object.metadata.name}`);
    if (names.length === count) abort.abort();
  }
  return names;
}

test("goes on from the last thing it was told, a bookmark too", async () => {
  const { watch, asked } = watchOf(
    [event("ADDED", "a", "6")],
    [event("BOOKMARK", "", "9")],
    [event("MODIFIED", "a", "10"), event("DELETED", "a", "11")],
  );
  expect(await told(watch, 3)).toEqual(["ADDED a", "MODIFIED a", "DELETED a"]);
  expect(asked).toEqual(["5", "6", "9"]);
});

test("says that the server has forgotten, and whether it knew once", async () => {
  const old = watchOf([failure(410)]);
  await expect(told(old.watch)).rejects.toBeInstanceOf(CompactedError);
  expect(old.watch.wasOpen).toBe(false);
  const restarted = watchOf([], [failure(410)]);
  await expect(told(restarted.watch)).rejects.toBeInstanceOf(CompactedError);
  expect(restarted.watch.wasOpen).toBe(true);
});

test("asks again after what may pass, and ends with what does not", async () => {
  const { watch, asked } = watchOf([failure(504)], [failure(403)]);
  const error = await told(watch).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ApiError);
  expect(asked).toEqual(["5", "5"]);
});
